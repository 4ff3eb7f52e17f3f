import math
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reconciler.core.bootstrap import interval
from reconciler.core.metrics import Moments, Statistic, Vector
from reconciler.core.metrics.scored import mean, undefined

Kind = Callable[[Vector], Statistic]

ONES = np.ones(400)
VALUES = np.random.default_rng(5).exponential(size=400)


def percentile(values: Vector) -> Statistic:
    """Return the mean of `values` as a statistic without known moments."""
    moments = mean(values)
    return lambda weights: moments(weights)


@pytest.mark.parametrize("kind", [mean, percentile])
def test_the_interval_of_a_mean_is_that_of_the_textbook(kind: Kind) -> None:
    found = interval(kind(VALUES), ONES, 0.95, "seed")
    error = VALUES.std(ddof=1) / math.sqrt(len(VALUES))
    assert found.estimate == pytest.approx(VALUES.mean())
    assert found.error == pytest.approx(error, rel=0.05)
    assert found.low == pytest.approx(VALUES.mean() - 1.645 * error, abs=0.25 * error)
    assert found.high == pytest.approx(VALUES.mean() + 1.645 * error, abs=0.25 * error)


def test_the_studentised_interval_leans_the_way_the_values_are_skewed() -> None:
    found = interval(mean(VALUES), ONES, 0.95, "seed")
    assert found.high - found.estimate > found.estimate - found.low


@pytest.mark.parametrize("kind", [mean, percentile])
def test_an_interval_repeats_with_its_seed_and_moves_with_another(kind: Kind) -> None:
    statistic = kind(VALUES)
    first = interval(statistic, ONES, 0.95, "seed")
    assert interval(statistic, ONES, 0.95, "seed") == first
    assert interval(statistic, ONES, 0.95, "other seed").low != first.low


@settings(deadline=None, derandomize=True, max_examples=30)
@given(st.integers(0, 10_000), st.sampled_from([0.8, 0.9, 0.95]))
def test_more_confidence_never_narrows_an_interval(seed: int, confidence: float) -> None:
    values = np.random.default_rng(seed).standard_t(3, 60)
    narrow = interval(mean(values), np.ones(60), confidence, "s")
    wide = interval(mean(values), np.ones(60), 0.99, "s")
    assert wide.low <= narrow.low <= narrow.estimate <= narrow.high <= wide.high


def test_units_that_stand_for_several_rows_resample_like_those_rows() -> None:
    values, counts = np.array([0.0, 1.0, 5.0]), np.array([100.0, 250.0, 50.0])
    few = interval(percentile(values), counts, 0.95, "a")
    many = interval(percentile(np.repeat(values, counts.astype(int))), ONES, 0.95, "b")
    assert few.estimate == pytest.approx(many.estimate)
    assert few.low == pytest.approx(many.low, abs=0.03)
    assert few.high == pytest.approx(many.high, abs=0.03)


def test_the_error_of_a_ratio_of_means_follows_the_delta_method() -> None:
    rng = np.random.default_rng(2)
    pair = rng.normal([10.0, 5.0], [1.0, 2.0], (400, 2))
    found = interval(Moments(pair, lambda m: m[:, 0] / m[:, 1]), ONES, 0.95, "s")
    top, bottom = pair.mean(axis=0)
    error = (pair[:, 0] / bottom - top * pair[:, 1] / bottom**2).std() / math.sqrt(399)
    assert found.error == pytest.approx(error, rel=1e-4)


def test_a_statistic_that_does_not_vary_has_no_width() -> None:
    found = interval(mean(np.full(50, 3.0)), np.ones(50), 0.95, "s")
    assert (found.low, found.estimate, found.high) == (3.0, 3.0, 3.0)


def test_an_undefined_statistic_has_no_bounds() -> None:
    found = interval(undefined, np.ones(50), 0.95, "s")
    assert (found.low, found.high) == (-math.inf, math.inf)
    assert math.isnan(found.error)


def test_resamples_without_a_value_count_against_both_bounds() -> None:
    rare = np.zeros(40)
    rare[0] = 1.0  # absent from 36 % of the resamples

    def statistic(weights: Vector) -> Vector:
        drawn = weights @ rare
        return np.asarray(np.where(drawn > 0, drawn, np.nan))

    found = interval(statistic, np.ones(40), 0.95, "s")
    assert (found.low, found.high) == (-math.inf, math.inf)
    assert math.isfinite(found.error)
