"""Metrics of labels, each a function of the weights of truth and answer."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Final

import numpy as np

from reconciler.core.metrics.scored import (
    Codes,
    Labels,
    Scored,
    Statistic,
    Vector,
    mean,
    ratio,
)


@dataclass(frozen=True, slots=True, eq=False)
class Tally:
    """Weighted counts per label, each of shape (b, labels)."""

    hits: Vector
    actual: Vector
    predicted: Vector

    @property
    def present(self) -> Vector:
        """1.0 for a label that is true or predicted somewhere, else 0.0."""
        return (self.actual + self.predicted > 0).astype(np.float64)


Score = Callable[[Tally], Vector]
"""From a tally to a value per label, shape (b, labels)."""


def precision_per_label(tally: Tally) -> Vector:
    """Return the share of the answers that are right; 0 where a label is never answered."""
    return ratio(tally.hits, tally.predicted, 0.0)


def recall_per_label(tally: Tally) -> Vector:
    """Return the share of the true ones that are found; 0 where a label is never true."""
    return ratio(tally.hits, tally.actual, 0.0)


def f1_per_label(tally: Tally) -> Vector:
    """Return the harmonic mean of precision and recall; 0 where a label does not occur."""
    return ratio(2 * tally.hits, tally.actual + tally.predicted, 0.0)


def accuracy(scored: Scored) -> Statistic:
    """Return the share of the answers that are right."""
    labels = scored.labels()
    return mean((labels.actual == labels.predicted).astype(np.float64))


def balanced_accuracy(scored: Scored) -> Statistic:
    """Return the mean recall of the labels that are true somewhere."""

    def value(tally: Tally) -> Vector:
        true = (tally.actual > 0).sum(axis=1)
        return ratio(recall_per_label(tally).sum(axis=1), true, np.nan)

    return _of_tally(scored.labels(), value)


def matthews_corrcoef(scored: Scored) -> Statistic:
    """Return the correlation of truth and answer, -1 to 1; 0 where either is constant."""

    def value(tally: Tally) -> Vector:
        rows = tally.actual.sum(axis=1)
        actual, predicted = tally.actual, tally.predicted
        joint = tally.hits.sum(axis=1) * rows - (actual * predicted).sum(axis=1)
        spread = (rows**2 - (actual**2).sum(axis=1)) * (rows**2 - (predicted**2).sum(axis=1))
        return ratio(joint, np.sqrt(spread), 0.0)

    return _of_tally(scored.labels(), value)


def cohen_kappa(scored: Scored) -> Statistic:
    """Return the agreement beyond chance, <= 1; NaN where both sides are one same label."""

    def value(tally: Tally) -> Vector:
        rows = tally.actual.sum(axis=1)
        chance = rows - (tally.actual * tally.predicted).sum(axis=1) / rows
        return 1 - ratio(rows - tally.hits.sum(axis=1), chance, np.nan)

    return _of_tally(scored.labels(), value)


def of_positive(score: Score, scored: Scored) -> Statistic:
    """Return the score of the positive class."""
    labels = scored.labels()
    return _of_tally(labels, lambda tally: score(tally)[:, labels.positive])


def macro(score: Score, scored: Scored) -> Statistic:
    """Return the plain mean over the labels that occur."""

    def value(tally: Tally) -> Vector:
        present = tally.present
        return ratio((score(tally) * present).sum(axis=1), present.sum(axis=1), np.nan)

    return _of_tally(scored.labels(), value)


def weighted(score: Score, scored: Scored) -> Statistic:
    """Return the mean over the labels, each weighted by how often it is true."""

    def value(tally: Tally) -> Vector:
        return ratio((score(tally) * tally.actual).sum(axis=1), tally.actual.sum(axis=1), np.nan)

    return _of_tally(scored.labels(), value)


def _of_tally(labels: Labels, value: Callable[[Tally], Vector]) -> Statistic:
    right = np.flatnonzero(labels.actual == labels.predicted)
    hits = _summed(labels.actual[right], labels.size, right)
    actual = _summed(labels.actual, labels.size)
    predicted = _summed(labels.predicted, labels.size)
    return lambda weights: value(Tally(hits(weights), actual(weights), predicted(weights)))


def _summed(codes: Codes, size: int, rows: Codes | None = None) -> Statistic:
    """Return the weights summed per code, shape (b, size), over `rows` (None: all)."""
    order = np.argsort(codes, kind="stable")
    present, starts = np.unique(codes[order], return_index=True)
    columns = order if rows is None else rows[order]

    def sums(weights: Vector) -> Vector:
        out = np.zeros((len(weights), size))
        if len(present):
            out[:, present] = np.add.reduceat(weights[:, columns], starts, axis=1)
        return out

    return sums


_SCORES: Final[Mapping[str, Score]] = {
    "precision": precision_per_label,
    "recall": recall_per_label,
    "f1": f1_per_label,
}

#: Metrics of the positive class alone.
OF_POSITIVE: Final = frozenset(_SCORES)

METRICS: Final[Mapping[str, Callable[[Scored], Statistic]]] = {
    "accuracy": accuracy,
    "balanced_accuracy": balanced_accuracy,
    "matthews_corrcoef": matthews_corrcoef,
    "cohen_kappa": cohen_kappa,
    **{name: partial(of_positive, score) for name, score in _SCORES.items()},
    **{f"{name}_macro": partial(macro, score) for name, score in _SCORES.items()},
    **{f"{name}_weighted": partial(weighted, score) for name, score in _SCORES.items()},
    # Every answer is one label, so summed over all labels the three are the same share.
    **{f"{name}_micro": accuracy for name in _SCORES},
}
