"""The work queue: keys to look at, each by one worker at a time, none of them lost.

Whoever adds a key says that something of it may have changed, not what. However often a key is
added while a worker is at it, one more look follows.
"""

from __future__ import annotations

import heapq
import threading
import time
from collections.abc import Callable, Hashable
from typing import Generic, TypeVar

K = TypeVar("K", bound=Hashable)


class WorkQueue(Generic[K]):
    """Hands out keys in the order in which they were added; any thread may call.

    Args:
        clock: Monotonic seconds.
        urgent: Whether a key may also be had by whoever takes nothing else.
    """

    def __init__(
        self,
        clock: Callable[[], float] = time.monotonic,
        urgent: Callable[[K], bool] = lambda _: False,
    ) -> None:
        self._clock = clock
        self._is_urgent = urgent
        self._turn = threading.Condition()
        self._waiting: dict[K, None] = {}
        """Keys to be handed out, the longest waiting first; each once, none in `_processing`."""
        self._urgent: dict[K, None] = {}
        """Those of `_waiting` that are urgent, in the same order."""
        self._processing: set[K] = set()
        """Keys that a worker has and has not given back."""
        self._dirty: set[K] = set()
        """Keys in `_processing` that were added again since they were handed out."""
        self._due: dict[K, float] = {}
        """When a key is to be added; the earliest wish counts."""
        self._timers: list[tuple[float, int, K]] = []
        """A heap of all wishes; those that `_due` does not know any more are void."""
        self._order = 0
        self._closed = False

    def add(self, *keys: K) -> None:
        """Have each key looked at, once a worker is free and none is at it."""
        with self._turn:
            for key in keys:
                self._add(key)
            self._turn.notify_all()

    def add_after(self, key: K, seconds: float) -> None:
        """Add the key in so many seconds, unless an earlier wish does so before."""
        with self._turn:
            due = self._clock() + seconds
            if due < self._due.get(key, float("inf")):
                self._due[key] = due
                self._order += 1
                heapq.heappush(self._timers, (due, self._order, key))
                self._turn.notify_all()

    def take(self, timeout_s: float | None = None, *, urgent: bool = False) -> K | None:
        """Wait for a key and return it; None when the time is over, or the queue is closed.

        Whoever takes a key gives it back with `done`.

        Args:
            timeout_s: Seconds to wait; None: until there is one.
            urgent: Take none but urgent ones, so that they wait for no others.
        """
        with self._turn:
            end = None if timeout_s is None else self._clock() + timeout_s
            while not self._closed:
                self._ring()
                if waiting := self._urgent if urgent else self._waiting:
                    key = next(iter(waiting))
                    del self._waiting[key]
                    self._urgent.pop(key, None)
                    self._processing.add(key)
                    return key
                if end is not None and self._clock() >= end:
                    break
                self._turn.wait(self._until(end))
            return None

    def done(self, key: K) -> None:
        """Give a key back; if it was added meanwhile, it is handed out once more."""
        with self._turn:
            self._processing.discard(key)
            if key in self._dirty:
                self._dirty.discard(key)
                self._add(key)
            self._turn.notify_all()

    def close(self) -> None:
        """Hand out nothing any more; whoever waits is let go."""
        with self._turn:
            self._closed = True
            self._turn.notify_all()

    def at_rest(self) -> bool:
        """Return whether no key waits and no worker has one; those due later do not count."""
        with self._turn:
            self._ring()
            return not self._waiting and not self._processing

    def depth(self) -> int:
        """Return how many keys wait, those that are due later left out."""
        with self._turn:
            return len(self._waiting) + len(self._dirty)

    def waiting(self) -> tuple[K, ...]:
        """Return the keys that wait now."""
        with self._turn:
            return (*self._waiting, *self._dirty)

    def _add(self, key: K) -> None:
        if key in self._processing:
            self._dirty.add(key)
        else:
            self._waiting[key] = None
            if self._is_urgent(key):
                self._urgent[key] = None

    def _ring(self) -> None:
        """Add the keys whose time has come."""
        now = self._clock()
        while self._timers and (self._timers[0][0] <= now or self._void(self._timers[0])):
            timer = heapq.heappop(self._timers)
            if not self._void(timer):
                del self._due[timer[2]]
                self._add(timer[2])

    def _void(self, timer: tuple[float, int, K]) -> bool:
        return self._due.get(timer[2]) != timer[0]

    def _until(self, end: float | None) -> float | None:
        """Return seconds until the next timer or the end; None: there is neither."""
        moments = [t for t in (end, self._timers[0][0] if self._timers else None) if t is not None]
        return max(0.0, min(moments) - self._clock()) if moments else None
