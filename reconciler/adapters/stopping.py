"""Stopping: how whoever ends the program ends the calls that others are in."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from reconciler.errors import TransientError


class Stop:
    """Ends calls that are under way, and those that would follow. Threads share it."""

    def __init__(self) -> None:
        self.event = threading.Event()
        """Set once calls are to end."""
        self._calls = 0
        self._fewer = threading.Condition()

    def asked(self) -> bool:
        """Return whether calls are to end."""
        return self.event.is_set()

    def pause(self, seconds: float) -> None:
        """Wait for so long, or until calls are to end."""
        self.event.wait(seconds)

    def end(self, within_s: float) -> bool:
        """Ask all calls to end, and return whether they have."""
        self.event.set()
        with self._fewer:
            return self._fewer.wait_for(lambda: self._calls == 0, within_s)

    @contextmanager
    def calling(self) -> Iterator[None]:
        """Count the block as a call.

        Raises:
            TransientError: `Stopped`: there are to be no more.
        """
        with self._fewer:
            if self.asked():
                raise TransientError("the program is ending", reason="Stopped")
            self._calls += 1
        try:
            yield
        finally:
            with self._fewer:
                self._calls -= 1
                self._fewer.notify_all()
