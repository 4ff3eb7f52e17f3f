"""Checks of `spec.acceptance`: rules that say something and can be met."""

from __future__ import annotations

import re
from collections.abc import Iterator

from reconciler.spec.checks import adoption
from reconciler.spec.metrics import ALIASES, METRICS, Metric
from reconciler.spec.model import Rule
from reconciler.spec.problems import Finding, Keys, nearest, shown

_PERCENT = re.compile(r"\d{1,6}(\.\d{1,6})?%", re.ASCII)
_CLASSES = frozenset({"binary", "multiclass"})


def check(rule: Rule, at: Keys, task: str | None, *, reported: bool = False) -> Iterator[Finding]:
    """Give what is wrong with one rule.

    Args:
        rule: The rule.
        at: Where it stands.
        task: `regression` or `classification`; None when that is not known.
        reported: The metrics are those of a file, which may call them as it likes.
    """
    yield from _form(rule, at)
    yield from _margin(rule, at)
    metric = METRICS.get(rule.metric)
    if reported:
        yield from adoption.check_rule(rule, at)
    if metric is None and reported:
        return
    if metric is None:
        yield Finding(
            (*at, "metric"), f"there is no metric {shown(rule.metric)}", _alike(rule, task)
        )
        return
    if not metric.tasks & _tasks(task):
        fitting = ", ".join(_fitting(task))
        yield Finding(
            (*at, "metric"), f"{metric.name} is no metric of a {task}", f"known are {fitting}"
        )
    yield from _direction(rule, metric, at)
    if metric.needs == "system":
        yield from _system(rule, at)


def _form(rule: Rule, at: Keys) -> Iterator[Finding]:
    bounded = rule.min is not None or rule.max is not None
    if not bounded and rule.compare is None:
        yield Finding(at, "the rule demands nothing", "add min:, max: or compare: champion")
    if bounded and rule.compare is not None:
        hint = "write two rules"
        yield Finding((*at, "compare"), "a rule has either a bound or a comparison", hint)
    for key, needed in (("margin", "compare"), ("confidence", "compare"), ("min_support", "slice")):
        if key in rule.model_fields_set and getattr(rule, needed) is None:
            yield Finding((*at, key), f"{key} says something only together with {needed}")


def _margin(rule: Rule, at: Keys) -> Iterator[Finding]:
    keys = (*at, "margin")
    if isinstance(rule.margin, str) and not _PERCENT.fullmatch(rule.margin):
        yield Finding(keys, f"found {shown(rule.margin)}, wanted a number or per cent such as 1%")
        return
    value = float(rule.margin.rstrip("%")) if isinstance(rule.margin, str) else rule.margin
    if value < 0:
        yield Finding(keys, f"found {value:g}, wanted a margin of at least 0")
    if value == 0:
        message = "a margin of 0 demands that every version is better than the last"
        hint = "a small positive margin asks that it is not worse"
        yield Finding(keys, message, hint, "warning")


def _alike(rule: Rule, task: str | None) -> str:
    word = rule.metric.lower().removeprefix("neg_")
    same = ALIASES.get(word) or ALIASES.get(word.removesuffix("_score"))
    fitting = _fitting(task)
    if same is not None:
        return f"did you mean {same}?"
    return nearest(word, fitting) or f"known are {', '.join(fitting)}"


def _fitting(task: str | None) -> tuple[str, ...]:
    return tuple(name for name, metric in METRICS.items() if metric.tasks & _tasks(task))


def _tasks(task: str | None) -> frozenset[str]:
    match task:
        case "classification":
            return _CLASSES
        case "regression":
            return frozenset({"regression"})
        case _:
            return _CLASSES | {"regression"}


def _direction(rule: Rule, metric: Metric, at: Keys) -> Iterator[Finding]:
    wrong, right = ("max", "min") if metric.better == "higher" else ("min", "max")
    bound = getattr(rule, wrong)
    if bound is not None:
        message = f"{metric.name} is better when it is {metric.better}: {wrong} would ask for worse"
        yield Finding((*at, wrong), message, f"write {right}: {bound:g}", at_key=True)
    bound = getattr(rule, right)
    if bound is None:
        return
    if metric.better == "higher" and bound > 1:
        hint = f"did you mean {bound / 100:g}?" if bound <= 100 else ""
        yield Finding((*at, "min"), f"{metric.name} is never above 1, found {bound:g}", hint)
    if metric.better == "lower" and bound < 0:
        yield Finding((*at, "max"), f"{metric.name} is never below 0, found {bound:g}")


def _system(rule: Rule, at: Keys) -> Iterator[Finding]:
    if rule.compare is not None:
        message = f"{rule.metric} is measured, and not compared"
        yield Finding((*at, "compare"), message, "give a max:")
    if rule.slice is not None:
        yield Finding((*at, "slice"), f"{rule.metric} is one for all rows", "leave it out")
