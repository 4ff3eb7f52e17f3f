"""Retention: which content is still named by something, and what may go."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from reconciler.core import record as records
from reconciler.core.record import Record

#: An md5 wherever it stands: a fingerprint is longer, and is none.
_MD5 = re.compile(rb"(?<![0-9a-zA-Z])[0-9a-f]{32}(?:\.dir)?(?![0-9a-zA-Z])")


@dataclass(frozen=True, slots=True)
class Stored:
    """A file that holds content, or a result of the run-cache."""

    names: frozenset[str]
    """The content it is, or that it leads to: md5s, of folders ending in `.dir`."""
    path: Path
    size: int
    """Bytes."""
    changed: float
    """When it last changed in any way, in seconds since the epoch."""


def named(text: bytes) -> set[str]:
    """Return every md5 in a text of DVC's or ours; rather one too many than one too few."""
    return {found.decode() for found in _MD5.findall(text)}


def closure(roots: Iterable[str], listing: Callable[[str], Iterable[str] | None]) -> set[str]:
    """Return content with all that belongs to it: folders with their files.

    Args:
        roots: Names of content.
        listing: Returns the files of a folder; None where the folder is not at hand.
    """
    found = set(roots)
    for folder in sorted(name for name in found if name.endswith(".dir")):
        found.update(listing(folder) or ())
    return found


def spare(stored: Iterable[Stored], kept: set[str], before: float) -> tuple[Stored, ...]:
    """Return what may go: it leads to content that nothing names, and has not changed lately.

    Args:
        stored: What there is.
        kept: Content that is named, folders with their files.
        before: Seconds since the epoch. What is younger may belong to work that goes on, whose
            names are not written yet.
    """
    return tuple(one for one in stored if not one.names <= kept and one.changed < before)


def surplus(record: Record, keep: int) -> Sequence[int]:
    """Return the numbers of the versions that a record keeps beyond its last `keep`, ascending."""
    rest = {version.number for version in records.pruned(record, keep).versions}
    return [version.number for version in record.versions if version.number not in rest]
