"""Serving: each model's target is brought to what the record says, and kept there."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from reconciler.core.record import Record
from reconciler.core.target_plan import Converge, Seen, TargetPlan, Withdraw, plan_target
from reconciler.ports.targets import Target
from reconciler.spec.model import ModelSpec

#: Returns a folder that holds the bundle a record points to, every byte verified.
Fetch = Callable[[Record], Path]
#: Brings the bundles of several records nearer at once, as far as they can be had.
Gather = Callable[[Sequence[Record]], None]
#: Told of what was done: the model, the target's name, and the plan that was carried out.
Acted = Callable[[str, str, TargetPlan], None]

_STEPS = 3


class Serving:
    """Plans and acts at targets.

    Args:
        targets: Every target there is, by the name that specs give it.
        fetch: Where a champion's bundle comes from.
        gather: Where those of many come from.
        acted: Whom to tell.
    """

    def __init__(
        self,
        targets: Mapping[str, Target],
        fetch: Fetch,
        gather: Gather = lambda _: None,
        acted: Acted = lambda _model, _target, _plan: None,
    ) -> None:
        self._targets = targets
        self._fetch = fetch
        self._gather = gather
        self._acted = acted
        self._expected: tuple[Record, ...] = ()

    def expect(self, records: Sequence[Record]) -> None:
        """Have the bundles of these records brought together, once any of them is wanted."""
        self._expected = tuple(records)

    def converge(self, name: str, spec: ModelSpec | None, record: Record | None) -> TargetPlan:
        """Act until the targets serve what the record says, and return how it ended.

        A model that is declared has one target; one that is retired is withdrawn everywhere.
        Without a record nothing is: that the branch of records is gone retires no model.

        Raises:
            TransientError: A target cannot be reached or written.
            TerminalError: The bundle is nowhere to be had whole.
        """
        if record is None:
            return _unrecorded(any(target.observe(name) for target in self._targets.values()))
        own = spec.spec.deployment.target if spec else None
        plan = TargetPlan("NotReleased", "no version is released")
        for known, target in self._targets.items():
            champion = record.champion.bundle_digest if record.champion else None
            if own is not None and known != own:
                champion = None
            done = self._bring(name, target, champion, record)
            plan = done if own is None or known == own else plan
        return plan

    def unused(self) -> bool:
        """Return whether nothing was ever served from here, by any target."""
        return all(target.unused() for target in self._targets.values())

    def look(self, name: str, spec: ModelSpec | None, record: Record | None) -> TargetPlan:
        """Return what the model's own target would have to do; nothing is done.

        Raises:
            TransientError: The target cannot be read.
        """
        target = self._targets.get(spec.spec.deployment.target) if spec else None
        champion = record.champion.bundle_digest if record and record.champion else None
        seen = _seen(target, name) if target else Seen(champion)
        return (
            _unrecorded(seen.digest is not None) if record is None else plan_target(champion, seen)
        )

    def _bring(self, name: str, target: Target, champion: str | None, record: Record) -> TargetPlan:
        done: TargetPlan | None = None
        for steps in range(_STEPS):
            plan = plan_target(champion, _seen(target, name))
            if done is not None and plan != done:  # else it did not help
                self._acted(name, target.name, done)
            done = plan
            match plan.action:
                case None:
                    target.tidy(name)
                    return plan if steps == 0 else replace(plan, acted=True)
                case Converge(digest):
                    if expected := self._expected:
                        self._expected = ()
                        self._gather(expected)
                    target.converge(name, self._fetch(record), digest)
                case Withdraw():
                    target.withdraw(name)
        return plan


def _unrecorded(served: bool) -> TargetPlan:
    if served:
        return TargetPlan("NotRecorded", "what is served has no record, and stays as it is")
    return TargetPlan("NotReleased", "no version is released")


def _seen(target: Target, name: str) -> Seen:
    served = target.observe(name)
    return Seen(None) if served is None else Seen(served.digest, served.intact, served.detail)
