"""The JSON Schema of specs, by which editors complete, explain and check them."""

from __future__ import annotations

import ast
import inspect
import json
import sys
from collections.abc import Iterator
from itertools import pairwise
from typing import Any

from reconciler.spec import model
from reconciler.spec.checks.data import DATASETS
from reconciler.spec.checks.deployment import TARGETS
from reconciler.spec.metrics import METRICS

#: Lists of names, which may be written as one name.
_NAMES = (
    ("DataSpec", "ignore"),
    ("Preprocessing", "drop"),
    ("Split", "key"),
    ("TrainingSpec", "deps"),
    ("TrainingSpec", "stages"),
)


def json_schema() -> dict[str, Any]:
    """Return the schema of a spec as its author writes it, in JSON Schema 2020-12.

    What only `reconciler validate` can know, such as the hyperparameters of an estimator, is
    left open; so is what the fleet's defaults may bring.
    """
    found = _untitled(model.ModelSpec.model_json_schema(by_alias=True))
    parts = found["$defs"]
    for owner, key, description in _descriptions():
        if key in parts.get(owner, {}).get("properties", {}):
            parts[owner]["properties"][key]["description"] = description
    for owner, key in _NAMES:
        listed = parts[owner]["properties"][key]
        parts[owner]["properties"][key] = {
            **{word: listed.pop(word) for word in ("default", "description") if word in listed},
            "anyOf": [listed, {"type": "string", "minLength": 1}],
        }
    metric = parts["Rule"]["properties"]["metric"]
    name = {word: metric.pop(word) for word in ("minLength", "type") if word in metric}
    metric["anyOf"] = [{"enum": sorted(METRICS)}, name]  # self-reported ones have any name
    parts["DeploymentSpec"]["properties"]["target"]["enum"] = sorted(TARGETS)
    source = parts["DataSpec"]["properties"]["source"]
    source["examples"] = ["data/table.csv", *(f"sklearn:{name}" for name in DATASETS)]
    for owner in ("Spec", "DataSpec", "TrainingSpec"):
        parts[owner].pop("required", None)
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **found}


def _untitled(schema: Any) -> Any:
    """Return a schema without the titles that pydantic makes up from the names of keys."""
    if isinstance(schema, list):
        return [_untitled(one) for one in schema]
    if not isinstance(schema, dict):
        return schema
    return {k: _untitled(v) for k, v in schema.items() if k != "title" or isinstance(v, dict)}


def _descriptions() -> Iterator[tuple[str, str, str]]:
    """Give class, key and the text below the key, which the language keeps only in the source."""
    for owner in ast.parse(inspect.getsource(model)).body:
        if not isinstance(owner, ast.ClassDef):
            continue
        for line, below in pairwise(owner.body):
            match line, below:
                case (
                    ast.AnnAssign(target=ast.Name(id=key)),
                    ast.Expr(value=ast.Constant(value=str(text))),
                ):
                    yield owner.name, key, " ".join(text.split())
                case _:
                    pass


if __name__ == "__main__":
    sys.stdout.write(json.dumps(json_schema(), indent=2, ensure_ascii=False) + "\n")
