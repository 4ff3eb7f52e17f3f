"""Surveying: what each column of a table holds, and what a spec must say about it."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import polars as pl

from reconciler.errors import SpecError
from reconciler.pipeline.casting import cast
from reconciler.pipeline.contract import quoted
from reconciler.pipeline.reading import Table
from reconciler.spec.model import Column

#: Words that are a missing value among categories too; `none` or `-` may be a category.
_CERTAIN = frozenset({"?", "NA", "N/A", "n/a", "NULL", "null", "NaN", "nan", "#N/A", "<NA>"})
#: More odd values than these are no spellings of a missing one.
_FEW = 5
_NAMES = 0.5  # share of the rows from which categories are names rather than groups
_MANY = 200
_ID_NAME = re.compile(r"(^|[_\W])(id|uuid|guid|key)$|[a-z]I[dD]$", re.IGNORECASE)
_SHOWN = 32
_FLOAT32_MAX, _SQUARED_MAX = 3.4e38, 1e150


@dataclass(frozen=True, slots=True)
class Facts:
    """One column, and what is to be said about it."""

    name: str
    type: str
    values: pl.Series
    """In its type."""
    settings: Mapping[str, Any] = field(default_factory=dict)
    """What its contract must say for the table to keep it; empty: nothing."""
    note: str = ""
    """What is in it, in a few words."""
    useless: str = ""
    """Why it is no feature; empty: it may be one."""
    groups: bool = False
    """Whether it looks like the id of something that has several rows."""

    @property
    def large(self) -> bool:
        """Whether a number is beyond the range of float32."""
        return self.type == "number" and bool((self.values.abs() > _FLOAT32_MAX).any())


def survey(table: Table, shared: Sequence[str] = ("",)) -> tuple[Facts, ...]:
    """Return what every column holds.

    Args:
        table: As it was read.
        shared: Spellings of a missing value in every column.
    """
    return tuple(_facts(column, table, shared) for column in table.frame.iter_columns())


def spellings(facts: Sequence[Facts]) -> tuple[str, ...]:
    """Return spellings of a missing value that two columns or more have in common."""
    counts = Counter(word for one in facts for word in one.settings.get("nulls", ()))
    return tuple(sorted(word for word, count in counts.items() if count > 1))


def _facts(column: pl.Series, table: Table, shared: Sequence[str]) -> Facts:
    try:
        item = cast(column, None, shared, typed=table.typed)
    except SpecError:
        return Facts(column.name, "category", column, useless=f"it holds {column.dtype}, no values")
    values, settings = item.column, dict[str, Any]()
    kind, odd = item.type, _odd(column, values, shared)
    if item.problem is not None and len(odd) > _FEW:
        kind, settings = "category", {"type": "category"}
        values = column.cast(pl.String)
    elif item.problem is not None:
        item = cast(column, Column(nulls=tuple(odd)), shared, typed=table.typed)
        kind, values = item.type, item.column
        settings = {"type": kind, "nulls": odd}
    elif kind == "category" and column.dtype == pl.String:
        odd = [word for word in odd if word in _CERTAIN]
        settings = {"nulls": odd} if odd else {}
        values = values.set(values.is_in(odd), None) if odd else values
    useless = _useless(values, kind) or _id(values, kind)
    note = _note(values, kind, odd if settings.get("nulls") else [])
    return Facts(column.name, kind, values, settings, note, useless, _groups(values, kind))


def _odd(column: pl.Series, values: pl.Series, shared: Sequence[str]) -> list[str]:
    """Return words that are no value of the type or, among words, spell a missing one."""
    if column.dtype != pl.String:
        return []
    if values.dtype == pl.String:
        return [word for word in sorted(_CERTAIN) if (column == word).any()]
    left = column.filter(values.is_null() & column.is_not_null() & ~column.is_in(list(shared)))
    return left.unique(maintain_order=True)[: _FEW + 1].to_list()


def _useless(values: pl.Series, kind: str) -> str:
    present = values.drop_nulls()
    if present.is_empty():
        return "empty in every row"
    distinct = present.n_unique()
    if distinct == 1:
        return f"{quoted([present[0]])} in every row" if present.len() == values.len() else ""
    if kind == "number" and (present.abs() > _SQUARED_MAX).any():
        return "numbers too large to be scaled"
    if kind == "category" and distinct > max(_MANY, _NAMES * len(present)):
        return f"an id? {distinct:,} values in {len(values):,} rows"
    return ""


def _id(values: pl.Series, kind: str) -> str:
    named = _ID_NAME.search(values.name) and kind in ("category", "integer")
    own = named and values.drop_nulls().n_unique() == len(values)
    return f"an id? {len(values):,} values in as many rows" if own else ""


def _groups(values: pl.Series, kind: str) -> bool:
    if not _ID_NAME.search(values.name) or kind not in ("category", "integer"):
        return False
    distinct = values.drop_nulls().n_unique()
    return 20 < distinct <= _NAMES * len(values)


def _note(values: pl.Series, kind: str, spelled: Sequence[str]) -> str:
    present = values.drop_nulls()
    parts = [_content(present, kind)] if len(present) else []
    if empty := values.null_count():
        said = f" (spelled {quoted(list(spelled))})" if spelled else ""
        parts.append(f"{empty:,} of {len(values):,} empty{said}")
    return ", ".join(parts)


def _content(present: pl.Series, kind: str) -> str:
    match kind:
        case "number" | "integer":
            return f"{_number(present.min())} to {_number(present.max())}"
        case "datetime":
            ends = (str(present.min()), str(present.max()))
            return " to ".join(end.removesuffix(" 00:00:00")[:16] for end in ends)
        case "text":
            words = present.str.count_matches(r"\S+")
            return f"about {_mean(words):.0f} words"
        case "boolean":
            return f"true in {_mean(present):.0%}"
        case _:
            counts = present.value_counts(sort=True, name="times")
            return f"{counts.height:,} values: {_some(counts[present.name].to_list())}"


def _some(words: Sequence[Any]) -> str:
    """Return the first few words that fit into a comment."""
    shown = [_short(str(word)) for word in words[:3]]
    while len(", ".join(shown)) > _SHOWN:
        shown.pop()
    return ", ".join(shown) + (", …" if len(words) > len(shown) else "")


def _mean(column: pl.Series) -> float:
    mean = column.cast(pl.Float64).mean()
    return mean if isinstance(mean, float) else 0.0


def _number(value: Any) -> str:
    if isinstance(value, int):
        return f"{value}"
    return f"{value:.4g}" if abs(value) < 1e4 else f"{value:.6g}"


def _short(word: str) -> str:
    plain = " ".join(word.split())
    return plain if len(plain) <= 20 else f"{plain[:19]}…"
