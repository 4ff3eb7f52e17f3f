"""The comparison: is the challenger at most the margin worse than the champion?

Non-inferiority by the paired bootstrap. What is resampled is the room that is left: how much
better than the margin asks the challenger is, with the margin taken of the champion's value in
the same resample, because that value is an estimate too.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from statistics import NormalDist
from typing import Any

import numpy as np

from reconciler.core.bootstrap import Interval, interval
from reconciler.core.metrics import Moments, Scored, Statistic, Vector, ranked, statistic
from reconciler.core.metrics.scored import Codes
from reconciler.core.verdict import Outcome
from reconciler.spec.metrics import METRICS
from reconciler.spec.model import Rule

#: Fewest rows on which two models are compared, and fewest of a class where ranks count.
LEAST_ROWS = 30
LEAST_MEMBERS = 10
_MOST_ROWS = 1e9


@dataclass(frozen=True, slots=True)
class Comparison:
    """How a challenger stands to a champion on common rows."""

    outcome: Outcome
    message: str
    """The end of a sentence that begins with the metric."""
    low: float | None = None
    """Lower bound of how much better the challenger is, in the metric's unit; None: unknown."""
    high: float | None = None
    """Upper bound; each bound holds by itself at the rule's confidence."""


def compare(rule: Rule, challenger: Scored, champion: Scored, seed: str) -> Comparison:
    """Return the comparison by the rule's metric, margin and confidence.

    Args:
        rule: One with `compare`.
        challenger: n rows that neither model was trained on.
        champion: The same rows in the same order.
        seed: Equal seeds give equal bounds.
    """
    if why := _unfit(rule, challenger):
        return Comparison(Outcome.INCONCLUSIVE, why)
    mine, theirs = statistic(rule.metric, challenger), statistic(rule.metric, champion)
    if mine is None or theirs is None:
        which = "challenger" if mine is None else "champion"
        return Comparison(Outcome.INCONCLUSIVE, f"cannot be computed from the {which}'s answers")
    value, held = _alone(mine, len(challenger)), _alone(theirs, len(champion))
    if not math.isfinite(held):
        return Comparison(Outcome.INCONCLUSIVE, "is undefined for the champion")
    if not math.isfinite(value):
        return Comparison(Outcome.FAILED, "is undefined for the challenger, not for the champion")
    if challenger.answers_as(champion):
        return Comparison(Outcome.PASSED, "gives the same answers as the champion", 0.0, 0.0)
    bounds = _bounds(rule, challenger, champion, mine, theirs, seed)
    return _told(rule, bounds, value, held, len(challenger))


def rows_to_settle(bounds: Interval, rows: int, confidence: float) -> int | None:
    """Return how many rows would decide if the estimate stayed as it is; None: none would.

    Args:
        bounds: Of the room that is left, computed on `rows` rows.
        rows: How many there were.
        confidence: Of the bound that must clear zero.
    """
    if not math.isfinite(bounds.error) or bounds.estimate == 0:
        return None
    needed = rows * (NormalDist().inv_cdf(confidence) * bounds.error / bounds.estimate) ** 2
    return math.ceil(max(needed, rows + 1)) if needed < _MOST_ROWS else None


def _unfit(rule: Rule, scored: Scored) -> str:
    """Return why these rows cannot carry a comparison, judged by their truth; empty: they can."""
    if len(scored) < LEAST_ROWS:
        return f"only {len(scored)} rows that neither model trained on, {LEAST_ROWS} needed"
    if rule.metric == "max_error":
        return "is one row's error: no resampling of rows gives it an interval"
    if ranked(rule.metric):
        labels = scored.labels()
        least = int(np.bincount(labels.actual, minlength=labels.known).min())
        if least < LEAST_MEMBERS:
            return f"only {least} rows of the rarest class, {LEAST_MEMBERS} needed"
    return ""


def _alone(of: Statistic, rows: int) -> float:
    with np.errstate(invalid="ignore", divide="ignore"):
        return float(of(np.ones((1, rows)))[0])


def _bounds(
    rule: Rule,
    challenger: Scored,
    champion: Scored,
    mine: Statistic,
    theirs: Statistic,
    seed: str,
) -> Interval:
    """Return the interval of the room that is left."""
    if METRICS[rule.metric].needs == "labels":
        mine, theirs, counts = cells(rule, challenger, champion)
    else:
        counts = np.ones(len(challenger))
    return interval(room(rule, mine, theirs), counts, rule.confidence, seed)


