"""Joining: what a turn of the loop has to send leaves together, at the turn's end.

The head of an answer and its body leave by one call to the kernel instead of two. And the answers
to requests that came in together are computed one after the other before any of them leaves: each
call to the kernel takes from the model what it has in the processor's caches, and an answer that
follows one takes twice as long.
"""

from __future__ import annotations

import asyncio
from typing import Any

#: More than this is handed on at once: it would be copied.
_LARGE = 64 << 10


class Together:
    """The connections of one loop that have something to send."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._waiting: list[Joining] = []

    def add(self, line: Joining) -> None:
        """Have a connection send what it holds once all that is ready now was done."""
        if not self._waiting:
            self._loop.call_soon(self._send)
        self._waiting.append(line)

    def _send(self) -> None:
        waiting, self._waiting = self._waiting, []
        for line in waiting:
            line.flush()


class Joining:
    """A transport that holds what is written until the turn's end, or until it is closed.

    Args:
        transport: Where it is written to; all else is asked of it, too.
        together: Where those wait that hold something.
    """

    def __init__(self, transport: asyncio.Transport, together: Together) -> None:
        self._transport = transport
        self._together = together
        self._held = b""
        self.is_closing = transport.is_closing

    def write(self, data: bytes) -> None:
        """Write, soon."""
        if len(data) > _LARGE:
            self.flush()
            self._transport.write(data)
        elif self._held:
            self._held += data
        elif data:
            self._held = data
            self._together.add(self)

    def flush(self) -> None:
        """Write what is held, now."""
        if self._held:
            held, self._held = self._held, b""
            self._transport.write(held)

    def close(self) -> None:
        """Close it once all is written."""
        self.flush()
        self._transport.close()

    def get_write_buffer_size(self) -> int:
        """Return the bytes that are still to leave."""
        return len(self._held) + self._transport.get_write_buffer_size()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)
