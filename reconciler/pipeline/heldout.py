"""Held-out rows: the declared test set of an adopted model, in the types that the model takes."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any

import polars as pl

from reconciler.bundle.signature import NO_TEXT, Input
from reconciler.errors import SpecError, TerminalError
from reconciler.pipeline import objects, prepare
from reconciler.pipeline.casting import Cast
from reconciler.pipeline.contract import quoted
from reconciler.pipeline.reading import Table
from reconciler.pipeline.reading import read as read_table
from reconciler.spec.checks.adoption import OBJECTS

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from reconciler.pipeline.foreign import Model
    from reconciler.spec.model import DataSpec

#: Up to here float32 tells every whole number from the next.
_EXACT = 2**24
_TEXTS = frozenset({"category", "text"})


@dataclass(frozen=True, slots=True)
class HeldOut:
    """The rows that a model is scored on."""

    frame: pl.DataFrame
    """Features in the model's order, the target, then the columns that are no features."""
    inputs: tuple[Input, ...]
    task: str
    """regression, binary or multiclass."""
    target: str
    classes: tuple[Any, ...] | None
    positive: Any


def read(root: Path, data: DataSpec, model: Model, folders: Sequence[str] = ()) -> HeldOut:
    """Return the rows of `data.test`.

    Args:
        root: The slot's tree.
        data: The spec's section.
        model: What is scored on them.
        folders: Where modules of the user's own may be, from `root`.

    Raises:
        SpecError: A column that the spec names is not there.
        TerminalError: The table cannot be used, breaks its contract, or lacks what the model
            takes.
    """
    table = _table(root, data, folders)
    prepare.check_names(table.frame.columns, data)
    found = prepare.casts(Table(table.frame, table.typed), data)
    names = _features(found, data, model)
    casts = [_widened(found[name]) for name in names]
    answer = _answer(found[data.target].column, data, model)
    others = [c.column for n, c in found.items() if n not in names and n != data.target]
    frame = pl.DataFrame([*(c.column for c in casts), answer, *others])
    task = model.task if len(model.classes or ()) != 2 else "binary"
    inputs = tuple(_input(cast, data) for cast in casts)
    counted = positive(data, model.classes) if task == "binary" else None
    return HeldOut(frame, inputs, task, data.target, model.classes, counted)


def _table(root: Path, data: DataSpec, folders: Sequence[str]) -> Table:
    path = data.test or ""
    if data.format is None and PurePosixPath(path).suffix in OBJECTS:
        return Table(objects.read(root, path, folders, data.target), typed=True)
    return read_table(root, data.model_copy(update={"source": path}))


def _features(found: Mapping[str, Cast], data: DataSpec, model: Model) -> list[str]:
    """Return the columns that the model takes, in its own order."""
    if model.features is not None:
        missing = [name for name in model.features if name not in found]
        if missing:
            listed = ", ".join(missing[:5])
            raise TerminalError(
                f"{data.test} has no column {listed}, which the model was fitted on",
                reason="ColumnMissing",
                hint="data.test is what the model takes: after featurizing, before predicting",
            )
        return list(model.features)
    names = [name for name in found if name != data.target and name not in data.ignore]
    if model.width is not None and len(names) != model.width:
        raise TerminalError(
            f"{data.test} has {len(names)} columns beside {data.target} and data.ignore, and the"
            f" model was fitted on {model.width}",
            reason="ColumnMissing",
            hint=f"it has {', '.join(names[:8])}; data.ignore leaves columns out",
        )
    return names


def _widened(item: Cast) -> Cast:
    """Return a column of whole numbers as one of numbers, unless it was declared.

    A few held-out rows do not show that the numbers are always whole.
    """
    largest = item.column.abs().max() if item.type == "integer" else None
    if not item.inferred or not isinstance(largest, int) or largest > _EXACT:
        return item
    return replace(item, column=item.column.cast(pl.Float64), type="number")


def _input(cast: Cast, data: DataSpec) -> Input:
    declared = data.columns.get(cast.column.name)
    nullable = declared.nullable if declared else None
    nullable = cast.column.null_count() > 0 if nullable is None else nullable
    null = NO_TEXT if cast.type in _TEXTS else "NaN"
    return Input(
        name=cast.column.name,
        type=cast.type,
        nullable=nullable,
        null=null if nullable else None,
        allowed=declared.allowed if declared else None,
    )


def _answer(column: pl.Series, data: DataSpec, model: Model) -> pl.Series:
    """Return the target as numbers, or as the labels that the model answers."""
    if column.null_count():
        message = f"{column.null_count():,} of {len(column):,} rows of {data.test} have no"
        raise TerminalError(f"{message} {column.name}", reason="TargetNull", hint="leave them out")
    if model.classes is None:
        if not column.dtype.is_numeric():
            message = f"{data.test}: {column.name} is {column.dtype}, and the model is a regression"
            raise TerminalError(message, reason="WrongTask", hint="name another data.target")
        return column.cast(pl.Float64)
    known = {_spelled(label): label for label in model.classes}
    texts = [_spelled(value) for value in column.to_list()]
    strange = sorted({text for text in texts if text not in known})
    if strange:
        raise TerminalError(
            f"{data.test}: {column.name} has {quoted(strange)}, which the model does not know",
            reason="UnknownClass",
            hint=f"it knows {quoted(model.classes)}; is this the column that it predicts?",
        )
    return pl.Series(column.name, [known[text] for text in texts])


def positive(data: DataSpec, classes: Sequence[Any] | None) -> Any:
    """Return which of two classes counts as positive: the declared one, or the last."""
    if data.positive is None:
        return classes[-1] if classes else None
    for label in classes or ():
        if _spelled(label) == _spelled(data.positive):
            return label
    message = f"data.positive: {quoted([data.positive])} is not a class of the model"
    raise SpecError(message, reason="WrongPositive", hint=f"it knows {quoted(classes or ())}")


def _spelled(value: Any) -> str:
    """Return a label in one spelling, whether it was read as a number, a text or a truth value."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return str(value)
