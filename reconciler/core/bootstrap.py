"""The bootstrap: how far a number computed on a sample of rows can be trusted.

Every bound is the more cautious of two: of the percentile bound and the studentised one for smooth
functions of means (an RMSE, a log loss, their differences), of the percentile and the basic one
for every other statistic. By `bench/` that keeps its word where losses are skewed and where ranks
are near their end, and neither BCa nor any one of them alone does.

Source:
    Efron and Tibshirani, An Introduction to the Bootstrap, chapters 12 and 13,
    doi:10.1201/9780429246593.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from reconciler.core.metrics import Moments, Statistic, Vector

RESAMPLES = 2000
#: Rows drawn in all, beyond which there are fewer resamples; never fewer than the least.
_DRAWS = 40_000_000
_LEAST_RESAMPLES = 400
#: Weights held at a time: bounds the memory whatever the number of rows.
_CELLS = 1_000_000
#: Step of the numeric derivative, in standard deviations of a column.
_STEP = 1e-4
#: An error below this share of the estimate is rounding: the statistic does not vary.
_ROUNDING = 1e-9


@dataclass(frozen=True, slots=True)
class Interval:
    """One-sided bounds of a statistic, each at the same confidence."""

    estimate: float
    """The statistic of the sample itself."""
    low: float
    """It is above this with the stated confidence; -inf where the sample cannot say."""
    high: float
    """It is below this with the stated confidence; inf where the sample cannot say."""
    error: float
    """Standard error; NaN where the sample cannot say."""


def interval(statistic: Statistic, counts: Vector, confidence: float, seed: str) -> Interval:
    """Return the one-sided bounds of a statistic.

    Args:
        statistic: Takes weights, shape (b, units), and returns b values.
        counts: How many rows each unit stands for, shape (units,), > 0: all ones where units are
            rows. A resample draws as many rows, with chances in proportion.
        confidence: Of each bound by itself, between 0.5 and 1.
        seed: Equal seeds give equal intervals.
    """
    with np.errstate(invalid="ignore", divide="ignore", over="ignore"):
        if isinstance(statistic, Moments):
            return _of_moments(statistic, counts, confidence, seed)
        return _of_values(statistic, counts, confidence, seed)


def _of_values(statistic: Statistic, counts: Vector, confidence: float, seed: str) -> Interval:
    """Return the more cautious of the percentile and the basic bound on either side."""
    estimate = float(statistic(counts[None, :])[0])
    drawn = np.concatenate([statistic(weights) for weights in _resamples(counts, seed)])
    finite = drawn[np.isfinite(drawn)]
    error = float(finite.std(ddof=1)) if len(finite) > 1 else math.nan
    low, high = _bounds(drawn, confidence)
    return _certain(estimate, min(low, 2 * estimate - high), max(high, 2 * estimate - low), error)


def _of_moments(moments: Moments, counts: Vector, confidence: float, seed: str) -> Interval:
    """Return the more cautious of the percentile and the studentised bound on either side.

    The latter goes by how many of its own standard errors a resample is off the estimate.
    """
    rows, scaled = counts.sum(), _scaled(moments, counts)
    products = _products(scaled.columns)
    estimate, error = (float(v[0]) for v in _with_error(scaled, products, counts[None, :], rows))
    if error <= _ROUNDING * abs(estimate):
        return Interval(estimate, estimate, estimate, 0.0)
    pairs = [_with_error(scaled, products, w, rows) for w in _resamples(counts, seed)]
    drawn, errors = (np.concatenate(part) for part in zip(*pairs, strict=True))
    low, high = _bounds(drawn, confidence)
    least, most = _bounds((drawn - estimate) / errors, confidence)
    return _certain(
        estimate, min(low, estimate - error * most), max(high, estimate - error * least), error
    )


def _certain(estimate: float, low: float, high: float, error: float) -> Interval:
    if math.isnan(estimate) or math.isnan(error):
        return Interval(estimate, -math.inf, math.inf, math.nan)
    return Interval(estimate, low, high, error)


def _scaled(moments: Moments, counts: Vector) -> Moments:
    """Return the same statistic of columns with mean 0 and standard deviation 1."""
    centre = counts @ moments.columns / counts.sum()
    away = moments.columns - centre
    scale = np.sqrt(counts @ away**2 / counts.sum())
    scale = np.where(scale > 0, scale, 1.0)
    return Moments(away / scale, lambda means: moments.value(centre + scale * means))


def _products(columns: Vector) -> Vector:
    """Return every product of two columns, shape (rows, k * k)."""
    return np.asarray((columns[:, :, None] * columns[:, None, :]).reshape(len(columns), -1))


def _with_error(
    moments: Moments, products: Vector, weights: Vector, rows: float
) -> tuple[Vector, Vector]:
    """Return the statistic and its standard error by the delta method, each of shape (b,)."""
    means = weights @ moments.columns / rows
    k = means.shape[1]
    second = (weights @ products / rows).reshape(-1, k, k)
    covariance = second - means[:, :, None] * means[:, None, :]
    slopes = np.stack([_slope(moments, means, column) for column in range(k)], axis=1)
    variance = np.einsum("bi,bij,bj->b", slopes, covariance, slopes) / (rows - 1)
    return moments.value(means), np.sqrt(np.maximum(variance, 0.0))


def _slope(moments: Moments, means: Vector, column: int) -> Vector:
    step = np.zeros(means.shape[1])
    step[column] = _STEP
    rise = moments.value(means + step) - moments.value(means - step)
    return np.asarray(rise / (2 * _STEP))


def _bounds(drawn: Vector, confidence: float) -> tuple[float, float]:
    """Return the order statistics that cut off 1 - confidence at either end.

    What a resample cannot say counts against both.
    """
    undefined = np.isnan(drawn)
    low = _lower(np.where(undefined, -np.inf, drawn), 1 - confidence)
    return low, -_lower(np.where(undefined, -np.inf, -drawn), 1 - confidence)


def _lower(values: Vector, level: float) -> float:
    at = max(math.floor(level * (len(values) + 1)) - 1, 0)
    return float(np.partition(values, at)[at])


def _resamples(counts: Vector, seed: str) -> Iterator[Vector]:
    """Give the weights of the resamples, in batches of shape (b, units)."""
    entropy = int.from_bytes(hashlib.sha256(seed.encode()).digest(), "big")
    generator = np.random.default_rng(entropy)
    batch = max(1, _CELLS // len(counts))
    resamples = max(_LEAST_RESAMPLES, min(RESAMPLES, _DRAWS // len(counts)))
    for start in range(0, resamples, batch):
        yield _weights(generator, counts, min(batch, resamples - start))


def _weights(generator: np.random.Generator, counts: Vector, size: int) -> Vector:
    units = len(counts)
    if (counts != 1).any():
        rows = counts.sum()
        drawn = generator.multinomial(round(rows), counts / rows, size=size)
        return drawn.astype(np.float64)
    weights = np.empty((size, units))
    for each in weights:  # a row at a time stays within the processor's cache
        each[:] = np.bincount(generator.integers(0, units, units), minlength=units)
    return weights
