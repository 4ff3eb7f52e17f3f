"""The paired bootstrap: how far a difference between two models on the same rows can be trusted.

The interval is the bias-corrected and accelerated one (BCa): for skewed losses the plain
percentile interval accepts a worse model more often than its confidence says.

Source:
    Efron, Better bootstrap confidence intervals, doi:10.1080/01621459.1987.10478410.
"""

from __future__ import annotations

import hashlib
import math
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np
import numpy.typing as npt

from reconciler.core.metrics import Statistic

Floats = npt.NDArray[np.float64]

RESAMPLES = 2000
_BLOCKS = 200
_NORMAL = NormalDist()
_USABLE = 0.95
_CELLS = 2_000_000


@dataclass(frozen=True, slots=True)
class Interval:
    """One-sided bounds of a statistic, each at the same confidence."""

    estimate: float
    """The statistic of the rows themselves."""
    low: float
    """It is above this with the stated confidence; -inf when too few resamples had a value."""
    high: float
    """It is below this with the stated confidence; inf when too few resamples had a value."""
    error: float
    """Standard error."""


def interval(statistic: Statistic, rows: int, confidence: float, seed: str) -> Interval:
    """Return the one-sided bounds of a statistic of row weights.

    Args:
        statistic: Takes weights, shape (b, rows), and returns b values.
        rows: How many there are, >= 2.
        confidence: Of each bound by itself, between 0.5 and 1.
        seed: Equal seeds give equal intervals.
    """
    estimate = float(statistic(np.ones((1, rows)))[0])
    draws = _draws(statistic, rows, seed)
    usable = draws[np.isfinite(draws)]
    if len(usable) < _USABLE * len(draws) or not math.isfinite(estimate):
        return Interval(estimate, -math.inf, math.inf, math.inf)
    error = float(usable.std(ddof=1))
    if error == 0.0:
        return Interval(estimate, estimate, estimate, 0.0)
    usable.sort()
    shift, curve = _bias(usable, estimate), _acceleration(statistic, rows)
    low = _quantile(usable, _level(1 - confidence, shift, curve))
    high = _quantile(usable, _level(confidence, shift, curve))
    return Interval(estimate, low, high, error)


def _draws(statistic: Statistic, rows: int, seed: str) -> Floats:
    entropy = int.from_bytes(hashlib.sha256(seed.encode()).digest(), "big")
    generator = np.random.Generator(np.random.PCG64(entropy))
    batch = max(1, _CELLS // rows)
    return np.concatenate(
        [
            statistic(_weights(generator, min(batch, RESAMPLES - start), rows))
            for start in range(0, RESAMPLES, batch)
        ]
    )


def _weights(generator: np.random.Generator, draws: int, rows: int) -> Floats:
    """Return how often each row stands in each of `draws` resamples, shape (draws, rows)."""
    drawn = generator.integers(0, rows, (draws, rows)) + np.arange(draws)[:, None] * rows
    counts = np.bincount(drawn.ravel(), minlength=draws * rows)
    return counts.reshape(draws, rows).astype(np.float64)


def _bias(ordered: Floats, estimate: float) -> float:
    """Return how far the middle of the draws lies from the estimate, in standard normal units."""
    below = np.searchsorted(ordered, estimate) + np.searchsorted(ordered, estimate, side="right")
    share = below / 2 / len(ordered)
    return _NORMAL.inv_cdf(min(max(share, 1 / len(ordered)), 1 - 1 / len(ordered)))


def _acceleration(statistic: Statistic, rows: int) -> float:
    """Return how fast the error changes with the value, from a jackknife over blocks of rows."""
    blocks = min(_BLOCKS, rows)
    member = np.arange(rows) % blocks
    left = statistic((member != np.arange(blocks)[:, None]).astype(np.float64))
    if not np.isfinite(left).all():
        return 0.0
    away = left.mean() - left
    spread = float(np.square(away).sum()) ** 1.5
    return float(np.power(away, 3).sum() / (6 * spread)) if spread > 0 else 0.0


def _level(level: float, shift: float, curve: float) -> float:
    moved = shift + _NORMAL.inv_cdf(level)
    slope = 1 - curve * moved
    return _NORMAL.cdf(shift + moved / slope) if slope > 0 else level


def _quantile(ordered: Floats, level: float) -> float:
    return float(np.quantile(ordered, min(max(level, 0.0), 1.0)))
