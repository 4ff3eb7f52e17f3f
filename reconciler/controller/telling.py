"""Telling: turns events into what is logged and kept, and hands them to several listeners."""

from __future__ import annotations

from dataclasses import fields
from datetime import datetime

from reconciler.controller.decisions import Decision
from reconciler.controller.events import (
    Decided,
    Event,
    Happened,
    Listen,
    Moved,
    Queued,
    Served,
    StageEnded,
    StageStarted,
    Trained,
)
from reconciler.controller.serving import Acted
from reconciler.core.conditions import Health
from reconciler.core.record import Record, Version
from reconciler.core.target_plan import TargetPlan
from reconciler.core.told import Fact, Level, Told

_UNWELL = frozenset({Health.DEGRADED.value, Health.MISSING.value})
#: Fields that have a place of their own in `Told`, or say what `level` says.
_PLACED = frozenset({"model", "reason", "message", "good"})


def told(event: Event, at: datetime) -> Told:
    """Return an event as it is logged: what it has beside reason and message are its facts."""
    return Told(
        at=at,
        level=_level(event),
        event=type(event).__name__,
        model=getattr(event, "model", ""),
        reason=getattr(event, "reason", ""),
        message=_message(event),
        facts=_facts(event),
    )


def decided(decision: Decision, record: Record | None, revision: str | None) -> Decided:
    """Return the event that tells of a decision that is on record.

    Args:
        decision: What was decided.
        record: The model's record with it.
        revision: The commit that it follows.
    """
    d = decision
    version = _version(d, record) if record is not None else None
    if version is None:
        return Decided(d.model, d.reason, d.message, d.good, revision)
    return Decided(
        d.model, d.reason, d.message, d.good, revision, version.fingerprint, version.number
    )


def serving(listen: Listen) -> Acted:
    """Return what tells `listen` of what is done at targets."""

    def acted(model: str, target: str, plan: TargetPlan) -> None:
        if plan.heals:
            message = f"healed: {plan.message}"
            listen(Served(model, target, "Healed", message, plan.reason))
        elif plan.reason == "Withdraw":
            message = f"withdrawn from target {target}"
            listen(Served(model, target, "Withdrawn", message))
        else:
            message = f"target {target} serves the released version"
            listen(Served(model, target, "RolledOut", message))

    return acted


def _version(decision: Decision, record: Record) -> Version | None:
    """Return the version that a decision is about; one that left no bundle has just been added."""
    if decision.bundle is not None:
        return record.by_bundle(decision.bundle)
    newest = record.versions[-1] if record.versions else None
    return newest if newest is not None and newest.reason == decision.reason else None


def everyone(*listeners: Listen) -> Listen:
    """Return what tells each of them, in this order."""

    def tell(event: Event) -> None:
        for listen in listeners:
            listen(event)

    return tell


def _facts(event: Event) -> dict[str, Fact]:
    found: dict[str, Fact] = {}
    for field in fields(event):
        value = getattr(event, field.name)
        if field.name not in _PLACED and value is not None:
            found[field.name] = round(value, 3) if isinstance(value, float) else value
    return found


def _level(event: Event) -> Level:
    match event:
        case Queued() | StageStarted():
            return Level.DEBUG
        case Moved():
            return Level.WARNING if event.health in _UNWELL else Level.INFO
        case Decided() | Happened():
            return Level.INFO if event.good else Level.WARNING
        case Served():
            return Level.WARNING if event.reason == "Healed" else Level.INFO
        case StageEnded() | Trained():
            return Level.INFO
    return Level.WARNING


def _message(event: Event) -> str:
    match event:
        case Queued():
            return "waits for a free slot"
        case StageStarted():
            return f"{event.stage} …"
        case StageEnded() if event.cached:
            return f"{event.stage} from the cache"
        case StageEnded():
            return f"{event.stage} done in {event.seconds:.1f} s"
        case Trained():
            return f"stages done in {event.seconds:.1f} s"
    return event.message
