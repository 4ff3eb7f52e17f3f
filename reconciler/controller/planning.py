"""Planning: what the release rules say of models, by what is declared and on record alone."""

from __future__ import annotations

from datetime import datetime

from reconciler.adapters.snapshot import Snapshot
from reconciler.controller.fleet import Fleet
from reconciler.controller.guards import UNGUARDED, Guards
from reconciler.controller.memory import Memory, observed
from reconciler.core.plan import Invalid, Plan, plan_release
from reconciler.core.record import Record
from reconciler.core.runtime import Mismatch


def plans(fleet: Fleet, snapshot: Snapshot, guards: Guards, now: datetime) -> dict[str, Plan]:
    """Return the next step of each model of a fleet, or on record, wherever it would be taken."""
    names = {*fleet.models, *snapshot.records}
    found = {n: next_step(n, fleet, snapshot.records.get(n), (), now, guards) for n in names}
    corrupt = {n: Invalid.recorded(why) for n, why in snapshot.quarantined.items()}
    return found | {n: Plan(c.reason, c.message) for n, c in corrupt.items()}


def next_step(
    name: str,
    fleet: Fleet,
    record: Record | None,
    mismatches: tuple[Mismatch, ...],
    now: datetime,
    guards: Guards = UNGUARDED,
) -> Plan:
    """Return the next step of one model.

    Args:
        name: The model.
        fleet: What is declared.
        record: What is on record of it.
        mismatches: Libraries here that differ from the declared ones.
        now: The time, with a zone.
        guards: What keeps changes back.
    """
    seen = observed(
        record, Memory(), None, mismatches, foreign=fleet.elsewhere(name),
        frozen=guards.frozen(name, now), guarded=guards.guarded(name),
    )  # fmt: skip
    return plan_release(fleet.wish(name), seen, now)
