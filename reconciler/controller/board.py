"""The board: the view that passes work with, and what each model's passes have learned."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from reconciler.adapters.snapshot import Snapshot
from reconciler.controller.memory import Memory
from reconciler.controller.passes import Pass
from reconciler.controller.views import View
from reconciler.core.plan import Desired, Plan
from reconciler.core.record import Record

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Wish:
    """What decides what is done with a model, whatever the commit that says so."""

    declared: object
    record: Record | None
    quarantined: str | None
    """Why the record cannot be read."""
    held: str | None
    """What must be allowed first."""


#: Commits of our own that are told from those of others: more than are made between two looks.
_MOST_MADE = 1000


class Board:
    """Shared by all threads of a daemon; a pass takes from it what holds for its whole length."""

    def __init__(self) -> None:
        self.turn = threading.Lock()
        """Held while records are written, until that is known here; see `fresh`."""
        self._written = 0
        """How often records were written."""
        self._lock = threading.Lock()
        self._view: View | None = None
        self._apart = False
        self._made: dict[str | None, str | None] = {}
        """The last commits of records that were made here, and what each was made on."""
        self._samples: dict[str, View] = {}
        """Views of settled models that are looked at all the same."""
        self._memory: dict[str, Memory] = {}
        self._plans: dict[str, Plan] = {}
        """What the latest look at a model came to, as far as the view has not changed since."""

    @property
    def view(self) -> View | None:
        """The latest view; None before the first."""
        return self._view

    @property
    def apart(self) -> bool:
        """Whether the view lacks what others have put on record: it must be made anew."""
        return self._apart

    def ours(self, commit: str | None, since: str | None) -> bool:
        """Return whether all records that were written from one commit to another are ours."""
        with self._lock:
            while commit != since and commit in self._made:
                commit = self._made[commit]
            return commit == since

    def fresh(self, read: Callable[[], View], use: Callable[[View], T]) -> T:
        """Read a view and use it, although records may be written while it is read.

        Without that, what was just released would be taken out of production again: by a view
        that is older than the release, and comes after it.
        """
        written = self._written
        view = read()
        with self.turn:
            return use(view if written == self._written else read())

    def replace(self, view: View) -> set[str]:
        """Work with another view from now on, and return the models that it changes something for.

        Those are the ones that were settled before, too; what the passes of settled models have
        learned is forgotten.
        """
        with self._lock:
            before, self._view = self._view, view
            self._apart = False
            names = view.names()
            self._samples = {n: v for n, v in self._samples.items() if not view.tells(n)}
            kept = self._samples.keys()
            self._memory = {n: m for n, m in self._memory.items() if n in kept or view.tells(n)}
            if before is None:
                return names
            both = names | before.names()
            changed = {n for n in both if view.tells(n) and _changed(n, before, view)}
            self._plans = {
                n: p for n, p in self._plans.items() if view.tells(n) and n not in changed
            }
        return changed

    def recorded(self, snapshot: Snapshot) -> None:
        """Take in what was committed; records of others may have come in between, see `apart`.

        Whoever calls holds `turn`.
        """
        with self._lock:
            self._written += 1
            if snapshot.commit != snapshot.parent:
                self._made[snapshot.commit] = snapshot.parent
            if len(self._made) > _MOST_MADE:
                del self._made[next(iter(self._made))]
            if self._view is not None:
                self._apart = self._apart or not self._view.precedes(snapshot)
                self._view = self._view.recorded(snapshot)
            for name in snapshot.records.keys() & self._samples.keys():
                self._samples[name] = self._samples[name].recorded(snapshot)

    def sample(self, view: View) -> None:
        """Keep a view of models that the latest one does not tell of, for one look at each."""
        with self._lock:
            if self._view is not None:
                told = {n for n in view.names() if self._view.tells(n)}
                self._samples |= dict.fromkeys(view.names() - told, view)

    def sampled(self, name: str) -> bool:
        """Return whether a settled model is being looked at."""
        with self._lock:
            return name in self._samples

    def note(self, looked: Pass, plan: Plan) -> None:
        """Keep what a look came to, unless it looked at what has changed meanwhile."""
        with self._lock:
            if self._view is not None and looked.fleet is self._view.fleet:
                self._plans[looked.name] = plan

    def holds(self, looked: Pass) -> bool:
        """Return whether a pass saw the revision that is followed now, or a sample."""
        with self._lock:
            view = self._samples.get(looked.name) or self._view
            return view is not None and looked.fleet is view.fleet

    def noted(self, name: str) -> bool:
        """Return whether a model was looked at since something changed for it."""
        with self._lock:
            return name in self._plans

    def plans(self) -> tuple[View, dict[str, Plan]] | None:
        """Return the latest view and what looks at its models came to; None before the first."""
        with self._lock:
            return None if self._view is None else (self._view, dict(self._plans))

    def rests(self, name: str) -> bool:
        """Drop the sample of a model that was looked at, and return whether it is settled."""
        with self._lock:
            self._samples.pop(name, None)
            settled = self._view is not None and not self._view.tells(name)
            if settled:
                self._memory.pop(name, None)
            return settled

    def record(self, name: str) -> Record | None:
        """Return a model's record; None: it has none, or nothing is known of it."""
        with self._lock:
            view = self._telling(name)
            return None if view is None else view.snapshot.records.get(name)

    def begin(self, name: str) -> Pass | None:
        """Return a pass of a model; None when nothing is known of it: then nothing may be done."""
        with self._lock:
            view = self._telling(name)
            if view is None:
                return None
            memory = self._memory.setdefault(name, Memory())
            return Pass(name, view.fleet, view.snapshot, memory, view.tools, guards=view.guards)

    def _telling(self, name: str) -> View | None:
        view = self._view
        if view is None or not view.tells(name):
            view = self._samples.get(name)
        return view


def _changed(name: str, before: View, after: View) -> bool:
    return not before.tells(name) or _wish(name, before) != _wish(name, after)


def _wish(name: str, view: View) -> Wish:
    declared: object = view.fleet.wish(name)
    if isinstance(declared, Desired):  # whatever the revision
        declared = (declared.spec, declared.fingerprint)
    snapshot = view.snapshot
    record, damage = snapshot.records.get(name), snapshot.quarantined.get(name)
    return Wish(declared, record, damage, view.guards.guarded(name))
