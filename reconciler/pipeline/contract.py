"""The contract: what a column promises, checked on every row, with the rows counted."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING, Any

import polars as pl

from reconciler.errors import SpecError, TerminalError

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from reconciler.spec.model import Column

_EXAMPLES = 3
_LISTED = 5
_PLAIN = re.compile(r"[A-Za-z_][\w .()/-]*")
_WORDS = frozenset({"true", "false", "null", "yes", "no", "on", "off"})
_ORDERED = frozenset({"number", "integer", "datetime"})


@dataclass(frozen=True, slots=True)
class Violation:
    """Rows of one column that are not what was promised."""

    column: str
    count: int
    """Rows that break the promise."""
    total: int
    """Rows of the table."""
    found: str
    """What they are, such as `are ' ', which is not a number`."""
    advice: str
    """What to write in the spec, or to do to the data."""
    rows: tuple[int, ...] = ()
    """The first of them, counted from 1 after the header."""

    def __str__(self) -> str:
        listed = ", ".join(f"{row:,}" for row in self.rows)
        more = ", …" if self.count > len(self.rows) else ""
        where = f" (row{'s' if self.count > 1 else ''} {listed}{more})" if self.rows else ""
        what = f"{self.count:,} of {self.total:,} rows of {self.column} {self.found}"
        return f"{what}{where}: {self.advice}"


def require(violations: Sequence[Violation]) -> None:
    """Return when there is no violation.

    Raises:
        TerminalError: `ContractBroken`, with every violation, its rows counted, in one line.
    """
    if not violations:
        return
    listed = "; ".join(str(violation) for violation in violations[:_LISTED])
    more = len(violations) - _LISTED
    message = f"{listed}; and {more} more columns" if more > 0 else listed
    raise TerminalError(
        message, reason="ContractBroken", hint="mend the data, or data.columns of the spec"
    )


def violation(
    column: pl.Series, broken: pl.Series, found: str, advice: str, name: str = ""
) -> Violation | None:
    """Return what the mask `broken` says about `column`; None when no row is broken.

    Args:
        column: The values as they stand in the table.
        broken: Boolean, the same length; null counts as unbroken.
        found: A sentence's end; `{}` in it stands for the first different values.
        advice: What to do.
        name: The column's name where the series has another.
    """
    count = int(broken.sum() or 0)
    if not count:
        return None
    rows = broken.fill_null(value=False).arg_true()
    values = column.gather(rows[:10_000]).unique(maintain_order=True)[: _EXAMPLES + 1].to_list()
    return Violation(
        column=name or column.name,
        count=count,
        total=len(column),
        found=found.replace("{}", quoted(values)),
        advice=advice,
        rows=tuple(row + 1 for row in rows[:_EXAMPLES].to_list()),
    )


def quoted(values: Sequence[object]) -> str:
    """Return the first few values, as they would be written in the spec."""
    shown = ", ".join(_cell(value) for value in values[:_EXAMPLES])
    return f"{shown}, …" if len(values) > _EXAMPLES else shown


def advised(column: str, **settings: object) -> str:
    """Return the line of the spec that says `settings` about `column`."""
    body = ", ".join(f"{key}: {_yaml(value)}" for key, value in settings.items())
    return f"columns: {{{_yaml(column)}: {{{body}}}}}"


def ignored(*columns: str) -> str:
    """Return the line of the spec that keeps `columns` from being features."""
    return f"data.ignore: {_yaml(columns)}"


def check(column: pl.Series, kind: str, declared: Column) -> list[Violation]:
    """Return every promise of `declared` that a typed column breaks.

    Args:
        column: Values of the type's own form; null where there is none.
        kind: number, integer, category, text, boolean or datetime.
        declared: The contract; its type has been enforced by the cast.

    Raises:
        SpecError: `WrongContract`: a limit or an allowed value does not fit the type.
    """
    found = [_nulls(column, declared), *_limits(column, kind, declared)]
    found += [_allowed(column, kind, declared), _unique(column, declared)]
    return [item for item in found if item is not None]


def _nulls(column: pl.Series, declared: Column) -> Violation | None:
    if declared.nullable is not False:
        return None
    advice = f"fill them, or declare {advised(column.name, nullable=True)}"
    return violation(column, column.is_null(), "are empty, which is declared impossible", advice)


def _limits(column: pl.Series, kind: str, declared: Column) -> Iterable[Violation | None]:
    for name, word in (("min", "below"), ("max", "above")):
        limit = getattr(declared, name)
        if limit is None:
            continue
        if kind not in _ORDERED:
            raise _wrong(column.name, f"{name} is for numbers and datetimes, and this is a {kind}")
        bound = _value(limit, kind, column.name)
        broken = column < bound if name == "min" else column > bound
        found = f"are {word} {_cell(limit)} ({{}})"
        yield violation(column, broken, found, f"mend them, or declare another {name}")


def _allowed(column: pl.Series, kind: str, declared: Column) -> Violation | None:
    if declared.allowed is None:
        return None
    values = [_value(value, kind, column.name) for value in declared.allowed]
    allowed = pl.Series(values, dtype=column.dtype)
    broken = ~column.is_in(allowed.implode()) & column.is_not_null()
    advice = f"mend them, or add to {advised(column.name, allowed=declared.allowed)}"
    return violation(column, broken, "are {}, which is not allowed", advice)


def _unique(column: pl.Series, declared: Column) -> Violation | None:
    if not declared.unique:
        return None
    broken = ~column.is_first_distinct() & column.is_not_null()
    return violation(column, broken, "repeat a value ({})", "remove the repetitions, or `unique`")


def _value(value: Any, kind: str, column: str) -> Any:
    """Return a value of the spec in the form that a column of this type holds."""
    wrong = _wrong(column, f"{_cell(value)} is no value of a column of type {kind}")
    match kind, value:
        case (("category" | "text"), _):
            return str(value).lower() if isinstance(value, bool) else str(value)
        case "boolean", bool():
            return value
        case (("number" | "integer"), bool()):
            raise wrong
        case "number", int() | float():
            return float(value)
        case "integer", int() | float() if value == int(value):
            return int(value)
        case "integer", float():
            return value  # a limit between two integers
        case "datetime", str():
            try:
                return moment(value)
            except ValueError as error:
                raise wrong from error
        case _:
            raise wrong


def moment(text: str) -> datetime:
    """Return an ISO date or time as a naive datetime in UTC.

    Raises:
        ValueError: It is none.
    """
    value = datetime.fromisoformat(text)
    return value.astimezone(UTC).replace(tzinfo=None) if value.tzinfo else value


def _wrong(column: str, message: str) -> SpecError:
    return SpecError(f"data.columns.{column}: {message}", reason="WrongContract")


def _cell(value: object) -> str:
    if isinstance(value, str):
        return f"'{value}'" if len(value) <= 40 else f"'{value[:40]}…'"
    if isinstance(value, date):
        return value.isoformat()
    whole = isinstance(value, float) and value.is_integer()
    return f"{value:.0f}" if whole else str(value)


def _yaml(value: object) -> str:
    match value:
        case bool():
            return str(value).lower()
        case str():
            plain = _PLAIN.fullmatch(value) and not value.endswith(" ")
            return value if plain and value.lower() not in _WORDS else _quoted_yaml(value)
        case tuple() | list():
            return f"[{', '.join(_yaml(item) for item in value)}]"
        case _:
            return str(value)


def _quoted_yaml(value: str) -> str:
    if value.isprintable():
        return "'" + value.replace("'", "''") + "'"
    return '"' + value.encode("unicode_escape").decode().replace('"', '\\"') + '"'
