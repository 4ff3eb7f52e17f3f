"""The gate: may this version be released? A pure function of rules, answers and measurements."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from reconciler.core import metrics
from reconciler.core.case import (
    Case,
    Measurement,
    NoChampion,
    Reported,
    Rival,
    Rivalry,
    Unscorable,
)
from reconciler.core.comparison import LEAST_ROWS, compare
from reconciler.core.metrics import Scored
from reconciler.core.slicing import Slicing, sliced
from reconciler.core.verdict import Evidence, Outcome, Verdict, conclude
from reconciler.spec.metrics import measured as measures
from reconciler.spec.model import Rule

__all__ = [
    "LEAST_ROWS",
    "Case",
    "Measurement",
    "NoChampion",
    "Outcome",
    "Reported",
    "Rival",
    "Rivalry",
    "Unscorable",
    "judge",
]


def judge(
    acceptance: Sequence[Rule],
    case: Case | Reported,
    rival: Rival,
    measured: Mapping[str, Measurement],
    seed: str,
    released_before: bool = False,
) -> Verdict:
    """Return the verdict on a version.

    Args:
        acceptance: The rules, at least one.
        case: The version's answers; or, without any, what its own stages report.
        rival: What it is compared with.
        measured: Latency, size and memory, by metric; what is missing is inconclusive.
        seed: Decides the resampling, so that a verdict repeats.
        released_before: It was in production: it re-enters on the absolute rules alone.
    """
    found: list[Evidence] = []
    for rule in acceptance:
        if rule.compare is not None:
            found += _compared(rule, rival, seed, released_before)
        elif measures(rule.metric):
            found.append(_of_bundle(rule, measured.get(rule.metric)))
        elif isinstance(case, Reported):
            found.append(_reported(rule, case))
        else:
            found += _absolute(rule, case)
    said = conclude(tuple(found))
    if not isinstance(case, Reported):
        return said
    return replace(said, message=f"{said.message}; the metrics are self-reported")


def _reported(rule: Rule, case: Reported) -> Evidence:
    value = case.metrics.get(rule.metric)
    if rule.slice is not None:
        told = Outcome.INCONCLUSIVE, f"cannot be judged by {rule.slice}: there are no predictions"
    elif value is None:
        alike = [name for name in case.metrics if name.rpartition(".")[2] == rule.metric]
        which = f"several have that name: {', '.join(alike)}" if alike else "it is not reported"
        told = Outcome.INCONCLUSIVE, f"cannot be judged: {which}"
    else:
        told = _answer(rule, value)
    outcome, message = told
    said = _evidence(rule, outcome, f"{message} (self-reported)", value, 0)
    return replace(said, self_reported=True)


def _absolute(rule: Rule, case: Case) -> Iterator[Evidence]:
    slicing = sliced(rule, case.slices, case.scored)
    for part in slicing.slices:
        scored = case.scored.take(part.rows)
        value = _value(rule, scored)
        yield _evidence(rule, *_answer(rule, value), value, len(scored), part.value)
    yield from _left_out(rule, slicing)


def _value(rule: Rule, scored: Scored) -> float | None:
    """Return the rule's metric; None when the answers do not carry what it needs."""
    return metrics.compute([rule.metric], scored).get(rule.metric)


def _answer(rule: Rule, value: float | None) -> tuple[Outcome, str]:
    if value is None:
        return Outcome.INCONCLUSIVE, "cannot be computed from these answers"
    outcome = _within(rule, value)
    verb = "as wanted" if outcome is Outcome.PASSED else "wanted"
    return outcome, f"is {_digits(rule, value)}, {verb} {_bounds(rule)}"


def _within(rule: Rule, value: float) -> Outcome:
    if rule.min is not None and not value >= rule.min:  # "not >=" so that NaN fails
        return Outcome.FAILED
    if rule.max is not None and not value <= rule.max:
        return Outcome.FAILED
    return Outcome.PASSED


