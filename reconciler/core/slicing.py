"""Slices: the groups of rows that a rule is about, and those too small to judge."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from reconciler.core.case import Array, Mask
from reconciler.core.metrics import Scored, answerable
from reconciler.spec.model import Rule

MOST_VALUES = 50
_NAMED = 5


@dataclass(frozen=True, slots=True)
class Slice:
    """The rows of one value; `value` is None for all rows together."""

    value: str | None
    rows: Mask


@dataclass(frozen=True, slots=True)
class Slicing:
    """What a rule is asked about.

    `why` says what was left out, or why nothing is left; empty when nothing was left out.
    """

    slices: tuple[Slice, ...]
    left_out: int = 0
    """Rows in no slice that is judged."""
    why: str = ""


def sliced(rule: Rule, columns: Mapping[str, Array], truth: Scored) -> Slicing:
    """Return the slices that a rule is asked about.

    A value counts when it has the rule's support and its truth lets the metric say anything:
    a recall cannot be asked of a slice without a positive row.

    Args:
        rule: Names the column and the least support.
        columns: Column to the value of each row.
        truth: The rows, n of them.
    """
    if rule.slice is None:
        return Slicing((Slice(None, np.ones(len(truth), dtype=np.bool_)),))
    if (values := columns.get(rule.slice)) is None:
        return Slicing((), len(truth), "there is no such column")
    names, index, counts = np.unique(values, return_inverse=True, return_counts=True)
    if values.dtype.kind == "f" and len(names) > MOST_VALUES:
        return Slicing((), len(truth), f"too many values ({len(names):,} > {MOST_VALUES})")
    large = [i for i, count in enumerate(counts) if count >= rule.min_support]
    if len(large) > MOST_VALUES:
        return Slicing((), len(truth), f"too many values ({len(large):,} > {MOST_VALUES})")
    candidates = [Slice(_text(names[i]), index == i) for i in large]
    found = tuple(c for c in candidates if answerable(rule.metric, truth.take(c.rows)))
    kept = {c.value for c in found}
    small = {_text(n): int(c) for n, c in zip(names, counts, strict=True) if _text(n) not in kept}
    return Slicing(found, sum(small.values()), _left_out(small, rule) if small else "")


def rows_of(value: str, column: Array) -> Mask:
    """Return which rows of a column have the value that a slice of it is called by."""
    names, index = np.unique(column, return_inverse=True)
    return np.isin(index, [i for i, name in enumerate(names) if _text(name) == value])


def _left_out(small: Mapping[str, int], rule: Rule) -> str:
    named = sorted(small.items(), key=lambda item: (-item[1], item[0]))
    told = ", ".join(f"{name} ({rows})" for name, rows in named[:_NAMED])
    more = f" and {len(named) - _NAMED} more" if len(named) > _NAMED else ""
    return f"fewer than {rule.min_support} rows, or none that count, where it is {told}{more}"


def _text(value: object) -> str:
    if isinstance(value, float):
        return "(missing)" if np.isnan(value) else f"{value:.10g}"
    return str(value)
