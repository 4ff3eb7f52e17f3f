"""The generator of the catalogue: asks the installed scikit-learn what its estimators accept.

Run as a program, it prints the catalogue as JSON.
"""

from __future__ import annotations

import importlib
import inspect
import json
import math
import sys
from numbers import Integral, Real
from typing import Any, Literal

Task = Literal["regression", "classification"]

#: What scikit-learn calls the constraints that a value in YAML can meet.
_WORDS: dict[str, list[Any]] = {
    "boolean": ["boolean"],
    "array-like": ["list"],
    "no_validation": ["any"],
    "random_state": ["none", {"numbers": "integer", "low": 0, "high": None, "closed": "left"}],
    "verbose": ["boolean", {"numbers": "integer", "low": 0, "high": None, "closed": "left"}],
    "cv_object": [
        "none",
        "list",
        {"numbers": "integer", "low": 2, "high": None, "closed": "left"},
    ],
}
_NUMBERS = {"Integral": "integer", "Real": "number", "RealNotInt": "fraction"}
_TYPES = {str: "text", bool: "boolean", dict: "mapping", list: "list", tuple: "list"}


def catalogue() -> dict[str, Any]:
    """Return every single-target classifier and regressor, as `Catalogue.from_json` reads it."""
    import sklearn

    found = {**_of("classifier", "classification"), **_of("regressor", "regression")}
    return {"version": sklearn.__version__, "estimators": dict(sorted(found.items()))}


def to_json(found: dict[str, Any]) -> str:
    """Return the catalogue as text, one hyperparameter per line."""
    lines = []
    for path, one in found["estimators"].items():
        rows = [f"      {json.dumps(n)}: {json.dumps(p)}" for n, p in one["parameters"].items()]
        body = "{\n" + ",\n".join(rows) + "\n    }" if rows else "{}"
        head = f'  {json.dumps(path)}: {{\n    "task": {json.dumps(one["task"])},\n'
        lines.append(f'{head}    "parameters": {body}\n  }}')
    version = json.dumps(found["version"])
    estimators = ",\n".join(lines)
    return f'{{"version": {version}, "estimators": {{\n{estimators}\n}}}}\n'


def _of(kind: str, task: Task) -> dict[str, dict[str, Any]]:
    from sklearn.utils import all_estimators

    found = {}
    for name, cls in all_estimators(type_filter=kind):
        path = _public(cls, name)
        parameters = _parameters(cls)
        if path is not None and _declarable(name, parameters):
            found[path] = {"task": task, "parameters": parameters}
    return found


def _public(cls: type, name: str) -> str | None:
    """Return the import path without private modules; None when there is none."""
    parts = cls.__module__.split(".")
    private = next((i for i, part in enumerate(parts) if part.startswith("_")), len(parts))
    module = ".".join(parts[:private])
    exported = getattr(importlib.import_module(module), name, None)
    return f"{module}.{name}" if exported is cls else None


def _declarable(name: str, parameters: dict[str, Any]) -> bool:
    """Return whether a spec can declare it: one target, and no list of named estimators."""
    several = name.startswith(("MultiOutput", "MultiTask")) or name.endswith("Chain")
    return not several and "estimators" not in parameters


def _parameters(cls: type) -> dict[str, list[Any]]:
    constraints = getattr(cls, "_parameter_constraints", {})
    found = {}
    for name, parameter in inspect.signature(cls).parameters.items():
        if parameter.kind in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD):
            continue
        default = "" if parameter.default is parameter.empty else repr(parameter.default)
        found[name] = [default, _accepted(constraints.get(name, "no_validation"))]
    return found


def _accepted(constraints: Any) -> list[Any]:
    """Return what YAML can write of scikit-learn's constraints; empty: nothing is known."""
    found: list[Any] = []
    for one in constraints if isinstance(constraints, list) else [constraints]:
        found += [value for value in _one(one) if value not in found]
    return [] if "any" in found else found


def _one(constraint: Any) -> list[Any]:
    name = type(constraint).__name__
    if constraint is None:
        return ["none"]
    if isinstance(constraint, str):
        return _WORDS.get(constraint, [])
    if name == "Interval":
        return [_range(constraint)]
    if name in ("StrOptions", "Options"):
        hidden = constraint.deprecated
        return [sorted((v for v in constraint.options - hidden if _plain(v)), key=str)]
    if name in ("HasMethods", "_IterablesNotString"):
        return ["estimator"] if name == "HasMethods" else ["list"]
    return _typed(constraint)


def _typed(constraint: Any) -> list[Any]:
    if constraint in _TYPES:
        return [_TYPES[constraint]]
    if constraint in (Integral, Real, int, float):
        numbers = "integer" if constraint in (Integral, int) else "number"
        return [{"numbers": numbers, "low": None, "high": None, "closed": "neither"}]
    return []


def _range(interval: Any) -> dict[str, Any]:
    numbers = _NUMBERS[interval.type.__name__]
    ends = (interval.left, interval.right)
    low, high = (None if end is None or math.isinf(end) else end for end in ends)
    return {"numbers": numbers, "low": low, "high": high, "closed": interval.closed}


def _plain(value: object) -> bool:
    return isinstance(value, str | bool | int | float)


if __name__ == "__main__":
    sys.stdout.write(to_json(catalogue()))
