"""Bounds on shares: exact in small numbers, and in very large ones."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import betaincinv
from scipy.stats import binom

from reconciler.core.bounds import at_least, exceeds, tail


@given(st.integers(1, 3_000_000), st.floats(0, 1), st.floats(1e-6, 1 - 1e-6))
def test_the_tail_is_that_of_the_binomial(trials: int, part: float, share: float) -> None:
    hits = max(1, round(part * trials))
    assert tail(hits, trials, share) == pytest.approx(binom.sf(hits - 1, trials, share), abs=1e-6)


@pytest.mark.parametrize(("hits", "trials"), [(1, 1), (1, 100), (5, 100), (44, 44), (9000, 10**6)])
def test_the_bound_is_the_one_of_clopper_and_pearson(hits: int, trials: int) -> None:
    assert at_least(hits, trials) == pytest.approx(betaincinv(hits, trials - hits + 1, 0.01))


@given(st.integers(0, 200), st.integers(0, 200), st.floats(0.001, 0.999))
def test_a_share_is_exceeded_where_the_bound_lies_above_it(
    hits: int, misses: int, share: float
) -> None:
    bound = at_least(hits, hits + misses)
    assert bound <= hits / max(hits + misses, 1)
    if abs(bound - share) > 1e-9:
        assert exceeds(hits, hits + misses, share) == (bound > share)


def test_what_was_never_seen_to_happen_proves_nothing() -> None:
    assert not exceeds(0, 1_000_000, 0.0)
    assert at_least(0, 0) == 0.0
    assert exceeds(1, 1_000_000, 0.0)
    assert [tail(*asked) for asked in ((0, 5, 0.5), (6, 5, 0.5), (2, 5, 1.0))] == [1.0, 0.0, 1.0]
