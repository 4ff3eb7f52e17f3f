"""Grounds: what the daemon reads of a repository, view by view."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from reconciler.adapters import machine
from reconciler.adapters.deployed import AllBut
from reconciler.cli.tooling import tools as tools_of
from reconciler.cli.wiring import Others, Site
from reconciler.controller import fleet as fleets
from reconciler.controller.events import Listen
from reconciler.controller.guards import Guards, guards
from reconciler.controller.leasing import Leasing
from reconciler.controller.training import Trainer
from reconciler.controller.views import View

#: Commits that are tried, at most, where the last one cannot be followed.
_MOST_BEFORE = 20


class Grounds:
    """Views of one repository; see `Views`.

    Args:
        site: The repository.
        trainer: What trains for all views.
        leasing: The leases of what it trains.
        listen: Told what is done at targets.
        everything: Changes of any size are allowed, whatever the commit.
    """

    def __init__(
        self, site: Site, trainer: Trainer, leasing: Leasing, listen: Listen, *, everything: bool
    ) -> None:
        self.site = site
        """The repository as the settings of the latest view have it."""
        self._trainer = trainer
        self._leasing = leasing
        self._listen = listen
        self._everything = everything
        self._settled: frozenset[str] = frozenset()
        """Models that the latest view says nothing about."""

    def at(self, revision: str) -> View:
        """Return what is to be looked at; see `Views`."""
        site = self.site = self.site.following(revision)
        # a model that is as declared again is looked at while something else is trained for it
        others = site.others(revision, site.recall(revision).without(self._trainer.models()))
        settled = others.recalled.models
        tools = tools_of(site, others.fleet, self._trainer, self._listen, self._leasing)
        tools.serving.expect(tuple(others.snapshot.records.values()))
        self._settled = frozenset(settled)
        at_rest = sum(known.champion is not None for known in settled.values())
        allowed = revision if self._everything else self.allowed()
        guarded = guards(
            others.fleet, others.snapshot.records, tools.clock(), allowed, others=at_rest
        )
        return View(others.fleet, others.snapshot, tools, guarded, settled)

    def before(self, revision: str) -> tuple[str, ...]:
        """Return the last commits before one, the newest first; see `Views`."""
        argv = ("rev-list", "--first-parent", "--skip=1", f"--max-count={_MOST_BEFORE}", revision)
        return tuple(self.site.git.text(*argv).split())

    def of(self, revision: str, names: Sequence[str]) -> View:
        """Return the same of the named models alone; see `Views`."""
        site, skip = self.site, AllBut(frozenset(names))
        fleet = fleets.load(site.git, revision, site.catalogue, site.memo(), skip=skip)
        tools = tools_of(site, fleet, self._trainer, self._listen, self._leasing)
        snapshot = site.store.read_others(skip)
        tools.serving.expect(tuple(snapshot.records.values()))
        return View(fleet, snapshot, tools, Guards(fleet.params.freeze), skip)

    def allowed(self) -> str | None:
        """Return the commit that may change as much as it does; see `Views`."""
        return self.site.workspace.allowed()

    def recorded(self) -> tuple[str, ...]:
        """Return every model that has a record, sorted."""
        return self.site.store.names()

    def remember(self, view: View, plans: Mapping[str, tuple[str, str] | None]) -> None:
        """Remember which models are at rest; see `Views`."""
        recalled = self.site.recall(view.fleet.revision)
        current = recalled.deployed == view.snapshot.commit  # else somebody has steered
        if current and self._settled <= recalled.models.keys():  # else the memo was lost
            known = {n: plan for n, plan in plans.items() if n not in recalled.models}
            self.site.remember(Others(recalled, view.fleet, view.snapshot), known)

    def publish(self) -> None:
        """Show the records to people, and push what a new DVC remote lacks; see `Views`."""
        machine.give_back()  # a large commit is over
        self.site.export()
        self.site.share()
