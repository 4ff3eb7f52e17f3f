"""Intervals of one model's metrics: around the value, within what is possible, the same again."""

from __future__ import annotations

import numpy as np
import pytest

from reconciler.core.metrics import Scored, compute
from reconciler.core.uncertainty import USUAL, estimates
from reconciler.spec.metrics import METRICS


def binary(rows: int, right: float = 0.9) -> Scored:
    random = np.random.default_rng(rows)
    truth = random.random(rows) < 0.4
    chance = np.clip(np.where(random.random(rows) < right, truth, ~truth) * 0.8 + 0.1, 0, 1)
    given = chance > 0.5
    both = np.stack([1 - chance, chance], axis=1)
    return Scored(truth, given, both, (False, True), True)


def numbers(rows: int) -> Scored:
    random = np.random.default_rng(rows)
    truth = random.normal(size=rows)
    return Scored(truth, truth + random.normal(0, 0.5, rows))


@pytest.mark.parametrize(
    ("task", "scored"), [("binary", binary(300)), ("regression", numbers(300))]
)
def test_every_metric_lies_within_its_interval_and_that_within_its_range(
    task: str, scored: Scored
) -> None:
    names = [m.name for m in METRICS.values() if task in m.tasks and m.needs != "system"]
    found = {one.metric: one for one in estimates(names, scored, "s")}
    values = compute(names, scored)
    assert set(found) == set(names)
    for name, one in found.items():
        assert one.value == values[name]
        if name == "max_error":
            assert (one.low, one.high) == (None, None)
            continue
        assert one.low is not None
        assert one.high is not None
        assert one.low <= one.value <= one.high
        assert METRICS[name].better == "lower" or one.high <= 1
    assert tuple(found.values()) == estimates(names, scored, "s")


def test_a_share_of_rows_that_are_all_right_is_not_certain() -> None:
    truth = np.array([False, True] * 20)
    (one,) = estimates(["accuracy"], Scored(truth, truth, None, (False, True), True), "s")
    assert one.value == one.high == 1
    assert one.low == pytest.approx(0.912, abs=0.001)


def test_many_rows_narrow_the_interval_though_not_all_are_resampled() -> None:
    few, many = (estimates(["rmse"], numbers(rows), "s")[0] for rows in (10_000, 90_000))
    assert few.low is not None
    assert few.high is not None
    assert many.low is not None
    assert many.high is not None
    assert (few.high - few.low) / (many.high - many.low) == pytest.approx(3, rel=0.15)


def test_what_the_rows_cannot_tell_has_no_interval_and_what_is_undefined_is_left_out() -> None:
    (one,) = estimates(["rmse", "r2"], Scored(np.array([1.0]), np.array([3.0])), "s")
    assert (one.metric, one.value, one.low, one.high) == ("rmse", 2.0, None, None)
    assert estimates(USUAL["regression"], Scored(np.empty(0), np.empty(0)), "s") == ()
