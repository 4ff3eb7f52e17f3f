"""The engine: passes over the models of one revision until nothing is left that can be done.

A pass observes, plans and acts; it starts training and observes it, and never waits for one.
Models are independent: what goes wrong with one is its own condition and stops no other.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from reconciler.adapters.deployed import DeployedStore
from reconciler.adapters.status import StatusStore
from reconciler.controller import decisions
from reconciler.controller.decisions import Decision, Overtaken
from reconciler.controller.events import Decided, Listen, Warned
from reconciler.controller.fleet import Fleet
from reconciler.controller.memory import Memory, blocks, disturbed, judged, observed
from reconciler.controller.serving import Serving
from reconciler.controller.training import Artifacts, Trainer
from reconciler.core.candidates import Candidate
from reconciler.core.plan import (
    TRANSIENT_PAUSE,
    Action,
    Broken,
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
from reconciler.core.record import KEEP, Record, Version
from reconciler.core.runtime import Mismatch
from reconciler.core.standing import Standing, standing
from reconciler.core.target_plan import AT_REST, TargetPlan
from reconciler.core.verdict import Verdict
from reconciler.errors import ReconcilerError, TerminalError, TransientError

#: Decisions that come this close together share a commit.
GROUP_S = 0.2
#: Artifacts that are gone can be made again: training is a pure function.
_LOST = frozenset({"ArtifactsMissing", "CacheCorrupt", "DataMissing"})


class Gate(Protocol):
    """Answers the gate's question about a version."""

    def judge(
        self, desired: Desired, version: Version, champion: Version | None, released: bool
    ) -> Verdict:
        """Return the verdict on `version`.

        Raises:
            TerminalError: `DataMissing`: what it must be judged by is nowhere to be had.
        """
        ...


#: Turns what a training left behind into a version that can be judged.
Drafts = Callable[[str, Artifacts, datetime], Version]


@dataclass(frozen=True, slots=True)
class Tools:
    """The outside world, as the engine needs it."""

    store: DeployedStore
    trainer: Trainer
    drafts: Drafts
    gate: Gate
    serving: Serving
    status: StatusStore
    clock: Callable[[], datetime]
    mismatches: tuple[Mismatch, ...]


#: Whether an action may be taken with a model; what may not is left for another run.
Permit = Callable[[str, Action], bool]


