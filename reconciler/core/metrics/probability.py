"""Metrics of probabilities: how far they are from what came true, and how well they rank."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np
import numpy.typing as npt

from reconciler.core.metrics.scored import (
    Codes,
    Labels,
    Scored,
    Statistic,
    Vector,
    mean,
    ratio,
    total,
    undefined,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

Mask = npt.NDArray[np.bool_]


def log_loss(scored: Scored) -> Statistic:
    """Return the mean of -ln p of the true class, in nats; NaN where a class is unknown."""
    labels, probabilities = scored.labels(), _probabilities(scored)
    if _outside(labels):
        return undefined
    least = np.finfo(np.float64).eps
    true = probabilities[np.arange(len(scored)), labels.actual]
    return mean(-np.log(np.clip(true, least, 1 - least)))


def brier(scored: Scored) -> Statistic:
    """Return the mean squared distance of the probabilities from the truth.

    Two classes: of the positive class alone, 0 to 1; more: summed over the classes, 0 to 2.
    """
    labels, probabilities = scored.labels(), _probabilities(scored)
    if _outside(labels):
        return undefined
    if labels.known == 2:
        true = labels.actual == labels.positive
        return mean((probabilities[:, labels.positive] - true) ** 2)
    truth = labels.actual[:, None] == np.arange(labels.known)
    return mean(((probabilities - truth) ** 2).sum(axis=1))


def roc_auc(scored: Scored) -> Statistic:
    """Return the chance that a positive row is ranked above a negative one.

    More than two classes: the mean over the classes, each against the rest. NaN where a class
    has no row.
    """
    return _ranking(scored, _auc)


def average_precision(scored: Scored) -> Statistic:
    """Return the mean precision at the positive rows, from the highest score down.

    More than two classes: the mean over the classes. NaN where a class has no row.
    """
    return _ranking(scored, _average_precision)


def _ranking(scored: Scored, of_two: Callable[[Mask, Vector], Statistic]) -> Statistic:
    labels, probabilities = scored.labels(), _probabilities(scored)
    if _outside(labels) or np.isnan(probabilities).any():
        return undefined
    if labels.known == 2:
        return of_two(labels.actual == labels.positive, probabilities[:, labels.positive])
    each = [of_two(labels.actual == c, probabilities[:, c]) for c in range(labels.known)]
    return lambda weights: np.mean([one(weights) for one in each], axis=0)


def _auc(positive: Mask, score: Vector) -> Statistic:
    above = np.flatnonzero(positive)
    below = np.flatnonzero(~positive)
    below = below[np.argsort(score[below], kind="stable")]
    first = np.searchsorted(score[below], score[above], side="left")
    last = np.searchsorted(score[below], score[above], side="right")

    def statistic(weights: Vector) -> Vector:
        mine, others = weights[:, above], _running(weights[:, below])
        beaten = others[:, first] + others[:, last]  # twice: rows of equal score count half
        return ratio((mine * beaten).sum(axis=1), 2 * total(mine) * others[:, -1], np.nan)

    return statistic


def _average_precision(positive: Mask, score: Vector) -> Statistic:
    order = np.argsort(-score, kind="stable")
    ordered, true = score[order], positive[order]
    found = np.flatnonzero(true)
    rows = np.searchsorted(-ordered, -ordered[found], side="right")  # as far as the score reaches
    hits = np.searchsorted(found, rows, side="left")

    def statistic(weights: Vector) -> Vector:
        drawn = weights[:, order]
        mine = drawn[:, found]
        precision = ratio(_running(mine)[:, hits], _running(drawn)[:, rows], 0.0)
        return ratio((mine * precision).sum(axis=1), total(mine), np.nan)

    return statistic


def _running(weights: Vector) -> Vector:
    """Return the sums of the first 0, 1, … columns, shape (b, columns + 1)."""
    out = np.zeros((len(weights), weights.shape[1] + 1))
    np.cumsum(weights, axis=1, out=out[:, 1:])
    return out


def _probabilities(scored: Scored) -> Vector:
    if scored.probabilities is None:
        raise ValueError("the model gives no probabilities")
    return scored.probabilities


def _outside(labels: Labels) -> bool:
    """Whether a true label is none of the model's classes."""
    codes: Codes = labels.actual
    return bool((codes >= labels.known).any())


#: Metrics of the order of the rows.
RANKINGS: Final = frozenset({"roc_auc", "average_precision"})

METRICS: Final[Mapping[str, Callable[[Scored], Statistic]]] = {
    "log_loss": log_loss,
    "brier": brier,
    "roc_auc": roc_auc,
    "average_precision": average_precision,
}
