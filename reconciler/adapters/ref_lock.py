"""The lock of a ref: waited for, and removed where a git that was killed has left it behind.

Git holds it for milliseconds, names nobody in it, and never removes another's. So it is told by
time: a lock that stands for seconds, always the same, has nobody who will remove it.
"""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Callable
from pathlib import Path

from reconciler.errors import TransientError

#: Seconds after which nobody is behind a lock.
ABANDONED_S = 3.0
_POLL_S = 0.01


def wait(
    common_dir: Path,
    ref: str,
    clock: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
) -> None:
    """Return once the lock of `ref` has gone or is another one.

    Args:
        common_dir: The git folder that holds the refs.
        ref: Full name, such as `refs/heads/deployed`.
        clock: Steady seconds: a file's own time says little once the system's clock was moved.
        sleep: Waits for so many seconds.

    Raises:
        TransientError: `Locked`: it was left behind, and cannot be removed.
    """
    lock = common_dir / f"{ref}.lock"
    seen, since = _identity(lock), clock()
    while seen is not None and _identity(lock) == seen:
        if clock() - since >= ABANDONED_S:
            _remove(lock, seen)
            return
        sleep(_POLL_S)


def _remove(lock: Path, seen: tuple[int, int]) -> None:
    """Remove a lock that is still the one that was seen; one process at a time does so."""
    try:
        folder = os.open(lock.parent, os.O_RDONLY)
        try:
            fcntl.flock(folder, fcntl.LOCK_EX)
            if _identity(lock) == seen:
                lock.unlink()
        finally:
            os.close(folder)
    except OSError as error:
        raise TransientError(
            f"{lock} was left behind by a git that has ended, and cannot be removed:"
            f" {error.strerror}",
            reason="Locked",
            hint="delete it",
        ) from error


def _identity(lock: Path) -> tuple[int, int] | None:
    try:
        found = lock.stat()
    except OSError:
        return None
    return found.st_ino, found.st_mtime_ns