class Engine:
    """Brings models to rest at one revision."""

    def __init__(
        self,
        fleet: Fleet,
        tools: Tools,
        listen: Listen,
        permit: Permit = lambda _model, _action: True,
    ) -> None:
        self._fleet = fleet
        self._tools = tools
        self._listen = listen
        self._permit = permit
        self._memory: dict[str, Memory] = {}
        self._stuck: dict[str, Plan] = {}
        """Models that something went wrong with: they are left alone for the rest of the run."""
        self._served: dict[str, tuple[str | None, TargetPlan]] = {}
        """The champion that each target was last asked to serve, and how that ended."""
        self._status_lost = False
        self._snapshot = tools.store.read()

    def names(self) -> tuple[str, ...]:
        """Return every model that is declared or on record, sorted."""
        recorded = {*self._snapshot.records, *self._snapshot.quarantined}
        return tuple(sorted(recorded | set(self._fleet.models)))

    def converge(self, names: Iterable[str]) -> dict[str, Standing]:
        """Act until none of the models has anything left that can be done now.

        Returns:
            How each stands at the end, also written to the status store.
        """
        models = tuple(names)
        healed = False
        while True:
            self._snapshot = self._tools.store.read()  # people steer while trainings run
            made = [d for name in models if (d := self._advance(name)) is not None]
            if made:
                self._commit(made)
            elif not healed:  # what is in production does not wait for trainings
                healed = True
                records = {name: r for name in models if (r := self._record(name)) is not None}
                self._tools.serving.expect(tuple(records.values()))
                for name in records:
                    self._serve(name)
            elif not self._collect():
                break
        self._snapshot = self._tools.store.read()
        return {name: self._settle(name) for name in models}

    def plan(self, name: str) -> Plan:
        """Return the next step of a model's release record."""
        if (stuck := self._stuck.get(name)) is not None:
            return stuck
        desired = self._desired(name)
        running = self._tools.trainer.running(name)
        seen = observed(
            self._record(name), self._of(name), running, self._tools.mismatches,
            foreign=self._fleet.elsewhere(name),
        )  # fmt: skip
        plan = plan_release(desired, seen, self._tools.clock())
        if all(self._permit(name, action) for action in plan.actions):
            return plan
        why = f"{plan.message}; what follows from that was not planned (make the plan again)"
        return Plan("NotPlanned", why)

    def _advance(self, name: str) -> Decision | None:
        """Take a model's steps up to the next decision that must be put on record."""
        with _guarded(lambda error: self._break(name, error)):
            while True:
                plan = self.plan(name)
                match plan.actions:
                    case (Train(),):
                        self._tools.trainer.start(
                            self._fleet, self._wanted(name), blocks(self._record(name))
                        )
                        return None
                    case (Judge() as action,):
                        if not self._judge(name, action):
                            return None
                    case (action,):
                        return self._decide(name, action)
                    case _:
                        return None
        return None

    def _judge(self, name: str, asked: Judge) -> bool:
        """Ask the gate; False: its measurements must wait until no training runs."""
        record, memory = self._record(name), self._of(name)
        version, candidate = self._draft(name, asked.bundle), self._candidate(name, asked.bundle)
        champion = record.champion if record else None
        try:
            said = self._tools.gate.judge(self._wanted(name), version, champion, candidate.released)
        except TerminalError as error:
            if error.reason not in _LOST or not memory.lose(asked.bundle):
                raise
            return True
        if self._tools.trainer.busy() and disturbed(said):
            return False
        memory.asked.add(asked.bundle)
        memory.drafts[asked.bundle] = judged(version, said, asked.question)
        return True

    def _decide(self, name: str, action: object) -> Decision:
        revision, keep = self._fleet.revision, self._keep(name)
        match action:
            case Release(bundle):
                version = self._draft(name, bundle)
                declared = version.fingerprint == self._wanted(name).fingerprint
                return decisions.release(name, version, revision, keep, declared=declared)
            case Confirm(bundle):
                version = self._draft(name, bundle)
                declared = version.fingerprint == self._wanted(name).fingerprint
                vouched = self._candidate(name, bundle).accepted
                return decisions.confirm(
                    name, version, revision, keep, declared=declared, vouched=vouched
                )
            case Reject(bundle):
                return decisions.reject(name, self._draft(name, bundle), revision, keep)
            case Fail(broken):
                return decisions.fail(name, broken, revision, keep, self._tools.clock())
            case Retire():
                return decisions.retire(name, revision)
        raise AssertionError(f"not a decision: {action}")

    def _commit(self, made: Sequence[Decision]) -> None:
        written: Sequence[Decision] = ()
        with _guarded(lambda error: self._uncommitted(made, error)):
            changes = {
                d.model: decisions.unless_steered(d.change, self._record(d.model)) for d in made
            }
            self._snapshot = self._tools.store.commit(changes)
            written = made
        for decision in written:
            self._committed(decision)

    def _uncommitted(self, made: Sequence[Decision], error: Exception) -> None:
        """Make each decision by itself: one bad change spoils no other."""
        if isinstance(error, TransientError):  # the branch cannot be written now: by none of them
            for decision in made:
                self._break(decision.model, error)
        elif len(made) > 1:
            for decision in made:
                self._commit([decision])
        elif not isinstance(error, Overtaken):  # else the next pass sees what was done
            self._break(made[0].model, error)

    def _committed(self, decision: Decision) -> None:
        memory = self._of(decision.model)
        memory.broken.clear()
        if decision.bundle is not None:
            memory.forget(decision.bundle)
        self._tell(decision)
        self._serve(decision.model)

    def _collect(self) -> bool:
        """Wait for a training to end and take in those close behind it; False: none is left."""
        trainer = self._tools.trainer
        if not trainer.busy():
            return False
        until = math.inf
        while trainer.busy() and (left := until - time.monotonic()) > 0:
            if (found := trainer.take(min(left, 3600.0))) is not None:
                until = min(until, time.monotonic() + GROUP_S)
                self._take_in(*found)
        return True

    def _take_in(self, name: str, result: Artifacts | Broken) -> None:
        if isinstance(result, Broken):
            self._of(name).broken.append(result)
            if result.transient:  # the others are told when they are on record
                self._listen(Decided(name, result.reason, result.message, good=False))
            return
        now = self._tools.clock()
        self._note(name, lambda status: status.add_durations(name, result.seconds, now))
        with _guarded(lambda error: self._break(name, error)):
            version = self._tools.drafts(name, result, now)
            for warning in version.warnings:
                self._listen(Warned(name, warning))
            assert version.bundle is not None
            self._of(name).drafts[version.bundle.md5] = version
            self._of(name).lost.discard(version.bundle.md5)

    def _serve(self, name: str) -> None:
        """Bring the target to the record; where that cannot be read, what is served stays."""
        if (why := self._snapshot.quarantined.get(name)) is not None:
            self._served[name] = (self._champion(name), TargetPlan("RecordCorrupt", why))
            return
        with _guarded(lambda error: self._unserved(name, error)):
            plan = self._tools.serving.converge(name, self._fleet.spec(name), self._record(name))
            self._served[name] = (self._champion(name), plan)

    def _unserved(self, name: str, error: Exception) -> None:
        plan = TargetPlan(*_told(error))
        self._lose_champion(name, plan.reason)
        if self._served.get(name, (None, None))[1] != plan:
            self._listen(Decided(name, plan.reason, plan.message, good=False))
        self._served[name] = (self._champion(name), plan)

    def _lose_champion(self, name: str, reason: str) -> None:
        """Have a champion that is nowhere to be had trained again, if it is what is declared."""
        record, desired = self._record(name), self._desired(name)
        if reason in _LOST and record and record.champion and isinstance(desired, Desired):
            bundle = record.champion.bundle_digest
            if bundle is not None and record.champion.fingerprint == desired.fingerprint:
                self._of(name).lose(bundle)

    def _settle(self, name: str) -> Standing:
        champion = self._champion(name)
        known = self._served.get(name)
        if known is None or known[0] != champion or known[1].reason not in AT_REST:
            self._serve(name)
        now = self._tools.clock()
        stands = standing(self.plan(name), self._served[name][1], champion, now)

        def keep(status: StatusStore) -> None:
            status.observe(name, stands.sync, stands.health, stands.message, now)
            status.set_conditions(name, stands.conditions)

        self._note(name, keep)
        return stands

    def _note(self, name: str, write: Callable[[StatusStore], None]) -> None:
        """Write to the status store, which may be lost: nothing fails with it or waits twice."""
        if self._status_lost:
            return
        try:
            write(self._tools.status)
        except ReconcilerError as error:
            self._status_lost = True
            self._listen(Warned(name, f"how models are doing is not kept: {error}"))

    def _break(self, name: str, error: Exception) -> None:
        """Leave a model alone for the rest of the run, and tell why."""
        reason, message = _told(error)
        terminal = isinstance(error, ReconcilerError) and not isinstance(error, TransientError)
        self._stuck[name] = Plan(
            reason, message, requeue_after=None if terminal else TRANSIENT_PAUSE
        )
        self._listen(Decided(name, reason, message, good=False))

    def _desired(self, name: str) -> Desired | Invalid | None:
        if (why := self._snapshot.quarantined.get(name)) is not None:
            return Invalid("RecordCorrupt", why)
        return self._fleet.wish(name)

    def _wanted(self, name: str) -> Desired:
        desired = self._desired(name)
        assert isinstance(desired, Desired)
        return desired

    def _keep(self, name: str) -> int:
        spec = self._fleet.spec(name)
        return KEEP if spec is None else spec.spec.deployment.keep

    def _draft(self, name: str, bundle: str) -> Version:
        version = self._of(name).version(bundle, self._record(name))
        assert version is not None
        return version

    def _candidate(self, name: str, bundle: str) -> Candidate:
        candidate = observed(self._record(name), self._of(name), None, ()).at(bundle)
        assert candidate is not None
        return candidate

    def _champion(self, name: str) -> str | None:
        record = self._record(name)
        return record.champion.bundle_digest if record and record.champion else None

    def _record(self, name: str) -> Record | None:
        return self._snapshot.records.get(name)

    def _of(self, name: str) -> Memory:
        return self._memory.setdefault(name, Memory())

    def _tell(self, decision: Decision) -> None:
        d = decision
        self._listen(Decided(d.model, d.reason, d.message, good=d.good))


@contextmanager
def _guarded(broken: Callable[[Exception], None]) -> Iterator[None]:
    """Hand whatever goes wrong in the block to `broken`: one model stops no other."""
    try:
        yield
    except Exception as error:  # noqa: BLE001  the one guard of a pass, against bugs of ours too
        broken(error)


def _told(error: Exception) -> tuple[str, str]:
    """Return reason and message; an error that is none of ours is a bug, and one model's only."""
    if isinstance(error, ReconcilerError):
        return error.reason, str(error)
    return "InternalError", f"{type(error).__name__}: {error}"
