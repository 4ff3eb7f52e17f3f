"""`/openapi.json`: what can be asked of this server, made from what it serves now."""

from __future__ import annotations

import json
from collections.abc import Mapping
from importlib import resources
from typing import Any

import orjson

from reconciler import __version__
from reconciler.serving import schemas
from reconciler.serving.fields import names_of
from reconciler.serving.house import House, Standing
from reconciler.serving.limits import Limits
from reconciler.serving.v2 import metadata

_FRAME = resources.files("reconciler.serving") / "pages" / "openapi.json"
_ERRORS = {
    "400": "Wrong",
    "404": "Absent",
    "413": "TooMuch",
    "415": "NotJson",
    "503": "NotReady",
    "default": "Refused",
}


class Document:
    """The document of a house; made again once what is served has changed."""

    def __init__(self, house: House, limits: Limits) -> None:
        self._house = house
        self._limits = limits
        self._of: object = None
        self._content = b""

    def content(self) -> bytes:
        """Return it as JSON."""
        standings = self._house.standings()
        now = [(name, *_versions(standing)) for name, standing in standings.items()]
        if now != self._of:  # no version itself is held: it would stay in memory
            self._content = orjson.dumps(document(standings, self._limits))
            self._of = now
        return self._content


def document(standings: Mapping[str, Standing], limits: Limits) -> dict[str, Any]:
    """Return the OpenAPI 3.1 document of models, by name."""
    made: dict[str, Any] = json.loads(_FRAME.read_bytes())
    made["info"]["version"] = __version__
    parts = made["components"]
    paths: dict[str, Any] = {}
    for name, standing in sorted(standings.items()):
        sign = standing.champion.signature
        rows = schemas.row(sign, standing.champion.examples)
        answers = schemas.answer(sign, name, names_of(sign.classes or ()))
        parts["schemas"] |= {f"row.{name}": rows, f"answer.{name}": answers}
        paths |= _paths(name, standing, limits, rows["examples"][0])
    made["paths"] = paths | made["paths"]
    if standings:
        _name(made, standings)
    return made


def _name(made: dict[str, Any], standings: Mapping[str, Standing]) -> None:
    """Say in the paths of the protocol which models and versions there are, with an example."""
    parameters = made["components"]["parameters"]
    versions = {version for one in standings.values() for version, _ in _versions(one)}
    parameters["model"]["schema"]["enum"] = sorted(standings)
    parameters["version"]["schema"]["enum"] = sorted(versions, key=int)
    first = min(standings)
    parameters["model"]["example"] = first
    row = made["components"]["schemas"][f"row.{first}"]["examples"][0]
    tensors = [
        {"name": item["name"], "shape": [1], "datatype": item["datatype"],
         "data": [row[item["name"]]]}
        for item in metadata.model(standings[first])["inputs"]
        if row.get(item["name"]) is not None
    ]  # fmt: skip
    media = made["paths"]["/v2/models/{model}/infer"]["post"]["requestBody"]["content"]
    media["application/json"]["example"] = {"inputs": tensors}


def _paths(
    name: str, standing: Standing, limits: Limits, example: Mapping[str, Any]
) -> dict[str, Any]:
    """Return the paths of one model: of whichever version, and of one that is named."""
    versions = [version for version, _ in _versions(standing)]
    named = {"name": "version", "in": "path", "required": True, "schema": {"enum": versions}}
    ids, key = _ref("parameters", "id"), _ref("parameters", "key")
    whichever = _operation(name, f"predict-{name}", limits, example)
    one = _operation(name, f"predict-version-{name}", limits, example)
    summary = f"Predict with one version of {name}"
    return {
        f"/predict/{name}": {
            "post": {**whichever, "summary": f"Predict with {name}", "parameters": [ids, key]}
        },
        f"/predict/{name}/versions/{{version}}": {
            "post": {**one, "summary": summary, "parameters": [named, ids]}
        },
    }


def _versions(standing: Standing) -> list[tuple[str, str]]:
    """Return number and digest of each version that answers, the champion's first."""
    served = (standing.champion, standing.challenger)
    return [(one.version, one.digest) for one in served if one is not None]


def _operation(
    name: str, called: str, limits: Limits, example: Mapping[str, Any]
) -> dict[str, Any]:
    row = _ref("schemas", f"row.{name}")
    several = {"type": "array", "items": row, "minItems": 1, "maxItems": limits.rows}
    wrapped = {
        "type": "object", "properties": {"rows": several}, "required": ["rows"],
        "additionalProperties": False,
    }  # fmt: skip
    taken = {"schema": {"anyOf": [row, several, wrapped]}, "example": example}
    given = {"schema": _ref("schemas", f"answer.{name}")}
    headers = {
        "X-Model-Version": _ref("headers", "version"), "X-Request-Id": _ref("headers", "id"),
    }  # fmt: skip
    answers = {
        "description": "A prediction for each row.",
        "headers": headers,
        "content": {"application/json": given},
    }
    refusals = {status: _ref("responses", which) for status, which in _ERRORS.items()}
    return {
        "tags": ["predictions"],
        "operationId": called,
        "requestBody": {"required": True, "content": {"application/json": taken}},
        "responses": {"200": answers, **refusals},
        "x-max-body": limits.body,
        "x-max-rows": limits.rows,
    }


def _ref(kind: str, name: str) -> dict[str, str]:
    return {"$ref": f"#/components/{kind}/{name}"}
