"""Misfortunes of disks: one that is full, one that can be read alone."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path

from tests.company.company import Company, Misfortune
from tests.company.disks import full, read_only, small_disk

#: Parts of a repository that may lie on disks of their own, and how many megabytes these have.
DISKS = {"cache": (".dvc/cache", 16), "target": ("releases", 4), "workspace": (".reconciler", 24)}


@contextlib.contextmanager
def on_small_disks(root: Path) -> Iterator[None]:
    """Put those parts of a repository onto small disks for the length of the block."""
    with contextlib.ExitStack() as stack:
        for path, megabytes in DISKS.values():
            stack.enter_context(small_disk(root / path, megabytes))
        yield


def _closed(
    name: str, close: Callable[[Path], AbstractContextManager[None]], place: str, reason: str
) -> Misfortune[Company]:
    """Return the misfortune that a part of the repository cannot be written."""

    def misfortune(company: Company) -> Iterator[str]:
        ada, seen = company.releases / "ada" / "current", len(company.daemon.lines())
        served = ada.resolve()
        company.declare_another()
        with close(company.project.root / place):
            line = company.daemon.told(lambda line: line.get("reason") == reason, seen)
            assert ada.resolve() == served
            yield f"{reason}: {line['message']}"

    misfortune.__name__ = name
    return misfortune


cache_full = _closed("cache_full", full, ".dvc/cache", "DiskFull")
target_full = _closed("target_full", full, "releases", "DiskFull")
workspace_full = _closed("workspace_full", full, ".reconciler", "DiskFull")
#: The repository without the parts that lie on disks of their own: git's objects, above all.
repository_full = _closed("repository_full", full, ".", "DiskFull")

refs_read_only = _closed("refs_read_only", read_only, ".git/refs", "NotWritable")
cache_read_only = _closed("cache_read_only", read_only, ".dvc/cache", "NotWritable")
target_read_only = _closed("target_read_only", read_only, "releases", "ReadOnly")
workspace_read_only = _closed("workspace_read_only", read_only, ".reconciler", "NotWritable")
repository_read_only = _closed("repository_read_only", read_only, ".", "NotWritable")
