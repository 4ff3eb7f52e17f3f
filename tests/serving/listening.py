"""Connections of a worker's own kind, on a port of this process."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import uvicorn

from reconciler.serving.connection import Connection, Connections


def of(app: Any) -> uvicorn.Config:
    """Return how an application is served."""
    return uvicorn.Config(
        app, http=Connection, ws="none", log_config=None, log_level="critical",
        proxy_headers=False, interface="asgi3",
    )  # fmt: skip


@asynccontextmanager
async def listening(
    config: uvicorn.Config, state: Connections, tls: ssl.SSLContext | None = None
) -> AsyncIterator[int]:
    """Answer on a port of loopback for the length of the block, and give it."""
    config.load()
    loop = asyncio.get_running_loop()
    server = await loop.create_server(
        lambda: Connection(config=config, server_state=state, app_state={}, _loop=loop),
        "127.0.0.1", 0, ssl=tls,
    )  # fmt: skip
    try:
        yield int(server.sockets[0].getsockname()[1])
    finally:
        server.close()
        for connection in list(state.connections):
            assert isinstance(connection, Connection)
            connection.transport.abort()
