"""Outputs in the user's working tree: prepared aside, then put in place whole."""

from __future__ import annotations

import contextlib
import ctypes
import errno
import fcntl
import os
import shutil
import uuid
from pathlib import Path
from typing import TYPE_CHECKING

from reconciler.errors import TerminalError, TransientError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from reconciler.adapters.cache import Cache

_FICLONE = 0x40049409
_EXCHANGE = 2
_HERE = -100  # AT_FDCWD: paths count from the current folder
_FULL = frozenset({errno.ENOSPC, errno.EDQUOT})


class Checkout:
    """Builds outputs in a folder of our own, so that putting them in place is a rename each.

    Args:
        root: The working tree.
        aside: A folder on the same file system; what is left there can be deleted.
        cache: Where contents come from.
        links: Ways to bring a file from the cache, as DVC's `cache.type` names them.
    """

    def __init__(self, root: Path, aside: Path, cache: Cache, links: Sequence[str]) -> None:
        self._root = root
        self._aside = aside
        self._cache = cache
        self._links = links

    def clear(self) -> None:
        """Delete what a killed run has left aside."""
        shutil.rmtree(self._aside, ignore_errors=True)

    def build(self, outs: Mapping[str, str | Path]) -> dict[str, Path]:
        """Return each output, complete and aside, by the path where it belongs.

        Args:
            outs: What each one is, by path: a content id, or a file or folder to copy.

        Raises:
            TerminalError: Neither the cache nor the remote has a content.
            TransientError: The disk is full, or the folder cannot be written.
        """
        built: dict[str, Path] = {}
        try:
            for path, what in outs.items():
                place = self._aside / uuid.uuid4().hex
                place.parent.mkdir(parents=True, exist_ok=True)
                self._build(what, place)
                built[path] = place
        except OSError as error:
            raise _not_writable(self._aside, error) from error
        return built

    def put(self, built: Mapping[str, Path]) -> None:
        """Put outputs where they belong; what stood there is replaced, each at one moment.

        Raises:
            TransientError: A place cannot be written.
        """
        for path, aside in built.items():
            try:
                (self._root / path).parent.mkdir(parents=True, exist_ok=True)
                _put(aside, self._root / path)
            except OSError as error:
                raise _not_writable(self._root / path, error) from error

    def _build(self, what: str | Path, place: Path) -> None:
        if isinstance(what, Path):
            if not what.exists():
                raise TerminalError(f"{what.name} was not written", reason="OutputMissing")
            (shutil.copytree if what.is_dir() else shutil.copy)(what, place)
        elif what.endswith(".dir"):
            place.mkdir()
            for name, file in self._cache.files(what).items():
                (place / name).parent.mkdir(parents=True, exist_ok=True)
                self._bring(file, place / name)
        else:
            self._bring(self._cache.file(what), place)

    def _bring(self, source: Path, place: Path) -> None:
        for way in self._links:
            with contextlib.suppress(OSError):
                _WAYS[way](source.absolute(), place)
                return
            place.unlink(missing_ok=True)
        shutil.copyfile(source, place)


def _reflink(source: Path, place: Path) -> None:
    with source.open("rb") as old, place.open("wb") as new:
        fcntl.ioctl(new.fileno(), _FICLONE, old.fileno())


def _hardlink(source: Path, place: Path) -> None:
    if source.stat().st_size == 0:  # as DVC does: all empty files would share one inode
        raise OSError(errno.EMLINK, "empty")
    place.hardlink_to(source)


def _symlink(source: Path, place: Path) -> None:
    place.symlink_to(source)


def _copy(source: Path, place: Path) -> None:
    shutil.copyfile(source, place)


_WAYS = {"reflink": _reflink, "hardlink": _hardlink, "symlink": _symlink, "copy": _copy}


def _put(aside: Path, place: Path) -> None:
    if aside.lstat().st_dev != place.parent.stat().st_dev:  # then no rename can take it there
        near = place.with_name(f".{place.name}.{aside.name}")
        shutil.move(aside, near)
        aside = near
    if not (_is_folder(aside) or _is_folder(place)) or not os.path.lexists(place):
        aside.replace(place)
    elif _exchanged(aside, place):
        _remove(aside)
    else:
        old = aside.with_name(f"{aside.name}.old")
        place.rename(old)
        aside.rename(place)
        _remove(old)


def _is_folder(path: Path) -> bool:
    return path.is_dir() and not path.is_symlink()


def _exchanged(one: Path, two: Path) -> bool:
    """Exchange two paths at one moment, and return whether the system can do that."""
    rename = getattr(ctypes.CDLL(None, use_errno=True), "renameat2", None)
    if rename is None:
        return False
    return bool(rename(_HERE, os.fsencode(one), _HERE, os.fsencode(two), _EXCHANGE) == 0)


def _remove(path: Path) -> None:
    if _is_folder(path):
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)


def _not_writable(path: Path, error: OSError) -> TransientError:
    return TransientError(
        f"{path} cannot be written: {error.strerror}",
        reason="DiskFull" if error.errno in _FULL else "NotWritable",
        hint="check the free space and the folder's owner",
    )
