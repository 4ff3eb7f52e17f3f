"""Healing: what targets need so that they serve what is on record, found without acting."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from reconciler.adapters.snapshot import Snapshot
from reconciler.controller.fleet import Fleet
from reconciler.controller.serving import Serving
from reconciler.core.basis import declared, recorded
from reconciler.core.outlook import Kind, Row
from reconciler.core.record import Record
from reconciler.core.target_plan import TargetPlan, Withdraw
from reconciler.errors import ReconcilerError


def with_targets(
    rows: Sequence[Row], serving: Serving, fleet: Fleet, snapshot: Snapshot
) -> tuple[Row, ...]:
    """Return the rows with what each model's target needs besides; every served byte is read.

    A model that is as declared, and not served as it should be, becomes one to serve.
    """
    return tuple(_row(row, serving, fleet, snapshot.records.get(row.model)) for row in rows)


def _row(row: Row, serving: Serving, fleet: Fleet, record: Record | None) -> Row:
    if record is None or record.champion is None or row.kind is Kind.RETIRE:
        return row
    try:
        plan = serving.look(row.model, fleet.target(row.model), record)
    except ReconcilerError as error:
        return replace(row, serve=f"it cannot be looked at: {error}")
    if plan.action is None:
        waits = plan.faulty or plan.requeue_after is not None
        return replace(row, serve=plan.message) if waits else row
    told = f"{plan.message}; apply would {_does(plan, serving, fleet.target(row.model), record)}"
    if row.kind is not Kind.UNCHANGED:
        return replace(row, serve=told)
    return Row(
        row.model,
        Kind.SERVE,
        plan.reason,
        plan.message,
        serve=told,
        declared=declared(fleet.wish(row.model)),
        recorded=recorded(record),
    )


def _does(plan: TargetPlan, serving: Serving, own: str | None, record: Record) -> str:
    assert record.champion is not None
    number = record.champion.number
    if isinstance(plan.action, Withdraw):
        return "withdraw it"
    if serving.follows(own):
        return f"have version {number} loaded anew"
    return f"publish version {number}"
