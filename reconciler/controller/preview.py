"""Preview: what apply would do with each model, found by the same rules and without acting."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from reconciler.adapters.git import Git
from reconciler.adapters.snapshot import Snapshot
from reconciler.controller import former
from reconciler.controller.baseline import satisfied
from reconciler.controller.fleet import Fleet
from reconciler.controller.former import State
from reconciler.controller.guards import UNGUARDED, Guards, fate
from reconciler.controller.memory import Memory, judged, observed
from reconciler.core import rollout_rules, rollouts
from reconciler.core.actions import (
    Abandon,
    Accept,
    Challenge,
    Confirm,
    Fail,
    Judge,
    Reject,
    Release,
    Retire,
    Train,
)
from reconciler.core.basis import declared, recorded
from reconciler.core.mass_change import Fate
from reconciler.core.outlook import AT_REST, Kind, Row
from reconciler.core.plan import Desired, Invalid, Plan, plan_release
from reconciler.core.record import Record, Version
from reconciler.core.runtime import Mismatch
from reconciler.core.standing import GOOD
from reconciler.core.verdict import Verdict
from reconciler.spec.catalogue import Catalogue


@dataclass(frozen=True, slots=True)
class Unasked:
    """The gate cannot be asked before something is done."""

    why: str


#: Answers the gate's question from stored predictions, measuring nothing.
Ask = Callable[[Desired, Version, Version | None, bool], Verdict | Unasked]


@dataclass(frozen=True, slots=True)
class _Answer:
    """What the gate says of a version."""

    said: Verdict | Unasked
    version: Version


@dataclass(frozen=True, slots=True)
class Facts:
    """What a preview is made from."""

    git: Git
    """The repository, for what the specs were before."""
    fleet: Fleet
    """What is declared."""
    catalogue: Catalogue
    snapshot: Snapshot
    """What is on record."""
    mismatches: tuple[Mismatch, ...]
    """Libraries that differ from the declared ones."""
    ask: Ask
    now: datetime
    base: Fleet | None = None
    """What is taken as satisfied; None: what is on record is."""
    room: int | None = None
    """Bytes of memory that a training may take here; None: not known."""
    guards: Guards = UNGUARDED
    """What keeps changes back."""


class Preview:
    """Plans the models of one revision without acting."""

    def __init__(self, facts: Facts) -> None:
        self._facts = facts

    def names(self) -> tuple[str, ...]:
        """Return every model that is declared or on record (with a baseline: declared), sorted."""
        snapshot, base = self._facts.snapshot, self._facts.base
        if base is not None:
            return tuple(sorted({*self._facts.fleet.models, *base.models}))
        known = {*self._facts.fleet.models, *snapshot.records, *snapshot.quarantined}
        return tuple(sorted(known))

    def fates(self) -> dict[str, Fate]:
        """Return what would become of each model in production, by what is taken as satisfied."""
        found = {name: self._fate(name) for name in self.names()}
        return {name: fate for name, fate in found.items() if fate is not None}

    def _fate(self, name: str) -> Fate | None:
        if self._facts.base is not None and self._same(name):
            before, record = self._facts.base.wish(name), self._facts.snapshot.records.get(name)
            there = isinstance(before, Desired) or (record is not None and record.champion)
            return Fate.LEAVE if before is not None and there else None
        fleet = self._facts.fleet
        return fate(fleet.wish(name), self._record(name), fleet.elsewhere, self._facts.now)

    def row(self, name: str) -> Row:
        """Return what would be done with one model; see `rows`."""
        return self.rows([name])[0]

    def rows(self, names: Sequence[str]) -> tuple[Row, ...]:
        """Return what would be done with each of the models, their stages yet to be forecast."""
        found = [self._planned(name) for name in names]
        told = [row.model for row in found if row.reason != "Same" and self._differs(row)]
        before, after = self._before(told), former.states(self._facts.git, self._facts.fleet, told)
        return tuple(
            replace(row, changes=former.differences(before[row.model], after[row.model]))
            if row.model in before and row.model in after
            else row
            for row in found
        )

    def _differs(self, row: Row) -> bool:
        """Return whether what has changed is told of a model."""
        return row.acts or self._facts.base is not None

    def _planned(self, name: str) -> Row:
        """Return what would be done with one model, without what has changed."""
        if self._same(name):
            return Row(name, Kind.UNCHANGED, "Same", "declared as before")
        desired, record = self._desired(name), self._record(name)
        first, last, answer = self._followed(name, desired, record)
        kind = _kind(first, last, record)
        if kind in AT_REST:
            return Row(name, kind, last.reason, last.message)
        return Row(
            name,
            kind,
            last.reason,
            last.message,
            rollout=_rollout(first, last, desired, record),
            gate=_said(answer),
            verdict=_shown(answer),
            declared=declared(desired),
            recorded=recorded(self._facts.snapshot.records.get(name)),
        )

    def _followed(
        self, name: str, desired: Desired | Invalid | None, record: Record | None
    ) -> tuple[Plan, Plan, _Answer | None]:
        """Return the first step, the one that is left once the gate has been asked, its answer."""
        memory = Memory()
        first = plan = self._plan(name, desired, record, memory)
        if record is not None and any(isinstance(action, Abandon) for action in plan.actions):
            record = rollouts.ended(record)
            plan = self._plan(name, desired, record, memory)
        said: _Answer | None = None
        while plan.actions and isinstance(judge := plan.actions[0], Judge):
            assert isinstance(desired, Desired)
            asked = memory.version(judge.bundle, record)
            assert asked is not None
            answer = self._verdict(desired, record, memory, asked)
            said = _Answer(answer, asked)
            if isinstance(answer, Unasked):
                break
            memory.drafts[judge.bundle] = judged(asked, answer, judge.question)
            plan = self._plan(name, desired, record, memory)
        return first, plan, said

    def _plan(
        self, name: str, desired: Desired | Invalid | None, record: Record | None, m: Memory
    ) -> Plan:
        foreign = record is not None and self._facts.fleet.elsewhere(record.model)
        guards, now = self._facts.guards, self._facts.now
        seen = observed(
            record, m, None, self._facts.mismatches, foreign=foreign, room=self._facts.room,
            frozen=guards.frozen(name, now), guarded=guards.guarded(name),
        )  # fmt: skip
        return plan_release(desired, seen, now)

    def _verdict(
        self, desired: Desired, record: Record | None, memory: Memory, version: Version
    ) -> Verdict | Unasked:
        candidate = observed(record, memory, None, ()).at(version.bundle_digest)
        champion = record.champion if record else None
        released = candidate is not None and candidate.released
        return self._facts.ask(desired, version, champion, released)

    def _desired(self, name: str) -> Desired | Invalid | None:
        if (why := self._facts.snapshot.quarantined.get(name)) is not None:
            return Invalid.recorded(why)
        return self._facts.fleet.wish(name)

    def _same(self, name: str) -> bool:
        """Return whether the baseline declares the very same, so that nothing can follow."""
        if self._facts.base is None:
            return False
        before, after = self._facts.base.wish(name), self._facts.fleet.wish(name)
        if isinstance(before, Desired) and isinstance(after, Desired):
            return before.fingerprint == after.fingerprint and before.spec == after.spec
        return before == after

    def _record(self, name: str) -> Record | None:
        """Return the record, or what it would be if the baseline were satisfied."""
        record = self._facts.snapshot.records.get(name)
        if self._facts.base is None:
            return record
        before = self._facts.base.wish(name)
        if isinstance(before, Invalid):  # what cannot be followed has changed nothing
            return record
        return satisfied(name, record, before, self._facts.now)

    def _before(self, names: Sequence[str]) -> dict[str, State]:
        """Return what is satisfied so far of each model, from which the changes are told."""
        facts = self._facts
        if facts.base is not None:
            return former.states(facts.git, facts.base, names)
        records = ((name, facts.snapshot.records.get(name)) for name in names)
        revisions = {name: r for name, record in records if record and (r := _satisfied(record))}
        return former.formers(facts.git, revisions, facts.catalogue)


def _satisfied(record: Record) -> str | None:
    """Return the commit that a record follows; None: nothing was tried yet."""
    last = record.champion or (record.versions[-1] if record.versions else None)
    return record.released or (last.revision if last else None)


def _kind(first: Plan, last: Plan, record: Record | None) -> Kind:
    action = last.actions[0] if last.actions else None
    match action:
        case Train():
            champion = record.champion if record else None
            return Kind.CREATE if champion is None else Kind.RETRAIN
        case Retire():
            return Kind.RETIRE
        case Release() | Challenge():
            return Kind.RELEASE
        case Judge() | Accept() | Confirm() | Reject():
            return Kind.REJUDGE
        case Fail():
            return Kind.BLOCKED
    if first.actions:
        return Kind.RELEASE if isinstance(first.actions[0], Abandon) else Kind.REJUDGE
    return Kind.UNCHANGED if last.reason in (*GOOD, "RollingOut") else Kind.BLOCKED


def _rollout(
    first: Plan, last: Plan, desired: Desired | Invalid | None, record: Record | None
) -> str | None:
    """Return what becomes of rollouts, as a sentence; None: nothing."""
    ends = first.message if first.reason == "Abandoned" else ""
    ended = f"the one of {_challenger(record)} is abandoned: {ends}" if ends else ""
    releases = any(isinstance(action, Train | Judge | Challenge) for action in last.actions)
    begins = ""
    if releases and record and record.champion and isinstance(desired, Desired):
        begins = rollout_rules.described(rollout_rules.rules_of(desired.rollout))
    return "; ".join(filter(None, (ended, begins))) or None


def _challenger(record: Record | None) -> str:
    version = rollouts.challenger(record)
    return f"version {version.number}" if version else "the challenger"


def _said(answer: _Answer | None) -> str | None:
    match answer:
        case _Answer(Verdict() as verdict):
            return f"{verdict.outcome}: {verdict.message}"
        case _Answer(Unasked(why)):
            return f"unknown: {why}"
    return None


def _shown(answer: _Answer | None) -> dict[str, Any] | None:
    if answer is None or isinstance(answer.said, Unasked):
        return None
    return {"version": answer.version.number, **answer.said.to_json()}
