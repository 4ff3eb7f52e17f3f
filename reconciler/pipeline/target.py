"""The target: whether it asks for a number or for one of several classes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import polars as pl

from reconciler.errors import SpecError, TerminalError
from reconciler.pipeline.contract import advised, quoted
from reconciler.pipeline.leakage import Finding

if TYPE_CHECKING:
    from reconciler.core.splits import Mask
    from reconciler.pipeline.casting import Cast
    from reconciler.spec.model import DataSpec

#: Undeclared whole numbers from 0 or 1 on without a gap are classes up to this many.
_CLASSES = 20
_ROWS_PER_CLASS = 10


@dataclass(frozen=True, slots=True)
class Target:
    """What is to be predicted."""

    column: pl.Series
    """The whole column; null where a row has no answer and will be left out."""
    type: str
    task: str
    """regression, binary or multiclass."""
    classes: tuple[Any, ...] | None
    """The labels, sorted; None for a regression."""
    positive: Any
    """binary: the class that counts as positive; None otherwise."""
    warnings: tuple[Finding, ...] = ()

    @property
    def name(self) -> str:
        """The column's name."""
        return self.column.name

    def to_json(self) -> dict[str, Any]:
        """Return it as it stands in the report."""
        return {
            "name": self.name,
            "type": self.type,
            "classes": None if self.classes is None else list(self.classes),
            "positive": self.positive,
        }


def resolve(cast: Cast, data: DataSpec) -> Target:
    """Return what the target's values, and what is declared about them, ask for.

    Raises:
        SpecError: The declared positive class, split or type does not fit the values.
        TerminalError: `TargetNull`, `OneClass`, `ConstantTarget` or `TooManyClasses`.
    """
    column, kind = cast.column, cast.type
    warnings = _unlabelled(column, data)
    present = column.drop_nulls()
    if kind == "datetime":
        message = f"the target {column.name} holds dates, not numbers or classes"
        raise SpecError(message, reason="WrongTarget", hint="choose another target")
    if kind in ("number", "integer") and not _are_classes(present, cast, data):
        return _number(column, kind, data, warnings)
    kind = "category" if kind == "text" else kind
    classes = tuple(present.unique().sort().to_list())
    _check_classes(classes, present)
    task = "binary" if len(classes) == 2 else "multiclass"
    return Target(column, kind, task, classes, _positive(classes, data), warnings)


def check_sides(target: Target, values: pl.Series, held: Mask) -> None:
    """Refuse a split with an empty side, or with classes that only the test side has.

    Raises:
        TerminalError: `SplitEmpty` or `ClassOnlyInTest`.
    """
    tested, total = int(held.sum()), len(held)
    if tested in (0, total):
        side = "test" if tested == 0 else "training"
        message = f"the split leaves none of the {total:,} rows on the {side} side"
        hint = "equal rows stay together: name an id under data.split.key, or add rows"
        raise TerminalError(message, reason="SplitEmpty", hint=hint)
    if target.classes is None:
        return
    learned = set(values.filter(pl.Series(~held)).unique().to_list())
    if unknown := [label for label in target.classes if label not in learned]:
        counts = ", ".join(f"{c!s} ({int((values == c).sum()):,})" for c in unknown[:5])
        message = f"classes of {target.name} have all their rows on the test side: {counts}"
        hint = "split by method: stratified, or add rows of these classes"
        raise TerminalError(message, reason="ClassOnlyInTest", hint=hint)


def _unlabelled(column: pl.Series, data: DataSpec) -> tuple[Finding, ...]:
    empty, total, name = column.null_count(), len(column), column.name
    if not empty:
        return ()
    what = f"{empty:,} of {total:,} rows have no {name}"
    declared = data.columns.get(name)
    if empty == total or not (declared and declared.nullable):
        hint = f"fill them, or leave these rows out with {advised(name, nullable=True)}"
        raise TerminalError(what, reason="TargetNull", hint="" if empty == total else hint)
    return (Finding("UnlabelledRows", (name,), f"{what}: they are left out"),)


def _are_classes(present: pl.Series, cast: Cast, data: DataSpec) -> bool:
    if cast.type != "integer" or not cast.inferred:
        return False
    distinct = present.unique().sort().to_list()
    gapless = distinct == list(range(distinct[0], distinct[0] + len(distinct)))
    few = len(distinct) <= _CLASSES and len(present) >= _ROWS_PER_CLASS * len(distinct)
    named = data.positive in distinct if data.positive is not None else False
    return named or (gapless and distinct[0] in (0, 1) and few)


def _number(column: pl.Series, kind: str, data: DataSpec, warnings: tuple[Finding, ...]) -> Target:
    name, as_classes = column.name, advised(column.name, type="category")
    if data.positive is not None:
        message = f"data.positive: the target {name} is a number, and has no classes"
        raise SpecError(message, reason="WrongTarget", hint=f"declare {as_classes}")
    if data.split.method == "stratified":
        message = f"data.split: {name} is a number, and has no classes to stratify by"
        hint = f"set method: random, or declare {as_classes}"
        raise SpecError(message, reason="WrongSplit", hint=hint)
    if column.drop_nulls().n_unique() == 1:
        value = quoted([column.drop_nulls()[0]])
        raise TerminalError(f"all rows have {name} = {value}", reason="ConstantTarget")
    return Target(column, kind, "regression", None, None, warnings)


def _check_classes(classes: tuple[Any, ...], present: pl.Series) -> None:
    name, total = present.name, len(present)
    if len(classes) == 1:
        message = f"all {total:,} rows have {name} = {quoted(classes)}: there is one class only"
        raise TerminalError(message, reason="OneClass", hint="add rows of another class")
    if len(classes) > max(_CLASSES, total // 2):
        message = f"{name} has {len(classes):,} different values in {total:,} rows: no classes"
        raise TerminalError(message, reason="TooManyClasses", hint="choose another target")


def _positive(classes: tuple[Any, ...], data: DataSpec) -> Any:
    wanted = data.positive
    if len(classes) > 2:
        if wanted is not None:
            message = f"data.positive: {data.target} has {len(classes)} classes, not two"
            raise SpecError(message, reason="WrongPositive")
        return None
    if wanted is None:
        return classes[-1]
    if not any(type(wanted) is type(label) and wanted == label for label in classes):
        message = f"data.positive: {quoted([wanted])} is not a class of {data.target}"
        raise SpecError(message, reason="WrongPositive", hint=f"there are {quoted(classes)}")
    return wanted
