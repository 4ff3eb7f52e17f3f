"""Thresholds: what a first version must reach, between guessing and what was reached."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from reconciler.pipeline.drafting.baseline import Baselines

#: Share of the way from guessing to what was reached that a version must keep; and less of it
#: where the way was measured on some of the rows only.
_KEPT, _KEPT_OF_SAMPLE = 0.9, 0.75
#: Of two metrics that are 1 at best, a gain that is hardly one.
_HARDLY = 0.03
_NAMES = {"guessing": "guessing", "linear": "a linear model", "trees": "boosted trees"}


@dataclass(frozen=True, slots=True)
class Proposal:
    """One rule, and why its bound is where it is."""

    rule: Mapping[str, Any]
    why: str


def proposals(found: Baselines) -> tuple[Proposal, ...]:
    """Return the rules of a first spec: all of them hold for what was reached."""
    rules = [Proposal({"metric": found.metric, "min": _least(found)}, _reason(found))]
    if found.beside:
        most = _most(found)
        rules.append(Proposal({"metric": found.beside, "max": most}, reached(found, found.beside)))
    return tuple(rules)


def reached(found: Baselines, metric: str) -> str:
    """Return what each reaches of a metric: `guessing 0.000, a linear model 0.641`."""
    told = (f"{_NAMES[who]} {_shown(values[metric])}" for who, values in found.scores.items())
    return ", ".join(told)


def hardly(found: Baselines) -> bool:
    """Return whether what was reached is hardly more than guessing."""
    return _gain(found, found.metric) < _HARDLY


def _gain(found: Baselines, metric: str) -> float:
    if "guessing" not in found.scores:
        return math.inf
    return found.value(found.chosen, metric) - found.value("guessing", metric)


def _reason(found: Baselines) -> str:
    if hardly(found):
        return "CHECK: hardly better than guessing: what is missing from the table?"
    return "CHECK: a little below that; what do you need?"


def _least(found: Baselines) -> float:
    """Return the bound of a metric that is better when higher, rounded to its easier side."""
    mine = found.value(found.chosen, found.metric)
    kept = _KEPT if found.exact else _KEPT_OF_SAMPLE
    gain = _gain(found, found.metric)
    if math.isinf(gain) or gain < _HARDLY:
        return _down(mine - (0.0 if found.exact else abs(mine) * (1 - kept)))
    bound = mine - (1 - kept) * gain
    beaten = found.value("linear", found.metric) if found.exact else bound
    return _down(min(max(bound, beaten), mine) if found.chosen == "trees" else bound)


def _most(found: Baselines) -> float:
    """Return the bound of a metric that is better when lower, rounded to its easier side."""
    mine, kept = found.value(found.chosen, found.beside), _KEPT if found.exact else _KEPT_OF_SAMPLE
    guessed = found.scores.get("guessing", {}).get(found.beside, mine)
    return _up(mine + (1 - kept) * max(guessed - mine, 0.1 * mine))


def _down(value: float) -> float:
    return math.floor(value * 100) / 100


def _up(value: float) -> float:
    """Return the least number of two digits that is not below `value`."""
    if value <= 0:
        return 0.0
    unit = 10.0 ** (math.floor(math.log10(value)) - 1)
    bound = math.ceil(value / unit - 1e-9) * unit
    return float(f"{bound:.6g}") if bound < 10 else round(bound)


def _shown(value: float) -> str:
    return f"{round(value, 3) + 0.0:.3f}" if abs(value) < 10 else f"{value:,.0f}"
