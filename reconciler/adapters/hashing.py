"""Content ids of files and folders in the working tree, as DVC computes them, without DVC."""

from __future__ import annotations

import hashlib
import json
import os
import time
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from reconciler.errors import TransientError

if TYPE_CHECKING:
    from collections.abc import Iterator, MutableMapping

    from pathspec import GitIgnoreSpec

#: A file that changed this shortly before it was read may change again within the same tick.
_RACY_NS = 2_000_000_000
_CHUNK = 1 << 20


class Contents:
    """The md5 of what stands at a path; what was read before and did not change is remembered.

    Args:
        root: The working tree.
        memory: Content id by path and state; kept by the caller between runs.
    """

    def __init__(self, root: Path, memory: MutableMapping[str, list[str]]) -> None:
        self._root = root
        self._memory = memory

    def holds(self, path: str, md5: str) -> bool:
        """Return whether the content at `path` is the one that `md5` names.

        Raises:
            TransientError: It is there and cannot be read.
        """
        found = self.md5(path)
        if found == md5 or found is None or not found.endswith(".dir") or self._ignored is None:
            return found == md5
        return self._folder(path, _entries(self._root / path), filtered=True) == md5

    def md5(self, path: str) -> str | None:
        """Return the content id of a file or folder; None when there is nothing.

        Raises:
            TransientError: It is there and cannot be read.
        """
        try:
            return self._md5(path)
        except (FileNotFoundError, NotADirectoryError):
            return None
        except OSError as error:
            raise TransientError(
                f"{path} cannot be read: {error.strerror}", reason="Unreadable"
            ) from error

    def _md5(self, path: str) -> str:
        place = self._root / path
        entries = _entries(place) if place.is_dir() else None
        files = [place.stat()] if entries is None else [found for _, found in entries]
        state = _state(entries, files)
        known = self._memory.get(path)
        if known is not None and known[0] == state:
            return known[1]
        md5 = _of_file(place) if entries is None else self._folder(path, entries)
        newest = max((file.st_mtime_ns for file in files), default=0)
        if newest < time.time_ns() - _RACY_NS:
            self._memory[path] = [state, md5]
        return md5

    def _folder(
        self, path: str, entries: list[tuple[str, os.stat_result]], *, filtered: bool = False
    ) -> str:
        names = sorted(name for name, _ in entries)
        if filtered:
            names = [name for name in names if not self._ignores(f"{path}/{name}")]
        listed = [{"md5": _of_file(self._root / path / n), "relpath": n} for n in names]
        text = json.dumps(listed, sort_keys=True).encode()
        return f"{hashlib.md5(text, usedforsecurity=False).hexdigest()}.dir"

    def _ignores(self, path: str) -> bool:
        return self._ignored is not None and self._ignored.match_file(path)

    @cached_property
    def _ignored(self) -> GitIgnoreSpec | None:
        """What the root `.dvcignore` leaves out of a folder's content; None: there is none."""
        from pathspec import GitIgnoreSpec

        try:
            text = (self._root / ".dvcignore").read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError):
            return None
        return GitIgnoreSpec.from_lines(text.splitlines())


def _entries(folder: Path) -> list[tuple[str, os.stat_result]]:
    return list(_walk(str(folder), ""))


def _walk(folder: str, prefix: str) -> Iterator[tuple[str, os.stat_result]]:
    with os.scandir(folder) as found:
        for entry in found:
            if entry.is_dir():
                yield from _walk(entry.path, f"{prefix}{entry.name}/")
            else:
                yield f"{prefix}{entry.name}", entry.stat()


def _state(entries: list[tuple[str, os.stat_result]] | None, files: list[os.stat_result]) -> str:
    """Return what changes whenever a content may have changed: names, times, sizes, inodes."""
    names = None if entries is None else [name for name, _ in entries]
    marks = [(file.st_mtime_ns, file.st_size, file.st_ino) for file in files]
    text = repr((names, marks)).encode()
    return hashlib.blake2b(text, digest_size=16).hexdigest()


def _of_file(path: Path) -> str:
    digest = hashlib.md5(usedforsecurity=False)
    with path.open("rb") as file:
        while block := file.read(_CHUNK):
            digest.update(block)
    return digest.hexdigest()
