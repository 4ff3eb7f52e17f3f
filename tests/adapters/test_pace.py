"""A pace: many hints become few, the first at once, the last not lost."""

from __future__ import annotations

import itertools

from hypothesis import given
from hypothesis import strategies as st

from reconciler.adapters.pace import Pace


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def test_the_first_hint_is_passed_on_at_once() -> None:
    woken: list[float] = []
    Pace(lambda: woken.append(1), 1.0, Clock()).hint()
    assert woken == [1]


def test_hints_within_a_second_become_one_more_when_it_is_over() -> None:
    clock, woken = Clock(), list[float]()
    pace = Pace(lambda: woken.append(clock.now), 1.0, clock)
    for _ in range(1000):
        pace.hint()
    clock.now += 0.75
    pace.tick()
    assert woken == [100.0]
    clock.now += 0.5
    pace.tick()
    pace.tick()
    assert woken == [100.0, 101.25]


def test_without_a_hint_no_tick_wakes() -> None:
    woken: list[float] = []
    Pace(lambda: woken.append(1), 1.0, Clock()).tick()
    assert woken == []


@given(st.lists(st.tuples(st.booleans(), st.floats(0, 2))))
def test_two_wakes_are_a_second_apart_and_every_hint_is_followed_by_one(
    steps: list[tuple[bool, float]],
) -> None:
    clock, woken, last = Clock(), list[float](), None
    pace = Pace(lambda: woken.append(clock.now), 1.0, clock)
    for hinted, passed in steps:
        if hinted:
            pace.hint()
            last = clock.now
        clock.now += passed
        pace.tick()
    clock.now += 1.0
    pace.tick()
    assert all(two - one >= 1.0 for one, two in itertools.pairwise(woken))
    assert last is None or woken[-1] >= last
