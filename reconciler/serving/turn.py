"""Turns: what comes in together is answered together, and leaves at the end of the loop's turn.

First all that is there is read, then all of it is answered, together where that saves time, and
then all answers leave, each by one call to the kernel: such a call takes
from the model what it has in the processor's caches, and
an answer that follows one takes twice as long.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from typing import Any

#: More than this is handed on at once: it would be copied.
_LARGE = 64 << 10


class Turn:
    """What is left to do in one loop before its turn is over.

    Args:
        loop: Of whose turns it is.
        between: Called once all that was asked has either been answered or paused.
    """

    def __init__(
        self, loop: asyncio.AbstractEventLoop, between: Callable[[], None] = lambda: None
    ) -> None:
        self._loop = loop
        self._between = between
        self._awaited = False
        """Whether the loop will come to the end of this turn."""
        self._asked: list[Callable[[], None]] = []
        self._paused: list[Callable[[], None]] = []
        self._holding: list[Joining] = []

    def ask(self, answer: Callable[[], None]) -> None:
        """Have something done once all that is there was read."""
        self._asked.append(answer)
        self._await()

    def pause(self, go_on: Callable[[], None]) -> None:
        """Have what was asked go on with all others that have paused; while the turn ends."""
        self._paused.append(go_on)

    def add(self, line: Joining) -> None:
        """Have a connection send what it holds once all that is there was answered."""
        self._holding.append(line)
        self._await()

    def _await(self) -> None:
        if not self._awaited:
            self._awaited = True
            self._loop.call_soon(self._end)

    def _end(self) -> None:
        asked, self._asked = self._asked, []
        self._do(asked)
        while self._paused:
            paused, self._paused = self._paused, []
            self._do((self._between, *paused))
        holding, self._holding, self._awaited = self._holding, [], False
        self._do([line.flush for line in holding])

    def _do(self, calls: Iterable[Callable[[], None]]) -> None:
        for call in calls:
            try:
                call()
            except Exception as error:  # noqa: BLE001  a bug over one takes no other's answer
                message = "something was left undone in a turn: this is a bug"
                self._loop.call_exception_handler({"message": message, "exception": error})


class Joining:
    """A transport that holds what is written until the turn's end, or until it is closed.

    Args:
        transport: Where it is written to; all else is asked of it, too.
        turn: Where those wait that hold something.
    """

    def __init__(self, transport: asyncio.Transport, turn: Turn) -> None:
        self._transport = transport
        self._turn = turn
        self._held = b""
        self._lost = False
        self.is_closing = transport.is_closing

    def write(self, data: bytes) -> None:
        """Write, soon."""
        if self._lost:
            return
        if len(data) > _LARGE:
            self.flush()
            self._transport.write(data)
        elif self._held:
            self._held += data
        elif data:
            self._held = data
            self._turn.add(self)

    def flush(self) -> None:
        """Write what is held, now."""
        if self._held:
            held, self._held = self._held, b""
            self._transport.write(held)

    def lose(self) -> None:
        """Drop what is held, and what is written from now on: nobody is there any more.

        The transport would raise, and whoever's turn it is has more to send.
        """
        self._held, self._lost = b"", True

    def close(self) -> None:
        """Close it once all is written."""
        self.flush()
        self._transport.close()

    def get_write_buffer_size(self) -> int:
        """Return the bytes that are still to leave."""
        return len(self._held) + self._transport.get_write_buffer_size()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)
