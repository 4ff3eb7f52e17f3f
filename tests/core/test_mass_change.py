"""The guard against mass changes: what counts, when it is too much, and what is said."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.core.mass_change import Fate, mass_change
from reconciler.spec.params import Guard

fates = st.dictionaries(st.text("abcdef", min_size=1), st.sampled_from(Fate))
limits = st.builds(
    Guard, share=st.integers(0, 100).map(lambda n: n / 100), count=st.integers(0, 20)
)


def fleet(retired: int, replaced: int, left: int) -> dict[str, Fate]:
    counts = {Fate.RETIRE: retired, Fate.REPLACE: replaced, Fate.LEAVE: left}
    return {f"{fate}-{n:02}": fate for fate, count in counts.items() for n in range(count)}


@pytest.mark.parametrize(
    ("retired", "replaced", "left", "too_much"),
    [
        (0, 0, 0, False),
        (0, 10, 0, False),
        (0, 11, 11, False),
        (0, 11, 10, True),
        (6, 5, 10, True),
        (10, 0, 1, False),
        (0, 40, 60, False),
        (40, 3, 0, True),
    ],
)
def test_both_limits_must_be_exceeded(
    retired: int, replaced: int, left: int, too_much: bool
) -> None:
    found = mass_change(fleet(retired, replaced, left), Guard(), declared=True)
    assert (found is not None) == too_much


def test_a_share_is_taken_as_it_is_written() -> None:
    limit = Guard(share=0.29, count=0)  # as a float, 0.29 of 100 is a little less than 29
    assert mass_change(fleet(29, 0, 71), limit, declared=True) is None
    assert mass_change(fleet(30, 0, 70), limit, declared=True) is not None


@pytest.mark.parametrize(("production", "too_much"), [(0, False), (1, False), (2, True), (3, True)])
def test_nothing_declared_is_too_much_from_two_models_on_whatever_the_limits(
    production: int, too_much: bool
) -> None:
    limit = Guard(share=1, count=1000)
    found = mass_change(fleet(production, 0, 0), limit, declared=False)
    assert (found is not None) == too_much
    assert mass_change(fleet(production, 0, 0), limit, declared=True) is None


def test_models_that_are_not_looked_at_belong_to_the_fleet() -> None:
    changed = fleet(0, 12, 0)
    assert mass_change(changed, Guard(), declared=True) is not None
    assert mass_change(changed, Guard(), others=12, declared=True) is None


def test_it_says_what_would_be_done_and_what_to_do_about_it() -> None:
    found = mass_change(fleet(40, 3, 0), Guard(), declared=True)
    assert found is not None
    assert found.told("commit abc1234") == (
        "commit abc1234 would retire 40 and replace 3 of 43 models in production"
        " (retire-00, retire-01, retire-02, retire-03, retire-04 and 38 more):"
        " revert it, or allow it with `reconciler apply --allow-mass-change`"
    )
    emptied = mass_change(fleet(2, 0, 0), Guard(), declared=False)
    assert emptied is not None
    said = emptied.told("commit abc1234")
    assert said.startswith("commit abc1234 declares no model and would retire 2 of 2 models")


@given(fates, limits, st.integers(0, 30))
def test_it_holds_back_all_that_would_change_and_nothing_else(
    given: dict[str, Fate], limit: Guard, others: int
) -> None:
    found = mass_change(given, limit, others=others, declared=True)
    if found is not None:
        assert set(found.models) == {n for n, fate in given.items() if fate is not Fate.LEAVE}
        assert len(found.models) > limit.count
        assert len(found.models) > limit.share * (len(given) + others) - 1e-9


@given(fates, limits, st.data())
def test_what_was_not_too_much_is_not_so_either_once_a_part_of_it_is_done(
    given: dict[str, Fate], limit: Guard, data: st.DataObject
) -> None:
    if mass_change(given, limit, declared=True) is not None:
        return
    done = data.draw(st.sets(st.sampled_from(sorted(given)))) if given else set()
    left = {
        name: Fate.LEAVE if name in done else fate
        for name, fate in given.items()
        if not (name in done and fate is Fate.RETIRE)
    }
    assert mass_change(left, limit, declared=True) is None
