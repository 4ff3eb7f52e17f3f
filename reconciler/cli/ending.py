"""Ending: how a program that runs until it is asked to end learns that it is."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from queue import Empty, SimpleQueue
from types import FrameType

#: A signal may reach another thread than the main one, which then finds it when it wakes next.
HEED_S = 0.25


class Asked:
    """Whether somebody has asked; any thread may ask, one waits."""

    def __init__(self) -> None:
        self._asks: SimpleQueue[int] = SimpleQueue()  # an Event's lock may be held already
        self._asked = False

    def ask(self, number: int = signal.SIGTERM) -> None:
        """Ask, also from the handler of a signal."""
        self._asks.put(number)

    def wait(self, limit_s: float = HEED_S) -> bool:
        """Wait so long for somebody to ask, and return whether one did, now or before."""
        if not self._asked:
            with suppress(Empty):
                self._asks.get(timeout=limit_s)
                self._asked = True
        return self._asked


@contextmanager
def asked_to_end(
    leash: int | None = None, at_once: Callable[[], None] = lambda: None
) -> Iterator[Asked]:
    """Give what SIGTERM and Ctrl-C ask; the second of these ends the process at once.

    Args:
        leash: An open pipe; once nobody holds its other end, that is a first signal. None: none.
        at_once: What is done before the process ends at once; it waits for nothing.
    """
    asked = Asked()
    seen: list[int] = []

    def ask(number: int, _frame: FrameType | None) -> None:
        if seen:
            at_once()
            os._exit(128 + number)
        seen.append(number)
        asked.ask(number)

    before = {number: signal.signal(number, ask) for number in (signal.SIGTERM, signal.SIGINT)}
    if leash is not None:
        threading.Thread(target=_hold, args=(leash, asked), name="leash", daemon=True).start()
    try:
        yield asked
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _hold(leash: int, asked: Asked) -> None:
    while os.read(leash, 64):
        pass
    asked.ask()
