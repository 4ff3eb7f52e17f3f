"""Rows as clients send them: read from JSON, of which nothing is silently dropped."""

from __future__ import annotations

import json
import re
from collections import Counter
from typing import Any

import orjson

from reconciler.errors import UsageError
from reconciler.serving.refusal import Refused

Row = dict[str, Any]

#: What a list of rows may be wrapped in.
WRAPPER = "rows"

_FORMS = f'one object with the fields of a row, a list of such objects, or {{"{WRAPPER}": […]}}'
_SPACED = re.compile(rb"\s:")
_NO_NUMBERS = (b"NaN", b"Infinity", b"-Infinity", b"-NaN")


def read(content: bytes, most: int) -> list[Row]:
    """Return the rows of a body, at least one.

    Args:
        content: One object, a list of objects, or an object with such a list as `rows`.
        most: Rows that one request may have.

    Raises:
        UsageError: `BadJson`: it is not JSON, or gives a field twice; `BadInput`: no such rows.
        Refused: 413: there are more rows than `most`.
    """
    try:
        value = orjson.loads(content)
    except orjson.JSONDecodeError as error:
        raise UsageError(_why(content, error), reason="BadJson") from error
    rows, wrapped = _unwrapped(value)
    if len(rows) > most:
        message = f"{len(rows)} rows; one request may have {most}"
        raise Refused(413, message, reason="TooManyRows", hint="send them in several requests")
    _refuse_twins(content, sum(map(len, rows)) + wrapped)
    return rows


def _unwrapped(value: Any) -> tuple[list[Row], bool]:
    """Return the rows, and whether they were wrapped in an object."""
    if type(value) is dict:
        rows = value.get(WRAPPER)
        if type(rows) is not list:
            return [value], False
        if len(value) > 1:
            beside = next(key for key in value if key != WRAPPER)
            raise _bad(f'{_clipped(beside)} stands beside "{WRAPPER}", which is a list')
        return _checked(rows), True
    if type(value) is list:
        return _checked(value), False
    raise _bad(f"found {kind(value)}")


def _checked(rows: list[Any]) -> list[Row]:
    if not rows:
        raise _bad("the list of rows is empty")
    for number, row in enumerate(rows, 1):
        if type(row) is not dict:
            raise _bad(f"row {number} is {kind(row)}")
    return rows


def _bad(found: str) -> UsageError:
    return UsageError(f"{found}; wanted {_FORMS}", reason="BadInput")


def kind(value: object) -> str:
    """Return what a value read from JSON is called."""
    match value:
        case None:
            return "null"
        case bool():
            return "true" if value else "false"
        case int() | float():
            return "a number"
        case str():
            return "a text"
        case dict():
            return "an object"
        case _:
            return "a list"


def _why(content: bytes, error: orjson.JSONDecodeError) -> str:
    """Return why a body is not JSON, as a sentence."""
    if not content.strip():
        return f"the body is empty; wanted {_FORMS}"
    if content.startswith(_NO_NUMBERS, error.pos):
        return f"NaN and Infinity are not JSON ({_place(error)}): a missing value is null"
    said = error.msg[:1].lower() + error.msg[1:]
    return f"the body is not JSON: {said} ({_place(error)})"


def _place(error: orjson.JSONDecodeError) -> str:
    return f"line {error.lineno}, column {error.colno}"


def _refuse_twins(content: bytes, keys: int) -> None:
    """Refuse a body that gives a field twice, given how many keys were left of it.

    A key takes a colon. Only where there are further ones, as in texts, is it read once more.
    """
    if content.count(b":") == keys:
        return
    if content.count(b'":') == keys and _SPACED.search(content) is None:
        return
    try:
        json.loads(content, object_pairs_hook=_once)
    except RecursionError as error:
        raise _bad("a field is nested too deep") from error


def _once(pairs: list[tuple[str, Any]]) -> Row:
    found = dict(pairs)
    if len(found) < len(pairs):
        twin = next(key for key, count in Counter(key for key, _ in pairs).items() if count > 1)
        raise UsageError(f"{_clipped(twin)} is given twice", reason="BadJson")
    return found


def _clipped(name: str) -> str:
    return json.dumps(name[:60], ensure_ascii=False)
