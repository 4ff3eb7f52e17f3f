"""Addresses: where the servers of a state folder answer, as each says while it runs."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Sequence
from pathlib import Path

#: In the state folder: a file for each socket, locked by the server whose address it holds.
FOLDER = "serving"


def held(path: Path) -> bool:
    """Return whether some process has a file locked."""
    try:
        lock = os.open(path, os.O_RDONLY)
    except OSError:
        return False
    try:
        fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except OSError:
        return True
    finally:
        os.close(lock)
    return False


class Addresses:
    """Where the servers answer that run on a state folder, such as `http://127.0.0.1:8080`.

    What was found last is kept while none runs, so that one that is away is asked for, and missed,
    where it was.

    Args:
        state: The folder with what is ours.
        otherwise: Where they are looked for until one has run.
    """

    def __init__(self, state: Path, otherwise: Sequence[str]) -> None:
        self._folder = state / FOLDER
        self._last = tuple(otherwise)

    def __call__(self) -> tuple[str, ...]:
        """Return them, at least one."""
        locks = sorted(self._folder.glob("*.lock"))
        told = tuple(address for lock in locks if held(lock) and (address := _read(lock)))
        self._last = told or self._last
        return self._last


def _read(lock: Path) -> str:
    try:
        return lock.read_text(errors="replace").strip()
    except OSError:
        return ""
