"""Preview: what apply would do with each model, found by the same rules and without acting."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any

from reconciler.adapters.git import Git
from reconciler.adapters.snapshot import Snapshot
from reconciler.controller import former
from reconciler.controller.fleet import Fleet
from reconciler.controller.former import State
from reconciler.controller.memory import Memory, judged, observed
from reconciler.core import compilation
from reconciler.core.changes import Change
from reconciler.core.plan import (
    Confirm,
    Desired,
    Fail,
    Invalid,
    Judge,
    Plan,
    Reject,
    Release,
    Retire,
    Train,
    plan_release,
)
from reconciler.core.record import Record, Version
from reconciler.core.runtime import Mismatch
from reconciler.core.standing import GOOD
from reconciler.core.verdict import Verdict
from reconciler.spec.catalogue import Catalogue


class Kind(StrEnum):
    """What would be done with a model."""

    CREATE = "create"
    RETRAIN = "retrain"
    REJUDGE = "re-judge"
    RELEASE = "release"
    RETIRE = "retire"
    UNCHANGED = "unchanged"
    BLOCKED = "blocked"


@dataclass(frozen=True, slots=True)
class Row:
    """One model's part of the plan."""

    model: str
    kind: Kind
    reason: str
    message: str
    changes: tuple[Change, ...] = ()
    stages: tuple[str, ...] = ()
    """Stages that will run, unless DVC has their results already."""
    seconds: Mapping[str, float] = field(default_factory=dict)
    """How long each stage took when it last ran; a stage that never ran is absent."""
    gate: str | None = None
    """What the gate says; None where that is not known before training."""

    def plain(self) -> dict[str, Any]:
        """Return the row as plain values."""
        return asdict(self)


#: Answers the gate's question from stored predictions, measuring nothing; None: it cannot.
Ask = Callable[[Desired, Version, Version | None, bool], Verdict | None]


class Preview:
    """Plans the models of one revision without acting.

    Args:
        git: The repository, for what the specs were before.
        fleet: What is declared.
        snapshot: What is on record.
        durations: Seconds of the last run by model and stage.
        mismatches: Libraries that differ from the declared ones.
        ask: The gate.
        now: The time.
    """

    def __init__(
        self,
        git: Git,
        fleet: Fleet,
        catalogue: Catalogue,
        snapshot: Snapshot,
        durations: Mapping[str, Mapping[str, float]],
        mismatches: tuple[Mismatch, ...],
        ask: Ask,
        now: datetime,
    ) -> None:
        self._git = git
        self._fleet = fleet
        self._catalogue = catalogue
        self._snapshot = snapshot
        self._durations = durations
        self._mismatches = mismatches
        self._ask = ask
        self._now = now

    def names(self) -> tuple[str, ...]:
        """Return every model that is declared or on record, sorted."""
        known = {*self._fleet.models, *self._snapshot.records, *self._snapshot.quarantined}
        return tuple(sorted(known))

    def row(self, name: str) -> Row:
        """Return what would be done with one model."""
        record = self._snapshot.records.get(name)
        desired = self._desired(name)
        memory = Memory()
        first = plan = self._plan(desired, record, memory)
        said: str | None = None
        while plan.actions and isinstance(judge := plan.actions[0], Judge):
            assert isinstance(desired, Desired)
            version = memory.version(judge.bundle, record)
            assert version is not None
            verdict = self._verdict(desired, record, memory, version)
            if verdict is None:
                break
            said = f"{verdict.outcome}: {verdict.message}"
            memory.drafts[judge.bundle] = judged(version, verdict, judge.question)
            plan = self._plan(desired, record, memory)
        kind = _kind(first, plan, record)
        if kind in (Kind.UNCHANGED, Kind.BLOCKED):
            return Row(name, kind, plan.reason, plan.message)
        old, new = self._before(name, record), former.state(self._git, self._fleet, name)
        found = former.differences(old, new) if old and new else ()
        stages: tuple[str, ...] = ()
        if kind in (Kind.CREATE, Kind.RETRAIN):
            stages = former.stages(old, new) if old and new else compilation.STAGES
        seconds = self._durations.get(name, {})
        known = {stage: seconds[stage] for stage in stages if stage in seconds}
        return Row(name, kind, plan.reason, plan.message, found, stages, known, said)

    def _plan(self, desired: Desired | Invalid | None, record: Record | None, m: Memory) -> Plan:
        return plan_release(desired, observed(record, m, None, self._mismatches), self._now)

    def _verdict(
        self, desired: Desired, record: Record | None, memory: Memory, version: Version
    ) -> Verdict | None:
        candidate = observed(record, memory, None, ()).at(version.bundle_digest)
        champion = record.champion if record else None
        return self._ask(desired, version, champion, candidate is not None and candidate.released)

    def _desired(self, name: str) -> Desired | Invalid | None:
        if (why := self._snapshot.quarantined.get(name)) is not None:
            return Invalid("RecordCorrupt", why)
        return self._fleet.wish(name)

    def _before(self, name: str, record: Record | None) -> State | None:
        """Return what the record satisfies, from which the changes are told."""
        if record is None:
            return None
        last = record.champion or (record.versions[-1] if record.versions else None)
        revision = record.released or (last and last.revision)
        return (revision and former.former(self._git, revision, name, self._catalogue)) or None


def _kind(first: Plan, last: Plan, record: Record | None) -> Kind:
    action = last.actions[0] if last.actions else None
    match action:
        case Train():
            champion = record.champion if record else None
            return Kind.CREATE if champion is None else Kind.RETRAIN
        case Retire():
            return Kind.RETIRE
        case Release():
            return Kind.RELEASE
        case Judge() | Confirm() | Reject():
            return Kind.REJUDGE
        case Fail():
            return Kind.BLOCKED
    if first.actions:
        return Kind.REJUDGE
    return Kind.UNCHANGED if last.reason in GOOD else Kind.BLOCKED
