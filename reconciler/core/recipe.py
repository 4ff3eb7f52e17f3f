"""Recipes: a model's stages as DVC will see them, and the key under which it keeps their results.

DVC keeps what a stage has left under a digest of its command, its inputs, its parameters and the
paths of its outputs. All of these stand in git or follow from the stage before, so whether a
result is there already can be told without running DVC.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from graphlib import CycleError, TopologicalSorter
from typing import Any

from reconciler.core.graph import Stage

#: A block of dvc.lock: `cmd`, `deps`, `params`, `outs`.
Block = Mapping[str, Any]

_VALUE = re.compile(r"\$\{\s*([\w.@/-]+)\s*\}")
_WEIGHED = ("size", "nfiles")
#: What makes a stage one that DVC keeps no result of, or that is not followed here.
_ODD = ("wdir", "frozen", "always_changed", "matrix", "vars")


class UnresolvedError(ValueError):
    """A stage is written in a way that is not followed here; the message says which."""


@dataclass(frozen=True, slots=True)
class Recipe:
    """One stage of one model, every `${…}` resolved."""

    name: str
    """As it is called in dvc.yaml, without the model."""
    cmd: object
    deps: tuple[str, ...]
    params: Mapping[str, tuple[str, ...]]
    """Keys by file; none: all of the file."""
    outs: tuple[str, ...]


def recipe(name: str, pipeline: Mapping[str, Any], params: Mapping[str, Any], key: str) -> Recipe:
    """Return a stage for the model `key`.

    Args:
        name: The stage in dvc.yaml.
        pipeline: dvc.yaml as plain values.
        params: params.yaml as plain values, `models:` holding at least this model.
        key: The model's name.

    Raises:
        UnresolvedError: The stage is not there, or written in a way that is not followed here.
    """
    body, values = _body(name, pipeline, params, key)
    if odd := next((word for word in _ODD if body.get(word)), None):
        raise UnresolvedError(f"it has `{odd}`")
    outs = [path for word in ("outs", "metrics", "plots") for path in _outs(body.get(word), values)]
    deps = [_text(dep, values) for dep in _sequence(body.get("deps"))]
    if not (deps and outs and body.get("cmd")):
        raise UnresolvedError("DVC keeps no result of a stage without `cmd`, `deps` or `outs`")
    return Recipe(
        name,
        _command(body["cmd"], values),
        tuple(sorted(deps)),
        _params(body.get("params"), values),
        tuple(sorted(outs)),
    )


def resolved(stage: Stage) -> Recipe:
    """Return a stage of the user's own, whose templates are filled in already.

    Raises:
        UnresolvedError: It is written in a way that is not followed here.
    """
    if odd := next((word for word in _ODD if stage.body.get(word)), None):
        raise UnresolvedError(f"{stage.name} has `{odd}`")
    for word in ("outs", "metrics", "plots"):
        list(_outs(stage.body.get(word), {}))
    params = {path: tuple(sorted(keys)) for path, keys in sorted(stage.params)}
    if not (stage.deps and stage.outs and stage.body.get("cmd")):
        raise UnresolvedError("DVC keeps no result of a stage without `cmd`, `deps` or `outs`")
    deps, outs = tuple(sorted(stage.deps)), tuple(sorted(stage.outs))
    return Recipe(stage.name, stage.body["cmd"], deps, params, outs)


def takes(stage: Recipe, before: Recipe) -> bool:
    """Return whether a stage takes what another one leaves, or a part of it."""
    return any(
        dep == out or dep.startswith(f"{out}/") or out.startswith(f"{dep}/")
        for dep in stage.deps
        for out in before.outs
    )


def ordered(recipes: Sequence[Recipe]) -> tuple[Recipe, ...]:
    """Return stages, each behind those that it takes its inputs from.

    Raises:
        UnresolvedError: They go round in a circle.
    """
    graph = {
        stage.name: {b.name for b in recipes if b is not stage and takes(stage, b)}
        for stage in recipes
    }
    named = {stage.name: stage for stage in recipes}
    try:
        return tuple(named[name] for name in TopologicalSorter(graph).static_order())
    except CycleError as error:
        raise UnresolvedError("the stages go round in a circle") from error


def expected(recipe: Recipe, deps: Mapping[str, Mapping[str, Any]], read: Read) -> Block:
    """Return the block of dvc.lock that a stage is about to have, its outputs by path alone.

    Args:
        recipe: The stage.
        deps: What dvc.lock says of each input's content (`md5`, `isexec`), by path.
        read: Gives a file of parameters as plain values.

    Raises:
        UnresolvedError: A parameter is not there.
    """
    block: dict[str, Any] = {"cmd": recipe.cmd}
    block["deps"] = [{"path": path, "hash": "md5", **deps[path]} for path in recipe.deps]
    if recipe.params:
        files = {path: read(path) for path in recipe.params}
        block["params"] = {
            path: {key: _at(files[path], key, path) for key in keys} if keys else files[path]
            for path, keys in recipe.params.items()
        }
    block["outs"] = [{"path": path} for path in recipe.outs]
    return block


#: Gives a file of parameters, by path.
Read = Callable[[str], Mapping[str, Any]]


def run_key(block: Block) -> str:
    """Return the key under which DVC keeps what this block's stage has left.

    Source:
        `_get_cache_hash` in dvc/stage/cache.py and `dict_sha256` in dvc/utils, DVC 3.
    """
    keyed = {**block, "outs": [out["path"] for out in block.get("outs", ())]}
    return hashlib.sha256(json.dumps(_weightless(keyed), sort_keys=True).encode()).hexdigest()


def _weightless(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {k: _weightless(item) for k, item in value.items() if k not in _WEIGHED}
    if isinstance(value, list | tuple):
        return [_weightless(item) for item in value]
    return value


def _body(
    name: str, pipeline: Mapping[str, Any], params: Mapping[str, Any], key: str
) -> tuple[Mapping[str, Any], Mapping[str, Any]]:
    """Return a stage's definition and the values that its `${…}` name."""
    stage = (pipeline.get("stages") or {}).get(name)
    if not isinstance(stage, Mapping):
        raise UnresolvedError("dvc.yaml has no such stage")
    if pipeline.get("vars") or stage.get("vars"):
        raise UnresolvedError("it uses `vars`")
    each = stage.get("foreach")
    if each is None:
        return stage, params
    items = _looked_up(each, params) if isinstance(each, str) else each
    if not isinstance(items, Mapping) or key not in items or not isinstance(stage["do"], Mapping):
        raise UnresolvedError("`foreach` does not name it")
    return stage["do"], {**params, "key": key, "item": items[key]}


