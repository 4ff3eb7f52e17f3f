"""The text of a record: YAML for people and their tools, in lines that a program reads fast.

What people follow stands in block style, one key to a line; measurements, evidence and lock
blocks stand as JSON on one line each. All of it is YAML 1.2, and `loads` takes the lines apart
without a YAML parser, which a fleet of thousands would wait for.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence

#: Keys whose value is written over several lines; any other mapping or list is one line.
BLOCKS = frozenset({"champion", "challenger", "evidence", "holds", "lock", "verdict", "versions"})

_PLAIN = re.compile(r"[A-Za-z][A-Za-z0-9_/]*([ .-][A-Za-z0-9_/]+)*")
_KEY = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]*")
_WORDS = frozenset({"true", "false", "null", "yes", "no", "on", "off", "y", "n", "nan", "inf"})
_ODD = re.compile("[\x7f-\x9f\u2028\u2029\ufeff\ufffe\uffff]")
_LINE = re.compile(r'( *)(- )?(?:([A-Za-z_][A-Za-z0-9_.-]*|"(?:[^"\\]|\\.)*"):(?: |$))?(.*)')


class ForeignTextError(ValueError):
    """The text is not in the lines that `dumps` writes; it may still be YAML."""


def _refuse(constant: str) -> object:
    raise ForeignTextError(constant)


_DECODER = json.JSONDecoder(parse_constant=_refuse)  # once: making it costs more than its work


def dumps(plain: Mapping[str, object]) -> str:
    """Return JSON values as text; `loads` and any YAML 1.2 parser give the same values back.

    Raises:
        ValueError: A number is NaN or infinite.
    """
    return "".join(f"{line}\n" for line in _mapping(plain, ""))


def loads(text: str) -> dict[str, object]:
    """Return the values of a text that `dumps` wrote.

    Raises:
        ForeignTextError: Somebody wrote it otherwise.
    """
    lines = [_taken_apart(line) for line in text.removesuffix("\n").split("\n")]
    value, end = _read_mapping(lines, 0, 0)
    if end != len(lines):
        raise ForeignTextError(f"line {end + 1}: unexpected indentation")
    return value


def _mapping(value: Mapping[str, object], indent: str) -> Iterator[str]:
    for key, item in value.items():
        name = key if _KEY.fullmatch(key) and key.lower() not in _WORDS else _json(key)
        if key in BLOCKS and isinstance(item, Mapping) and item:
            yield f"{indent}{name}:"
            yield from _mapping(item, indent + "  ")
        elif key in BLOCKS and isinstance(item, list) and item:
            yield f"{indent}{name}:"
            yield from _sequence(item, indent, nested=key == "versions")
        else:
            yield f"{indent}{name}: {_scalar(item)}"


def _sequence(items: Sequence[object], indent: str, *, nested: bool) -> Iterator[str]:
    for item in items:
        if nested and isinstance(item, Mapping) and item:
            first, *rest = _mapping(item, indent + "  ")
            yield f"{indent}- {first.lstrip()}"
            yield from rest
        else:
            yield f"{indent}- {_json(item)}"


def _scalar(value: object) -> str:
    if isinstance(value, str) and _PLAIN.fullmatch(value) and value.lower() not in _WORDS:
        return value
    return _json(value)


def _json(value: object) -> str:
    text = json.dumps(value, ensure_ascii=False, allow_nan=False)
    return _ODD.sub(lambda found: f"\\u{ord(found[0]):04x}", text)


_Line = tuple[int, bool, str | None, str]


def _taken_apart(line: str) -> _Line:
    found = _LINE.fullmatch(line)
    if found is None:
        raise ForeignTextError(line)
    indent, dash, key, rest = found.groups()
    return len(indent), dash is not None, key, rest


def _read_mapping(lines: Sequence[_Line], at: int, depth: int) -> tuple[dict[str, object], int]:
    """Read keys at indentation `depth`; the first may stand behind a dash two columns before."""
    value: dict[str, object] = {}
    start = at
    while at < len(lines):
        indent, dash, key, rest = lines[at]
        opens = dash and at == start and indent == depth - 2
        if not opens and (dash or indent != depth):
            break
        if key is None:
            raise ForeignTextError(f"line {at + 1}: no key")
        name = json.loads(key) if key.startswith('"') else key
        if name in value:
            raise ForeignTextError(f"line {at + 1}: {name} stands twice")
        value[name], at = (_value(rest), at + 1) if rest else _read_block(lines, at + 1, depth)
    return value, at


def _read_block(lines: Sequence[_Line], at: int, depth: int) -> tuple[object, int]:
    if at == len(lines):
        raise ForeignTextError("the last key has no value")
    indent, dash, _, _ = lines[at]
    if dash and indent == depth:
        return _read_sequence(lines, at, depth)
    if not dash and indent == depth + 2:
        return _read_mapping(lines, at, depth + 2)
    raise ForeignTextError(f"line {at + 1}: unexpected indentation")


def _read_sequence(lines: Sequence[_Line], at: int, depth: int) -> tuple[list[object], int]:
    items: list[object] = []
    while at < len(lines) and lines[at][0] == depth and lines[at][1]:
        _, _, key, rest = lines[at]
        if key is None:
            item, at = _value(rest), at + 1
        else:
            item, at = _read_mapping(lines, at, depth + 2)
        items.append(item)
    return items, at


def _value(text: str) -> object:
    if _PLAIN.fullmatch(text) and text.lower() not in _WORDS:
        return text
    try:
        return _DECODER.decode(text)
    except ValueError as error:
        raise ForeignTextError(text) from error
