"""Delivery: takes a challenger a step further, or out of the traffic, by what servers tell.

Nothing here trains, judges or waits: whoever asks is told what is to be put on record now, or
what is waited for.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime

from reconciler.adapters.status import StatusStore
from reconciler.controller import decisions, sightings
from reconciler.controller.decisions import Decision
from reconciler.controller.guards import Guards
from reconciler.controller.sightings import Totals, Trial
from reconciler.core import rollouts
from reconciler.core.record import Record
from reconciler.core.rollout import Counts, Promote, Shift, Wait, Withdraw, judge_rollout
from reconciler.core.rollout_figures import figures
from reconciler.core.rollout_rules import in_force
from reconciler.core.rollouts import said
from reconciler.errors import ReconcilerError
from reconciler.ports.servers import Report, Servers

_OVERDUE = "inconclusive by its deadline: promote it, or roll it back, by hand"


@dataclass(frozen=True, slots=True)
class Waiting:
    """A rollout that stays at its step for now."""

    message: str
    """How far it has come, and what is wrong with it; the same for as long as that is."""
    until: datetime | None = None
    """When it may be over; None: that hangs on requests, or on a server."""
    stalled: bool = False
    """Whether it waits for a person."""
    unseen: bool = False
    """Whether no server tells of it."""


@dataclass(frozen=True, slots=True)
class Stopped:
    """Why releases wait."""

    why: str
    by_a_person: bool


def stopped(record: Record, guards: Guards, now: datetime) -> Stopped | None:
    """Return why a model's challenger may not go on, nor become the champion; None: it may.

    Args:
        record: The model's record.
        guards: The freeze windows.
        now: The time, with a zone.
    """
    version = rollouts.challenger(record)
    if version is None:
        return None
    ids = (version.fingerprint, str(version.bundle_digest))
    if held := [str(hold) for hold in record.holds if hold.stops(*ids)]:
        return Stopped("; ".join(held), by_a_person=True)
    frozen = guards.frozen(record.model, now)
    return None if frozen is None else Stopped(str(frozen), by_a_person=False)


class Delivery:
    """Judges rollouts; any thread may ask.

    Args:
        servers: The inference servers.
        status: Where what they have counted is kept.
        clock: The time, with a zone.
    """

    def __init__(
        self, servers: Servers, status: StatusStore, clock: Callable[[], datetime]
    ) -> None:
        self._servers = servers
        self._status = status
        self._clock = clock
        self._counted: set[str] | None = None
        """Models that something is kept of; None: that was not asked yet."""

    def step(
        self, record: Record, revision: str, stopped: Stopped | None = None
    ) -> Decision | Waiting | None:
        """Return what becomes of a model's challenger now; None: it has none.

        Args:
            record: The model's record.
            revision: The commit that is followed.
            stopped: Why it may not go on; None: it may. It is withdrawn all the same.

        Raises:
            TerminalError: Its record holds rollout settings that this version does not know.
        """
        trial = sightings.trial(record)
        if trial is None or record.challenger is None:
            return None
        rules, now = in_force(record.rollout), self._clock()
        reports = self._servers.look()
        counts = sightings.counts(trial, reports, self._totals(trial, reports), now)
        match judge_rollout(rules, record.challenger, counts, now):
            case Shift() | Promote() if stopped is not None:
                return Waiting(f"{said(record)}; {stopped.why}", None, stopped.by_a_person)
            case Shift() as move:
                return _with(decisions.shift(record, move, now), counts)
            case Promote() as move:
                return _with(decisions.promote_challenger(record, move, revision), counts)
            case Withdraw() as move:
                return decisions.withdraw_challenger(record, move, revision)
            case Wait() as wait:
                return _waiting(record, wait, trial, reports)

    def ended(self, model: str) -> None:
        """Drop what was counted for a model that no rollout is on of, if anything was."""
        with suppress(ReconcilerError):  # it is dropped another time
            if self._counted is None:
                self._counted = self._status.counting()
            if model in self._counted:
                self._status.end_count(model)
                self._counted.discard(model)

    def _totals(self, trial: Trial, reports: Sequence[Report]) -> Totals:
        """Return what has been counted by now; without a store, what the servers tell alone."""
        boots = sightings.boots(trial, reports)
        if self._counted is not None:
            self._counted.add(trial.model)
        try:
            return self._status.count(trial.model, trial.since, boots)
        except ReconcilerError:
            return {trial.since: sightings.summed(boots)}


def _with(decision: Decision, counts: Counts) -> Decision:
    return replace(decision, message=f"{decision.message}: {figures(counts)}")


def _waiting(record: Record, wait: Wait, trial: Trial, reports: Sequence[Report]) -> Waiting:
    wrong = list(sightings.troubles(trial, reports))
    if not reports:
        wrong = ["no server is named in params.yaml (`targets.local.endpoints`)"]
    if wait.overdue:
        wrong = [_OVERDUE, *wrong]
    unseen = not any(not report.away for report in reports)
    return Waiting("; ".join([said(record), *wrong]), wait.until, wait.overdue, unseen)
