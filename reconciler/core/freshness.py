"""Freshness: whether a model's blocks in dvc.lock are what its stages would write now."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from reconciler.core.stages import Stage

Values = Callable[[str], object]
"""Returns what a parameter file holds; None when it does not exist."""


@dataclass(frozen=True, slots=True)
class Locked:
    """What the blocks say must be there, when commands, parameters and paths are as declared."""

    deps: Mapping[str, str]
    """Content id of each input, by path; the outputs of the model's own stages are left out."""
    outs: Mapping[str, str]
    """Content id of each output, by path."""


@dataclass(frozen=True, slots=True)
class Stale:
    """Why the blocks do not hold, as a few words."""

    why: str


def compare(stages: Sequence[Stage], blocks: Mapping[str, Any], values: Values) -> Locked | Stale:
    """Return what must be there for nothing to run; or why something must run.

    Args:
        stages: The model's stages.
        blocks: The parsed blocks of dvc.lock, by stage name.
        values: Reads parameter files.
    """
    reads: list[tuple[str, Mapping[str, str]]] = []
    outs: dict[str, str] = {}
    for stage in stages:
        found = _stage(stage, blocks.get(stage.name), values)
        if isinstance(found, Stale):
            return found
        reads.append((stage.name, found.deps))
        outs |= found.outs
    deps: dict[str, str] = {}
    for name, read in reads:
        for path, md5 in read.items():
            if outs.get(path, md5) != md5 or deps.get(path, md5) != md5:
                return Stale(f"{name}: {path} changed")
        deps |= {path: md5 for path, md5 in read.items() if path not in outs}
    return Locked(deps, outs)


def _stage(stage: Stage, block: object, values: Values) -> Locked | Stale:
    """Return what one stage has read and written."""
    if not isinstance(block, Mapping):
        return Stale(f"{stage.name} is not in dvc.lock")
    if stage.always_changed:
        return Stale(f"{stage.name} always runs")
    if block.get("cmd") != stage.cmd:
        return Stale(f"{stage.name}: another command")
    if (why := _params(stage, block, values)) is not None:
        return Stale(f"{stage.name}: {why}")
    deps, outs = _contents(block, "deps"), _contents(block, "outs")
    if deps is None or deps.keys() != set(stage.deps):
        return Stale(f"{stage.name}: other inputs")
    if outs is None or outs.keys() != set(stage.outs):
        return Stale(f"{stage.name}: other outputs")
    return Locked(deps, outs)


def _contents(block: Mapping[str, Any], key: str) -> dict[str, str] | None:
    """Return content ids by path; None when one is missing, or of an older kind."""
    found = {}
    for item in block.get(key) or ():
        if not isinstance(item, Mapping) or item.get("hash") != "md5" or "md5" not in item:
            return None
        found[str(item.get("path"))] = str(item["md5"])
    return found


def _params(stage: Stage, block: Mapping[str, Any], values: Values) -> str | None:
    """Return which parameter changed; None when none did."""
    locked = block.get("params") or {}
    if not isinstance(locked, Mapping) or locked.keys() != stage.params.keys():
        return "other parameters"
    for file, keys in stage.params.items():
        current, known = values(file), locked[file]
        if not isinstance(current, Mapping) or not isinstance(known, Mapping):
            return f"{file} changed"
        if known.keys() != (set(keys) or current.keys()):
            return f"other parameters of {file}"
        for key in known:
            if _value(current, key if keys else (key,)) != (known[key],):
                return f"{key} changed"
    return None


def _value(data: Mapping[str, Any], key: str | tuple[str]) -> tuple[object, ...]:
    """Return the value at a dotted key, in a tuple; an empty one when there is none."""
    found: object = data
    for part in key.split(".") if isinstance(key, str) else key:
        if not isinstance(found, Mapping) or part not in found:
            return ()
        found = found[part]
    return (found,)
