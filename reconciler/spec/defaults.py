"""Defaults: what the fleet says under every spec, and where a spec's own word wins."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any

#: What belongs to one estimator and fits no other.
_OWN = ("estimator", "entrypoint", "hyperparameters", "task", "deps")


def with_defaults(data: Any, defaults: Mapping[str, Any]) -> Any:
    """Return the plain data of a spec with the fleet's defaults under its `spec:`.

    Mappings are merged key by key, and the spec's own word wins. A spec that names what is
    trained takes nothing of what the fleet trains by default: its hyperparameters would not fit.
    """
    if not defaults or not isinstance(data, dict) or not isinstance(data.get("spec"), dict):
        return data
    below = copy.deepcopy(dict(defaults))
    own, theirs = data["spec"].get("training"), below.get("training")
    if isinstance(own, dict) and isinstance(theirs, dict) and _differs(own, theirs):
        for key in _OWN:
            theirs.pop(key, None)
    return {**data, "spec": _merged(below, data["spec"])}


def _differs(own: Mapping[str, Any], theirs: Mapping[str, Any]) -> bool:
    """Return whether a spec names something to train, and not what the fleet names."""
    mine, default = (
        (training.get("estimator"), training.get("entrypoint")) for training in (own, theirs)
    )
    return mine not in ((None, None), default)


def _merged(below: Any, above: Any) -> Any:
    if not (isinstance(below, dict) and isinstance(above, dict)):
        return above
    shared = {key: _merged(below[key], above[key]) for key in below if key in above}
    return {**below, **above, **shared}
