"""Casting: what type a column has, declared or inferred, and its values in that type."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import polars as pl

from reconciler.errors import SpecError
from reconciler.pipeline.contract import Violation, advised, ignored, violation

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from reconciler.spec.model import Column

DTYPES: Mapping[str, pl.DataType] = {
    "number": pl.Float64(),
    "integer": pl.Int64(),
    "category": pl.String(),
    "text": pl.String(),
    "boolean": pl.Boolean(),
    "datetime": pl.Datetime("us"),
}

#: An undeclared column of which this share are numbers is one, and the rest is an error.
_MOSTLY = 0.95
#: So is one with that many different numbers, from this share on.
_MANY, _HALF = 20, 0.5
#: How tables spell a missing value: among numbers it is one that the spec has yet to declare.
_NOTHING = ["", "-", "--", ".", "?", "#n/a", "n/a", "na", "nan", "nil", "none", "null"]

_TOO_LARGE = 2**53  # from here on a float64 no longer tells two neighbours apart
_WORDS_OF_A_TEXT = 3.0
_NULLS_TO_NAME = 5
_INTEGER = r"^[+-]?\d{1,18}$"
_CODE = r"^[+-]?0\d"  # a leading zero: a code, not a quantity
_MOMENT = r"^\d{4}-\d{2}-\d{2}([T ]\d{2}:\d{2}(:\d{2}(\.\d{1,9})?)?(Z|[+-]\d{2}:?\d{2})?)?$"
_TRUE, _FALSE = ("true", "yes", "y", "t", "1", "on"), ("false", "no", "n", "f", "0", "off")
_NAMES = {
    "number": "a number",
    "integer": "an integer of up to 2^53",
    "boolean": "true or false",
    "datetime": "an ISO date or time",
}


@dataclass(frozen=True, slots=True)
class Cast:
    """A column in its type."""

    column: pl.Series
    type: str
    inferred: bool
    """Whether the spec does not say the type."""
    problem: Violation | None
    """Rows whose value is not of the type; they are null in `column`."""


def cast(column: pl.Series, declared: Column | None, nulls: Sequence[str], *, typed: bool) -> Cast:
    """Return `column` in its declared type, or in the one that its values have.

    Args:
        column: As it was read.
        declared: Its contract; None or without a type: the type is inferred.
        nulls: Spellings of a missing value in every column; the contract may name more.
        typed: Whether the source tells numbers from texts.

    Raises:
        SpecError: `NestedColumn`: the values are lists or objects.
    """
    if column.dtype.is_nested() or column.dtype in (pl.Binary, pl.Object):
        message = f"{column.name} holds {column.dtype}, not plain values"
        hint = f"list it under {ignored(column.name)}"
        raise SpecError(message, reason="NestedColumn", hint=hint)
    own = declared.nulls if declared else ()
    column = _without_nulls(_plain(column), tuple(nulls), tuple(own))
    kind = declared.type if declared else None
    chosen = kind or infer(column, typed=typed)
    values = _CASTS[chosen](column)
    broken = values.is_null() & column.is_not_null()
    problem = _problem(column, broken, chosen) if broken.any() else None
    return Cast(values.alias(column.name), chosen, kind is None, problem)


def infer(column: pl.Series, *, typed: bool) -> str:
    """Return the type that the values of `column` have.

    A column that is nearly all numbers (or dates) is one of numbers: the others are an error to
    be declared, not a reason to call everything a category. Words such as `NA` do not count.
    """
    if column.dtype.is_integer():
        return "integer" if _integer(column).null_count() == column.null_count() else "category"
    if column.dtype != pl.String:
        return _native_type(column.dtype)
    present = column.drop_nulls()
    if present.is_empty():
        return "category"
    numbers = _number(present)
    whole = numbers.null_count() == 0
    if whole and not typed:
        return _numeric_type(present, numbers)
    if not whole and _mostly(present, numbers):
        return "number"
    if not typed and present.str.to_lowercase().is_in(["true", "false"]).all():
        return "boolean"
    if present.str.contains(_MOMENT).sum() >= _MOSTLY * len(present):
        return "datetime"
    words = present.str.strip_chars().str.count_matches(r"\s+").mean()
    texts = isinstance(words, float) and words + 1 >= _WORDS_OF_A_TEXT
    return "text" if texts and present.n_unique() > len(present) / 5 else "category"


def _mostly(present: pl.Series, numbers: pl.Series) -> bool:
    odd = present.filter(numbers.is_null()).str.strip_chars().str.to_lowercase()
    saying = len(present) - int(odd.is_in(_NOTHING).sum())
    found = len(numbers) - numbers.null_count()
    if found >= _MOSTLY * saying:
        return True
    return found >= _HALF * len(numbers) and numbers.drop_nulls().n_unique() > _MANY


def _numeric_type(present: pl.Series, numbers: pl.Series) -> str:
    digits = present.str.strip_chars()
    if digits.str.contains(_CODE).any() and digits.str.contains(r"^[+-]?\d+$").all():
        return "category"
    if digits.str.contains(_INTEGER).all():
        return "integer" if (numbers.abs() < _TOO_LARGE).all() else "category"
    return "category" if digits.str.contains(r"^\d+$").all() else "number"


def _native_type(dtype: pl.DataType) -> str:
    if dtype == pl.Boolean:
        return "boolean"
    if dtype in (pl.Date, pl.Datetime):
        return "datetime"
    return "number" if dtype.is_numeric() else "category"


def _plain(column: pl.Series) -> pl.Series:
    """Return a column of a typed source in one of the few forms that are told apart here."""
    dtype = column.dtype
    if isinstance(dtype, pl.Datetime) and dtype.time_zone:
        return column.dt.convert_time_zone("UTC").dt.replace_time_zone(None)
    if isinstance(dtype, (pl.Categorical, pl.Enum, pl.Time, pl.Duration)) or dtype == pl.Null:
        return column.cast(pl.String)
    if dtype.is_decimal():
        return column.cast(pl.Float64)
    return column.fill_nan(None) if dtype.is_float() else column


def _without_nulls(column: pl.Series, nulls: tuple[str, ...], own: tuple[str, ...]) -> pl.Series:
    spellings = nulls + own if column.dtype == pl.String else own
    if not spellings:
        return column
    missing = column.cast(pl.String).is_in(list(spellings))
    return column.set(missing.fill_null(value=False), None)


def _number(column: pl.Series) -> pl.Series:
    """Return finite numbers, null where a value is none."""
    if column.dtype == pl.String:
        column = column.str.strip_chars()
    elif not column.dtype.is_numeric():
        return pl.Series(column.name, [None] * len(column), dtype=pl.Float64)
    numbers = column.cast(pl.Float64, strict=False)
    return numbers.set(~numbers.is_finite(), None)


def _integer(column: pl.Series) -> pl.Series:
    if column.dtype.is_integer():
        numbers = column.cast(pl.Int64, strict=False)
        return numbers.set((numbers.abs() >= _TOO_LARGE).fill_null(value=False), None)
    numbers = _number(column)
    odd = (numbers != numbers.floor()) | (numbers.abs() >= _TOO_LARGE)
    return numbers.set(odd.fill_null(value=False), None).cast(pl.Int64)


def _boolean(column: pl.Series) -> pl.Series:
    if column.dtype == pl.Boolean:
        return column
    if column.dtype.is_numeric():
        column = column.cast(pl.Float64).cast(pl.Int64, strict=False)
    texts = column.cast(pl.String).str.strip_chars().str.to_lowercase()
    words = {**dict.fromkeys(_TRUE, True), **dict.fromkeys(_FALSE, False)}
    return texts.replace_strict(words, default=None, return_dtype=pl.Boolean)


def _moment(column: pl.Series) -> pl.Series:
    if column.dtype.is_temporal():
        return column.cast(pl.Datetime("us"))
    if column.dtype != pl.String:
        return pl.Series(column.name, [None] * len(column), dtype=pl.Datetime("us"))
    texts = pl.col("t").str.strip_chars().str.replace("T", " ").str.replace(r"[zZ]$", "+00:00")
    plain = [
        texts.str.to_datetime(form, time_unit="us", strict=False)
        for form in ("%Y-%m-%d %H:%M:%S%.f", "%Y-%m-%d", "%Y-%m-%d %H:%M")
    ]
    zoned = [
        texts.str.to_datetime(form, time_unit="us", strict=False).dt.replace_time_zone(None)
        for form in ("%Y-%m-%d %H:%M:%S%.f%:z", "%Y-%m-%d %H:%M%:z")
    ]
    return column.alias("t").to_frame().select(pl.coalesce(*plain, *zoned))["t"]


def _string(column: pl.Series) -> pl.Series:
    return column.cast(pl.String)


def _problem(column: pl.Series, broken: pl.Series, kind: str) -> Violation | None:
    bad = column.filter(broken).unique(maintain_order=True)
    found = f"are {{}}, which is not {_NAMES[kind]}"
    return violation(column, broken, found, _advice(column, bad, kind))


def _advice(column: pl.Series, bad: pl.Series, kind: str) -> str:
    as_category = advised(column.name, type="category")
    if kind == "integer" and bad.dtype.is_numeric():
        return f"declare {advised(column.name, type='number')}, or {as_category}"
    if len(bad) > _NULLS_TO_NAME or not (bad.dtype == pl.String or bad.dtype.is_numeric()):
        return f"mend the data, or declare {as_category}"
    spelled = advised(column.name, type=kind, nulls=bad.cast(pl.String).to_list())
    them = "it" if len(bad) == 1 else "them"
    return f"declare {them} null, {spelled}; or keep the column as it is, {as_category}"


_CASTS: Mapping[str, Callable[[pl.Series], pl.Series]] = {
    "number": _number,
    "integer": _integer,
    "category": _string,
    "text": _string,
    "boolean": _boolean,
    "datetime": _moment,
}