def _of_bundle(rule: Rule, measured: Measurement | None) -> Evidence:
    if measured is None:
        return _evidence(rule, Outcome.INCONCLUSIVE, "was not measured", None, 0)
    low, value, high = measured.low, measured.value, measured.high
    if len({_within(rule, end) for end in (low, value, high)}) > 1:
        message = f"is too noisy here: {low:.4g} to {high:.4g}, wanted {_bounds(rule)}"
        return _evidence(rule, Outcome.INCONCLUSIVE, message, value, 0, ends=(low, high))
    return _evidence(rule, *_answer(rule, value), value, 0)


def _compared(rule: Rule, rival: Rival, seed: str, released_before: bool) -> Iterator[Evidence]:
    match rival:
        case _ if released_before:
            why = "is not held against the champion: this version was released before"
            yield _evidence(rule, Outcome.PASSED, why, None, 0)
        case NoChampion():
            why = "has no champion to be compared with"
            yield _evidence(rule, Outcome.PASSED, why, None, 0)
        case Unscorable(why):
            told = f"cannot be compared with the champion's: {why}"
            yield _evidence(rule, Outcome.INCONCLUSIVE, told, None, 0)
        case Rivalry():
            yield from _paired(rule, rival, seed)


def _paired(rule: Rule, rival: Rivalry, seed: str) -> Iterator[Evidence]:
    slicing = sliced(rule, rival.slices, rival.challenger)
    for part in slicing.slices:
        mine, theirs = rival.challenger.take(part.rows), rival.champion.take(part.rows)
        own = f"{seed}\n{rule.metric}\n{rule.slice}\n{part.value}"  # whatever the rules beside it
        found = compare(rule, mine, theirs, own)
        value, ends = _value(rule, mine), (found.low, found.high)
        yield _evidence(rule, found.outcome, found.message, value, len(mine), part.value, ends)
    yield from _left_out(rule, slicing)


def _left_out(rule: Rule, slicing: Slicing) -> Iterator[Evidence]:
    """Give the evidence that some rows, or all, stand in no slice that was judged."""
    if slicing.slices and slicing.why:
        message = f"was not judged by {rule.slice} for {slicing.left_out:,} rows: {slicing.why}"
        yield _evidence(rule, Outcome.PASSED, message, None, slicing.left_out)
    elif not slicing.slices:
        message = f"cannot be judged by {rule.slice}: {slicing.why}"
        yield _evidence(rule, Outcome.INCONCLUSIVE, message, None, slicing.left_out)


def _evidence(
    rule: Rule,
    outcome: Outcome,
    message: str,
    value: float | None,
    rows: int,
    name: str | None = None,
    ends: tuple[float | None, float | None] = (None, None),
) -> Evidence:
    where = "" if name is None else f" where {rule.slice} is {name}"
    return Evidence(
        metric=rule.metric,
        outcome=outcome,
        value=value,
        threshold=_threshold(rule),
        rows=rows,
        message=f"{rule.metric}{where} {message}",
        low=ends[0],
        high=ends[1],
        slice=rule.slice,
        slice_value=name,
    )


def _digits(rule: Rule, value: float) -> str:
    """Return the value with as many digits as tell it from the bounds, at least four."""
    bounds = [bound for bound in (rule.min, rule.max) if bound is not None and bound != value]
    for digits in range(4, 17):
        told = f"{value:.{digits}g}"
        if all(float(told) != bound for bound in bounds):
            return told
    return repr(value)


def _bounds(rule: Rule) -> str:
    low = None if rule.min is None else f"at least {rule.min:.10g}"
    high = None if rule.max is None else f"at most {rule.max:.10g}"
    return " and ".join(part for part in (low, high) if part)


def _threshold(rule: Rule) -> dict[str, Any]:
    if rule.compare is not None:
        plain = rule.model_dump(mode="json", include={"compare", "margin", "confidence"})
    else:
        plain = rule.model_dump(mode="json", include={"min", "max"}, exclude_none=True)
    return dict(plain)
