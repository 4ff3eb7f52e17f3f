"""Metrics as scikit-learn defines them, in numpy alone, for one table or for many resamples."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final

import numpy as np

from reconciler.core.metrics import classification, probability, regression
from reconciler.core.metrics.scored import Moments, Scored, Statistic, Vector

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

__all__ = [
    "FUNCTIONS",
    "Moments",
    "Scored",
    "Statistic",
    "Vector",
    "answerable",
    "compute",
    "ranked",
    "statistic",
]

FUNCTIONS: Final[Mapping[str, Callable[[Scored], Statistic]]] = {
    **regression.METRICS,
    **classification.METRICS,
    **probability.METRICS,
}


def statistic(name: str, scored: Scored) -> Statistic | None:
    """Return the metric as a function of the rows' weights; None where it does not apply.

    It does not apply when it is unknown, belongs to another task, or needs probabilities that
    the model does not give.
    """
    if name not in FUNCTIONS or (name in regression.METRICS) != (scored.classes is None):
        return None
    if name in probability.METRICS and scored.probabilities is None:
        return None
    return FUNCTIONS[name](scored)


def ranked(name: str) -> bool:
    """Whether the metric ranks the rows of one class among the rest."""
    return name in probability.RANKINGS


def answerable(name: str, scored: Scored) -> bool:
    """Whether the truth of these rows lets the metric say anything, whatever the answers.

    A recall needs a positive row, a ranking a row of every class, `r2` a truth that varies.
    """
    if not len(scored):
        return False
    if name in ("r2", "explained_variance"):
        actual = scored.numbers()[0]
        return bool(actual.min() != actual.max())
    if name in classification.OF_POSITIVE:
        labels = scored.labels()
        return bool((labels.actual == labels.positive).any())
    if ranked(name):
        labels = scored.labels()
        return len(np.unique(labels.actual[labels.actual < labels.known])) == labels.known
    return True


def compute(names: Iterable[str], scored: Scored) -> dict[str, float]:
    """Return the metrics that apply, by name.

    Equal to scikit-learn's within 1e-12. NaN where one is undefined: no rows, a constant truth
    under `r2`, a class without rows under `roc_auc`. A precision or recall over nothing is 0.
    """
    functions = {name: statistic(name, scored) for name in names}
    if not len(scored):
        return {name: math.nan for name, function in functions.items() if function}
    weights = np.ones((1, len(scored)))
    with np.errstate(invalid="ignore", divide="ignore"):
        return {n: float(function(weights)[0]) for n, function in functions.items() if function}
