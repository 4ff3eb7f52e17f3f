"""The port of gRPC: whether one is wanted, can be served on, and is ours."""

from __future__ import annotations

import socket
from importlib.util import find_spec

from reconciler.errors import UsageError
from reconciler.serving.grpc.port import held, hold


def grpc_port(host: str, port: int | None, fd: int | None = None) -> socket.socket | None:
    """Return what holds the port that is served over gRPC; None: none is wanted.

    Args:
        host: Where to listen.
        port: 0: any that is free; None: none.
        fd: Number of the socket by which another process of ours holds it; None: none does.

    Raises:
        UsageError: `ExtraMissing`: gRPC is not installed; or as `hold` does.
        TransientError: `PortTaken`.
    """
    if fd is not None:
        return held(fd)
    if port is None:
        return None
    if find_spec("grpc") is None:
        hint = "pip install 'reconciler[grpc]'"
        raise UsageError("gRPC is not installed here", reason="ExtraMissing", hint=hint)
    return hold(host, port)