def room(rule: Rule, mine: Statistic, theirs: Statistic) -> Statistic:
    """Return how much better than the margin asks the challenger is, as a statistic."""
    sign = 1.0 if METRICS[rule.metric].better == "higher" else -1.0

    def left(value: Vector, held: Vector) -> Vector:
        return np.asarray(sign * (value - held) + margin(rule, held))

    if not (isinstance(mine, Moments) and isinstance(theirs, Moments)):
        return lambda weights: left(mine(weights), theirs(weights))
    first, k = (mine.value, theirs.value), mine.columns.shape[1]
    columns = np.hstack([mine.columns, theirs.columns])
    return Moments(columns, lambda means: left(first[0](means[:, :k]), first[1](means[:, k:])))


def margin(rule: Rule, held: Any) -> Any:
    """Return the margin in the metric's unit, >= 0, for a champion's value (or an array)."""
    if isinstance(rule.margin, str):
        return float(rule.margin.rstrip("% ")) / 100 * np.abs(held)
    return rule.margin


def cells(rule: Rule, challenger: Scored, champion: Scored) -> tuple[Statistic, Statistic, Vector]:
    """Return both metrics over the distinct rows, and how often each of those stands there.

    One row is added in either direction (the challenger wrong where the champion is right, and
    the reverse), spread over the classes that count. Without it, resamples of 100 rows that show
    no disagreement would prove that there is none; with it, n such rows bound it by 3/n.
    """
    labels, others = challenger.labels(), champion.labels()
    size = max(labels.size, others.size, 2)
    triples = np.stack([labels.actual, labels.predicted, others.predicted], axis=1)
    kinds, counts = np.unique(triples, axis=0, return_counts=True)
    counted = np.unique(labels.actual)
    if rule.metric == "recall":
        counted = counted[counted == labels.positive]
    wrong = _wrong(labels.predicted, counted, size)
    added = np.concatenate(
        [np.stack([counted, wrong, counted], 1), np.stack([counted, counted, wrong], 1)]
    )
    kinds = np.concatenate([kinds, added])
    weights = np.concatenate([counts, np.full(len(added), 1 / max(len(counted), 1))])
    pair = [_coded(kinds[:, 0], kinds[:, column], labels.positive, size) for column in (1, 2)]
    mine, theirs = (statistic(rule.metric, scored) for scored in pair)
    assert mine is not None
    assert theirs is not None
    # As plain functions: a few disagreements are no moments to take an error of.
    return lambda w: mine(w), lambda w: theirs(w), np.asarray(weights, dtype=np.float64)


def _wrong(predicted: Codes, classes: Codes, size: int) -> Codes:
    """Return for each class the wrong label that is answered most often."""
    often = np.bincount(predicted, minlength=size)
    order = np.argsort(-often, kind="stable")
    return np.array([next(c for c in order if c != own) for own in classes], dtype=np.intp)


def _coded(actual: Codes, predicted: Codes, positive: int, size: int) -> Scored:
    return Scored(actual, predicted, None, tuple(range(size)), positive)


def _told(rule: Rule, bounds: Interval, value: float, held: float, rows: int) -> Comparison:
    asked = float(margin(rule, held))
    outcome = _side(bounds)
    message = (
        f"is {value:.4g}, the champion's {held:.4g} on {rows:,} rows;"
        f" {_said(outcome, bounds, rule, rows)}"
    )
    return Comparison(outcome, message, bounds.low - asked, bounds.high - asked)


def _side(bounds: Interval) -> Outcome:
    if bounds.low > 0:
        return Outcome.PASSED
    return Outcome.FAILED if bounds.high < 0 else Outcome.INCONCLUSIVE


def _said(outcome: Outcome, bounds: Interval, rule: Rule, rows: int) -> str:
    allowed, sure = f"than the margin of {rule.margin} allows", f"{100 * rule.confidence:.4g} %"
    match outcome:
        case Outcome.PASSED:
            return f"no worse {allowed}, at {sure} confidence"
        case Outcome.FAILED:
            return f"worse {allowed}, at {sure} confidence"
    needed = rows_to_settle(bounds, rows, rule.confidence)
    told = "no number of rows" if needed is None else f"about {needed:,} rows"
    return f"the rows do not tell whether it is worse {allowed}; {told} would"
