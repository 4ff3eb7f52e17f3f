"""Tallies: they add up in any order, and a late look at a boot takes nothing back."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from reconciler.core.tally import Tally

COUNT = st.integers(0, 1000)
TALLIES = st.builds(
    Tally, COUNT, COUNT, st.lists(COUNT, min_size=3, max_size=3).map(tuple), COUNT, COUNT
)


@given(TALLIES, TALLIES, TALLIES)
def test_sums_do_not_depend_on_their_order(a: Tally, b: Tally, c: Tally) -> None:
    assert (a + b) + c == c + (b + a)
    assert (a + b).requests == a.requests + b.requests


@given(TALLIES, TALLIES)
def test_a_boots_earlier_numbers_change_nothing_that_came_later(first: Tally, more: Tally) -> None:
    assert (first + more).or_later(first) == first.or_later(first + more) == first + more


@given(TALLIES)
def test_nothing_is_added_by_a_version_that_nobody_asked(tally: Tally) -> None:
    assert Tally() + tally == tally + Tally() == tally
