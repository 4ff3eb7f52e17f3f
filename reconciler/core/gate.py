"""The gate: may this version be released? A pure function of rules, answers and measurements."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from statistics import NormalDist
from typing import Any

import numpy as np
import numpy.typing as npt

from reconciler.core import metrics
from reconciler.core.bootstrap import Interval, interval
from reconciler.core.metrics import Scored, statistic
from reconciler.core.verdict import Evidence, Outcome, Verdict, conclude
from reconciler.spec.metrics import METRICS
from reconciler.spec.model import Rule

__all__ = ["Case", "Measurement", "NoChampion", "Outcome", "Rivalry", "Unscorable", "judge"]

#: Fewest rows on which two models are compared.
LEAST_ROWS = 30
_MOST_SLICES = 50
_MOST_ROWS = 1e9

Array = npt.NDArray[Any]
Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Measurement:
    """A property of the bundle as it is served."""

    value: float
    low: float
    """Least value over repeated measurements."""
    high: float
    """Greatest value over repeated measurements."""


@dataclass(frozen=True, slots=True)
class Case:
    """A version's answers on its own test split."""

    scored: Scored
    slices: Mapping[str, Array] = field(default_factory=dict)
    """Column to the value of each row, as text, shape (n,)."""


@dataclass(frozen=True, slots=True)
class Rivalry:
    """Challenger and champion on the same rows, none of which either was trained on."""

    challenger: Scored
    champion: Scored
    slices: Mapping[str, Array] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class NoChampion:
    """Nothing is released yet."""


@dataclass(frozen=True, slots=True)
class Unscorable:
    """There is a champion, and it cannot be asked about these rows."""

    why: str


Rival = Rivalry | NoChampion | Unscorable


def judge(
    acceptance: Sequence[Rule],
    case: Case,
    rival: Rival,
    measured: Mapping[str, Measurement],
    seed: str,
    released_before: bool = False,
) -> Verdict:
    """Return the verdict on a version.

    Args:
        acceptance: The rules, at least one.
        case: The version's answers.
        rival: What it is compared with.
        measured: Latency, size and memory, by metric; what is missing is inconclusive.
        seed: Decides the resampling, so that a verdict repeats.
        released_before: It was in production: it re-enters on the absolute rules alone.
    """
    found: list[Evidence] = []
    for rule in acceptance:
        if rule.compare is not None:
            found += _compared(rule, rival, seed, released_before)
        elif METRICS[rule.metric].needs == "system":
            found.append(_of_bundle(rule, measured.get(rule.metric)))
        else:
            found += _absolute(rule, case)
    return conclude(tuple(found))


def _absolute(rule: Rule, case: Case) -> Iterator[Evidence]:
    for name, rows in _parts(rule, case.slices, len(case.scored)):
        if rows is None:
            yield _without_rows(rule, name)
            continue
        scored = case.scored.take(rows)
        value = _value(rule, scored)
        outcome = Outcome.INCONCLUSIVE if value is None else _within(rule, value)
        yield _stated(rule, outcome, value, len(scored), name)


def _value(rule: Rule, scored: Scored) -> float | None:
    """Return the rule's metric; None when the answers do not carry what it needs."""
    return metrics.compute([rule.metric], scored).get(rule.metric)


def _within(rule: Rule, value: float) -> Outcome:
    if rule.min is not None and not value >= rule.min:  # "not >=" so that NaN fails
        return Outcome.FAILED
    if rule.max is not None and not value <= rule.max:
        return Outcome.FAILED
    return Outcome.PASSED


def _stated(
    rule: Rule, outcome: Outcome, value: float | None, rows: int, name: str | None
) -> Evidence:
    what = _what(rule, name)
    if value is None:
        message = f"{what} cannot be computed from these predictions"
    else:
        broken = {Outcome.FAILED: "wanted", Outcome.PASSED: "as wanted"}[outcome]
        message = f"{what} is {value:.4g}, {broken} {_bounds(rule)}"
    return Evidence(
        rule.metric, outcome, value, _threshold(rule), rows, message,
        slice=rule.slice, slice_value=name,
    )  # fmt: skip


