"""Schemas: what a model takes and answers, as JSON Schema 2020-12."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from reconciler.bundle import encoding
from reconciler.bundle.golden import Examples
from reconciler.bundle.signature import Input, Label, Signature

Schema = dict[str, Any]

_LARGEST_FLOAT32 = float(np.finfo(np.float32).max)
_LARGEST_INTEGER = 2**53 - 1
#: Days that another zone may lay before the first moment that there is, or behind the last one.
_EDGES = "^(0001-01-01|9999-12-31)"
#: What a field that nobody has given an example of may look like, by its type.
_SAMPLES: Mapping[str, Any] = {
    "number": 1.5,
    "integer": 1,
    "category": "a",
    "text": "a few words",
    "boolean": True,
    "datetime": "2026-05-01T12:00:00",
}


def row(sign: Signature, examples: Examples) -> Schema:
    """Return the schema of one row, with an example."""
    rounded = encoding.rounded(sign)
    return {
        "type": "object",
        "properties": {item.name: field(item, item.name in rounded) for item in sign.inputs},
        "required": [item.name for item in sign.inputs if not item.nullable],
        "additionalProperties": False,
        "examples": [example(sign, examples)],
    }


def field(item: Input, rounded: bool) -> Schema:
    """Return the schema of one field; `rounded` ones have to fit into a float32."""
    schema = _plain(item, rounded=rounded)
    return {"anyOf": [schema, {"type": "null"}]} if item.nullable else schema


def _plain(item: Input, *, rounded: bool) -> Schema:
    match item.type:
        case "number":
            bounds = {"minimum": -_LARGEST_FLOAT32, "maximum": _LARGEST_FLOAT32}
            return {"type": "number", **(bounds if rounded else {})}
        case "integer":
            return {"type": "integer", "minimum": -_LARGEST_INTEGER, "maximum": _LARGEST_INTEGER}
        case "boolean":
            return {"enum": [True, False, 1, 0]}
        case "category":
            return _category(item.allowed)
        case "datetime":
            said = "ISO 8601; without a zone it is UTC."
            moment = {"type": "string", "format": "date-time", "description": said}
            return {**moment, "not": {"pattern": _EDGES}}
        case _:
            return {"type": "string"}


def _category(allowed: Sequence[Label] | None) -> Schema:
    """Return the schema of a category: what is allowed, though others are answered as well."""
    number = {"type": "integer", "minimum": -(2**63), "maximum": 2**64 - 1}
    any_other = {"anyOf": [{"type": "string"}, number]}
    if not allowed:
        return any_other
    said = "Others are answered like any that training has not seen."
    return {"anyOf": [{"enum": list(allowed)}, *any_other["anyOf"]], "description": said}


def example(sign: Signature, examples: Examples) -> dict[str, Any]:
    """Return a row: the first golden one, its numbers as short as they can be, or a made-up one."""
    if not examples.rows:
        return {item.name: item.allowed[0] if item.allowed else _SAMPLES[item.type]
                for item in sign.inputs}  # fmt: skip
    rounded = encoding.rounded(sign)
    return {
        name: _short(value) if name in rounded else value
        for name, value in examples.rows[0].items()
    }


def _short(value: Any) -> Any:
    """Return the shortest number that is the same float32: 19.69 for 19.690000534057617."""
    return float(str(np.float32(value))) if isinstance(value, float) else value


def answer(sign: Signature, model: str, names: Sequence[str]) -> Schema:
    """Return the schema of the answer to rows; `names` are those of the classes, if any."""
    likely = {"type": ["number", "null"]}
    shown: Schema = {"prediction": {"enum": list(sign.classes)} if sign.classes else likely}
    if sign.probabilities:
        shown["probabilities"] = {
            "type": "object",
            "properties": dict.fromkeys(names, likely),
            "required": list(names),
            "additionalProperties": False,
        }
    prediction = {"type": "object", "properties": shown, "required": list(shown)}
    properties: Schema = {
        "model": {"const": model},
        "version": {"type": "string", "pattern": "^[0-9]+$"},
        "id": {"type": "string"},
        "predictions": {"type": "array", "minItems": 1, "items": prediction},
    }
    return {"type": "object", "properties": properties, "required": list(properties)}
