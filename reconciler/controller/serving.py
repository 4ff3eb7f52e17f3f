"""Serving: each model's target is brought to what the record says, and kept there."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from reconciler.core.record import Record
from reconciler.core.target_plan import Converge, Seen, TargetPlan, Withdraw, plan_target
from reconciler.ports.targets import Followed, Served, Target

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
        targets: Every target that bundles are published at, by the name that specs give it.
        fetch: Where a champion's bundle comes from.
        gather: Where those of many come from.
        acted: Whom to tell.
        followed: Every target whose servers follow the records themselves, by name. Only models
            that are declared to be served there are looked for there.
    """

    def __init__(
        self,
        targets: Mapping[str, Target],
        fetch: Fetch,
        gather: Gather = lambda _: None,
        acted: Acted = lambda _model, _target, _plan: None,
        followed: Mapping[str, Followed] | None = None,
    ) -> None:
        self._targets = targets
        self._followed = followed or {}
        self._fetch = fetch
        self._gather = gather
        self._acted = acted
        self._expected: tuple[Record, ...] = ()

    def expect(self, records: Sequence[Record]) -> None:
        """Have the bundles of these records brought together, once any of them is wanted."""
        self._expected = tuple(records)

    def converge(self, name: str, own: str | None, record: Record | None) -> TargetPlan:
        """Act until the targets serve what the record says, and return how it ended.

        A model that is declared has one target; one that is retired is withdrawn everywhere.
        Without a record nothing is: that the branch of records is gone retires no model.

        Args:
            name: The model.
            own: The target that is declared; None: none is, or nobody can read which.
            record: What is on record.

        Raises:
            TransientError: A target cannot be reached or written.
            TerminalError: The bundle is nowhere to be had whole.
        """
        if record is None:
            return _unrecorded(any(target.observe(name) for target in self._targets.values()))
        champion = _champion(record)
        for known, servers in self._followed.items():
            if champion is None or own not in (None, known):
                servers.forget(name)
        if champion is not None and (followed := self._followed.get(own or "")) is not None:
            plan = self._tend(name, followed, champion)
            if plan.reason == "Settled":  # until then it stays where it was served before
                self._withdraw(name, record)
            return plan
        plan = TargetPlan("NotReleased", "no version is released")
        if own is None and champion is not None:
            plan = TargetPlan("Unknown", "where it is served cannot be read, and it is not seen")
        for known, target in self._targets.items():
            if own is None and champion is not None and target.observe(name) is None:
                continue  # nobody can tell where it belongs: it is kept where it is
            here = champion if own is None or known == own else None
            done = self._bring(name, target, here, record)
            plan = done if own is None or known == own else plan
        return plan

    def follows(self, own: str | None) -> bool:
        """Return whether a target's servers follow the records themselves."""
        return own in self._followed

    def unused(self, names: Collection[str]) -> bool:
        """Return whether nothing was ever served from here by any of these targets."""
        published = [self._targets[name] for name in names if name in self._targets]
        return bool(published) and all(target.unused() for target in published)

    def look(self, name: str, own: str | None, record: Record | None) -> TargetPlan:
        """Return what the model's own target would have to do; nothing is done.

        Raises:
            TransientError: The target cannot be read.
        """
        champion = _champion(record)
        seen = self._observed(name, own or "", champion)
        return (
            _unrecorded(seen.digest is not None) if record is None else plan_target(champion, seen)
        )

    def _observed(self, name: str, own: str, champion: str | None) -> Seen:
        if (followed := self._followed.get(own)) is not None:
            return Seen(None) if champion is None else _saw(followed.observe(name, champion))
        target = self._targets.get(own)
        return _seen(target, name) if target else Seen(champion)

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

    def _withdraw(self, name: str, record: Record) -> None:
        for target in self._targets.values():
            self._bring(name, target, None, record)

    def _tend(self, name: str, target: Followed, champion: str) -> TargetPlan:
        """Have servers that do not serve the champion as they should load it anew."""
        plan = plan_target(champion, _saw(target.observe(name, champion)))
        if plan.action is None:
            return plan
        target.mend(name, champion)
        after = plan_target(champion, _saw(target.observe(name, champion)))
        if after.reason != "Settled":
            return after
        self._acted(name, target.name, plan)
        return replace(after, acted=True)


def _champion(record: Record | None) -> str | None:
    return record.champion.bundle_digest if record and record.champion else None


def _unrecorded(served: bool) -> TargetPlan:
    if served:
        return TargetPlan("NotRecorded", "what is served has no record, and stays as it is")
    return TargetPlan("NotReleased", "no version is released")


def _seen(target: Target, name: str) -> Seen:
    served = target.observe(name)
    return Seen(None) if served is None else _saw(served)


def _saw(served: Served) -> Seen:
    return Seen(served.digest, served.intact, served.detail, served.fault)
