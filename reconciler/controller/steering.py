"""Steering: what a person decides is put on record and served at once, whoever else is at work.

Nothing here needs the repository to itself: records change by compare-and-swap, targets lock per
model, and a pass that runs meanwhile sees what was decided before it decides anything.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from reconciler.adapters.deployed import DeployedStore
from reconciler.adapters.git import Person
from reconciler.adapters.status import StatusStore
from reconciler.controller.fleet import Fleet
from reconciler.controller.guards import Guards
from reconciler.controller.planning import next_step
from reconciler.controller.serving import Serving
from reconciler.core import record as records
from reconciler.core import steering
from reconciler.core.plan import Desired, Invalid
from reconciler.core.record import Hold, Record, Version
from reconciler.core.runtime import Mismatch
from reconciler.core.standing import standing
from reconciler.core.target_plan import UNSEEN, TargetPlan
from reconciler.errors import ReconcilerError, UsageError


@dataclass(frozen=True, slots=True)
class Done:
    """What became of a record."""

    before: Record | None
    after: Record
    commit: str | None
    """The commit on the branch of records; None: there is none yet."""

    @property
    def changed(self) -> bool:
        """Return whether anything was put on record."""
        return self.before != self.after

    @property
    def released(self) -> bool:
        """Return whether another version is in production than before."""
        return _number(self.before) != _number(self.after)


class Steering:
    """Decides about one model in a person's name.

    Args:
        name: The model's name.
        store: The records.
        desired: What is declared of it; None: nothing is.
        revision: The commit that says so; None: none can be followed.
        author: Who decides.
        clock: Gives the time.
    """

    def __init__(
        self,
        name: str,
        store: DeployedStore,
        desired: Desired | Invalid | None,
        revision: str | None,
        author: Person,
        clock: Callable[[], datetime],
    ) -> None:
        self._name = name
        self._store = store
        self._fingerprint = desired.fingerprint if isinstance(desired, Desired) else None
        self._revision = revision
        self._author = author
        self._clock = clock

    def suspend(self, reason: str) -> Done:
        """Hold everything of the model; nothing changes when that is so for this reason."""
        hold = Hold(reason=reason or "suspended", by=self._by, since=self._clock())

        def change(record: Record | None) -> Record:
            if not reason and steering.everything(record):
                assert record is not None
                return record
            return steering.suspended(record or records.empty(self._name), hold)

        return self._change(change)

    def resume(self) -> Done:
        """End every hold on the model."""
        return self._change(lambda record: records.without_hold(self._known(record)))

    def retry(self) -> Done:
        """Forget what failed or was withdrawn of what is declared."""
        fingerprint = self._fingerprint or ""
        return self._change(lambda record: records.forget(self._known(record), fingerprint))

    def rollback(self, number: int | None, reason: str, fetch: Callable[[Version], object]) -> Done:
        """Put an earlier version in production, and hold what it steps in for.

        While another is rolled out, the earlier version is the one that is in production still:
        the challenger is withdrawn.

        Args:
            number: Which one; None: the last that was in production before.
            reason: Why, for the record.
            fetch: Raises where the bundle is not to be had: then nothing changes.

        Raises:
            UsageError: There is none to go back to.
        """
        seen = self._known(self._store.read().records.get(self._name))
        if steering.withdraws(seen, number):
            return self._withdraw(seen, reason)
        target = steering.rollback_target(seen, number, self._fingerprint)
        if target == seen.champion:
            return Done(seen, seen, None)
        fetch(target)

        def change(found: Record | None) -> Record:
            record = self._unless_moved(found, seen)
            now, ask = self._clock(), self._fingerprint
            hold = steering.rollback_hold(record, target, ask, reason, self._by, now)
            at = self._revision or target.revision
            return steering.rolled_back(record, target.number, hold, at)

        return self._change(change)

    def _withdraw(self, seen: Record, reason: str) -> Done:
        def change(found: Record | None) -> Record:
            record = self._unless_moved(found, seen)
            return steering.challenger_withdrawn(record, reason, self._by)

        return self._change(change)

    def promote(self, number: int | None, reason: str, fetch: Callable[[Version], object]) -> Done:
        """Put a version in production that the gate could not decide about, or the challenger.

        Args:
            number: Which one; None: the challenger, else the one that is declared.
            reason: Why, for the record.
            fetch: Raises where the bundle is not to be had: then nothing changes.

        Raises:
            UsageError: It may not be promoted.
        """
        seen = self._known(self._store.read().records.get(self._name))
        version = steering.promotable(seen, number, self._fingerprint)
        if version == seen.champion:
            return Done(seen, seen, None)
        fetch(version)

        def change(found: Record | None) -> Record:
            record = self._unless_moved(found, seen)
            again = steering.promotable(record, version.number, self._fingerprint)
            at = self._revision or version.revision
            return steering.promoted(record, again.number, self._by, reason, self._clock(), at)

        return self._change(change)

    @property
    def _by(self) -> str:
        return f"{self._author.name} <{self._author.email}>"

    def _change(self, change: Callable[[Record | None], Record]) -> Done:
        before: Record | None = None

        def noting(record: Record | None) -> Record:
            nonlocal before
            before = record
            return change(record)

        snapshot = self._store.commit({self._name: noting}, self._author)
        return Done(before, snapshot.records[self._name], snapshot.commit)

    def _known(self, record: Record | None) -> Record:
        if record is None:
            raise UsageError(
                f"nothing of {self._name} is on record yet",
                reason="NoRecord",
                hint=f"`reconciler why {self._name}` says what it waits for",
            )
        return record

    def _unless_moved(self, found: Record | None, seen: Record) -> Record:
        record = self._known(found)
        what = ""
        if record.champion != seen.champion:
            what = f"another version of {self._name} went into production"
        elif _rival(record) != _rival(seen):
            what = f"a rollout of {self._name} began or ended"
        if what:
            raise UsageError(
                f"{what} meanwhile",
                reason="Overtaken",
                hint=f"look again: `reconciler history {self._name}`",
            )
        return record


def _rival(record: Record) -> int | None:
    return record.challenger.version if record.challenger else None


def _number(record: Record | None) -> int | None:
    return record.champion.number if record and record.champion else None


def settled(
    name: str,
    fleet: Fleet,
    done: Done,
    serving: Serving,
    status: StatusStore | None,
    mismatches: tuple[Mismatch, ...],
    now: datetime,
    *,
    busy: bool = False,
) -> TargetPlan:
    """Bring a model's target to its new champion, note how the model stands, and return the end.

    Where the champion is the same, the target is only looked at: a hold is no matter of its. With
    `busy`, somebody else is at work here: what we cannot see, they have written.
    """
    own, record = fleet.target(name), done.after
    bring = serving.converge if done.released else serving.look
    try:
        target = bring(name, own, record)
    except ReconcilerError as error:
        target = TargetPlan(error.reason, str(error))
    guards = Guards(fleet.params.freeze)
    plan = next_step(name, fleet, record, mismatches, now, guards)
    champion = record.champion.bundle_digest if record.champion else None
    stands = standing(plan, target, champion, now)
    if status is not None and not (busy and target.reason in UNSEEN):
        with contextlib.suppress(ReconcilerError):  # it may be lost: the next pass writes it again
            status.observe(name, stands.sync, stands.health, stands.message, stands.conditions, now)
    return target