def _outs(given: object, values: Mapping[str, Any]) -> Iterator[str]:
    for out in _sequence(given):
        path, flags = next(iter(out.items())) if isinstance(out, Mapping) else (out, {})
        if (flags or {}).get("persist") or (flags or {}).get("remote"):
            raise UnresolvedError("DVC keeps no result of a stage with such outputs")
        yield _text(path, values)


def _params(given: object, values: Mapping[str, Any]) -> dict[str, tuple[str, ...]]:
    found: dict[str, list[str]] = {}
    for item in _sequence(given):
        if isinstance(item, Mapping):
            for path, keys in item.items():
                named = [_text(key, values) for key in _sequence(keys)]
                found.setdefault(_text(path, values), []).extend(named)
        else:
            found.setdefault("params.yaml", []).append(_text(item, values))
    return {path: tuple(sorted(keys)) for path, keys in sorted(found.items())}


def _command(given: object, values: Mapping[str, Any]) -> object:
    if isinstance(given, list):
        return [_text(line, values) for line in given]
    return _text(given, values)


def _text(given: object, values: Mapping[str, Any]) -> str:
    """Return a text with what it names put in."""
    if not isinstance(given, str) or "\\$" in given:
        raise UnresolvedError(f"{given!r:.60} is not followed here")
    text = _VALUE.sub(lambda match: _spelled(_looked_up(match[0], values)), given)
    if "${" in text:
        raise UnresolvedError(f"{given!r:.60} is not followed here")
    return text


def _looked_up(given: str, values: Mapping[str, Any]) -> Any:
    match = _VALUE.fullmatch(given)
    if match is None:
        raise UnresolvedError(f"{given!r:.60} is not followed here")
    return _at(values, match[1], "params.yaml")


def _spelled(value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str | int | float):
        return str(value)
    raise UnresolvedError(f"{value!r:.60} cannot stand in a text")


def _at(values: object, path: str, file: str) -> Any:
    for key in path.split("."):
        if not isinstance(values, Mapping) or key not in values:
            raise UnresolvedError(f"{file} has no {path}")
        values = values[key]
    return values


def _sequence(given: object) -> Sequence[Any]:
    if given is None:
        return ()
    return given if isinstance(given, list | tuple) else (given,)
