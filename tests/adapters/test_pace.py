"""A pace: many hints become few, the first at once, the last not lost."""

from __future__ import annotations

import itertools
from collections.abc import Callable

from hypothesis import given
from hypothesis import strategies as st

from reconciler.adapters.pace import Pace


class Clock:
    """A clock that is set by hand, and its timers."""

    def __init__(self) -> None:
        self.now = 100.0
        self.timers: list[Alarm] = []

    def __call__(self) -> float:
        return self.now

    def timer(self, after_s: float, call: Callable[[], None]) -> Alarm:
        return Alarm(self, self.now + after_s, call)

    def go(self, seconds: float) -> None:
        """Let time pass, stopping at each alarm."""
        end = self.now + seconds
        while due := [alarm for alarm in self.timers if alarm.at <= end]:
            first = min(due, key=lambda alarm: alarm.at)
            self.timers.remove(first)
            self.now = first.at
            first.call()
        self.now = end


class Alarm:
    daemon = False

    def __init__(self, clock: Clock, at: float, call: Callable[[], None]) -> None:
        self.clock, self.at, self.call = clock, at, call

    def start(self) -> None:
        self.clock.timers.append(self)

    def cancel(self) -> None:
        self.clock.timers.remove(self)


def paced() -> tuple[Clock, Pace, list[float]]:
    clock, woken = Clock(), list[float]()
    return clock, Pace(lambda: woken.append(clock.now), 1.0, clock, clock.timer), woken


def test_the_first_hint_is_passed_on_at_once() -> None:
    _, pace, woken = paced()
    pace.hint()
    assert woken == [100.0]


def test_hints_within_a_second_become_one_more_when_it_is_over() -> None:
    clock, pace, woken = paced()
    for _ in range(1000):
        pace.hint()
    clock.go(5)
    assert woken == [100.0, 101.0]


def test_nothing_is_passed_on_after_the_end() -> None:
    clock, pace, woken = paced()
    pace.hint()
    pace.hint()
    pace.end()
    pace.hint()
    clock.go(5)
    assert woken == [100.0]
    assert clock.timers == []


@given(st.lists(st.tuples(st.booleans(), st.floats(0, 2))))
def test_two_wakes_are_a_second_apart_and_every_hint_is_followed_by_one(
    steps: list[tuple[bool, float]],
) -> None:
    clock, pace, woken = paced()
    last = None
    for hinted, passed in steps:
        if hinted:
            pace.hint()
            last = clock.now
        clock.go(passed)
    clock.go(2.0)
    assert all(two - one >= 0.999 for one, two in itertools.pairwise(woken))
    assert last is None or woken[-1] >= last
