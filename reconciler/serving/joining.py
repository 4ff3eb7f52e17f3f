"""Joining: the head of an answer and its body leave together, by one call to the kernel.

The protocol's library writes them one after the other, and each write is a third of what an
answer to one row costs besides the model.
"""

from __future__ import annotations

import asyncio
from typing import Any

_HEAD = b"HTTP/1.1 "
_CONTINUE = b"HTTP/1.1 100"
#: Larger bodies are not copied.
_LARGE = 64 << 10


class Joining:
    """A transport that holds a head until what follows it is written, or it is flushed or closed.

    Args:
        transport: Where it is written to; all else is asked of it, too.
    """

    def __init__(self, transport: asyncio.Transport) -> None:
        self._transport = transport
        self._write = transport.write
        self._head = b""
        self.is_closing = transport.is_closing

    def write(self, data: bytes) -> None:
        """Write, together with a head that was held."""
        if self._head:
            head, self._head = self._head, b""
            if len(data) < _LARGE:
                self._write(head + data)
                return
            self._write(head)
        elif data.startswith(_HEAD) and not data.startswith(_CONTINUE):
            self._head = data
            return
        self._write(data)

    def flush(self) -> None:
        """Write what is held."""
        if self._head:
            head, self._head = self._head, b""
            self._write(head)

    def close(self) -> None:
        """Close it once all is written."""
        self.flush()
        self._transport.close()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)
