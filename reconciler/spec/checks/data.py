"""Checks of `spec.data`: source, format, columns, split."""

from __future__ import annotations

import codecs
from collections.abc import Iterator
from datetime import datetime
from pathlib import PurePosixPath
from typing import get_args

from reconciler.spec.checks import paths
from reconciler.spec.checks.scope import Scope
from reconciler.spec.model import Column, DataSpec, Label
from reconciler.spec.problems import Finding, nearest, shown

#: What `sklearn:` offers without a download.
DATASETS = ("breast_cancer", "diabetes", "digits", "iris", "linnerud", "wine")
SUFFIXES = {
    ".csv": "csv",
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".parquet": "parquet",
    ".pq": "parquet",
    ".tab": "tsv",
    ".tsv": "tsv",
}
_PACKED = (".gz", ".zst")
_AT = ("spec", "data")


def check(data: DataSpec, task: str | None, scope: Scope) -> Iterator[Finding]:
    """Give what is wrong with the data section.

    Args:
        data: The section.
        task: `regression` or `classification`; None when that is not known.
        scope: What the spec is checked against.
    """
    if not data.source:
        hint = "a path in the repository, or sklearn:<dataset>"
        yield Finding((*_AT, "source"), "is missing", hint)
    else:
        yield from _source(data, scope)
    if not data.target:
        yield Finding((*_AT, "target"), "is missing", "the column to predict")
    yield from _split(data, task)
    yield from columns(data, task)


def columns(data: DataSpec, task: str | None) -> Iterator[Finding]:
    """Give what is wrong with how the table is read and with its columns; see `check`."""
    yield from _reader(data)
    yield from _target(data, task)
    for name, column in data.columns.items():
        yield from _column(name, column)


def _source(data: DataSpec, scope: Scope) -> Iterator[Finding]:
    at = (*_AT, "source")
    kind, colon, name = data.source.partition(":")
    if colon and kind == "sklearn":
        if name not in DATASETS:
            hint = nearest(name, DATASETS, 1) or f"known are {', '.join(DATASETS)}"
            yield Finding(at, f"scikit-learn brings no dataset {name!r}", hint)
        if data.format is not None:
            yield Finding((*_AT, "format"), "datasets of scikit-learn have no format", "leave it")
        return
    yield from paths.check(data.source, at, scope.modes, tracked=True)
    if data.format is None and suffix(data.source) not in SUFFIXES:
        hint = "set data.format: csv, tsv, parquet or jsonl"
        yield Finding(at, "the file's ending does not say how it is written", hint)


def suffix(source: str) -> str:
    """Return the ending that tells the format, in lower case; empty for none."""
    found = [one.lower() for one in PurePosixPath(source).suffixes if one not in _PACKED]
    return found[-1] if found else ""


def _reader(data: DataSpec) -> Iterator[Finding]:
    at, reader = (*_AT, "reader"), data.reader
    form = data.format or SUFFIXES.get(suffix(data.test or data.source))
    if reader.model_fields_set and (form in ("parquet", "jsonl") or "sklearn:" in data.source):
        yield Finding(at, "only csv and tsv are read with these settings", "leave it out")
    if reader.names and reader.header:
        hint = "set header: false, or leave names out"
        yield Finding((*at, "names"), "the first line already names the columns", hint)
    if len(set(reader.names)) < len(reader.names):
        yield Finding((*at, "names"), "a column name stands here twice")
    try:
        codecs.lookup(reader.encoding)
    except (LookupError, ValueError):  # ValueError: a character that no name has
        message = f"there is no encoding {shown(reader.encoding)}"
        yield Finding((*at, "encoding"), message, "such as utf-8 or latin-1")


def _target(data: DataSpec, task: str | None) -> Iterator[Finding]:
    if data.target and data.target in data.ignore:
        yield Finding((*_AT, "ignore"), f"{data.target} is the target, it cannot be ignored")
    if data.positive is None:
        return
    at = (*_AT, "positive")
    if task == "regression":
        yield Finding(at, "a regression has no positive class", "leave it out")
    contract = data.columns.get(data.target)
    if contract is not None and contract.allowed and data.positive not in contract.allowed:
        message = f"{shown(data.positive)} is not among the values allowed for {data.target}"
        yield Finding(at, message)


def _split(data: DataSpec, task: str | None) -> Iterator[Finding]:
    split, at = data.split, (*_AT, "split")
    rows = split.method in ("random", "stratified")
    if rows and split.column is not None:
        hint = "leave it out, or set method: time or method: group"
        yield Finding((*at, "column"), f"method {split.method} uses no column", hint)
    if not rows and split.column is None:
        what = "times" if split.method == "time" else "groups"
        yield Finding(at, f"method {split.method} needs column", f"name the column of the {what}")
    if not rows and split.key:
        hint = "leave it out, or set method: random or method: stratified"
        yield Finding((*at, "key"), f"method {split.method} uses no key", hint)
    if split.method == "stratified" and task == "regression":
        yield Finding((*at, "method"), "a regression has no classes to stratify", "use random")
    for key, names in (("column", (split.column,)), ("key", split.key)):
        if data.target in names:
            message = f"{data.target} is the target: rows cannot be assigned by it"
            yield Finding((*at, key), message)


def _column(name: str, column: Column) -> Iterator[Finding]:
    at = (*_AT, "columns", name)
    yield from _ends(column, at)
    if column.allowed is not None:
        if not column.allowed:
            yield Finding((*at, "allowed"), "no value would be allowed", "leave it out")
        for index, value in enumerate(column.allowed):
            if not _fits(value, column.type):
                message = f"{shown(value)} is no {column.type}"
                yield Finding((*at, "allowed", index), message)


def _ends(column: Column, at: tuple[str, ...]) -> Iterator[Finding]:
    ends = {"min": column.min, "max": column.max}
    wrong = False
    for key, value in ends.items():
        if value is not None and (why := _no_end(value, column.type)):
            wrong = True
            yield Finding((*at, key), why)
    if not wrong and column.min is not None and column.max is not None:
        low, high = _ordered(column.min), _ordered(column.max)
        if type(low) is type(high) and low > high:  # type: ignore[operator]
            yield Finding((*at, "min"), f"min {column.min} is above max {column.max}")


def _ordered(value: float | str) -> float | datetime:
    if not isinstance(value, str):
        return value
    return datetime.fromisoformat(value).replace(tzinfo=None)


def _no_end(value: float | str, kind: str | None) -> str:
    """Return why `value` cannot bound a column of this type; empty when it can."""
    if kind in ("category", "text", "boolean"):
        return f"a column of type {kind} has no smallest or largest value"
    if not isinstance(value, str):
        return "a datetime is bounded by a date, in quotes" if kind == "datetime" else ""
    if kind in ("number", "integer"):
        return f"found {shown(value)}, wanted a number"
    try:
        datetime.fromisoformat(value)
    except ValueError:
        return f"found {shown(value)}, wanted a number or a date such as '2024-01-31'"
    return ""


def _fits(value: Label, kind: str | None) -> bool:
    match kind:
        case "boolean":
            return isinstance(value, bool)
        case "integer":
            return isinstance(value, int) and not isinstance(value, bool)
        case "number":
            return isinstance(value, int | float) and not isinstance(value, bool)
        case "text" | "datetime":
            return isinstance(value, str)
        case _:
            return isinstance(value, get_args(Label))
