"""The directory target: each model's bundle in a folder, switched whole by a link.

```
<root>/.gitignore                   *
<root>/.<model>.lock                one writer per model
<root>/<model>/current              link to the version that is served
<root>/<model>/versions/<digest>/   copies, never links into a cache
```

A version that was found damaged is replaced by `<digest>~1`, so that `current` never dangles.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import re
import shutil
from pathlib import Path
from typing import TYPE_CHECKING
from uuid import uuid4

from reconciler.adapters import files
from reconciler.errors import ReconcilerError, TerminalError, TransientError
from reconciler.ports.targets import Served, Verify

if TYPE_CHECKING:
    from collections.abc import Iterator

_MODEL = re.compile(r"[a-z0-9][a-z0-9._-]*")
_DIGEST = re.compile(r"[0-9a-z][0-9a-z.]*")
_FULL = (errno.ENOSPC, errno.EDQUOT)
_CLOSED = (errno.EROFS, errno.EACCES, errno.EPERM)


class DirectoryTarget:
    """Publishes bundles below one directory.

    Args:
        root: The directory; made when it is first needed, and ignored by git.
        verify: Raises when the bundle in a folder is not what its manifest says.
        keep: Versions kept per model, the served one included; at least 1.
    """

    name = "directory"
    honours = frozenset({"keep"})

    def __init__(self, root: Path, verify: Verify, keep: int = 10) -> None:
        self._root = root
        self._verify = verify
        self._keep = max(keep, 1)

    def unused(self) -> bool:
        """Return whether there is no such directory."""
        return not self._root.is_dir()

    def observe(self, model: str) -> Served | None:
        """Return what `current` of the model points to; None without one."""
        with _translated(model):
            served = self._served(model)
        if served is None:
            return None
        detail = self._damage(served)
        return Served(_digest(served), intact=not detail, detail=detail)

    def converge(self, model: str, bundle: Path, digest: str) -> None:
        """Copy `bundle` aside, verify the copy, then switch `current` to it."""
        if not _DIGEST.fullmatch(digest):
            raise TerminalError(f"{digest!r} is no digest", reason="BundleCorrupt")
        with _translated(model), self._locked(model):
            self._sweep(model)
            version = self._intact(model, digest) or self._publish(model, bundle, digest)
            self._switch(model, version)
            self._prune(model, version)

    def withdraw(self, model: str) -> None:
        """Remove `current`, then the versions; files of other hands stay."""
        with _translated(model):
            if not self._home(model).is_dir():
                return
            with self._locked(model):
                (self._home(model) / "current").unlink(missing_ok=True)
                self._empty(model)

    def tidy(self, model: str) -> None:
        """Remove what is left of versions that are no longer kept; it looks before it writes."""
        with contextlib.suppress(OSError):
            if not self._cluttered(model):
                return
            with self._locked(model):
                if (served := self._served(model)) is None:
                    self._empty(model)
                else:
                    self._sweep(model)
                    self._prune(model, served)

    def _cluttered(self, model: str) -> bool:
        home, served = self._home(model), self._served(model)
        if served is None:
            return home.is_dir() and (self._versions(model).is_dir() or not any(home.iterdir()))
        return bool(self._leftovers(model) or self._stale(model, served))

    def _home(self, model: str) -> Path:
        if not _MODEL.fullmatch(model):
            raise TerminalError(f"{model!r} cannot name a folder", reason="InvalidName")
        return self._root / model

    def _versions(self, model: str) -> Path:
        return self._home(model) / "versions"

    def _served(self, model: str) -> Path | None:
        """Return the folder that `current` points to, be it there or not."""
        current = self._home(model) / "current"
        if not current.is_symlink():
            return None
        return current.parent / current.readlink()

    def _damage(self, version: Path) -> str:
        """Return what is wrong with the folder; empty when it is intact."""
        if not version.is_dir():
            return f"{version.name} is gone"
        try:
            self._verify(version)
        except ReconcilerError as error:
            return error.message  # without its hint: what is served is mended without a person
        except OSError as error:
            return str(error)
        return ""

    def _intact(self, model: str, digest: str) -> Path | None:
        """Return a published folder with `digest`, the served one first; None without."""
        served = self._served(model)
        folders = [served] if served and _digest(served) == digest else []
        folders += [f for f in self._folders(model) if _digest(f) == digest and f != served]
        return next((folder for folder in folders if not self._damage(folder)), None)

    def _folders(self, model: str) -> list[Path]:
        versions = self._versions(model)
        return sorted(versions.iterdir()) if versions.is_dir() else []

    def _publish(self, model: str, bundle: Path, digest: str) -> Path:
        """Copy the bundle; the folder gets its name only when every byte is on disk and right."""
        versions = self._versions(model)
        versions.mkdir(parents=True, exist_ok=True)
        aside = self._home(model) / f".incoming-{uuid4().hex}"
        try:
            _copy(bundle, aside)
            self._verify(aside)
            taken = {folder.name for folder in self._folders(model)}
            names = (f"{digest}~{n}" if n else digest for n in range(len(taken) + 1))
            version = versions / next(name for name in names if name not in taken)
            aside.rename(version)
            _sync(versions)
        except BaseException:
            shutil.rmtree(aside, ignore_errors=True)
            raise
        return version

    def _switch(self, model: str, version: Path) -> None:
        if self._served(model) == version:
            return
        home = self._home(model)
        link = home / f".incoming-{uuid4().hex}"
        link.symlink_to(Path("versions") / version.name, target_is_directory=True)
        link.replace(home / "current")
        os.utime(version)  # the order in which versions were served
        _sync(home)

    def _stale(self, model: str, served: Path) -> list[Path]:
        """Return other folders of the served digest (damaged) and the oldest beyond `keep`."""
        others = [folder for folder in self._folders(model) if folder != served]
        stale = [folder for folder in others if _digest(folder) == _digest(served)]
        others = [folder for folder in others if folder not in stale]
        others.sort(key=lambda folder: folder.stat().st_mtime_ns, reverse=True)
        return stale + others[self._keep - 1 :]

    def _prune(self, model: str, served: Path) -> None:
        for folder in self._stale(model, served):
            gone = self._home(model) / f".outgoing-{uuid4().hex}"
            folder.rename(gone)
            shutil.rmtree(gone, ignore_errors=True)

    def _sweep(self, model: str) -> None:
        """Remove what a writer that was cut left behind; the lock is ours, so nobody uses it."""
        for left in self._leftovers(model):
            if left.is_symlink():
                left.unlink()
            else:
                shutil.rmtree(left, ignore_errors=True)

    def _empty(self, model: str) -> None:
        self._sweep(model)
        shutil.rmtree(self._versions(model), ignore_errors=True)
        with contextlib.suppress(OSError):  # somebody keeps files of their own there
            self._home(model).rmdir()

    def _leftovers(self, model: str) -> list[Path]:
        home = self._home(model)
        return [*home.glob(".incoming-*"), *home.glob(".outgoing-*")]

    @contextlib.contextmanager
    def _locked(self, model: str) -> Iterator[None]:
        self._home(model).mkdir(parents=True, exist_ok=True)
        files.ignored(self._root)
        with (self._root / f".{model}.lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield


def _digest(version: Path) -> str:
    return version.name.partition("~")[0]


def _copy(source: Path, destination: Path) -> None:
    """Copy a folder's content, whatever links it is made of, down to the disk."""
    destination.mkdir()
    for item in sorted(source.iterdir()):
        copy = destination / item.name
        if item.is_dir():
            _copy(item, copy)
            continue
        shutil.copyfile(item, copy)
        _sync(copy)
        copy.chmod(0o444)
    _sync(destination)


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextlib.contextmanager
def _translated(model: str) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise _explained(model, error) from error


def _explained(model: str, error: OSError) -> ReconcilerError:
    place = error.filename2 or error.filename  # of a copy: where it was to go
    where = f"{model}: {place}: {error.strerror}"
    if error.errno in _FULL:
        return TransientError(where, reason="DiskFull", hint="free some space")
    if error.errno in _CLOSED:
        return TransientError(where, reason="ReadOnly", hint="make the target's directory writable")
    if error.errno in (errno.EISDIR, errno.ENOTDIR, errno.ENOTEMPTY, errno.EEXIST):
        return TerminalError(
            where, reason="TargetOccupied", hint="move away what stands where the target publishes"
        )
    return TransientError(where, reason="TargetUnavailable")
