"""What systemd does for a service: it opens its socket, and waits until it is ready."""

from __future__ import annotations

import contextlib
import os
import socket
from collections.abc import Mapping

_FIRST_FD = 3


def handed_over(environ: Mapping[str, str]) -> socket.socket | None:
    """Return the first socket that systemd, or who does as it does, has opened for this process.

    Args:
        environ: The process's environment: `LISTEN_PID` and `LISTEN_FDS`, see sd_listen_fds(3).
    """
    if environ.get("LISTEN_PID") != str(os.getpid()) or environ.get("LISTEN_FDS", "0") == "0":
        return None
    return socket.socket(fileno=_FIRST_FD)


def tell_ready(environ: Mapping[str, str]) -> None:
    """Tell systemd, where it waits for it, that this process does its work; see sd_notify(3)."""
    if not (name := environ.get("NOTIFY_SOCKET")):
        return
    where = f"\0{name[1:]}" if name.startswith("@") else name
    with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as line:
        line.sendto(b"READY=1", where)
