"""The summary: how each model is served, by what workers say and what the stock has."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from reconciler.serving.stock import Stock, Trouble

#: The states of a model at a worker, the worst first.
_STATES = ("failed", "loading", "ready")


def models(houses: Sequence[dict[str, Any]], stock: Stock) -> dict[str, Any]:
    """Return how each model is served, in JSON's own types.

    Args:
        houses: What each worker serves, as its house says it.
        stock: What is on its way here, cannot be had, or was damaged.
    """
    found = _summed(houses)
    for name, coming in dict(stock.coming).items():
        model = found.setdefault(name, {"champion": None, "challenger": None, "failed": None})
        if model.get("state", "ready") == "ready":
            model |= {"state": "loading", "detail": str(coming)}
    for name, trouble in dict(stock.troubles).items():
        model = found.setdefault(name, {"champion": None, "challenger": None})
        model |= {"state": "failed", "detail": trouble.message, "failed": _failed(trouble)}
    for name, kept in dict(stock.upkeep).items():
        if name in found:
            found[name] |= {"healed": kept.healed, "damaged": kept.damaged}
    return found


def _failed(trouble: Trouble) -> dict[str, Any]:
    return {
        "version": trouble.version,
        "digest": None,
        "reason": trouble.reason,
        "message": trouble.message,
        "since": trouble.since,
    }


def _summed(houses: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Return each model as the worker has it that is furthest behind.

    A challenger that one of them has cut off is cut off.
    """
    found: dict[str, Any] = {}
    tripped: set[str] = set()
    for house in houses:
        for name, model in house["models"].items():
            known = found.get(name)
            if known is None or _STATES.index(model["state"]) < _STATES.index(known["state"]):
                found[name] = dict(model)
            if (model["challenger"] or {}).get("tripped"):
                tripped.add(name)
    for name in tripped:
        if (challenger := found[name]["challenger"]) is not None:
            found[name]["challenger"] = {**challenger, "tripped": True}
    return found
