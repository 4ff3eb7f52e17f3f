"""The workspace: the reconciler's own folder in a repository, and who may work in it."""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from reconciler.adapters import files
from reconciler.errors import TransientError

_LOOK_S = 0.05
_ALLOWED = "allowed"


class Workspace:
    """Paths below `.reconciler/`, which ignores itself in git.

    Nothing in it is needed to know what is released: it can be deleted at any time.
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        self.base = root / ".reconciler"
        self.slots = self.base / "slots"
        self.logs = self.base / "logs"
        self.bundles = self.base / "bundles"
        self.reports = self.base / "reports"
        self.scored = self.base / "scored"
        self.cache = self.base / "cache"
        self.tree = self.base / "tree"
        self.status = self.base / "status.db"
        self.settled = self.base / "settled.json"
        self.tokens = self.base / "tokens.json"

    def prepare(self) -> None:
        """Make the folder, with a `.gitignore` that keeps all of it out of git.

        Raises:
            TransientError: The repository cannot be written.
        """
        try:
            self.base.mkdir(parents=True, exist_ok=True)
            files.ignored(self.base)
        except OSError as error:
            raise _not_writable(self.base, error) from error

    def holder(self) -> str | None:
        """Return the process id of the reconciler that is at work here; None: none is."""
        try:
            with (self.base / "reconciler.lock").open(encoding="utf-8") as lock:
                try:
                    fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
                except BlockingIOError:
                    return lock.read().strip() or "?"
        except OSError:
            return None
        return None

    def allow(self, revision: str) -> None:
        """Let a commit change as much at once as it does; what was allowed before no longer is.

        Raises:
            TransientError: The folder cannot be written.
        """
        files.write(self.base, _ALLOWED, f"{revision}\n".encode())

    def allowed(self) -> str | None:
        """Return the commit that may change as much at once as it does; None: none may."""
        try:
            return (self.base / _ALLOWED).read_text(encoding="utf-8").strip() or None
        except (OSError, UnicodeDecodeError):
            return None

    @contextmanager
    def alone(self, name: str = "reconciler.lock", folder: Path | None = None) -> Iterator[None]:
        """Hold the repository against a second reconciler for the length of the block.

        The lock is the kernel's, so it ends with the process that holds it, however it ends.

        Args:
            name: The file that is locked: those that may work side by side lock different ones.
            folder: Where that is, made if need be; None: in the workspace.

        Raises:
            TransientError: Another reconciler is at work; its process id stands in the message.
        """
        path = (folder or self.base) / name
        try:
            path.parent.mkdir(exist_ok=True)
            lock = path.open("a+", encoding="utf-8")
        except OSError as error:
            raise _not_writable(path, error) from error
        with lock:
            try:
                _take(lock)
            except BlockingIOError as error:
                lock.seek(0)
                raise TransientError(
                    f"another reconciler is at work here: process {lock.read().strip() or '?'}",
                    reason="Busy",
                    hint="wait for it, or stop it",
                ) from error
            lock.truncate(0)
            lock.write(str(os.getpid()))
            lock.flush()
            yield


def _take(lock: IO[str]) -> None:
    """Take the lock; whoever only looks who has it is gone in a moment."""
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        time.sleep(_LOOK_S)
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)


def _not_writable(path: Path, error: OSError) -> TransientError:
    return TransientError(
        f"{path} cannot be written: {error.strerror}",
        reason="NotWritable",
        hint="check the folder's owner and the free space",
    )
