"""Templates: `${…}` in a dvc.yaml filled in, as DVC does it."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

_HOLE = re.compile(r"(?<!\\)\$\{(.*?)\}")


class UnfilledError(LookupError):
    """A template names what no parameter file and no `vars:` have; its text is the name."""


def filled(value: Any, values: Mapping[str, Any]) -> Any:
    """Return plain data with every `${name}`, `${a.b}` and `${a[0]}` in it replaced.

    A text that is nothing but a template becomes the value itself, of whatever type; inside a
    longer text, a list or mapping is written as JSON (DVC makes arguments of it), so equal values
    still give equal texts.

    Raises:
        UnfilledError: There is no such value.
    """
    match value:
        case str():
            return _text(value, values)
        case Mapping():
            # keys too: `- specs/${key}.yaml: [spec.data]` names a file of parameters
            return {_key(key, values): filled(item, values) for key, item in value.items()}
        case list():
            return [filled(item, values) for item in value]
        case _:
            return value


def _key(key: object, values: Mapping[str, Any]) -> object:
    return word(_text(key, values)) if isinstance(key, str) else key


def word(value: object) -> str:
    """Return a plain value as it stands in a text or in the name of a stage."""
    match value:
        case bool():
            return "true" if value else "false"
        case list() | dict():
            return json.dumps(value, sort_keys=True)
        case _:
            return str(value)


def merged(below: Mapping[str, Any], above: Mapping[str, Any]) -> dict[str, Any]:
    """Return two mappings as one, key by key all the way down; `above` wins."""
    both = dict(below)
    for key, value in above.items():
        old = both.get(key)
        if isinstance(old, Mapping) and isinstance(value, Mapping):
            value = merged(old, value)
        both[key] = value
    return both


def at(values: Any, path: str) -> Any:
    """Return the value at a dotted path such as `a.b` or `a[0].b`.

    Raises:
        UnfilledError: There is none.
    """
    found = values
    for part in path.replace("[", ".").replace("]", "").split("."):
        key = part.strip()
        if isinstance(found, Mapping) and key in found:
            found = found[key]
        elif isinstance(found, list) and key.isdecimal() and int(key) < len(found):
            found = found[int(key)]
        else:
            raise UnfilledError(path)
    return found


def _text(text: str, values: Mapping[str, Any]) -> Any:
    only = _HOLE.fullmatch(text)
    if only is not None:
        return at(values, only[1])
    return _HOLE.sub(lambda hole: word(at(values, hole[1])), text).replace(r"\${", "${")
