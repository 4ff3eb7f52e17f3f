"""YAML in bounds: plain data and where each piece of it stands, or the reason why not.

One document, UTF-8, unique keys; no anchors, no tags, no dates, no infinities: whatever DVC, JSON
and people could read differently is refused. Scalars are read by the rules of YAML 1.2, as DVC
reads them.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError as _SyntaxError
from ruamel.yaml.events import (
    AliasEvent,
    DocumentStartEvent,
    MappingEndEvent,
    MappingStartEvent,
    ScalarEvent,
    SequenceEndEvent,
    StreamEndEvent,
)
from ruamel.yaml.nodes import ScalarNode

from reconciler.errors import SpecError
from reconciler.spec.problems import Problem

#: Bytes; a fleet's params.yaml of 10,000 models has 2 MB, a spec 2 kB.
LIMIT = 8_000_000
#: Levels of lists and mappings inside each other.
DEPTH = 32

Key = str | int | float | bool
Position = tuple[int, int]

#: What the parser says of `{source: sklearn:iris}`, which DVC cannot read either.
_COLON = "found unexpected ':'"
_PREFIX = "tag:yaml.org,2002:"


class YamlError(SpecError):
    """A file is not the YAML that is wanted; `problem` says where and why."""

    def __init__(self, problem: Problem) -> None:
        super().__init__(str(problem), reason="InvalidYaml")
        self.problem = problem


@dataclass(frozen=True, slots=True)
class Document:
    """What one file holds: dictionaries, lists, texts, numbers, booleans and None."""

    path: str
    data: Any
    _values: Mapping[tuple[Key, ...], Position]
    _keys: Mapping[tuple[Key, ...], Position]

    def position(self, keys: tuple[Key, ...]) -> Position:
        """Return line and column, from 1, of the value at `keys`.

        A list or mapping stands where its key stands; what is missing, at its nearest ancestor.
        """
        return self._nearest(self._values, keys)

    def key_position(self, keys: tuple[Key, ...]) -> Position:
        """Return line and column, from 1, of the key itself, or of its nearest ancestor."""
        return self._nearest(self._keys, keys)

    def _nearest(
        self, known: Mapping[tuple[Key, ...], Position], keys: tuple[Key, ...]
    ) -> Position:
        for end in range(len(keys), -1, -1):
            if (found := known.get(keys[:end])) is not None:
                return found
        return (1, 1)


def load(text: bytes | str, path: str, limit: int = LIMIT) -> Document:
    """Return what a YAML file holds, in time and memory bounded by `limit`.

    Args:
        text: The file's content.
        path: Its name, for messages.
        limit: Most bytes that are read at all.

    Raises:
        YamlError: It is too large, not UTF-8, not YAML, or holds what is refused here.
    """
    raw = text.encode("utf-8", "surrogatepass") if isinstance(text, str) else text
    if len(raw) > limit:
        raise _error(path, (1, 1), f"the file has {len(raw):,} bytes, {limit:,} are allowed")
    decoded = _decoded(raw, path)
    try:
        return _Reader(decoded, path).document()
    except _SyntaxError as error:
        raise _refused(error, decoded, path) from error


def _error(path: str, at: Position, message: str, hint: str = "") -> YamlError:
    return YamlError(Problem(path, *at, "", message, hint))


def _decoded(text: bytes, path: str) -> str:
    try:
        return text.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        before = text[: error.start]
        line = before.count(b"\n") + 1
        column = error.start - (before.rfind(b"\n") + 1) + 1
        hint = "save the file as UTF-8"
        raise _error(path, (line, column), "the file is not UTF-8", hint) from error


def _refused(error: Any, text: str, path: str) -> YamlError:
    mark = getattr(error, "problem_mark", None) or getattr(error, "context_mark", None)
    if mark is not None:
        problem = str(getattr(error, "problem", None) or "cannot be read")
        hint = "inside { } and [ ] a text with a colon is quoted" if problem == _COLON else ""
        return _error(path, (mark.line + 1, mark.column + 1), f"not valid YAML: {problem}", hint)
    at = next((i for i, char in enumerate(text) if not _printable(char)), 0)
    before = text[:at]
    position = (before.count("\n") + 1, at - (before.rfind("\n") + 1) + 1)
    return _error(path, position, "not valid YAML: a character that YAML does not allow")


def _printable(char: str) -> bool:
    return (
        char in "\t\n\r\x85"
        or " " <= char <= "~"
        or (char >= "\xa0" and char not in "\ufffe\uffff")
    )


class _Reader:
    """Builds plain data from the parser's events; recursion is bounded by `DEPTH`."""

    def __init__(self, text: str, path: str) -> None:
        self._path = path
        yaml = YAML(typ="safe", pure=False)
        self._construct, self._parser = yaml.get_constructor_parser(text)
        # The C parser resolves by itself; without it, the library's own object does.
        self._resolve = getattr(self._parser, "resolve", None) or yaml.resolver.resolve
        self._values: dict[tuple[Key, ...], Position] = {}
        self._keys: dict[tuple[Key, ...], Position] = {}

    def document(self) -> Document:
        self._next()  # the stream's start
        first = self._next()
        if isinstance(first, StreamEndEvent):
            return Document(self._path, None, {}, {})
        if first.version or first.tags:
            raise self._error(first, "directives (%) are not allowed")
        data = self._value(self._next(), (), None)
        self._next()  # the document's end
        after = self._next()
        if isinstance(after, DocumentStartEvent):
            raise self._error(after, "a second document starts here", "keep one per file")
        return Document(self._path, data, self._values, self._keys)

    def _next(self) -> Any:
        return self._parser.get_event()

    def _error(self, event: Any, message: str, hint: str = "") -> YamlError:
        return _error(self._path, _at(event), message, hint)

    def _value(self, event: Any, keys: tuple[Key, ...], own: Position | None) -> Any:
        """Return the value that `event` starts; `own` is where its key stands."""
        self._check(event, keys)
        if isinstance(event, ScalarEvent):
            self._values[keys] = _at(event)
            return self._scalar(event)
        self._values[keys] = own or _at(event)
        self._keys.setdefault(keys, self._values[keys])
        if isinstance(event, MappingStartEvent):
            return self._mapping(keys)
        return self._sequence(keys)

    def _check(self, event: Any, keys: tuple[Key, ...]) -> None:
        if isinstance(event, AliasEvent) or event.anchor is not None:
            hint = "write the value out; `defaults:` in params.yaml is for what specs share"
            raise self._error(event, "anchors (&) and aliases (*) are not allowed", hint)
        if (event.ctag if hasattr(event, "ctag") else event.tag) is not None:
            raise self._error(event, "tags (!) are not allowed", "write a plain value")
        if len(keys) > DEPTH:
            raise self._error(event, f"nested more than {DEPTH} levels deep")

    def _mapping(self, keys: tuple[Key, ...]) -> dict[Key, Any]:
        found: dict[Key, Any] = {}
        lines: dict[str, int] = {}
        while not isinstance(event := self._next(), MappingEndEvent):
            key = self._key(event, keys)
            at = _at(event)
            if (first := lines.get(str(key))) is not None or key in found:
                hint = f"first in line {first}" if first else ""
                raise self._error(event, f"the key {key!r} stands here twice", hint)
            lines[str(key)] = at[0]
            self._keys[(*keys, key)] = at
            found[key] = self._value(self._next(), (*keys, key), at)
        return found

    def _key(self, event: Any, keys: tuple[Key, ...]) -> Key:
        self._check(event, keys)
        if not isinstance(event, ScalarEvent):
            raise self._error(event, "a key must be a plain word", "lists and mappings are no keys")
        key = self._scalar(event)
        if key is None:
            raise self._error(event, "a key must not be empty")
        return key  # type: ignore[no-any-return]

    def _sequence(self, keys: tuple[Key, ...]) -> list[Any]:
        found: list[Any] = []
        while not isinstance(event := self._next(), SequenceEndEvent):
            at = (*keys, len(found))
            self._keys[at] = _at(event)
            found.append(self._value(event, at, None))
        return found

    def _scalar(self, event: Any) -> Any:
        text = event.value
        if not event.implicit[0]:
            return text
        tag = str(self._resolve(ScalarNode, text, (True, False))).removeprefix(_PREFIX)
        match tag:
            case "str" | "value":
                return text
            case "null":
                return None
            case "bool" | "int" | "float":
                return self._number(event, tag)
            case "timestamp":
                raise self._error(event, f"{text} reads as a date", f'quote it: "{text}"')
            case _:
                raise self._error(event, f"{text!r} is not allowed here", "quote it")

    def _number(self, event: Any, tag: str) -> Any:
        node = ScalarNode(_PREFIX + tag, event.value)
        try:
            value = getattr(self._construct, f"construct_yaml_{tag}")(node)
        except ValueError as error:
            raise self._error(event, "this number is too long") from error
        if isinstance(value, float) and not math.isfinite(value):
            raise self._error(event, f"{event.value} is not a number", "write a finite number")
        if not isinstance(value, bool | float) and abs(value) >= 2**63:
            raise self._error(event, "this number needs more than 64 bits")
        return value


def _at(event: Any) -> Position:
    mark = event.start_mark
    return (mark.line + 1, mark.column + 1)