def _of_bundle(rule: Rule, measured: Measurement | None) -> Evidence:
    if measured is None:
        message = f"{rule.metric} was not measured"
        return Evidence(rule.metric, Outcome.INCONCLUSIVE, None, _threshold(rule), 0, message)
    ends = {_within(rule, measured.low), _within(rule, measured.high)}
    value = measured.value
    if len(ends) > 1:
        message = (
            f"{rule.metric} is too noisy here: {measured.low:.4g} to {measured.high:.4g},"
            f" wanted {_bounds(rule)}"
        )
        return Evidence(
            rule.metric, Outcome.INCONCLUSIVE, value, _threshold(rule), 0, message,
            low=measured.low, high=measured.high,
        )  # fmt: skip
    return _stated(rule, _within(rule, value), value, 0, None)


def _compared(rule: Rule, rival: Rival, seed: str, released_before: bool) -> Iterator[Evidence]:
    match rival:
        case _ if released_before:
            why = "was released before, so it is not held against the champion"
            yield _waived(rule, Outcome.PASSED, why)
        case NoChampion():
            yield _waived(rule, Outcome.PASSED, "there is no champion to compare with")
        case Unscorable(why):
            yield _waived(rule, Outcome.INCONCLUSIVE, f"the champion cannot be compared: {why}")
        case Rivalry():
            for name, rows in _parts(rule, rival.slices, len(rival.challenger)):
                if rows is None:
                    yield _without_rows(rule, name)
                else:
                    both = rival.challenger.take(rows), rival.champion.take(rows)
                    yield _paired(rule, *both, seed, name)


def _paired(
    rule: Rule, challenger: Scored, champion: Scored, seed: str, name: str | None
) -> Evidence:
    """Return whether the challenger is at most the margin worse, at the rule's confidence."""
    rows, what = len(challenger), _what(rule, name)
    value, held = _value(rule, challenger), _value(rule, champion)
    if value is None or held is None or not (math.isfinite(value) and math.isfinite(held)):
        return _evidence(rule, Outcome.INCONCLUSIVE, value, rows, f"{what} is undefined", name)
    if rows < LEAST_ROWS:
        message = f"{what}: only {rows} rows that neither model trained on, {LEAST_ROWS} needed"
        return _evidence(rule, Outcome.INCONCLUSIVE, value, rows, message, name)
    if challenger.answers_as(champion):
        return _evidence(
            rule, Outcome.PASSED, value, rows, f"{what}: same answers as the champion", name,
            Interval(0.0, 0.0, 0.0, 0.0),
        )  # fmt: skip
    bounds = interval(_room(rule, challenger, champion), rows, rule.confidence, f"{seed}:{what}")
    outcome = _side(bounds)
    margin = float(abs(_margin(rule, held)))
    message = (
        f"{what} is {value:.4g}, the champion's {held:.4g} on {rows} rows;"
        f" {_said(outcome, bounds, rule, rows)}"
    )
    shifted = Interval(
        bounds.estimate - margin, bounds.low - margin, bounds.high - margin, bounds.error
    )
    return _evidence(rule, outcome, value, rows, message, name, shifted)


def _room(rule: Rule, challenger: Scored, champion: Scored) -> Any:
    """Return how much better than the margin asks the challenger is, as a function of weights.

    The margin follows the champion's value in every resample: that value is an estimate too.
    """
    mine, theirs = statistic(rule.metric, challenger), statistic(rule.metric, champion)
    assert mine is not None
    assert theirs is not None
    sign = 1.0 if METRICS[rule.metric].better == "higher" else -1.0

    def room(weights: Floats) -> Floats:
        held = theirs(weights)
        allowed = np.abs(np.asarray(_margin(rule, held)))
        return np.asarray(sign * (mine(weights) - held) + allowed)

    return room


