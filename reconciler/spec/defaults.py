"""Defaults: what the fleet says under every spec, and where a spec's own word wins."""

from __future__ import annotations

import copy
from collections.abc import Iterable, Mapping
from typing import Any

from reconciler.spec.checks.adoption import OF_DATA, OF_TRAINING

#: What belongs to one estimator and fits no other.
_OWN = (
    "estimator", "entrypoint", "hyperparameters", "task", "deps", "stages", "model", "metrics_file",
)  # fmt: skip


def with_defaults(data: Any, defaults: Mapping[str, Any]) -> Any:
    """Return the plain data of a spec with the fleet's defaults under its `spec:`.

    Mappings are merged key by key, and the spec's own word wins. A spec that names what is
    trained takes nothing of what the fleet trains by default: its hyperparameters would not fit.
    Nor does one that names another strategy of rollout take the fleet's steps.
    """
    if not defaults or not isinstance(data, dict) or not isinstance(data.get("spec"), dict):
        return data
    below = copy.deepcopy(dict(defaults))
    own, theirs = data["spec"].get("training"), below.get("training")
    if isinstance(own, dict) and isinstance(theirs, dict) and _differs(own, theirs):
        _drop(theirs, _OWN)
    if isinstance(own, dict) and "stages" in own:
        _drop(theirs, OF_TRAINING)
        _drop(below.get("data"), OF_DATA)
    _drop_other_rollout(data["spec"].get("deployment"), below.get("deployment"))
    return {**data, "spec": _merged(below, data["spec"])}


def _differs(own: Mapping[str, Any], theirs: Mapping[str, Any]) -> bool:
    """Return whether a spec names something to train, and not what the fleet names."""
    mine, default = (
        tuple(map(t.get, ("estimator", "entrypoint", "stages"))) for t in (own, theirs)
    )
    return mine not in ((None, None, None), default)


def _drop_other_rollout(own: Any, theirs: Any) -> None:
    mine, default = (
        part.get("rollout") if isinstance(part, dict) else None for part in (own, theirs)
    )
    if not (isinstance(mine, dict) and isinstance(default, dict)):
        return
    if mine.get("strategy", default.get("strategy")) != default.get("strategy"):
        default.clear()


def _drop(section: Any, keys: Iterable[str]) -> None:
    if isinstance(section, dict):
        for key in keys:
            section.pop(key, None)


def _merged(below: Any, above: Any) -> Any:
    if not (isinstance(below, dict) and isinstance(above, dict)):
        return above
    shared = {key: _merged(below[key], above[key]) for key in below if key in above}
    return {**below, **above, **shared}
