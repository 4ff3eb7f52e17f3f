"""Lines of the list of models that must be looked at, from their specs and records."""

from __future__ import annotations

from datetime import UTC, datetime

from reconciler.adapters.snapshot import Snapshot
from reconciler.cli.listing import Line, Seen, remembered
from reconciler.cli.wiring import Others, Site
from reconciler.controller import planning
from reconciler.core.plan import Plan
from reconciler.core.settled import Shown, shown
from reconciler.core.standing import GOOD

_UNSEEN = ("Unknown", "Unknown", "")


def planned(site: Site, others: Others, seen: Seen) -> tuple[dict[str, Line], set[str]]:
    """Return the lines of models that were looked at, and the models that are not listed."""
    guards = site.guards(others.fleet, others.snapshot, others.recalled)
    plans = planning.plans(others.fleet, others.snapshot, guards, datetime.now(UTC))
    site.remember(
        others, {n: None if p.actions else (p.reason, p.message) for n, p in plans.items()}
    )
    snapshot = others.snapshot
    lines = {
        name: _line(plan, _champion(snapshot, name), seen.get(name, _UNSEEN)[1])
        for name, plan in plans.items()
    }
    return lines, {name for name, plan in plans.items() if plan.reason == "Retired"}


def recorded(snapshot: Snapshot, seen: Seen) -> dict[str, Line]:
    """Return the lines of models as they were last seen, what is on record being as it is now."""
    names = {*snapshot.records, *snapshot.quarantined}
    return {n: remembered(seen.get(n, _UNSEEN), _champion(snapshot, n)) for n in names}


def _line(plan: Plan, champion: Shown | None, health: str) -> Line:
    synced = plan.reason in GOOD and not plan.actions
    quiet = synced and plan.reason != "Suspended"
    return Line(
        "Synced" if synced else "OutOfSync", health, champion, "" if quiet else plan.message
    )


def _champion(snapshot: Snapshot, name: str) -> Shown | None:
    record = snapshot.records.get(name)
    return shown(record.champion) if record and record.champion else None
