"""Uncertainty: the metrics of one model with the interval that its rows leave."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np

from reconciler.core.bootstrap import interval
from reconciler.core.metrics import Scored, Statistic, Vector, compute, statistic
from reconciler.core.pictures.chance import share_interval
from reconciler.spec.metrics import METRICS

#: The usual metrics of each task, the one that people ask for first.
USUAL: Final[Mapping[str, tuple[str, ...]]] = {
    "regression": ("rmse", "mae", "r2"),
    "binary": ("roc_auc", "accuracy", "precision", "recall", "f1", "log_loss"),
    "multiclass": ("accuracy", "f1_macro", "log_loss"),
}

#: Of either side: 95 % lie between both.
_CONFIDENCE = 0.975
_ROWS = 20_000
#: What a metric cannot fall below, where that is not 0.
_LEAST: Final[Mapping[str, float]] = {
    "r2": -math.inf,
    "explained_variance": -math.inf,
    "matthews_corrcoef": -1.0,
    "cohen_kappa": -1.0,
}


@dataclass(frozen=True, slots=True)
class Estimate:
    """A metric with its 95 % interval."""

    metric: str
    value: float
    low: float | None
    """None: the rows do not tell."""
    high: float | None


def estimates(names: Iterable[str], scored: Scored, seed: str) -> tuple[Estimate, ...]:
    """Return the metrics that apply, each with its interval.

    Of more than 20,000 rows, evenly spaced ones are resampled, and the interval is narrowed as
    the root of their share asks.

    Args:
        names: Metrics; those that are not computed from answers are left out.
        scored: The rows.
        seed: Equal seeds give equal intervals.
    """
    values = compute(names, scored)
    step = math.ceil(len(scored) / _ROWS) if len(scored) else 1
    sample = scored.take(np.arange(0, len(scored), step))
    found = (_estimate(name, value, scored, sample, seed) for name, value in values.items())
    return tuple(one for one in found if math.isfinite(one.value))


def _estimate(name: str, value: float, scored: Scored, sample: Scored, seed: str) -> Estimate:
    if len(sample) < 2 or not math.isfinite(value) or name == "max_error":
        return Estimate(name, value, None, None)  # one row's error has no interval
    if (share := _share(name, scored)) is not None:
        return Estimate(name, value, *share_interval(*share))
    of, counts = _units(name, sample)
    found = interval(of, counts, _CONFIDENCE, f"{seed}\n{name}")
    shrink = math.sqrt(len(sample) / len(scored))
    low, high = (value + (end - found.estimate) * shrink for end in (found.low, found.high))
    ends = (max(low, _LEAST.get(name, 0.0)), min(high, _most(name)))
    known = math.isfinite(low), math.isfinite(high)
    return Estimate(name, value, *(e if k else None for e, k in zip(ends, known, strict=True)))


def _most(name: str) -> float:
    """Return the best value of a score, and infinity for an error."""
    return 1.0 if METRICS[name].better == "higher" else math.inf


def _share(name: str, scored: Scored) -> tuple[float, int] | None:
    """Return a metric that is a plain share of rows, and of how many; None for any other.

    Where all or none of them are right, every resample says the same: Wilson's interval does not.
    """
    if METRICS[name].needs != "labels":
        return None
    labels = scored.labels()
    counted = {
        "precision": labels.predicted == labels.positive,
        "recall": labels.actual == labels.positive,
    }
    shares = name == "accuracy" or name.endswith("_micro")
    rows = np.ones(len(scored), dtype=np.bool_) if shares else counted.get(name)
    if rows is None:
        return None
    right = (labels.actual == labels.predicted)[rows]
    return (float(right.mean()) if len(right) else 0.0), len(right)


def _units(name: str, scored: Scored) -> tuple[Statistic, Vector]:
    """Return the metric over distinct rows, and how often each stands there."""
    counts = np.ones(len(scored))
    if METRICS[name].needs == "labels":
        labels = scored.labels()
        pairs = np.stack([labels.actual, labels.predicted], axis=1)
        kinds, times = np.unique(pairs, axis=0, return_counts=True)
        size = max(labels.size, 2)
        scored = Scored(kinds[:, 0], kinds[:, 1], None, tuple(range(size)), labels.positive)
        counts = times.astype(np.float64)
    of = statistic(name, scored)
    assert of is not None, f"{name} was computed a moment ago"
    return of, counts
