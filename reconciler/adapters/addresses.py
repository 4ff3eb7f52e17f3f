"""Addresses: where the servers of a state folder answer, and what they show, as each says."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Sequence
from pathlib import Path

#: In the state folder: a file for each socket, locked by the server whose address it holds. Where
#: that one speaks TLS, a second line names the file of its certificate.
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
        self._shown: dict[str, Path] = {}

    def __call__(self) -> tuple[str, ...]:
        """Return them, at least one."""
        self._last = tuple(self._told()) or self._last
        return self._last

    def certificate(self, address: str) -> Path | None:
        """Return the file of what the server at an address shows; None: none says that it does."""
        self._shown.update((at, Path(file)) for at, file in self._told().items() if file)
        return self._shown.get(address)

    def _told(self) -> dict[str, str]:
        """Return the file of a certificate by address; empty: that one speaks no TLS."""
        locks = sorted(self._folder.glob("*.lock"))
        told = (_read(lock) for lock in locks if held(lock))
        return {lines[0]: lines[1] for lines in told if lines[0]}


def _read(lock: Path) -> tuple[str, str]:
    try:
        first, _, rest = lock.read_text(errors="replace").partition("\n")
    except OSError:
        return "", ""
    return first.strip(), rest.rstrip("\n")
