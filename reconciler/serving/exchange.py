"""Exchanges: a request for predictions and its answer, at less than half of the library's cost.

The library's own cycle takes any request of any application. Nearly all requests here are small,
there as a whole, and answered as a whole by `http.answer`: these take a shorter way. Whatever is
otherwise takes the library's.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, cast

from uvicorn.protocols.http.httptools_impl import STATUS_LINE, RequestResponseCycle

from reconciler.serving.http import Header, Message

if TYPE_CHECKING:
    from reconciler.serving.connection import Connection

_START = "http.response.start"
_CLOSE: Header = (b"connection", b"close")


class Opening:
    """What every answer begins with after its first line: such as the date, told once a second."""

    def __init__(self) -> None:
        self._of: Sequence[Header] | None = None
        self._lines = b""
        self._closes = False

    def lines(self, headers: Sequence[Header]) -> tuple[bytes, bool]:
        """Return headers as lines, and whether they say that the connection ends.

        Args:
            headers: The same object for as long as they are the same.
        """
        if headers is not self._of:
            self._of, self._lines = headers, _lines(headers)
            self._closes = _CLOSE in headers
        return self._lines, self._closes


class Exchange(RequestResponseCycle):
    """One request, and its answer.

    Args:
        connection: Where both go; the head of the request has come.
        keep: Whether the client keeps the connection for another one.
    """

    def __init__(self, connection: Connection, keep: bool) -> None:
        state = connection.server_state
        super().__init__(
            connection.scope,
            connection.transport,
            connection.flow,
            connection.logger,
            connection.access_logger,
            access_log=False,
            default_headers=state.default_headers,
            message_event=asyncio.Event(),
            expect_100_continue=connection.expect_100_continue,
            keep_alive=keep,
            on_response=connection.on_response_complete,
        )
        self._opening = state.opening
        self._head: Message | None = None
        self._taken = False

    @property
    def whole(self) -> bool:
        """Whether all of the request is there, and nobody asks for a word before sending it."""
        return not (self.more_body or self.waiting_for_100_continue)

    async def receive(self) -> Any:
        """Return the next part of the request; see the ASGI specification."""
        if self._taken or self.more_body or self.disconnected or self.waiting_for_100_continue:
            return await super().receive()
        self._taken = True
        self.message_event.clear()
        content, self.body = bytes(self.body), bytearray()
        return {"type": "http.request", "body": content, "more_body": False}

    async def send(self, message: Any) -> None:
        """Take a part of the answer; see the ASGI specification.

        The headers of one that comes as a whole are taken as they are: they must be in lower case
        and give its length.
        """
        if self.flow.write_paused and not self.disconnected:
            await self.flow.drain()
        if self.response_started or message.get("more_body"):
            if not self.response_started:
                await super().send(cast(Any, self._head))
            await super().send(message)
        elif message["type"] == _START:
            self._head = message
        elif self._head is not None and not self.disconnected:
            self._answer(self._head, message.get("body", b""))

    def _answer(self, head: Message, content: bytes) -> None:
        opening, closes = self._opening.lines(self.default_headers)
        headers = head["headers"]
        own = _lines(headers)
        if not own.count(b"\n") == own.count(b"\r") == len(headers):
            raise RuntimeError("a header has more than one line")
        closes = closes or _CLOSE in headers
        end = b"\r\n" if self.keep_alive or closes else b"connection: close\r\n\r\n"
        self.response_started = self.response_complete = True
        self.transport.write(b"".join((STATUS_LINE[head["status"]], opening, own, end, content)))
        self.message_event.set()
        if closes or not self.keep_alive:
            self.transport.close()
        self.on_response()


def _lines(headers: Sequence[Header]) -> bytes:
    return b"".join([b"%b: %b\r\n" % header for header in headers])
