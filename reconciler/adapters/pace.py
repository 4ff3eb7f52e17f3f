"""A pace for hints: many in a row become few, the first is passed on at once, the last not lost."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable


class Pace:
    """Passes hints on, at most one per `every_s` seconds. Any thread may give one.

    Args:
        wake: Called for the hints that are passed on; quick, from whichever thread gave them.
        every_s: Seconds between two calls, at least.
        clock: Seconds on a clock that only goes forward.
    """

    def __init__(
        self,
        wake: Callable[[], object],
        every_s: float,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._wake = wake
        self._every_s = every_s
        self._clock = clock
        self._lock = threading.Lock()
        self._next = float("-inf")  # before this time nothing is passed on
        self._waiting = False  # there was a hint since the last call

    def hint(self) -> None:
        """Pass a hint on, now or, by a later `tick`, when its time has come."""
        with self._lock:
            self._waiting = True
        self.tick()

    def tick(self) -> None:
        """Pass on what waits, if its time has come; called every now and then."""
        with self._lock:
            now = self._clock()
            if not self._waiting or now < self._next:
                return
            self._waiting = False
            self._next = now + self._every_s
        self._wake()
