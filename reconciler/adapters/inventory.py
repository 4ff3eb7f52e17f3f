"""Inventory: everything that DVC's cache and our own folder hold, and how to be rid of it."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

from reconciler.core.retention import Stored, named
from reconciler.errors import TransientError


def contents(cache: Path) -> Iterator[Stored]:
    """Give every file of the cache, by the md5 that its path spells."""
    for path in (cache / "files" / "md5").glob("[0-9a-f][0-9a-f]/*"):
        md5 = path.parent.name + path.name
        if named(md5.encode()) == {md5}:
            yield _stored(path, frozenset({md5}))


def runs(cache: Path) -> Iterator[Stored]:
    """Give every result of the run-cache, with the content it leads to."""
    for path in (cache / "runs").glob("??/*/*"):
        with contextlib.suppress(OSError):
            yield _stored(path, frozenset(_outs(path.read_bytes())))


def folders(base: Path) -> Iterator[Stored]:
    """Give every entry of one of our own folders, as content of its own name."""
    for path in sorted(base.glob("*")):
        yield _stored(path, frozenset({path.name}))


def listing(cache: Path, folder: str) -> tuple[str, ...] | None:
    """Return the files of a folder that the cache lists; None when it has no readable listing."""
    path = cache / "files" / "md5" / folder[:2] / folder[2:]
    try:
        return tuple(str(item["md5"]) for item in json.loads(path.read_bytes()))
    except (OSError, ValueError, KeyError, TypeError):
        return None


def remove(path: Path) -> None:
    """Delete a file or folder; one that is gone already is no error.

    Raises:
        TransientError: It may not be deleted.
    """
    try:
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)
    except FileNotFoundError:
        return
    except OSError as error:
        raise TransientError(
            f"{path} cannot be deleted: {error.strerror}",
            reason="NotWritable",
            hint="check the folder's owner",
        ) from error


def _outs(text: bytes) -> set[str]:
    """Return the md5s below `outs:` of a result: its dependencies need not be kept."""
    _, _, outs = text.partition(b"\nouts:")
    return named(outs)


def _stored(path: Path, names: frozenset[str]) -> Stored:
    found = path.lstat()
    size = found.st_size
    if path.is_dir() and not path.is_symlink():
        size = sum(e.stat(follow_symlinks=False).st_size for e in _below(path))
    # the change of its links or its owner counts too: a file is moved here with its old times
    return Stored(names, path, size, max(found.st_mtime, found.st_ctime))


def _below(folder: Path) -> Iterator[os.DirEntry[str]]:
    with os.scandir(folder) as entries:
        for entry in entries:
            if entry.is_dir(follow_symlinks=False):
                yield from _below(Path(entry.path))
            else:
                yield entry
