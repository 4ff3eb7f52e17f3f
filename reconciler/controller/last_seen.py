"""Last seen: what whoever could look at a target last wrote of it, for those who cannot."""

from __future__ import annotations

from reconciler.adapters.status import StatusStore
from reconciler.controller.workspace import Workspace
from reconciler.core.conditions import ConditionType, Truth
from reconciler.core.target_plan import HINTS
from reconciler.core.why import Sighting
from reconciler.errors import TransientError


def last_seen(workspace: Workspace, model: str | None = None) -> dict[str, Sighting]:
    """Return how models were found at their targets, by name; those that nobody has seen are left
    out, and all are where it was not kept.

    Args:
        workspace: Where it is kept.
        model: The one that is asked for; None: all.
    """
    if not workspace.status.exists():
        return {}
    try:
        status = StatusStore(workspace.status)
        seen, claims = status.observed(), status.conditions(model)
    except TransientError:
        return {}
    return {
        name: Sighting(claim.status is Truth.TRUE, claim.reason, claim.message, seen[name][3])
        for name, conditions in claims.items()
        if name in seen
        and (claim := conditions.get(ConditionType.RELEASED)) is not None
        and claim.reason not in HINTS
    }
