"""The port: many workers listen on it at once, and yet no two servers by accident.

Each worker opens a socket of its own (gRPC takes over no open one), which the kernel permits to
sockets that agree to share. The supervisor's, on which nobody listens, keeps the port theirs.
"""

from __future__ import annotations

import socket

from reconciler.adapters.binding import at, bound


def hold(host: str, port: int) -> socket.socket:
    """Return a bound socket; while it is open, none can be bound but those that share the port.

    Args:
        host: Where to listen.
        port: 0: any that is free.

    Raises:
        UsageError: `BadHost`: this machine has no such address.
        TransientError: `PortTaken`, or `PortRefused` to who runs this.
    """

    made = at(host, port, "--grpc-port", bound)
    # Only from now on: another server that binds as we did is refused, our workers are not.
    made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 0)
    made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    return made


def held(fd: int) -> socket.socket:
    """Return what `hold` has made in another process, from the number that it was passed on by."""
    return socket.socket(fileno=fd)


def place(port: socket.socket) -> str:
    """Return where a port is that is held, as `host:port`."""
    host, number = port.getsockname()[:2]
    return f"[{host}]:{number}" if ":" in host else f"{host}:{number}"
