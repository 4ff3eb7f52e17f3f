"""Fields: whether rows have those that a model takes, and every problem where they do not.

What a value must be is decided by `bundle.encoding` alone; here it is asked value by value, to say
which of them are wrong.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from reconciler.bundle import encoding
from reconciler.bundle.signature import Input, Label, Signature
from reconciler.errors import UsageError
from reconciler.serving.rows import Row, kind
from reconciler.spec.problems import nearest

#: So many of the first bad rows are told of, with so many of their unknown fields each.
ROWS, UNKNOWN = 10, 10

_CHUNK = 256
_LONGEST = 60
_MISSING = object()
_WANTED: Mapping[str, str] = {
    "number": "a number",
    "integer": "a whole number below 2**53",
    "category": "a text",
    "text": "a text",
    "boolean": "true or false",
    "datetime": 'a time in ISO 8601, such as "2026-05-01T12:00:00"',
}
_SHOWN_ALLOWED = 8


@dataclass(frozen=True, slots=True)
class Problem:
    """What is wrong with one field of one row."""

    row: int
    """From 1."""
    field: str
    found: str
    """As JSON, clipped; `nothing` where the field is missing."""
    wanted: str

    def __str__(self) -> str:
        return f"row {self.row}: {_quoted(self.field)}: found {self.found}, wanted {self.wanted}"


class BadRows(UsageError):  # noqa: N818  it is what it holds
    """Rows that a model does not take; never without a problem."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        more = len(problems) - 1
        rest = "" if not more else f"; {more} more problem{'s' if more > 1 else ''} listed"
        super().__init__(f"{problems[0]}{rest}", reason="BadInput")
        self.problems = tuple(problems)

    def plain(self) -> list[dict[str, Any]]:
        """Return the problems in JSON's own types."""
        return [asdict(problem) for problem in self.problems]


class Fields:
    """The fields that a model with the signature `sign` takes."""

    def __init__(self, sign: Signature) -> None:
        self._sign = sign
        self.names = tuple(item.name for item in sign.inputs)
        self._known = frozenset(self.names)
        self._rounded = encoding.rounded(sign)
        self.count = len(self.names)
        self.classes = names_of(sign.classes or ())

    def columns(self, rows: Sequence[Row]) -> dict[str, list[Any]]:
        """Return rows as columns; null stands for what is missing.

        Raises:
            BadRows: There are fields that the model does not have.
        """
        known = self._known
        if not all(map(known.issuperset, rows)):
            raise BadRows(self.problems(rows))
        return {name: [row.get(name) for row in rows] for name in self.names}

    def problems(self, rows: Sequence[Row]) -> list[Problem]:
        """Return all that is wrong with the first `ROWS` of the rows with which something is."""
        found: dict[int, list[Problem]] = {}
        for item in self._sign.inputs:
            for problem in _first(self._misfits(item, rows)):
                found.setdefault(problem.row, []).append(problem)
        strange = (n for n, row in enumerate(rows, 1) if not self._known.issuperset(row))
        for _, number in zip(range(ROWS), strange, strict=False):
            found.setdefault(number, []).extend(self._unknown(number, rows[number - 1]))
        return [problem for number in sorted(found)[:ROWS] for problem in found[number]]

    def _misfits(self, item: Input, rows: Sequence[Row]) -> Iterator[Problem]:
        rounded = item.name in self._rounded
        for start in range(0, len(rows), _CHUNK):
            values = [row.get(item.name) for row in rows[start : start + _CHUNK]]
            if encoding.fits(item, values, rounded=rounded):
                continue
            for place, value in enumerate(values):
                if not encoding.fits(item, [value], rounded=rounded):
                    number = start + place + 1
                    given = rows[number - 1].get(item.name, _MISSING)
                    yield Problem(number, item.name, found(given), wanted(item, value))

    def _unknown(self, number: int, row: Row) -> Iterator[Problem]:
        strange = (name for name in row if name not in self._known)
        for _, name in zip(range(UNKNOWN), strange, strict=False):
            absent = [known for known in self.names if known not in row]
            near = nearest(name, absent, most=1) or nearest(name, self.names, most=1)
            yield Problem(
                number,
                name[:_LONGEST],
                found(row[name]),
                f"no such field; {near}" if near else "no such field",
            )


def names_of(classes: Sequence[Label]) -> list[str]:
    """Return the names of classes in JSON, where a key is always a text."""
    return [str(one).lower() if isinstance(one, bool) else str(one) for one in classes]


def _first(problems: Iterator[Problem]) -> Iterator[Problem]:
    for _, problem in zip(range(ROWS), problems, strict=False):
        yield problem


def found(value: object) -> str:
    """Return a value as it was sent, in short."""
    if value is _MISSING:
        return "nothing"
    if isinstance(value, str):
        return _quoted(value)
    if isinstance(value, int | float) and not isinstance(value, bool):
        return json.dumps(value)
    return kind(value)


def wanted(item: Input, value: object) -> str:
    """Return what a field takes, as words; closer where a `value` of its kind is too large."""
    said = _WANTED[item.type]
    if item.type == "number" and isinstance(value, int | float) and not isinstance(value, bool):
        said = f"{said} of at most 3.4e38"
    if item.allowed and item.type == "category":
        listed = ", ".join(_quoted(str(one)) for one in item.allowed[:_SHOWN_ALLOWED])
        said = f"{said}, such as {listed}"
    return f"{said}, or null" if item.nullable else said


def _quoted(text: str) -> str:
    clipped = text if len(text) <= _LONGEST else f"{text[: _LONGEST - 1]}…"
    return json.dumps(clipped, ensure_ascii=False)
