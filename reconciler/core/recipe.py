"""Recipes: what decides a stage's result, and the key under which DVC keeps it.

DVC keeps what a stage has left under a digest of its command, its inputs, its parameters and the
paths of its outputs. All of these stand in git or follow from the stage before, so whether a
result is there already can be told without running DVC.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from reconciler.core import graph
from reconciler.core.graph import overlaps

#: A block of dvc.lock: `cmd`, `deps`, `params`, `outs`.
Block = Mapping[str, Any]
#: Gives a file of parameters, by path.
Read = Callable[[str], Any]

_WEIGHED = ("size", "nfiles")
#: What makes a stage one that DVC keeps no result of, or that is not followed here.
_ODD = ("wdir", "frozen", "always_changed")


class UnresolvedError(ValueError):
    """A stage is written in a way that is not followed here; the message says which."""


@dataclass(frozen=True, slots=True)
class Recipe:
    """One stage, every template filled in."""

    name: str
    """As DVC calls it: `train@housing`."""
    cmd: object
    deps: tuple[str, ...]
    params: Mapping[str, tuple[str, ...]]
    """Keys by file; none: all of the file."""
    outs: tuple[str, ...]

    def takes(self, before: Recipe) -> bool:
        """Return whether it takes what another stage leaves, or a part of it."""
        return any(overlaps(dep, out) for dep in self.deps for out in before.outs)


def recipe(stage: graph.Stage) -> Recipe:
    """Return what decides the result of a stage.

    Raises:
        UnresolvedError: DVC keeps no result of such a stage, or it is not followed here.
    """
    body = stage.body
    if odd := next((word for word in _ODD if body.get(word)), None):
        raise UnresolvedError(f"it has `{odd}`")
    if not (stage.deps and stage.outs and body.get("cmd")):
        raise UnresolvedError("DVC keeps no result of a stage without `cmd`, `deps` or `outs`")
    if any(flags.get("persist") or flags.get("remote") for flags in _flags(body)):
        raise UnresolvedError("DVC keeps no result of a stage with such outputs")
    params = {path: tuple(sorted(keys)) for path, keys in sorted(stage.params)}
    deps, outs = tuple(sorted(stage.deps)), tuple(sorted(stage.outs))
    return Recipe(stage.name, body["cmd"], deps, params, outs)


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


def _flags(body: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    for word in ("outs", "metrics", "plots"):
        given = body.get(word) or ()
        for out in given if isinstance(given, Sequence) else (given,):
            if isinstance(out, Mapping):
                yield from (flags for flags in out.values() if isinstance(flags, Mapping))


def _at(values: object, path: str, file: str) -> Any:
    for key in path.split("."):
        if not isinstance(values, Mapping) or key not in values:
            raise UnresolvedError(f"{file} has no {path}")
        values = values[key]
    return values
