"""Passes: what is done with one model at one time, up to the decision that must go on record.

A pass observes, plans and acts; it starts training and observes it, and never waits for one.
It sees one revision and one record throughout, whatever moves meanwhile.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Protocol

from reconciler.adapters import room
from reconciler.adapters.deployed import DeployedStore
from reconciler.adapters.snapshot import Snapshot
from reconciler.adapters.status import StatusStore
from reconciler.controller import decisions
from reconciler.controller.decisions import Decision
from reconciler.controller.delivery import Delivery, Stopped, Waiting, stopped
from reconciler.controller.events import Listen, Warned
from reconciler.controller.fleet import Fleet
from reconciler.controller.guards import UNGUARDED, Guards
from reconciler.controller.leasing import Leasing
from reconciler.controller.memory import Memory, blocks, disturbed, judged, observed
from reconciler.controller.serving import Serving
from reconciler.controller.training import OF_THE_MACHINE, Artifacts, Trainer
from reconciler.core.actions import (
    Abandon,
    Accept,
    Action,
    Cancel,
    Challenge,
    Confirm,
    Fail,
    Judge,
    Reject,
    Release,
    Retire,
    Supersede,
    Train,
)
from reconciler.core.candidates import Candidate
from reconciler.core.plan import Desired, Invalid, Plan, plan_release
from reconciler.core.record import KEEP, Record, Version
from reconciler.core.runtime import Mismatch
from reconciler.core.target_plan import TargetPlan
from reconciler.core.verdict import Verdict
from reconciler.errors import ReconcilerError, TerminalError, TransientError

#: Another daemon's training is asked after this often.
LEASED_PAUSE = timedelta(seconds=10)
MOVED_PAUSE = timedelta(seconds=1)
#: Why a training was not started: what it was planned by is out of date.
RECORDS_MOVED = "RecordsMoved"
NO_SLOT = "NotTrained"
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
    """The outside world, as passes need it."""

    store: DeployedStore
    trainer: Trainer
    drafts: Drafts
    gate: Gate
    serving: Serving
    status: StatusStore
    clock: Callable[[], datetime]
    mismatches: tuple[Mismatch, ...]
    leasing: Leasing = field(default_factory=Leasing)
    delivery: Delivery | None = None
    """None: no server tells anything here, and no rollout goes on."""


#: Whether an action may be taken with a model; what may not is left for another run.
Permit = Callable[[str, Action], bool]


@dataclass(frozen=True)
class Pass:
    """One model, as it is declared, on record and remembered at one moment."""

    name: str
    fleet: Fleet
    snapshot: Snapshot
    memory: Memory
    tools: Tools
    permit: Permit = lambda _model, _action: True
    guards: Guards = UNGUARDED

    @property
    def record(self) -> Record | None:
        """The model's record; None: there is none, or it cannot be read."""
        return self.snapshot.records.get(self.name)

    @property
    def champion(self) -> str | None:
        """Digest of the bundle in production; None: no model is."""
        return self.record.champion.bundle_digest if self.record and self.record.champion else None

    @property
    def desired(self) -> Desired | Invalid | None:
        """What is declared; a record that cannot be read makes the model one that cannot be."""
        if (why := self.snapshot.quarantined.get(self.name)) is not None:
            return Invalid.recorded(why)
        return self.fleet.wish(self.name)

    def plan(self) -> Plan:
        """Return the next step of the model's release record."""
        running, now = self.tools.trainer.running(self.name), self.tools.clock()
        seen = observed(
            self.record, self.memory, running, self.tools.mismatches,
            foreign=self.fleet.elsewhere(self.name), room=self.tools.trainer.memory,
            frozen=self.guards.frozen(self.name, now), guarded=self.guards.guarded(self.name),
        )  # fmt: skip
        plan = plan_release(self.desired, seen, now)
        if all(self.permit(self.name, action) for action in plan.actions):
            return plan
        why = f"{plan.message}; what follows from that was not planned (make the plan again)"
        return Plan("NotPlanned", why)

    def advance(self) -> Decision | Plan:
        """Take the model's steps up to the next decision that must be put on record.

        Returns:
            The decision; or, where there is none to make, the plan of a model that is at rest,
            that waits, or whose training has been started.

        Raises:
            ReconcilerError: A step failed.
        """
        while True:
            plan = self.plan()
            match plan.actions:
                case (Train(fingerprint),):
                    if (wait := self._lease(fingerprint)) is not None:
                        return wait
                    self.tools.trainer.start(self.fleet, self._wanted(), blocks(self.record))
                    return self.plan()
                case (Cancel(),):
                    self.tools.trainer.cancel(self.name, plan.message)
                case (Judge() as action,):
                    if not self._judge(action):
                        return plan
                case (action,):
                    return self._decide(action)
                case _:
                    return plan

    def take_in(self, left: Artifacts, listen: Listen) -> None:
        """Make a draft of what a finished training left behind.

        Raises:
            ReconcilerError: It is not whole.
        """
        version = self.tools.drafts(self.name, left, self.tools.clock())
        for warning in version.warnings:
            listen(Warned(self.name, warning))
        assert version.bundle is not None
        self.memory.drafts[version.bundle.md5] = version
        self.memory.lost.discard(version.bundle.md5)

    def serve(self) -> TargetPlan:
        """Bring the target to the record; where that cannot be read, what is served stays.

        Raises:
            ReconcilerError: The target cannot be reached, or the bundle is nowhere to be had.
        """
        if (why := self.snapshot.quarantined.get(self.name)) is not None:
            return TargetPlan("RecordCorrupt", f"its record cannot be read: {why}")
        if self.tools.delivery is not None and (not self.record or not self.record.challenger):
            self.tools.delivery.ended(self.name)
        own = self.fleet.target(self.name)
        return self.tools.serving.converge(self.name, own, self.record)

    def roll(self) -> Decision | Waiting | None:
        """Return what becomes of the challenger now; None: there is none, or nobody to ask."""
        if self.record is None or self.tools.delivery is None:
            return None
        return self.tools.delivery.step(self.record, self.fleet.revision, self._stopped())

    def lose_champion(self, reason: str) -> bool:
        """Have a champion that is nowhere to be had trained again, if it is what is declared.

        Returns:
            Whether it will be.
        """
        if reason not in _LOST or self.champion is None or not isinstance(self.desired, Desired):
            return False
        assert self.record is not None
        assert self.record.champion is not None
        declared = self.record.champion.fingerprint == self.desired.fingerprint
        return declared and self.memory.lose(self.champion)

    def _stopped(self) -> Stopped | None:
        """Return why a challenger may not become the champion now; None: it may."""
        if self.record is None:
            return None
        return stopped(self.record, self.guards, self.tools.clock())

    def _lease(self, fingerprint: str) -> Plan | None:
        """Take the lease of what is to be trained; return why it must wait, if it must."""
        leasing = self.tools.leasing
        if leasing.full(fingerprint):
            why = "waits for a slot, here or with another daemon"
            return Plan(NO_SLOT, why, requeue_after=LEASED_PAUSE)
        if (holder := leasing.take(self.name, fingerprint)) is not None:
            return Plan("TrainedElsewhere", holder, requeue_after=LEASED_PAUSE)
        if leasing.alone or self.tools.store.record(self.name) == self.record:
            return None
        return Plan(RECORDS_MOVED, "its record has changed meanwhile", requeue_after=MOVED_PAUSE)

    def _judge(self, asked: Judge) -> bool:
        """Ask the gate; False: its measurements must wait until no training runs."""
        version, candidate = self._draft(asked.bundle), self._candidate(asked.bundle)
        champion = self.record.champion if self.record else None
        try:
            said = self.tools.gate.judge(self._wanted(), version, champion, candidate.released)
        except TerminalError as error:
            if error.reason not in _LOST or not self.memory.lose(asked.bundle):
                raise
            return True
        if self.tools.trainer.busy() and disturbed(said):
            return False
        self.memory.asked.add(asked.bundle)
        self.memory.drafts[asked.bundle] = judged(version, said, asked.question)
        return True

    def _decide(self, action: Action) -> Decision:
        name, revision, keep = self.name, self.fleet.revision, self._keep()
        match action:
            case Release(bundle):
                version = self._draft(bundle)
                declared = version.fingerprint == self._wanted().fingerprint
                return decisions.release(name, version, revision, keep, declared=declared)
            case Challenge(bundle):
                version, now = self._draft(bundle), self.tools.clock()
                rollout = self._wanted().rollout
                return decisions.challenge(name, version, revision, keep, rollout, now)
            case Abandon(why):
                assert self.record is not None
                return decisions.abandon(self.record, why, revision)
            case Accept(bundle):
                return decisions.accept(name, self._draft(bundle), revision, keep)
            case Confirm(bundle):
                version = self._draft(bundle)
                declared = version.fingerprint == self._wanted().fingerprint
                vouched = self._candidate(bundle).accepted
                return decisions.confirm(
                    name, version, revision, keep, declared=declared, vouched=vouched
                )
            case Reject(bundle):
                return decisions.reject(name, self._draft(bundle), revision, keep)
            case Fail(broken):
                return decisions.fail(name, broken, revision, keep, self.tools.clock())
            case Supersede(broken):
                return decisions.cancelled(name, broken, revision, keep, self.tools.clock())
            case Retire():
                return decisions.retire(name, revision)
        raise AssertionError(f"not a decision: {action}")

    def _wanted(self) -> Desired:
        desired = self.desired
        assert isinstance(desired, Desired)
        return desired

    def _keep(self) -> int:
        spec = self.fleet.spec(self.name)
        return KEEP if spec is None else spec.spec.deployment.keep

    def _draft(self, bundle: str) -> Version:
        version = self.memory.version(bundle, self.record)
        assert version is not None
        return version

    def _candidate(self, bundle: str) -> Candidate:
        candidate = observed(self.record, self.memory, None, ()).at(bundle)
        assert candidate is not None
        return candidate


@contextmanager
def guarded(broken: Callable[[Exception], None]) -> Iterator[None]:
    """Hand whatever goes wrong in the block to `broken`: one model stops no other."""
    try:
        yield
    except Exception as error:  # noqa: BLE001  the one guard of a pass, against bugs of ours too
        broken(error)


def passing(error: Exception) -> bool:
    """Return whether what went wrong may pass without a commit; bugs of ours are hoped to.

    What a machine lacks may be put right there, and nobody tells us.
    """
    if not isinstance(error, ReconcilerError):
        return True
    return isinstance(error, TransientError) or error.reason in OF_THE_MACHINE


def told(error: Exception) -> tuple[str, str]:
    """Return reason and message; an error that is none of ours is a bug, and one model's only."""
    if isinstance(found := room.known(error), ReconcilerError):
        return found.reason, str(found)
    return "InternalError", f"{type(error).__name__}: {error}"
