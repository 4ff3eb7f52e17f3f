"""A remote is asked by a timer, and at once where somebody says that there is something new."""

from __future__ import annotations

import threading

from reconciler.cli.sourcing import Polling
from reconciler.controller.events import Event


def test_who_is_in_a_hurry_does_not_wait_for_the_timer() -> None:
    told: list[Event] = []
    looks = threading.Semaphore(0)
    polling = Polling(looks.release, lambda: None, told.append, 3600.0)
    polling.start()
    assert looks.acquire(timeout=10)
    assert not looks.acquire(timeout=0.05)
    polling.hurry()
    assert looks.acquire(timeout=10)
    polling.end()
    assert told == []
