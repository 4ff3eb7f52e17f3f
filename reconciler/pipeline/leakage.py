"""Leakage: columns that are ids, never change, or give the target away."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl

from reconciler.pipeline.contract import ignored
from reconciler.pipeline.scoring import Half, explained
from reconciler.pipeline.sums import sums

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from reconciler.core.splits import Mask
    from reconciler.pipeline.target import Target
    from reconciler.spec.model import Split

_ALONE = 0.999  # AUC or R² from which one column gives the target away
_ALL_DIFFERENT = 0.95
_MIN_ROWS = 30
_SAMPLE_ROWS = 20_000
_MAX_CLASSES = 50  # of many classes, the first stand for all
_SUMMED_ROWS = 200_000
_NUMERIC = frozenset({"number", "integer", "boolean", "datetime"})


@dataclass(frozen=True, slots=True)
class Finding:
    """Something about the data that a person should look at."""

    reason: str
    columns: tuple[str, ...]
    message: str

    def to_json(self) -> dict[str, Any]:
        """Return it as it stands in the report."""
        return {"reason": self.reason, "columns": list(self.columns), "message": self.message}


def find(
    frame: pl.DataFrame, kinds: Mapping[str, str], target: Target, held: Mask, split: Split
) -> tuple[Finding, ...]:
    """Return what a person should know about the features before a model rests on them.

    Args:
        frame: The prepared table.
        kinds: The features, name to type.
        target: What is to be predicted.
        held: The rows of the test side: what a column gives away is measured on them.
        split: As declared; its key and group are ids by profession.

    Returns:
        `ConstantColumn`, `IdColumn` and `Leakage`, in this order, each naming its columns.
    """
    constant = [name for name in kinds if frame[name].n_unique() == 1]
    ids = [name for name, kind in kinds.items() if _is_id(frame[name], kind)]
    grouped = {*split.key, *([split.column] if split.method == "group" else [])}
    ids += [name for name in kinds if name in grouped and name not in ids]
    alone = _alone(frame, [n for n in kinds if n not in constant], kinds, target, held)
    others = [n for n, kind in kinds.items() if kind in ("number", "integer") and n not in alone]
    few = frame.gather_every(-(-frame.height // _SUMMED_ROWS))
    together = [] if target.classes else sums(few.select(others), few[target.name])
    return (
        *_constant(constant),
        *_ids(ids, frame),
        *(_gives_away(name, target, alone[name]) for name in alone),
        *(Finding("Leakage", c, f"{t}: {_advice(c, target.name)}") for c, t in together),
    )


def _constant(names: Sequence[str]) -> Iterable[Finding]:
    if names:
        have = "has" if len(names) == 1 else "have"
        what = f"{', '.join(names)} {have} the same value in every row"
        yield Finding("ConstantColumn", tuple(names), f"{what}: {_ignored(names)}")


def _ids(names: Sequence[str], frame: pl.DataFrame) -> Iterable[Finding]:
    if names:
        counts = ((name, frame[name].n_unique()) for name in names)
        listed = ", ".join(f"{n} ({k:,} values in {frame.height:,} rows)" for n, k in counts)
        what = f"{listed} {'looks like an id' if len(names) == 1 else 'look like ids'}"
        yield Finding("IdColumn", tuple(names), f"{what}: {_ignored(names)}")


def _gives_away(name: str, target: Target, score: float) -> Finding:
    measure = "AUC" if target.classes else "R²"
    what = f"{name} alone gives {target.name} away ({measure} {_floored(score)})"
    return Finding("Leakage", (name,), f"{what}: {_advice((name,), target.name)}")


def _floored(score: float) -> str:
    """Return a score without rounding it up to a certainty."""
    return f"{np.floor(score * 10_000) / 10_000:.4f}"


def _advice(columns: Sequence[str], target: str) -> str:
    return f"unless known before {target} is, {_ignored(columns)}"


def _ignored(columns: Sequence[str]) -> str:
    them = "it" if len(columns) == 1 else "them"
    return f"list {them} under {ignored(*columns)}"


def _is_id(column: pl.Series, kind: str) -> bool:
    """Return whether (nearly) every row has a value of its own, as names and counters do."""
    total = len(column)
    if total < _MIN_ROWS or kind not in ("category", "integer"):
        return False
    distinct = column.drop_nulls().n_unique()
    if kind == "category":
        return distinct >= _ALL_DIFFERENT * total
    low, high = column.min(), column.max()
    assert isinstance(low, int)
    assert isinstance(high, int)
    return distinct == total and high - low < 2 * total  # a counter, not a measured quantity


def _alone(
    frame: pl.DataFrame,
    names: Iterable[str],
    kinds: Mapping[str, str],
    target: Target,
    held: Mask,
) -> dict[str, float]:
    """Return the columns that alone give the target away, with their score on unseen rows."""
    train, test = _sample(~held), _sample(held)
    if len(train) < _MIN_ROWS or len(test) < _MIN_ROWS:
        return {}
    picked = frame[np.concatenate([train, test])]
    answers, rows = _answers(picked[target.name], target), np.arange(picked.height)
    halves = [Half(answers[part], part) for part in np.split(rows, [len(train)])]
    scores = {
        n: explained(_codes(picked[n], kinds[n]), *halves) for n in names if kinds[n] != "text"
    }
    return {name: score for name, score in scores.items() if score >= _ALONE}


def _sample(mask: Mask) -> np.ndarray[Any, Any]:
    """Return the positions of the rows, or of evenly spaced ones where there are many."""
    rows = np.flatnonzero(mask)
    return rows[:: -(-len(rows) // _SAMPLE_ROWS) or 1]


def _answers(column: pl.Series, target: Target) -> np.ndarray[Any, Any]:
    """Return shape (rows, k): the number; or 1 where the row is of the class, for each class."""
    if target.classes is None:
        return column.cast(pl.Float64).to_numpy()[:, None]
    classes = target.classes[-1:] if len(target.classes) == 2 else target.classes[:_MAX_CLASSES]
    return np.column_stack([(column == label).to_numpy() for label in classes]).astype(np.float64)


def _codes(column: pl.Series, kind: str) -> tuple[np.ndarray[Any, Any], bool]:
    """Return the values as numbers, NaN where there is none, and whether their order means much."""
    if kind == "datetime":
        column = column.cast(pl.Int64)
    elif kind == "category":
        column = column.rank("dense")
    return column.cast(pl.Float64).to_numpy(), kind in _NUMERIC
