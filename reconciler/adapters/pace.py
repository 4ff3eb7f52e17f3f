"""A pace for hints: many in a row become few, the first is passed on at once, the last not lost."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Protocol


class Timer(Protocol):
    """What calls back later, as `threading.Timer` does."""

    daemon: bool

    def start(self) -> None:
        """Begin to count."""

    def cancel(self) -> None:
        """Do not call any more."""


class Pace:
    """Passes hints on, at most one per `every_s` seconds. Any thread may give one.

    Args:
        wake: Called for the hints that are passed on; quick, from one thread or another.
        every_s: Seconds between two calls, at least.
        clock: Seconds on a clock that only goes forward.
        timer: Makes what calls back after some seconds.
    """

    def __init__(
        self,
        wake: Callable[[], object],
        every_s: float,
        clock: Callable[[], float] = time.monotonic,
        timer: Callable[[float, Callable[[], None]], Timer] = threading.Timer,
    ) -> None:
        self._wake = wake
        self._every_s = every_s
        self._clock = clock
        self._timer = timer
        self._lock = threading.Lock()
        self._next = float("-inf")  # before this time nothing is passed on
        self._waiting: Timer | None = None  # for the hints since the last call
        self._ended = False

    def hint(self) -> None:
        """Pass a hint on: now, or with others once their time has come."""
        with self._lock:
            if self._waiting is not None or self._ended:
                return
            now = self._clock()
            if now < self._next:
                self._waiting = self._timer(self._next - now, self._late)
                self._waiting.daemon = True
                self._waiting.start()
                return
            self._next = now + self._every_s
        self._wake()

    def end(self) -> None:
        """Pass nothing on any more."""
        with self._lock:
            self._ended = True
            if self._waiting is not None:
                self._waiting.cancel()

    def _late(self) -> None:
        with self._lock:
            self._waiting = None
            if self._ended:
                return
            self._next = self._clock() + self._every_s
        self._wake()
