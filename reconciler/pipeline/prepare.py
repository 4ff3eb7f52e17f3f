"""Stage `prepare`: from the source to two splits that keep the contract, and a report on them."""

from __future__ import annotations

import difflib
import json
import shutil
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import polars as pl

from reconciler.core import splits
from reconciler.errors import SpecError, TerminalError
from reconciler.pipeline import contract, leakage, target
from reconciler.pipeline.casting import Cast, cast
from reconciler.pipeline.contract import Violation, violation
from reconciler.pipeline.leakage import Finding
from reconciler.pipeline.reading import Table, read
from reconciler.pipeline.target import Target

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from reconciler.core.splits import Mask, Rule
    from reconciler.pipeline.context import Context
    from reconciler.spec.model import DataSpec

_FLOAT32_MAX = 3.4028234663852886e38


@dataclass(frozen=True, slots=True)
class Prepared:
    """A table that keeps its contract, and its split."""

    frame: pl.DataFrame
    """Features in the order of the source, the target, then the auxiliary columns."""
    features: tuple[Cast, ...]
    target: Target
    auxiliary: tuple[str, ...]
    """Columns that are no features: for splits, for slices, and for older models."""
    rule: Rule
    held: Mask
    """The rows of the test side."""
    warnings: tuple[Finding, ...]


def run(context: Context) -> None:
    """Write `data/prepared/NAME/`: train.parquet, test.parquet and report.json.

    Raises:
        SpecError: The spec names columns that are not there, or does not fit the data.
        TerminalError: The data cannot be used, or breaks its contract: rows are counted.
    """
    data = context.spec.spec.data
    prepared = prepare(read(context.root, data), data)
    directory = context.root / "data" / "prepared" / context.name
    shutil.rmtree(directory, ignore_errors=True)
    directory.mkdir(parents=True)
    _write(directory / "train.parquet", prepared.frame.filter(~prepared.held))
    _write(directory / "test.parquet", prepared.frame.filter(prepared.held))
    text = json.dumps(report(prepared, data), indent=1, ensure_ascii=False, allow_nan=False)
    (directory / "report.json").write_text(text + "\n", encoding="utf-8")


def prepare(table: Table, data: DataSpec) -> Prepared:
    """Return the table of `data` cast, checked, and split; see `run` for the errors."""
    check_names(table.frame.columns, data)
    found = casts(table, data)
    answer = target.resolve(found[data.target], data)
    features = tuple(c for n, c in found.items() if n != data.target and n not in data.ignore)
    if not features:
        raise SpecError("no column is left to learn from", reason="NoFeatures")
    auxiliary = tuple(name for name in data.ignore if name in found and name != data.target)
    others = [found[name].column for name in auxiliary]
    frame = pl.DataFrame([*(c.column for c in features), answer.column, *others])
    frame = frame.filter(frame[data.target].is_not_null())
    names = [c.column.name for c in features]
    rule = splits.pin(data.split, names, data.target, frame)
    held = splits.held_out(rule, frame)
    target.check_sides(answer, frame[data.target], held)
    warnings = answer.warnings
    kinds = {c.column.name: c.type for c in features}
    leaks = leakage.find(frame, kinds, answer, held, data.split)
    if leaks and data.leakage == "refuse":
        message = "; ".join(item.message for item in leaks)
        raise TerminalError(message, reason=leaks[0].reason, hint="see data.leakage of the spec")
    return Prepared(frame, features, answer, auxiliary, rule, held, (*warnings, *leaks))


def report(prepared: Prepared, data: DataSpec) -> dict[str, Any]:
    """Return `report.json`: what was found, decided and doubted, as plain values."""
    test = int(prepared.held.sum())
    return {
        "task": prepared.target.task,
        "features": [_feature(cast, data) for cast in prepared.features],
        "target": prepared.target.to_json(),
        "auxiliary": list(prepared.auxiliary),
        "split": prepared.rule.to_json(),
        "rows": {"train": prepared.frame.height - test, "test": test},
        "warnings": [item.to_json() for item in prepared.warnings],
    }


