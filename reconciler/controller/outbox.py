"""Outbox: what many threads say is written by one thread, so that no pass waits for a slow disk."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from typing import Generic, TypeVar

T = TypeVar("T")

_DRAIN_S = 1.0


class Outbox(Generic[T]):
    """Hands items to a writer in batches, in their order; a context manager around the work.

    Putting never waits and never fails. Where the writer cannot keep up, new items are lost and
    counted. The end of the block waits one second at most for what is still to be written.

    Args:
        write: Gets the items, and how many were lost since it was last called. It raises nothing.
        name: The thread's name.
        delay_s: How long an item waits for others to share a batch.
        batch: So many do not wait.
        most: So many may wait.
    """

    def __init__(
        self,
        write: Callable[[Sequence[T], int], None],
        name: str,
        delay_s: float = 0.0,
        batch: int = 100,
        most: int = 20_000,
    ) -> None:
        self._write = write
        self._delay_s = delay_s
        self._batch = batch
        self._most = most
        self._changed = threading.Condition()
        self._waiting: list[T] = []
        self._lost = 0
        self._closing = False
        self._thread = threading.Thread(target=self._work, name=name, daemon=True)

    def __enter__(self) -> Outbox[T]:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        with self._changed:
            self._closing = True
            self._changed.notify()
        self._thread.join(_DRAIN_S)

    def put(self, item: T) -> None:
        """Have an item written soon; any thread may call it."""
        with self._changed:
            if len(self._waiting) >= self._most:
                self._lost += 1
                return
            self._waiting.append(item)
            if len(self._waiting) in (1, self._batch):
                self._changed.notify()

    def _work(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._waiting or self._closing)
                self._changed.wait_for(self._due, self._delay_s)
                batch, self._waiting = self._waiting, []
                lost, self._lost = self._lost, 0
            if not batch:
                return
            self._write(batch, lost)

    def _due(self) -> bool:
        return self._closing or len(self._waiting) >= self._batch
