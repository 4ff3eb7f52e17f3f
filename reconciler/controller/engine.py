"""The engine: passes over the models of one revision until nothing is left that can be done.

Models are independent: what goes wrong with one is its own condition and stops no other.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterable, Sequence
from functools import partial

from reconciler.adapters.status import StatusStore
from reconciler.controller import decisions
from reconciler.controller.decisions import Decision, Overtaken
from reconciler.controller.events import Decided, Listen, Warned
from reconciler.controller.fleet import Fleet
from reconciler.controller.guards import guards
from reconciler.controller.memory import Memory
from reconciler.controller.passes import Pass, Permit, Tools, guarded, told
from reconciler.controller.rolling import Rolling
from reconciler.controller.telling import decided
from reconciler.controller.training import Artifacts
from reconciler.core.plan import TRANSIENT_PAUSE, Plan
from reconciler.core.standing import Standing, standing
from reconciler.core.target_plan import AT_REST, TargetPlan
from reconciler.core.trainings import Broken
from reconciler.errors import ReconcilerError, TransientError

#: Decisions that come this close together share a commit.
GROUP_S = 0.2


class Engine:
    """Brings models to rest at one revision."""

    def __init__(
        self,
        fleet: Fleet,
        tools: Tools,
        listen: Listen,
        permit: Permit = lambda _model, _action: True,
        allowed: str | None = None,
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
        self._rolling = Rolling()
        """What rollouts wait for."""
        self._status_lost = False
        self._snapshot = tools.store.read()
        self._guards = guards(fleet, self._snapshot.records, tools.clock(), allowed)

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
        healed = rolled = False
        while True:
            self._snapshot = self._tools.store.read()  # people steer while trainings run
            made = [d for name in models if (d := self._advance(name)) is not None]
            if made:
                self._commit(made)
            elif not healed:  # what is in production does not wait for trainings
                healed = True
                records = {n: r for n in models if (r := self._snapshot.records.get(n)) is not None}
                self._tools.serving.expect(tuple(records.values()))
                for name in records:
                    self._serve(name)
            elif not rolled:  # what is declared no more is abandoned by now
                rolled = True
                self._roll(models)
            elif not self._collect():
                break
        self._snapshot = self._tools.store.read()
        return {name: self._settle(name) for name in models}

    def plan(self, name: str) -> Plan:
        """Return the next step of a model's release record."""
        return self._stuck.get(name) or self._pass(name).plan()

    def _pass(self, name: str) -> Pass:
        memory = self._memory.setdefault(name, Memory())
        return Pass(
            name, self._fleet, self._snapshot, memory, self._tools, self._permit, self._guards
        )

    def _roll(self, models: Sequence[str]) -> None:
        """Take each rollout a step further where that is due, and wait for none."""
        made = []
        for name in models:
            with guarded(partial(self._unrolled, name)):
                step = self._pass(name).roll()
                if isinstance(step, Decision):
                    made.append(step)
                elif step is not None:
                    self._rolling.wait(name, step)
        if made:
            self._commit(made)

    def _unrolled(self, name: str, error: Exception) -> None:
        self._listen(Decided(name, *told(error), good=False))

    def _advance(self, name: str) -> Decision | None:
        """Take a model's steps up to the next decision that must be put on record."""
        if name in self._stuck:
            return None
        with guarded(lambda error: self._break(name, error)):
            step = self._pass(name).advance()
            return step if isinstance(step, Decision) else None
        return None

    def _commit(self, made: Sequence[Decision]) -> None:
        written: Sequence[Decision] = ()
        with guarded(lambda error: self._uncommitted(made, error)):
            changes = {
                d.model: decisions.unless_steered(d.change, self._snapshot.records.get(d.model))
                for d in made
            }
            self._tools.store.commit(changes)
            self._snapshot = self._tools.store.read()
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
        memory = self._memory.setdefault(decision.model, Memory())
        memory.broken.clear()
        if decision.bundle is not None:
            memory.forget(decision.bundle)
        record = self._snapshot.records.get(decision.model)
        self._listen(decided(decision, record, self._fleet.revision))
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
            self._memory.setdefault(name, Memory()).broken.append(result)
            if result.transient and not result.superseded:  # the others: once they are on record
                self._listen(Decided(name, result.reason, result.message, good=False))
            return
        now = self._tools.clock()
        self._note(name, lambda status: status.add_durations(name, result.seconds, now))
        with guarded(lambda error: self._break(name, error)):
            self._pass(name).take_in(result, self._listen)

    def _serve(self, name: str) -> None:
        with guarded(lambda error: self._unserved(name, error)):
            looked = self._pass(name)
            self._served[name] = (looked.champion, looked.serve())

    def _unserved(self, name: str, error: Exception) -> None:
        plan, looked = TargetPlan(*told(error)), self._pass(name)
        looked.lose_champion(plan.reason)
        if self._served.get(name, (None, None))[1] != plan:
            self._listen(Decided(name, plan.reason, plan.message, good=False))
        self._served[name] = (looked.champion, plan)

    def _settle(self, name: str) -> Standing:
        champion = self._pass(name).champion
        known = self._served.get(name)
        if known is None or known[0] != champion or known[1].reason not in AT_REST:
            self._serve(name)
        now = self._tools.clock()
        served = self._rolling.at(name, self._served[name][1])
        stands = standing(self.plan(name), served, champion, now)

        def keep(status: StatusStore) -> None:
            status.observe(name, stands.sync, stands.health, stands.message, stands.conditions, now)

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
        reason, message = told(error)
        terminal = isinstance(error, ReconcilerError) and not isinstance(error, TransientError)
        self._stuck[name] = Plan(
            reason, message, requeue_after=None if terminal else TRANSIENT_PAUSE
        )
        self._listen(Decided(name, reason, message, good=False))