def _side(bounds: Interval) -> Outcome:
    if bounds.low >= 0:
        return Outcome.PASSED
    return Outcome.FAILED if bounds.high < 0 else Outcome.INCONCLUSIVE


def _said(outcome: Outcome, bounds: Interval, rule: Rule, rows: int) -> str:
    margin = f"the margin of {rule.margin}"
    sure = f"{rule.confidence:.0%} sure"
    match outcome:
        case Outcome.PASSED:
            return f"{sure} that it is no worse than {margin} allows"
        case Outcome.FAILED:
            return f"{sure} that it is worse than {margin} allows"
    needed = rows_to_settle(bounds, rows, rule.confidence)
    told = "no number of rows" if needed is None else f"about {needed:,} rows"
    return f"the rows do not tell whether it is within {margin}; {told} would"


def rows_to_settle(bounds: Interval, rows: int, confidence: float) -> int | None:
    """Return how many rows would decide if the estimate stayed as it is; None: no number would."""
    if not math.isfinite(bounds.error) or bounds.estimate == 0:
        return None
    z = NormalDist().inv_cdf(confidence)
    needed = rows * (z * bounds.error / bounds.estimate) ** 2
    return math.ceil(max(needed, rows + 1)) if needed < _MOST_ROWS else None


def _margin(rule: Rule, held: Any) -> Any:
    """Return the margin in the metric's own unit."""
    margin = rule.margin
    if isinstance(margin, str):
        return float(margin.rstrip("% ")) / 100 * held
    return margin


def _parts(
    rule: Rule, slices: Mapping[str, Array], rows: int
) -> Iterator[tuple[str | None, Array | None]]:
    """Give each group of rows the rule is about, by slice value; None for rows: there are none."""
    if rule.slice is None:
        yield None, np.ones(rows, dtype=bool)
        return
    values = slices.get(rule.slice)
    if values is None:
        yield "no such column", None
        return
    names, counts = np.unique(values, return_counts=True)
    if len(names) > _MOST_SLICES:
        yield f"too many values ({len(names)} > {_MOST_SLICES})", None
        return
    large = [str(name) for name, n in zip(names, counts, strict=True) if n >= rule.min_support]
    if not large:
        yield f"no value has {rule.min_support} rows", None
    for name in large:
        yield name, values == name


def _without_rows(rule: Rule, why: str | None) -> Evidence:
    message = f"{rule.metric} by {rule.slice}: {why}"
    return Evidence(
        rule.metric, Outcome.INCONCLUSIVE, None, _threshold(rule), 0, message, slice=rule.slice
    )


def _waived(rule: Rule, outcome: Outcome, why: str) -> Evidence:
    return Evidence(rule.metric, outcome, None, _threshold(rule), 0, f"{_what(rule, None)}: {why}")


def _evidence(
    rule: Rule,
    outcome: Outcome,
    value: float | None,
    rows: int,
    message: str,
    name: str | None,
    bounds: Interval | None = None,
) -> Evidence:
    return Evidence(
        rule.metric, outcome, value, _threshold(rule), rows, message,
        low=bounds.low if bounds else None, high=bounds.high if bounds else None,
        slice=rule.slice, slice_value=name,
    )  # fmt: skip


def _what(rule: Rule, name: str | None) -> str:
    return rule.metric if name is None else f"{rule.metric} where {rule.slice} is {name}"


def _bounds(rule: Rule) -> str:
    low = None if rule.min is None else f"at least {rule.min:g}"
    high = None if rule.max is None else f"at most {rule.max:g}"
    return " and ".join(part for part in (low, high) if part)


def _threshold(rule: Rule) -> dict[str, Any]:
    if rule.compare is not None:
        plain = rule.model_dump(mode="json", include={"compare", "margin", "confidence"})
    else:
        plain = rule.model_dump(mode="json", include={"min", "max"}, exclude_none=True)
    return dict(plain)
