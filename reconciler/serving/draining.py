"""Draining: how a worker stops without failing a request that was sent, or is being sent."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable
from types import FrameType
from typing import cast

import uvicorn

from reconciler.serving.taking import Taking

#: Connections without a request are kept for so long: a client may be about to send one.
_GRACE_S = 0.3
_LOOK_S = 0.05
_CLOSE = (b"connection", b"close")


class Draining(uvicorn.Server):
    """Ends in steps: it says with each answer that the connection closes, then takes no more
    connections, and closes those that are idle.
    """

    _drains = False

    def __init__(
        self,
        config: uvicorn.Config,
        begins: Callable[[], None] = lambda: None,
        *,
        shares: bool = False,
    ) -> None:
        """Make a server.

        Args:
            config: See uvicorn.
            begins: Called once it begins to end.
            shares: Whether other workers take connections from the same sockets.
        """
        super().__init__(config)
        self._begins = begins
        self._shares = shares

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Begin to answer what comes in by `sockets`."""
        if not self._shares:
            await super().startup(sockets)
            return
        await super().startup([])
        for listen in sockets or ():
            taking = Taking(listen, self._protocol, self.config.ssl, self._held)
            self.servers.append(cast("asyncio.Server", taking))  # as far as it is used as one

    def _protocol(self) -> asyncio.Protocol:
        made = cast("Callable[..., asyncio.Protocol]", self.config.http_protocol_class)
        return made(config=self.config, server_state=self.server_state, app_state={})

    def _held(self) -> int:
        return len(self.server_state.connections)

    def drain(self, *, elsewhere: bool) -> None:
        """Begin to end; in the loop's thread.

        Args:
            elsewhere: Somebody else takes the connections that come from now on. Otherwise they
                are taken here for a while yet.
        """
        if self._drains:
            return
        self._drains = True
        self._begins()
        if not self.started:
            self.should_exit = True
            return
        self.config.encoded_headers.append(_CLOSE)
        self.server_state.default_headers = [*self.server_state.default_headers, _CLOSE]
        if elsewhere:
            self._close()
        else:
            self._wait(self._close, _GRACE_S)

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:  # noqa: ARG002
        """Take a signal: the first one drains, another one cuts what is under way."""
        if self._drains or not self.started:
            self.should_exit = self.force_exit = True
        else:
            asyncio.get_running_loop().call_soon_threadsafe(lambda: self.drain(elsewhere=False))

    def _close(self) -> None:
        """Take no more connections; what was taken just now sends its request in a moment."""
        for server in self.servers:
            server.close()
        self._wait(self._exit, _GRACE_S)

    def _exit(self) -> None:
        self.should_exit = True

    def _wait(self, then: Callable[[], None], left_s: float) -> None:
        if left_s <= 0 or not self.server_state.connections:
            then()
        else:
            loop = asyncio.get_running_loop()
            loop.call_later(_LOOK_S, self._wait, then, left_s - _LOOK_S)
