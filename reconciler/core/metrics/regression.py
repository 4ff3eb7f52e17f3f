"""Metrics of numbers, each a function of the rows' weights."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

from reconciler.core.metrics.scored import Moments, Scored, Statistic, Vector, mean, undefined

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

#: Below this share of the raw second moment a variance is rounding, not spread.
_ROUNDING = 1e-13


def mae(scored: Scored) -> Statistic:
    """Return the mean absolute error, in the target's unit."""
    return mean(np.abs(_errors(scored)))


def mse(scored: Scored) -> Statistic:
    """Return the mean squared error, in the target's unit squared."""
    return mean(_errors(scored) ** 2)


def rmse(scored: Scored) -> Statistic:
    """Return the root of the mean squared error, in the target's unit."""
    squared = _errors(scored)[:, None] ** 2
    return Moments(squared, lambda means: np.sqrt(means[:, 0]))


def mape(scored: Scored) -> Statistic:
    """Return the mean absolute error as a share of the truth (0.1 is 10 %)."""
    actual, _ = scored.numbers()
    return mean(np.abs(_errors(scored)) / np.maximum(np.abs(actual), np.finfo(np.float64).eps))


def r2(scored: Scored) -> Statistic:
    """Return the explained share of the truth's variance, <= 1; NaN where it is constant."""
    truth = _centred(scored.numbers()[0])
    columns = np.stack([_errors(scored) ** 2, truth, truth**2], axis=1)
    return Moments(columns, lambda means: 1 - means[:, 0] / _spread(means[:, 1:], np.nan))


def explained_variance(scored: Scored) -> Statistic:
    """Return `r2` after the mean error is taken away, <= 1; NaN where the truth is constant."""
    rest, truth = _centred(_errors(scored)), _centred(scored.numbers()[0])
    columns = np.stack([rest, rest**2, truth, truth**2], axis=1)
    return Moments(
        columns,
        lambda means: 1 - _spread(means[:, :2], 0.0) / _spread(means[:, 2:], np.nan),
    )


def max_error(scored: Scored) -> Statistic:
    """Return the greatest absolute error, in the target's unit."""
    sizes = np.abs(_errors(scored))
    return lambda weights: np.asarray(np.where(weights > 0, sizes, -np.inf).max(axis=1))


def median_absolute_error(scored: Scored) -> Statistic:
    """Return the median absolute error, in the target's unit; weights must be whole numbers."""
    sizes = np.abs(_errors(scored))
    if np.isnan(sizes).any():
        return undefined
    order = np.argsort(sizes, kind="stable")
    ordered = sizes[order]

    def statistic(weights: Vector) -> Vector:
        reached = np.cumsum(weights[:, order], axis=1)
        rows = reached[:, -1:]
        low = np.argmax(reached > (rows - 1) // 2, axis=1)
        high = np.argmax(reached > rows // 2, axis=1)
        return np.asarray((ordered[low] + ordered[high]) / 2, dtype=np.float64)

    return statistic


def _errors(scored: Scored) -> Vector:
    actual, prediction = scored.numbers()
    return np.asarray(actual - prediction, dtype=np.float64)


def _centred(values: Vector) -> Vector:
    """Return `values` less their mean, so that a variance takes next to nothing from nothing."""
    if not len(values) or values.min() == values.max():
        return np.zeros_like(values)  # exactly, whatever the rounding of the mean
    return np.asarray(values - values.mean(), dtype=np.float64)


def _spread(means: Vector, otherwise: float) -> Vector:
    """Return the variance by the means of values and squares; `otherwise` where there is none."""
    spread = means[:, 1] - means[:, 0] ** 2
    return np.where(spread <= _ROUNDING * means[:, 1], otherwise, spread)  # NaN stays NaN


METRICS: Final[Mapping[str, Callable[[Scored], Statistic]]] = {
    "mae": mae,
    "mse": mse,
    "rmse": rmse,
    "mape": mape,
    "r2": r2,
    "explained_variance": explained_variance,
    "max_error": max_error,
    "median_absolute_error": median_absolute_error,
}
