"""The work queue: one worker per key, no event lost, however threads and timers interleave."""

from __future__ import annotations

import threading
from collections import Counter

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from reconciler.controller.backoff import FIRST_S, LONGEST_S, Backoff
from reconciler.controller.queue import WorkQueue

KEYS = st.sampled_from("abcd")


class Queueing(RuleBasedStateMachine):
    """A queue and, beside it, what was promised for each key."""

    def __init__(self) -> None:
        super().__init__()
        self.now = 0.0
        self.queue: WorkQueue[str] = WorkQueue(lambda: self.now)
        self.owed: set[str] = set()
        """Keys with an event that no look has begun after."""
        self.due: dict[str, float] = {}
        self.held: set[str] = set()

    @rule(key=KEYS)
    def add(self, key: str) -> None:
        self.queue.add(key)
        self.owed.add(key)

    @rule(key=KEYS, seconds=st.floats(0, 10))
    def add_after(self, key: str, seconds: float) -> None:
        self.queue.add_after(key, seconds)
        self.due[key] = min(self.due.get(key, float("inf")), self.now + seconds)

    @rule(seconds=st.floats(0, 10))
    def time_passes(self, seconds: float) -> None:
        self.now += seconds

    @rule()
    def take(self) -> None:
        self.rings()
        key = self.queue.take(0)
        if key is None:
            assert self.owed <= self.held, "a key was not handed out"
            return
        assert key not in self.held, "two workers have one key"
        assert key in self.owed, "a key was handed out that nobody had added"
        self.owed.discard(key)
        self.held.add(key)

    @precondition(lambda self: self.held)
    @rule(data=st.data())
    def done(self, data: st.DataObject) -> None:
        key = data.draw(st.sampled_from(sorted(self.held)))
        self.held.discard(key)
        self.queue.done(key)

    @invariant()
    def rest_is_told(self) -> None:
        self.rings()
        assert self.queue.at_rest() == (not self.owed and not self.held)
        assert self.queue.depth() == len(self.owed)

    def rings(self) -> None:
        come = {key for key, due in self.due.items() if due <= self.now}
        self.owed |= come
        self.due = {key: due for key, due in self.due.items() if key not in come}


TestQueueing = Queueing.TestCase


def test_threads_that_add_and_take_lose_no_event_and_share_no_key() -> None:
    queue: WorkQueue[int] = WorkQueue()
    held: Counter[int] = Counter()
    seen: Counter[int] = Counter()
    shared = threading.Event()
    added = [0] * 5
    counted = [0] * 5

    def work() -> None:
        while (key := queue.take()) is not None:
            held[key] += 1
            if held[key] > 1:
                shared.set()
            counted[key] = added[key]  # what a look sees is never older than its event
            seen[key] += 1
            held[key] -= 1
            queue.done(key)

    workers = [threading.Thread(target=work) for _ in range(4)]
    for worker in workers:
        worker.start()
    for n in range(2000):
        added[n % 5] += 1
        queue.add(n % 5)
    while not queue.at_rest():
        pass
    queue.close()
    for worker in workers:
        worker.join(5)
    assert not shared.is_set()
    assert counted == added == [400] * 5
    assert all(1 <= seen[key] <= 400 for key in range(5))


def test_whoever_waits_is_woken_by_a_timer_and_let_go_when_the_queue_closes() -> None:
    queue: WorkQueue[str] = WorkQueue()
    queue.add_after("a", 0.01)
    assert queue.take(5) == "a"
    got: list[str | None] = []
    waiter = threading.Thread(target=lambda: got.append(queue.take()))
    waiter.start()
    queue.close()
    waiter.join(5)
    assert got == [None]


def test_pauses_double_up_to_the_bound_are_cut_by_chance_and_forgotten_on_success() -> None:
    whole: Backoff[str] = Backoff(chance=lambda: 0.0)
    pauses = [whole.failed("a") for _ in range(30)]
    assert pauses[:4] == [FIRST_S, 2 * FIRST_S, 4 * FIRST_S, 8 * FIRST_S]
    assert pauses[-1] == LONGEST_S == max(pauses)
    assert whole.failed("b") == FIRST_S, "keys fail by themselves"
    whole.forget("a")
    assert whole.failed("a") == FIRST_S
    cut: Backoff[str] = Backoff(chance=lambda: 0.999)
    assert 0.75 * FIRST_S <= cut.failed("a") < FIRST_S


def test_urgent_keys_are_had_in_turn_by_all_and_alone_by_whoever_takes_no_others() -> None:
    queue: WorkQueue[str] = WorkQueue(urgent=str.isupper)
    queue.add("a", "B", "c", "D")
    assert queue.take(0) == "a"
    assert queue.take(0, urgent=True) == "B"
    assert queue.take(0) == "c"
    queue.add("B")
    queue.done("B")
    assert (queue.take(0, urgent=True), queue.take(0, urgent=True)) == ("D", "B")
    queue.add("e")
    assert queue.take(0, urgent=True) is None
    assert queue.take(0) == "e"
