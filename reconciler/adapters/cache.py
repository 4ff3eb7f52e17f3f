"""DVC's cache: content by its md5, read and verified without DVC."""

from __future__ import annotations

import contextlib
import errno
import hashlib
import json
import os
import re
import shutil
import uuid
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from reconciler.errors import TerminalError, TransientError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    Fetch = Callable[..., None]
    """Brings what md5s name from the remote into the cache, as far as the remote has it."""

_MD5 = re.compile(r"[0-9a-f]{32}(\.dir)?")
_FULL = frozenset({errno.ENOSPC, errno.EDQUOT})


class Cache:
    """Content by its md5: of a file's bytes, or with `.dir` at its end of a folder's listing.

    Args:
        folder: The cache, such as `.dvc/cache`.
        fetch: Asked once for what the cache lacks; None: there is no remote to ask.
    """

    def __init__(self, folder: Path, fetch: Fetch | None = None) -> None:
        self._folder = folder
        self._fetch = fetch

    def path(self, md5: str) -> Path:
        """Return where the cache keeps `md5`, whether or not it is there.

        Raises:
            TerminalError: It is no md5.
        """
        if not _MD5.fullmatch(md5):
            raise TerminalError(f"{md5!r} is no content id of DVC's", reason="InvalidPointer")
        return self._folder / "files" / "md5" / md5[:2] / md5[2:]

    def has(self, md5: str) -> bool:
        """Return whether the cache has `md5` whole: a folder with all its files.

        Raises:
            TerminalError: It is no md5, or the folder's listing is corrupt.
        """
        if not self.path(md5).is_file():
            return False
        if not md5.endswith(".dir"):
            return True
        return all(self.path(part).is_file() for part in self._listing(md5).values())

    def bring(self, md5s: Iterable[str]) -> None:
        """Ask the remote for all that the cache lacks of these, at once.

        What it does not have either is found out by whoever needs it.

        Raises:
            TransientError: The remote failed.
        """
        missing = [md5 for md5 in dict.fromkeys(md5s) if not self.has(md5)]
        if missing and self._fetch is not None:
            self._fetch(*missing)

    def file(self, md5: str) -> Path:
        """Return the file that `md5` names, in the cache: to be read only.

        Raises:
            TerminalError: Neither the cache nor the remote has it.
        """
        self._need(md5)
        return self.path(md5)

    def files(self, md5: str) -> dict[str, Path]:
        """Return the files of the folder that `md5` names: relative path to file in the cache.

        Raises:
            TerminalError: Neither the cache nor the remote has them all, or the listing is wrong.
        """
        self._need(md5)
        return {name: self.path(part) for name, part in self._listing(md5).items()}

    def within(self, md5: str, path: str) -> str | None:
        """Return the content id of one file of a folder; None where that is not known here."""
        if not md5.endswith(".dir") or not self.path(md5).is_file():
            return None
        return self._listing(md5).get(path)

    def materialise(self, md5: str, destination: Path) -> None:
        """Copy what `md5` names to `destination`, every byte verified, whole or not at all.

        What stood at the destination is replaced.

        Raises:
            TerminalError: The content is missing or corrupt.
            TransientError: The destination cannot be written.
        """
        self._need(md5)
        with _aside(destination) as aside:
            if md5.endswith(".dir"):
                aside.mkdir()
                for name, part in self._listing(md5).items():
                    (aside / name).parent.mkdir(parents=True, exist_ok=True)
                    self._copy(part, aside / name)
            else:
                self._copy(md5, aside)

    def link(self, md5: str, destination: Path) -> None:
        """Make what `md5` names appear at `destination`, by links where that is possible.

        For inputs that are read, in folders of our own: what is written through a link is
        written into the cache. Nothing is verified; DVC does so when it uses them.

        Raises:
            TerminalError: Neither the cache nor the remote has it.
            TransientError: The destination cannot be written.
        """
        self._need(md5)
        with _aside(destination) as aside:
            if md5.endswith(".dir"):
                aside.mkdir()
                for name, part in self._listing(md5).items():
                    (aside / name).parent.mkdir(parents=True, exist_ok=True)
                    _link(self.path(part), aside / name)
            else:
                _link(self.path(md5), aside)

    def _need(self, md5: str) -> None:
        if not self.has(md5) and self._fetch is not None:
            self._fetch(md5)
        if not self.has(md5):
            raise TerminalError(
                f"content {md5} is neither in DVC's cache {self._folder} nor on its remote",
                reason="DataMissing",
                hint="run `dvc push` where the content is, then `dvc pull` here",
            )

    def _listing(self, md5: str) -> dict[str, str]:
        data = self.path(md5).read_bytes()
        # DVC names a listing by the md5 of its bytes.
        if hashlib.md5(data, usedforsecurity=False).hexdigest() != md5.removesuffix(".dir"):
            raise self._corrupt(md5)
        try:
            found = {str(item["relpath"]): str(item["md5"]) for item in json.loads(data)}
        except (ValueError, KeyError, TypeError, RecursionError) as error:
            raise self._corrupt(md5) from error
        if not all(map(_inside, found)):
            raise TerminalError(
                f"the listing {md5} names files outside of its own folder", reason="InvalidPointer"
            )
        return found

    def _copy(self, md5: str, destination: Path) -> None:
        digest = hashlib.md5(usedforsecurity=False)
        with self.path(md5).open("rb") as source, destination.open("wb") as target:
            while block := source.read(1 << 20):
                digest.update(block)
                target.write(block)
        if digest.hexdigest() != md5:
            raise self._corrupt(md5)

    def _corrupt(self, md5: str) -> TerminalError:
        return TerminalError(
            f"{self.path(md5)} is corrupt: its bytes do not have the md5 of its name",
            reason="CacheCorrupt",
            hint="delete that file, then `dvc fetch` it or run the stage again",
        )


@contextlib.contextmanager
def _aside(destination: Path) -> Iterator[Path]:
    """Give a path beside `destination` to build at; put it in place if all went well."""
    aside = destination.with_name(f".{destination.name}.{uuid.uuid4().hex[:8]}")
    old = aside.with_suffix(".old")
    try:
        destination.parent.mkdir(parents=True, exist_ok=True)
        yield aside
        if destination.is_dir() and not destination.is_symlink():
            destination.rename(old)
        aside.replace(destination)
    except OSError as error:
        raise TransientError(
            f"{destination} cannot be written: {error}",
            reason="DiskFull" if error.errno in _FULL else "NotWritable",
            hint="check the free space and the folder's owner",
        ) from error
    finally:
        _remove(aside)
        _remove(old)


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
    else:
        with contextlib.suppress(OSError):  # most often it was never made
            path.unlink()


def _link(source: Path, destination: Path) -> None:
    for attempt in (os.link, os.symlink):
        with contextlib.suppress(OSError):
            attempt(source.absolute(), destination)
            return
    shutil.copyfile(source, destination)


def _inside(relative: str) -> bool:
    path = PurePosixPath(relative)
    return bool(path.parts) and not path.is_absolute() and ".." not in path.parts
