"""Looks: what a worker does with a key, from the model's pass to how it stands afterwards.

There are several keys per model, so that what is in production never waits for what is to become
it: its release (train, judge, decide), its target (serve what is on record, and keep it so) and its
rollout (shift, promote or withdraw a challenger). One decision about a model is on its way at a
time, whichever of them has made it.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from enum import StrEnum
from functools import partial

from reconciler.adapters.snapshot import Snapshot
from reconciler.controller.board import Board
from reconciler.controller.committing import Entry
from reconciler.controller.decisions import Decision, Overtaken
from reconciler.controller.delivery import Waiting
from reconciler.controller.events import Listen, Served
from reconciler.controller.keys import Key, Kind, release, rollout, target
from reconciler.controller.passes import NO_SLOT, RECORDS_MOVED, Pass, guarded, passing, told
from reconciler.controller.queue import WorkQueue
from reconciler.controller.rolling import Rolling
from reconciler.controller.standings import Standings
from reconciler.controller.telling import decided
from reconciler.controller.training import Result
from reconciler.controller.troubles import Troubles
from reconciler.core.plan import Plan
from reconciler.core.record import Record
from reconciler.core.target_plan import AT_REST, COUNTED, Fault, TargetPlan
from reconciler.core.trainings import Broken

#: Measurements that a busy machine has spoilt are made again after this.
_DISTURBED_S = 2.0
#: Servers are asked again after this how a challenger fares.
ROLLOUT_POLL_S = 2.0
#: A challenger goes on once its model's release was looked at: that may end its rollout.
_SOON_S = 0.2


class Ended(StrEnum):
    """How a look ended."""

    ACTED = "acted"
    WAITING = "waiting"
    REST = "rest"
    FAILED = "failed"


#: Told of each look that has ended, and its seconds.
Watch = Callable[[Kind, Ended, float], None]
#: Has a decision put on record; what becomes of it is told to `Looks.committed`.
Submit = Callable[[Decision, Record | None], None]


class Looks:
    """Looks at keys; different keys may be looked at side by side.

    Args:
        board: What passes work with.
        queue: Where further looks are asked for.
        submit: Where decisions go.
        standings: Where it is kept how models stand.
        troubles: Where it is kept what went wrong, and until when.
        listen: Told what happens.
        watch: Told how looks end.
        wake: Asks for the refs to be looked at: a look has found that they have moved.
        missed: Told of a model that there is something to do for and no view tells of: it was
            settled, and a training of it has ended, a decision was put on record, or its target
            was not as it should be yet.
        clock: Monotonic seconds.
        rollout_poll_s: Seconds between two looks at a rollout.
    """

    def __init__(
        self,
        board: Board,
        queue: WorkQueue[Key],
        submit: Submit,
        standings: Standings,
        troubles: Troubles,
        listen: Listen,
        watch: Watch = lambda _kind, _ended, _seconds: None,
        wake: Callable[[], None] = lambda: None,
        missed: Callable[[str], None] = lambda _: None,
        clock: Callable[[], float] = time.monotonic,
        rollout_poll_s: float = ROLLOUT_POLL_S,
    ) -> None:
        self.rolling = Rolling()
        """What rollouts wait for."""
        self._rollout_poll_s = rollout_poll_s
        self._board = board
        self._queue = queue
        self._submit = submit
        self._standings = standings
        self._troubles = troubles
        self._listen = listen
        self._watch = watch
        self._wake = wake
        self._missed = missed
        self._clock = clock
        self._served: dict[str, tuple[str | None, TargetPlan]] = {}
        """The champion that each target was last asked to serve, and how that ended."""
        self._deciding: dict[str, tuple[Key, Pass]] = {}
        """What was looked at where a decision is on its way: the key that has made it."""
        self._disturbed: dict[str, Plan] = {}
        """Models that are judged as soon as no training disturbs it."""
        self._soon: set[str] = set()
        """Models that wait for a moment, or for other work of ours, and for nothing else."""

    def at_rest(self) -> bool:
        """Return whether no model waits for a moment only."""
        return not self._disturbed and not self._soon

    def look(self, key: Key) -> bool:
        """Do what is to be done now, and return whether the key may be given back.

        Where it may not, its decision is on its way, and `committed` gives the key back.
        """
        began, ended = self._clock(), Ended.FAILED
        if key.kind is Kind.RELEASE:
            self._soon.discard(key.model)
        with guarded(lambda error: self._troubles.failed(key, error)):
            looked = self._board.begin(key.model)
            if looked is None:
                if key.kind is Kind.RELEASE:
                    self._disturbed.pop(key.model, None)
                if key.kind is Kind.RELEASE or not _well(self._served.get(key.model)):
                    self._missed(key.model)
                self.rolling.end(key.model)
                return True
            match key.kind:
                case Kind.RELEASE:
                    ended = self._release(looked)
                case Kind.TARGET:
                    ended = self._target(looked)
                case Kind.ROLLOUT:
                    ended = self._roll(looked)
        self._watch(key.kind, ended, self._clock() - began)
        return key.kind is not Kind.RELEASE or ended is not Ended.ACTED

    def changed(self, names: set[str]) -> None:
        """Have models looked at that something has changed for, whatever went wrong before."""
        for name in names:
            self._disturbed.pop(name, None)
            self._troubles.changed(name)
            self._troubles.well(release(name))
            self._troubles.well(target(name))
            self._troubles.well(rollout(name))
        self._queue.add(*(key for name in sorted(names) for key in (target(name), release(name))))
        self._queue.add(*(rollout(name) for name in sorted(names) if self._rolls(name)))

    def committed(self, entries: Sequence[Entry], outcome: Snapshot | Exception) -> None:
        """Go on with models whose decisions were put on record, or could not be."""
        if isinstance(outcome, Snapshot):
            self._board.recorded(outcome)
            if self._board.apart:
                self._wake()
        for entry in entries:
            key, looked = self._deciding.pop(entry.decision.model)
            with guarded(partial(self._troubles.failed, key)):
                self._go_on(key, looked, entry.decision, outcome)
            if key.kind is Kind.RELEASE:
                self._queue.done(key)
            other = rollout if key.kind is Kind.RELEASE else release
            if other is release or self._rolls(key.model):
                self._queue.add(other(key.model))  # it may have had to wait for this one

    def _go_on(
        self, key: Key, looked: Pass, decision: Decision, outcome: Snapshot | Exception
    ) -> None:
        if isinstance(outcome, Snapshot):
            self._recorded(key, decision)
        elif isinstance(outcome, Overtaken):  # the look after this one sees what was done
            self._wake()
            if key.kind is Kind.RELEASE:
                self._soon.add(decision.model)
            self._troubles.later(key)
        elif key.kind is Kind.RELEASE:
            self._break(looked, outcome)
            self._queue.add(key)
        else:
            self._troubles.failed(key, outcome)

    def _recorded(self, key: Key, decision: Decision) -> None:
        name = decision.model
        looked = self._board.begin(name)
        if looked is not None and key.kind is Kind.RELEASE:
            looked.memory.broken.clear()
            if decision.bundle is not None:
                looked.memory.forget(decision.bundle)
        revision = looked.fleet.revision if looked else None
        self._listen(decided(decision, looked.record if looked else None, revision))
        self._troubles.well(key)
        self._queue.add(target(name), release(name))
        if self._rolls(name):
            self._queue.add(rollout(name))

    def _decide(self, key: Key, looked: Pass, decision: Decision) -> Ended:
        """Have a decision put on record, unless another one about the model is on its way.

        Then it is made again, where it still is due: `committed` sees to that.
        """
        if self._deciding.setdefault(looked.name, (key, looked))[1] is not looked:
            return Ended.WAITING
        self._submit(decision, looked.record)
        return Ended.ACTED

    def _rolls(self, name: str) -> bool:
        """Return whether a rollout is on, or was when it was last looked at."""
        record = self._board.record(name)
        return name in self.rolling or (record is not None and record.challenger is not None)

    def _release(self, looked: Pass) -> Ended:
        name, trainer = looked.name, looked.tools.trainer
        self._try_again(looked)
        if (result := trainer.collect(name)) is not None:
            self._disturbed.pop(name, None)
            self._take_in(looked, result)
            if not trainer.busy():
                self._queue.add(*map(release, tuple(self._disturbed)))
        served = self._served.get(name)
        if served is not None:
            looked.lose_champion(served[1].reason)
        step: Decision | Plan | None = self._troubles.stuck(name)
        if step is None and trainer.busy():
            step = self._disturbed.get(name)
        if step is None:
            self._disturbed.pop(name, None)
            with guarded(lambda error: self._break(looked, error)):
                step = looked.advance()
        if isinstance(step, Decision):
            return self._decide(release(name), looked, step)
        plan = step or self._troubles.stuck(name)
        return Ended.WAITING if plan is None else self._settle(looked, plan, served)

    def _settle(
        self, looked: Pass, plan: Plan, served: tuple[str | None, TargetPlan] | None
    ) -> Ended:
        """Keep how a model stands that no decision is to be made about now."""
        name = looked.name
        if looked.desired is None and looked.record is None:
            self._standings.forget(name)
        elif served is not None and served[0] == looked.champion:
            target_plan = self.rolling.at(name, served[1])
            self._standings.settle(name, looked.champion, plan, target_plan)
        self._board.note(looked, plan)
        if not plan.actions:  # else a result waits to be judged, and is on nobody's record yet
            running = looked.tools.trainer.running(name)
            looked.tools.leasing.keep(name, running.fingerprint if running else None)
        waits = plan.requeue_after
        if waits is not None and plan.reason in (RECORDS_MOVED, NO_SLOT):
            self._soon.add(name)
        if plan.reason == RECORDS_MOVED:
            self._wake()
        if plan.actions:
            self._disturbed[name] = plan
            self._queue.add_after(release(name), _DISTURBED_S)
        elif waits is not None and not self._troubles.pauses(name):
            self._queue.add_after(release(name), waits.total_seconds())
        elif waits is None and running is None and not self._troubles.pauses(name):
            self._rest(looked, plan, served)
        self._troubles.wait(name)
        if self._troubles.stuck(name) is not None:
            return Ended.FAILED
        return Ended.WAITING if plan.actions or waits else Ended.REST

    def _rest(self, looked: Pass, plan: Plan, served: tuple[str | None, TargetPlan] | None) -> None:
        """Leave a model alone until something changes; one that was settled is forgotten."""
        well = served is not None and _well(served)
        if well and plan.reason == "Settled":
            looked.memory.remade.clear()  # what is lost after that is another loss
        if (well or not self._board.sampled(looked.name)) and self._board.rests(looked.name):
            self._served.pop(looked.name, None)

    def _target(self, looked: Pass) -> Ended:
        """Bring a target to the record; how that ended shows in the model's standing."""
        name, ended = looked.name, Ended.FAILED
        before = self._served.get(name)
        with guarded(lambda error: self._unserved(looked, error)):
            plan = looked.serve()
            self._served[name] = (looked.champion, plan)
            if before is not None and not plan.acted and plan.reason == "Settled":
                self._recovered(looked, before[1])
            ended = self._again(target(name), plan)
        if self._served.get(name) != before or self._board.sampled(name):
            self._queue.add(release(name))
        return ended

    def _recovered(self, looked: Pass, before: TargetPlan) -> None:
        """Tell that a target is well that was not, or not yet: it came right by itself."""
        where = looked.fleet.target(looked.name) or ""
        if before.reason in COUNTED:
            said = f"healed: {before.message}"
            self._listen(Served(looked.name, where, "Healed", said, before.reason))
        elif before.reason in ("RollOut", Fault.LOADING):
            said = f"target {where} serves the released version"
            self._listen(Served(looked.name, where, "RolledOut", said))

    def _again(self, key: Key, plan: TargetPlan) -> Ended:
        """Have a target looked at again where it is not as it should be."""
        if plan.faulty:  # what could be done about it did not help
            if plan.reason != Fault.NOT_SERVED:
                self._troubles.say(key, plan.reason, plan.message)
            self._troubles.later(key)
            return Ended.FAILED if plan.heals else Ended.WAITING
        self._troubles.well(key)
        if plan.requeue_after is not None:
            self._queue.add_after(key, plan.requeue_after.total_seconds())
            return Ended.WAITING
        return Ended.ACTED if plan.acted else Ended.REST

    def _unserved(self, looked: Pass, error: Exception) -> None:
        plan, name = TargetPlan(*told(error)), looked.name
        self._troubles.say(target(name), plan.reason, plan.message)
        self._served[name] = (looked.champion, plan)
        if passing(error):
            self._troubles.later(target(name))

    def _roll(self, looked: Pass) -> Ended:
        """Take a challenger a step further, or leave it where it is for a while."""
        name, key = looked.name, rollout(looked.name)
        step = looked.roll()
        if isinstance(step, Decision):
            if step.good and not self._board.noted(name):  # it may be declared no more
                self._queue.add_after(key, _SOON_S)
                return Ended.WAITING
            return self._decide(key, looked, step)
        self._troubles.well(key)
        if step is None:
            if self.rolling.end(name):
                self._queue.add(release(name))
            return Ended.REST
        if self.rolling.wait(name, step):
            self._queue.add(release(name))
        self._queue.add_after(key, self._pause_s(looked, step))
        return Ended.WAITING

    def _pause_s(self, looked: Pass, waiting: Waiting) -> float:
        """Return the seconds until a rollout is worth another look."""
        if waiting.until is None:
            return self._rollout_poll_s
        left = (waiting.until - looked.tools.clock()).total_seconds()
        return min(max(left, 0.0), self._rollout_poll_s)

    def _take_in(self, looked: Pass, result: Result) -> None:
        name = looked.name
        if isinstance(result, Broken):
            looked.memory.broken.append(result)
            if result.transient and not result.superseded:  # the others: once they are on record
                self._troubles.say(release(name), result.reason, result.message)
                self._troubles.pause(name)
            return
        self._standings.add_durations(name, result.seconds)
        with guarded(lambda error: self._break(looked, error)):
            looked.take_in(result, self._listen)
            self._queue.add(target(name))  # it may be the one that the target lacks

    def _try_again(self, looked: Pass) -> None:
        """Forget what went wrong for the time being, once that time is over."""
        if self._troubles.over(looked.name):
            kept = (b for b in looked.memory.broken if b.superseded or not b.transient)
            looked.memory.broken[:] = list(kept)

    def _break(self, looked: Pass, error: Exception) -> None:
        """Leave a model's release alone for a while, or until a change, and tell why."""
        self._troubles.stop(looked.name, error)
        if not self._board.holds(looked):  # it may have changed, and then be said to have already
            self._troubles.free(looked.name)
            self._queue.add(release(looked.name))
        elif passing(error):
            self._troubles.pause(looked.name)


def _well(served: tuple[str | None, TargetPlan] | None) -> bool:
    """Return whether nothing is left to do at a target, as far as anybody has looked."""
    return served is None or (served[1].reason in AT_REST and not served[1].faulty)
