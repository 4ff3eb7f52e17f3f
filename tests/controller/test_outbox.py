"""The outbox writes everything in order, and holds up nobody."""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence

from reconciler.controller.outbox import Outbox


class Written:
    """A writer that can be stopped."""

    def __init__(self) -> None:
        self.batches: list[list[int]] = []
        self.lost = 0
        self.free = threading.Event()
        self.free.set()

    def __call__(self, batch: Sequence[int], lost: int) -> None:
        self.free.wait()
        self.batches.append(list(batch))
        self.lost += lost

    @property
    def items(self) -> list[int]:
        return [item for batch in self.batches for item in batch]


def test_the_end_of_the_block_waits_for_what_is_still_to_be_written() -> None:
    written = Written()
    with Outbox(written, "test", delay_s=60) as box:
        for item in range(7):
            box.put(item)
    assert written.items == list(range(7))


def test_items_share_a_batch_and_a_full_batch_does_not_wait() -> None:
    written = Written()
    with Outbox(written, "test", delay_s=60, batch=50) as box:
        for item in range(50):
            box.put(item)
        until = time.monotonic() + 5
        while not written.batches and time.monotonic() < until:
            time.sleep(0.001)
        assert written.batches == [list(range(50))]


def test_items_of_many_threads_keep_the_order_of_each() -> None:
    written = Written()
    with Outbox(written, "test") as box:

        def work(thread: int) -> None:
            for item in range(500):
                box.put(thread * 1000 + item)

        threads = [threading.Thread(target=work, args=(thread,)) for thread in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    for first in range(0, 4000, 1000):
        own = [item for item in written.items if first <= item < first + 1000]
        assert own == list(range(first, first + 500))


def test_a_writer_that_is_stuck_holds_up_nobody_and_what_it_cannot_take_is_counted() -> None:
    written = Written()
    written.free.clear()
    began = time.monotonic()
    with Outbox(written, "test", most=10) as box:
        box.put(0)
        until = time.monotonic() + 5
        while box._waiting and time.monotonic() < until:
            time.sleep(0.001)
        for item in range(1, 31):
            box.put(item)
        assert time.monotonic() - began < 5
        written.free.set()
    assert written.items == list(range(11))
    assert written.lost == 20


def test_the_end_does_not_wait_longer_than_a_second_for_a_writer_that_is_stuck() -> None:
    written = Written()
    written.free.clear()
    began = time.monotonic()
    with Outbox(written, "test") as box:
        box.put(1)
    assert 0.5 < time.monotonic() - began < 3
    written.free.set()
