"""The schema's complaints in plain words: one finding per place of the file."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, get_args

from pydantic import BaseModel, ValidationError

from reconciler.spec.problems import Finding, Keys, dotted, nearest, shown

_NAME = "lower-case letters, digits and dashes, 63 at most, with a letter or digit at both ends"
_WANTED = {
    "string_type": "a text",
    "bool_type": "true or false",
    "int_type": "a whole number",
    "float_type": "a number",
    "model_type": "a mapping",
    "dict_type": "a mapping",
    "tuple_type": "a list",
    "string_too_long": "one character",
}
_BOUNDS = {
    "greater_than": ("gt", "a number above"),
    "greater_than_equal": ("ge", "a number of at least"),
    "less_than": ("lt", "a number below"),
    "less_than_equal": ("le", "a number of at most"),
}
_HINTS = {
    "spec.acceptance": "at least one rule, such as {metric: rmse, max: 5}",
    "spec.data.target": "the column to predict",
    "spec.data.source": "a path in the repository, or sklearn:<dataset>",
    "apiVersion": "apiVersion: reconciler/v1",
    "kind": "kind: Model",
}


def findings(error: ValidationError, data: Any, schema: type[BaseModel]) -> Iterator[Finding]:
    """Give what the schema refuses, at most one finding for each place.

    Args:
        error: What pydantic says of `data`.
        data: The plain data of the whole file.
        schema: The class that `data` was to become.
    """
    places: dict[Keys, list[Mapping[str, Any]]] = {}
    branches: set[Keys] = set()
    for one in error.errors(include_url=False):
        keys, stray = _place(one, data)
        places.setdefault(keys, []).append(dict(one))
        if stray:
            branches.add(keys)
    for keys, errors in places.items():
        deeper = any(len(k) > len(keys) and k[: len(keys)] == keys for k in places)
        if not (keys in branches and deeper):  # a branch of a choice that the value is nearer to
            yield _finding(keys, errors, schema)


def _place(one: Mapping[str, Any], data: Any) -> tuple[Keys, bool]:
    """Return where a complaint is, and whether pydantic also names a choice that it tried."""
    loc, keys, stray = one["loc"], list[Any](), False
    for at, part in enumerate(loc):
        absent = one["type"] == "missing" and at == len(loc) - 1
        if holds(data, part):
            data = data[part]
        elif not (absent and isinstance(data, dict)):
            stray = True
            continue
        keys.append(part)
    return tuple(keys), stray


def holds(data: Any, part: object) -> bool:
    """Return whether plain data has a value at this key or place."""
    if isinstance(data, dict):
        return part in data
    return isinstance(data, list) and isinstance(part, int) and part < len(data)


def _finding(keys: Keys, errors: Sequence[Mapping[str, Any]], schema: type[BaseModel]) -> Finding:
    first = errors[0]
    match first["type"]:
        case "missing" if isinstance(first["input"], dict):
            return Finding(keys, "is missing", _HINTS.get(dotted(keys), ""))
        case "extra_forbidden":
            known = known_keys(schema, keys[:-1])
            hint = nearest(str(keys[-1]), known) or f"known are {', '.join(known)}"
            return Finding(keys, "there is no such key", hint, at_key=True)
        case _:
            wanted = " or ".join(dict.fromkeys(_wanted(keys, one) for one in errors))
            found = shown(first["input"])
            return Finding(keys, f"found {found}, wanted {wanted}", _choice(errors))


def _wanted(keys: Keys, error: Mapping[str, Any]) -> str:
    kind, context = error["type"], error.get("ctx", {})
    if kind in _BOUNDS:
        word, phrase = _BOUNDS[kind]
        return f"{phrase} {context[word]:g}"
    match kind:
        case "literal_error":
            options = str(context["expected"]).replace("'", "").replace(" or ", ", ").split(", ")
            return options[0] if len(options) == 1 else f"one of {', '.join(options)}"
        case "string_pattern_mismatch":
            return _NAME if keys[-1:] == ("name",) else "a duration such as 90s, 30m, 8h or 2d"
        case "too_short" | "string_too_short" if keys == ("spec", "acceptance"):
            return "at least one rule"
        case "string_too_short":
            return "a text that is not empty"
        case "too_short" | "too_long" | "missing":
            return "two values"
        case _:
            return _WANTED.get(kind, str(error["msg"]).lower())


def _choice(errors: Sequence[Mapping[str, Any]]) -> str:
    for one in errors:
        if one["type"] == "literal_error" and isinstance(one["input"], str):
            options = str(one["ctx"]["expected"]).replace("'", "").replace(" or ", ", ").split(", ")
            return nearest(one["input"], options, 1)
        if one["type"] == "string_type" and one["input"] is not None and len(errors) == 1:
            return "quote it" if isinstance(one["input"], bool | int | float) else ""
    return ""


def known_keys(schema: type[BaseModel], keys: Keys) -> tuple[str, ...]:
    """Return the keys that the mapping at `keys` may have, in the order of the schema."""
    for key in keys:
        below = inner(schema, key)
        if below is None:
            return ()
        schema = below
    return tuple(field.alias or name for name, field in schema.model_fields.items())


def inner(schema: type[BaseModel], key: object) -> type[BaseModel] | None:
    """Return the class of the mapping at `key`; None when it may hold any keys."""
    if isinstance(key, int) or key not in schema.model_fields:
        return schema  # an item of a list, or of a mapping of one class
    return _model_in(schema.model_fields[str(key)].annotation)


def _model_in(annotation: Any) -> type[BaseModel] | None:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    return next((found for one in get_args(annotation) if (found := _model_in(one))), None)
