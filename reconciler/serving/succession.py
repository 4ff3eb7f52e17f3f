"""Succession: how workers whose supervisor has died learn that another one's are ready.

Both serve on one socket, so that nobody waits; the former ones end once they are not needed.
"""

from __future__ import annotations

import fcntl
import re
import socket
import time
from pathlib import Path
from typing import IO

from reconciler.adapters.addresses import FOLDER

#: Who asks whether it is locked holds it for a moment.
_TRIES, _PAUSE_S = 50, 0.01


def place(state: Path, listen: socket.socket) -> Path:
    """Return the file that whoever serves on a socket holds locked.

    Args:
        state: The folder with what is ours.
        listen: The socket that requests come in by.
    """
    host, port = listen.getsockname()[:2]
    return state / FOLDER / f"{re.sub('[^A-Za-z0-9.]', '_', host)}-{port}.lock"


def succeed(path: Path, address: str, certificate: str = "") -> IO[bytes] | None:
    """Return the lock, which whoever was there before sees; it lasts until it is closed.

    It holds the address, by which other programs here find the server, and the file of the
    certificate that it shows, by which they know it (`adapters.addresses`).

    None: somebody else is there and alive, or it cannot be written; nothing depends on it then.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        lock = path.open("ab")  # what it says holds until it is ours
    except OSError:
        return None
    for _ in range(_TRIES):
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            time.sleep(_PAUSE_S)
        else:
            lock.truncate(0)
            lock.write("\n".join(filter(None, (address, certificate))).encode())
            lock.flush()
            return lock
    lock.close()
    return None
