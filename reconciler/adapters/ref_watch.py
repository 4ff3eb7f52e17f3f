"""Ref watch: a hint, within milliseconds, that refs of a repository may have moved.

What a ref stands at is read afterwards, from git: an event says nothing but "look". Where events
cannot be had, or are lost, the caller's timer notices a little later.
"""

from __future__ import annotations

import contextlib
import logging
import os
import threading
import warnings
from pathlib import Path
from typing import TYPE_CHECKING

from watchdog.events import (
    DirCreatedEvent,
    DirDeletedEvent,
    DirMovedEvent,
    FileClosedEvent,
    FileCreatedEvent,
    FileDeletedEvent,
    FileMovedEvent,
    FileSystemEvent,
    FileSystemEventHandler,
)
from watchdog.observers import Observer

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from watchdog.observers.api import BaseObserver, ObservedWatch

    from reconciler.adapters.git import Git

#: Git writes a ref aside and renames it; others may write it in place. Opening or reading a file
#: is none of these: we read ourselves.
_KINDS: list[type[FileSystemEvent]] = [
    DirCreatedEvent,
    DirDeletedEvent,
    DirMovedEvent,
    FileClosedEvent,
    FileCreatedEvent,
    FileDeletedEvent,
    FileMovedEvent,
]
#: What stands beside them in the same folder (the index, FETCH_HEAD, messages) moves no ref.
_AT_THE_TOP = frozenset({"HEAD", "packed-refs"})
_LOCK = ".lock"

# What it cannot watch is said by `renew`; nobody reads lines of its own.
logging.getLogger("watchdog").addHandler(logging.NullHandler())


class RefWatch:
    """The folders of one repository in which refs are written; made by `watching`."""

    def __init__(self, git: Git, wake: Callable[[], None]) -> None:
        self._roots = _roots(git)
        self._handler = _Handler(self._roots, wake)
        self._observer: BaseObserver | None = None
        self._watched: dict[Path, tuple[ObservedWatch, tuple[int, int]]] = {}
        self._lock = threading.Lock()

    def renew(self) -> str | None:
        """Watch what is not watched yet, or no longer is: once in a while, from any thread.

        A folder may have been deleted, moved or made anew; the system may be out of watches.

        Returns:
            None: everything is watched. Otherwise what is not, and why, as a sentence.
        """
        with self._lock:
            try:
                if self._observer is None:
                    self._observer = _started()
                for root, recursive in self._roots.items():
                    self._renew(self._observer, root, recursive)
            except OSError as error:
                return _trouble(error, self._roots)
        return None

    def stop(self) -> None:
        """End the threads; no event comes after that."""
        with self._lock:
            if self._observer is not None:
                self._observer.stop()
                self._observer.join()
                self._observer = None
            self._watched.clear()

    def _renew(self, observer: BaseObserver, root: Path, recursive: bool) -> None:
        found = root.stat()
        identity = (found.st_dev, found.st_ino)
        if root in self._watched:
            watch, known = self._watched[root]
            if known == identity:
                return
            del self._watched[root]
            observer.unschedule(watch)
        watch = observer.schedule(
            self._handler, str(root), recursive=recursive, event_filter=_KINDS
        )
        self._watched[root] = watch, identity


class _Handler(FileSystemEventHandler):
    def __init__(self, roots: dict[Path, bool], wake: Callable[[], None]) -> None:
        self._tops = {str(root) for root, recursive in roots.items() if not recursive}
        self._roots = {str(root) for root in roots}
        self._wake = wake

    def on_any_event(self, event: FileSystemEvent) -> None:
        path = os.fsdecode(event.dest_path or event.src_path)
        if path in self._roots or self._is_hint(path):
            self._wake()

    def _is_hint(self, path: str) -> bool:
        folder, name = os.path.split(path)
        if name.endswith(_LOCK):
            return False
        return folder not in self._tops or name in _AT_THE_TOP


@contextlib.contextmanager
def watching(git: Git, wake: Callable[[], None]) -> Iterator[RefWatch]:
    """Have `wake` called whenever a ref or HEAD may have moved, for the length of the block.

    Commits, merges, fetches, pushes into a bare repository, commits in other working trees and
    the packing of refs are all noticed; reading is not. Nothing is raised where the system gives
    no watches: `renew` says so, and tries again.

    Args:
        git: The repository, bare or not; HEAD is that of its own working tree.
        wake: Called from another thread, often several times in a row; it must return at once.
    """
    watch = RefWatch(git, wake)
    try:
        watch.renew()
        yield watch
    finally:
        watch.stop()


def _roots(git: Git) -> dict[Path, bool]:
    """Return the folders to watch, and whether with all that is below: never the objects."""
    tops = dict.fromkeys((git.common_dir, git.git_dir), False)
    tables = (top / "reftable" for top in tops)
    deep = (git.common_dir / "refs", *(table for table in tables if table.is_dir()))
    return tops | dict.fromkeys(deep, True)


def _started() -> BaseObserver:
    # a folder that is made while its parent is looked through is found twice: it does no harm
    warnings.filterwarnings("ignore", "Callback with id", RuntimeWarning)
    observer = Observer()
    observer.start()
    return observer


def _trouble(error: OSError, roots: dict[Path, bool]) -> str:
    place = error.filename or next(iter(roots))
    return f"{place} cannot be watched ({error.strerror}): changes are noticed by the timer alone"
