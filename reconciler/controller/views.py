"""Views: what is declared and on record, of the models that are not known to be at rest."""

from __future__ import annotations

from collections.abc import Container, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Protocol

from reconciler.adapters.snapshot import Snapshot
from reconciler.controller.fleet import Fleet
from reconciler.controller.guards import UNGUARDED, Guards
from reconciler.controller.passes import Tools


@dataclass(frozen=True, slots=True)
class View:
    """One revision and the records at one commit, without the models that are known settled."""

    fleet: Fleet
    snapshot: Snapshot
    tools: Tools
    """With the targets and the runtime that this revision declares."""
    guards: Guards = UNGUARDED
    """What keeps its changes of production back."""
    settled: Container[str] = field(default_factory=frozenset)
    """Models that it says nothing about: they were as declared, and nothing of theirs changed."""

    def names(self) -> set[str]:
        """Return the models that it tells of."""
        return {*self.fleet.models, *self.snapshot.records, *self.snapshot.quarantined}

    def tells(self, name: str) -> bool:
        """Return whether it knows about a model; else nothing may be concluded from it."""
        return name not in self.settled

    def recorded(self, snapshot: Snapshot) -> View:
        """Return the same with some records as they are by now.

        It stays at its commit where the new one was made on another: what others have written
        in between is unknown here.

        Args:
            snapshot: The branch after a commit, with the records that it has changed.
        """
        records = {**self.snapshot.records, **snapshot.records}
        commit = snapshot.commit if self.precedes(snapshot) else self.snapshot.commit
        return replace(self, snapshot=replace(self.snapshot, commit=commit, records=records))

    def precedes(self, snapshot: Snapshot) -> bool:
        """Return whether a commit was made on the records as they are known here."""
        return snapshot.parent == self.snapshot.commit


class Views(Protocol):
    """Makes views of a repository; one thread asks."""

    def at(self, revision: str) -> View:
        """Return what is to be looked at, at a commit and the records as they stand now.

        Raises:
            SpecError: Its settings, on which every model rests, cannot be followed.
            TransientError: The repository cannot be read now.
        """
        ...

    def before(self, revision: str) -> tuple[str, ...]:
        """Return the last commits that came before one on its branch, the newest first."""
        ...

    def of(self, revision: str, names: Sequence[str]) -> View:
        """Return the same of the named models alone, settled or not."""
        ...

    def allowed(self) -> str | None:
        """Return the commit of which a person has allowed to change as much as it does."""
        ...

    def recorded(self) -> tuple[str, ...]:
        """Return every model that has a record, sorted."""
        ...

    def remember(self, view: View, plans: Mapping[str, tuple[str, str] | None]) -> None:
        """Remember which models of a view are at rest: reason and message of each plan.

        None: the model has a next step.
        """
        ...

    def publish(self) -> None:
        """Show the records to people, and see to it that what they point to can be had.

        Raises:
            ReconcilerError: That is not possible now.
        """
        ...