def _feature(cast: Cast, data: DataSpec) -> dict[str, Any]:
    declared = data.columns.get(cast.column.name)
    stated = declared.model_dump(mode="json") if declared else {}
    nullable = stated.get("nullable")
    return {
        "name": cast.column.name,
        "type": cast.type,
        "nullable": cast.column.null_count() > 0 if nullable is None else nullable,
        "inferred": cast.inferred,
        **{key: stated.get(key) for key in ("min", "max", "allowed")},
        "unique": stated.get("unique", False),
    }


def check_names(columns: Sequence[str], data: DataSpec) -> None:
    """Refuse names of the spec that the table does not have."""
    named = {"target": [data.target], "ignore": data.ignore, "columns": data.columns}
    split = [*data.split.key, *([data.split.column] if data.split.column else [])]
    for key, names in {**named, "split": split}.items():
        for name in names:
            if name not in columns:
                raise _unknown(key, name, columns)


def _unknown(key: str, name: str, columns: Sequence[str]) -> SpecError | TerminalError:
    near = difflib.get_close_matches(name, columns, n=3, cutoff=0.5) or list(columns[:8])
    message = f"data.{key}: the table has no column {name!r}"
    hint = f"there is {', '.join(near)}"
    if key == "target":
        return TerminalError(message, reason="TargetMissing", hint=hint)
    return SpecError(message, reason="ColumnMissing", hint=hint)


def casts(table: Table, data: DataSpec) -> dict[str, Cast]:
    """Return every column in its type; the contract holds for all of them."""
    casts: dict[str, Cast] = {}
    violations: list[Violation] = []
    for column in table.frame.iter_columns():
        item, problems = _column(column, table, data)
        if item is not None:
            casts[column.name] = item
        violations += problems
    contract.require(violations)
    return casts


def _column(column: pl.Series, table: Table, data: DataSpec) -> tuple[Cast | None, list[Violation]]:
    declared, name = data.columns.get(column.name), column.name
    needed = (*data.split.key, data.split.column)
    spare = name in data.ignore and declared is None and name not in needed
    if spare and column.dtype.is_nested():
        return None, []
    item = cast(column, declared, data.reader.nulls, typed=table.typed)
    if item.problem is not None:
        if spare:  # nobody asked for it to be of a type
            return Cast(column.cast(pl.String), "category", inferred=True, problem=None), []
        return item, [item.problem]
    if spare or name == data.target:
        return item, contract.check(item.column, item.type, declared) if declared else []
    if empty := _empty(item.column):
        return item, [empty]
    rounded, beyond = _rounded(item, data.precision)
    problems = contract.check(item.column, item.type, declared) if declared else []
    return rounded, [*beyond, *problems]


def _empty(column: pl.Series) -> Violation | None:
    if column.null_count() < len(column):
        return None
    advice = f"list it under {contract.ignored(column.name)}, or mend the data"
    return Violation(column.name, len(column), len(column), "are empty", advice)


def _rounded(item: Cast, precision: str) -> tuple[Cast, list[Violation]]:
    """Return a number column as float32 values, as serving will round what it is sent."""
    if item.type != "number" or precision == "float64":
        return item, []
    found = "are beyond the range of float32 ({})"
    large = item.column.abs() > _FLOAT32_MAX
    beyond = violation(item.column, large, found, "set data.precision: float64")
    if beyond is not None:
        return item, [beyond]
    column = item.column.cast(pl.Float32).cast(pl.Float64)
    return Cast(column, item.type, item.inferred, item.problem), []


def _write(path: Path, frame: pl.DataFrame) -> None:
    """Write the same bytes for the same rows: one chunk, and every setting stated."""
    frame.rechunk().write_parquet(
        path, compression="zstd", compression_level=3, statistics=True, row_group_size=131_072
    )
