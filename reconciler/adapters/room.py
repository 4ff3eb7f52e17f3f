"""Room: whether folders can be written at all, found out by writing."""

from __future__ import annotations

import errno
import tempfile
from collections.abc import Iterable
from pathlib import Path

from reconciler.errors import TransientError

_FULL = frozenset({errno.ENOSPC, errno.EDQUOT})
_CLOSED = frozenset({errno.EROFS, errno.EACCES, errno.EPERM, errno.EIO})
#: With less than this left, a disk counts as full.
_LEAST_BYTES = 1 << 20


def check(folders: Iterable[Path]) -> None:
    """Write a mebibyte into each folder, under no name, and give it back.

    One that is not there counts as the nearest folder above it.

    Raises:
        TransientError: `DiskFull`; `NotWritable`.
    """
    for folder in folders:
        place = next(p for p in (folder, *folder.parents) if p.is_dir())
        try:
            with tempfile.TemporaryFile(dir=place) as file:
                file.write(bytes(_LEAST_BYTES))
                file.flush()
        except OSError as error:
            raise _told(place, error) from error


def known(error: BaseException) -> BaseException:
    """Return an error of a disk as one that waits for time; any other as it is."""
    if isinstance(error, OSError) and error.errno in _FULL | _CLOSED:
        return _told(Path(error.filename2 or error.filename or tempfile.gettempdir()), error)
    return error


def _told(place: Path, error: OSError) -> TransientError:
    if error.errno in _FULL:
        what = f"the disk of {place} is full"
        return TransientError(what, reason="DiskFull", hint="free some space")
    return TransientError(
        f"{place} cannot be written: {error.strerror}",
        reason="NotWritable",
        hint="check the folder's owner, and how its disk is mounted",
    )
