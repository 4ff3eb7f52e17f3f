"""Binding: a socket to listen on, or why there is none and who has it."""

from __future__ import annotations

import errno
import os
import socket
from collections.abc import Callable
from typing import Any, TypeVar

from reconciler.errors import TransientError, UsageError

T = TypeVar("T")
#: Host and port, and more of them where they are of IPv6.
Address = tuple[Any, ...]

#: Connections that wait to be taken; the system may allow fewer.
_BACKLOG = 2048
#: Has its socket from its parent, which is who a person has started.
_WORKER = "reconciler.serving.worker"


def listening_socket(host: str, port: int, option: str) -> socket.socket:
    """Return an open socket that clients can connect to from now on.

    Args:
        host: A name or address of this machine.
        port: 0: any that is free.
        option: How people choose the port, such as `--port`.

    Raises:
        UsageError: `BadHost`: this machine has no such address.
        TransientError: `PortTaken`, or `PortRefused` to who runs this.
    """

    def opened(family: socket.AddressFamily, address: Address) -> socket.socket:
        made = bound(family, address)
        try:
            made.listen(_BACKLOG)
        except OSError:  # somebody who had bound it as we did was faster
            made.close()
            raise
        return made

    return at(host, port, option, opened)


def bound(family: socket.AddressFamily, address: Address) -> socket.socket:
    """Return a socket that has an address, and that nobody can connect to yet; for `at`."""
    made = socket.socket(family, socket.SOCK_STREAM)
    try:
        made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        made.bind(address)
    except BaseException:
        made.close()
        raise
    return made


def at(
    host: str, port: int, option: str, opened: Callable[[socket.AddressFamily, Address], T]
) -> T:
    """Return what `opened` makes of an address; see `listening_socket`."""
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        family, _, _, _, address = found[0]
        return opened(family, address)
    except (OSError, OverflowError, UnicodeError) as error:
        raise _refused(host, port, option, error) from error


def url(listen: socket.socket, scheme: str = "http") -> str:
    """Return where a listening socket is reached, such as `http://127.0.0.1:8080`."""
    host, port = listen.getsockname()[:2]
    return f"{scheme}://{f'[{host}]' if ':' in host else host}:{port}"


def reached(listen: socket.socket, scheme: str = "http") -> str:
    """Return the same for who asks from this machine, which `0.0.0.0` names no place of."""
    everywhere = listen.getsockname()[0] in ("0.0.0.0", "::")  # noqa: S104  asked, not opened
    return f"{scheme}://127.0.0.1:{listen.getsockname()[1]}" if everywhere else url(listen, scheme)


def _refused(host: str, port: int, option: str, error: Exception) -> Exception:
    code = error.errno if isinstance(error, OSError) else None
    said = os.strerror(code) if code is not None and code > 0 else str(error)
    where = f"port {port} of {host}"
    hint = f"choose another with `{option} N`, or `{option} 0` for any that is free"
    if code == errno.EADDRINUSE:
        message = f"{where} is taken by {_owner(port) or 'another program'}"
        return TransientError(message, reason="PortTaken", hint=hint)
    if isinstance(error, PermissionError):
        return TransientError(f"{where} cannot be had: {said}", reason="PortRefused", hint=hint)
    return UsageError(f"nothing can listen on {where}: {said}", reason="BadHost", hint=hint)


def _owner(port: int) -> str:
    """Return who listens on a port, as far as the system says it: others' programs are hidden."""
    import psutil

    try:
        found = (
            c.pid
            for c in psutil.net_connections("tcp")
            if c.status == psutil.CONN_LISTEN and c.laddr.port == port and c.pid
        )
        if (pid := next(found, None)) is None:
            return ""
        process = psutil.Process(pid)
        if _WORKER in process.cmdline():
            process = process.parent() or process
        return f"process {process.pid} ({' '.join(process.cmdline())[:80]})"
    except (psutil.Error, OSError):
        return ""
