"""Wiring: the composition root, where the outside world is put together for the verbs.

What a part needs is imported when that part is made: a plan of a fleet at rest makes few.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from reconciler.adapters.git import Git
from reconciler.adapters.home import furnish, furnished, home
from reconciler.adapters.memo import Memo
from reconciler.adapters.runtime import installed, stamp
from reconciler.controller import recall as recalls
from reconciler.controller.recall import Recalled
from reconciler.controller.workspace import Workspace
from reconciler.core import compilation, models_map
from reconciler.core.runtime import LIBRARIES
from reconciler.errors import TransientError

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping

    from reconciler.adapters.deployed import DeployedStore, Move
    from reconciler.adapters.mirror import Mirror
    from reconciler.adapters.snapshot import Snapshot
    from reconciler.adapters.status import StatusStore
    from reconciler.cli.endpoints import Endpoints
    from reconciler.controller.artifacts import Artifacts
    from reconciler.controller.events import Listen
    from reconciler.controller.fleet import Fleet
    from reconciler.controller.guards import Guards
    from reconciler.controller.kept_events import KeptEvents
    from reconciler.controller.reports import Reports
    from reconciler.controller.serving import Serving
    from reconciler.controller.training import Trainer
    from reconciler.core.conditions import Condition
    from reconciler.core.plan import Plan
    from reconciler.core.told import Told
    from reconciler.ports.targets import Target, Verify
    from reconciler.spec.catalogue import Catalogue


@dataclass(frozen=True, slots=True)
class Others:
    """The models of a revision that are not known to be settled, and those that are."""

    recalled: Recalled
    fleet: Fleet
    """Without the settled ones, as are the records."""
    snapshot: Snapshot

    def named(self) -> set[str]:
        """Return the files and folders that specs name."""
        return self.recalled.named() | named(self.fleet)


@dataclass(frozen=True)
class Site:
    """One repository and what a verb needs of it; each part is made when it is first asked for."""

    git: Git
    workspace: Workspace
    move: Move | None = None
    """How the branch of records is moved; None: here, and nowhere else."""
    secret: str | None = field(default=None, repr=False)
    """By which the server beside us knows us; None: there is none."""

    @property
    def root(self) -> Path:
        """The folder that holds what is ours; without a working tree, it stands for its top."""
        return self.workspace.root

    def on_disk(self, path: str) -> bool:
        """Return whether the working tree, if there is one, has a file, committed or not."""
        return not self.git.bare and (self.git.root / path).is_file()

    def following(self, commit: str) -> Site:
        """Return the repository as the settings of a commit have it: itself, unless it is bare.

        Raises:
            TransientError: They cannot be written down.
            TerminalError: They cannot hold here.
        """
        return replace(self) if furnish(self.git, commit) else self

    @cached_property
    def catalogue(self) -> Catalogue:
        """The estimators that specs may name."""
        from reconciler.adapters import catalogue

        return catalogue.load(self.workspace.cache)

    @cached_property
    def status(self) -> StatusStore:
        """How models are doing."""
        from reconciler.adapters.status import StatusStore

        return StatusStore(self.workspace.status)

    @cached_property
    def store(self) -> DeployedStore:
        """The release records."""
        return self.records()

    def records(self, only: str | None = None) -> DeployedStore:
        """Return the release records: of one model, or of all where it is None."""
        from reconciler.adapters import dvc_config
        from reconciler.adapters.deployed import DeployedStore

        return DeployedStore(
            self.git, remotes=lambda: dvc_config.remotes(self.root), only=only, move=self.move
        )

    @cached_property
    def artifacts(self) -> Artifacts:
        """What versions point to."""
        from reconciler.adapters import dvc_config
        from reconciler.adapters.cache import Cache
        from reconciler.adapters.dvc_remote import Remote
        from reconciler.controller.artifacts import Artifacts

        cache = Cache(dvc_config.cache_dir(self.root), Remote(self.root).fetch)
        return Artifacts(cache, self.workspace.bundles, installed(LIBRARIES))

    def share(self) -> int | None:
        """Push what is kept to a DVC remote that the records do not name yet; see `share`."""
        from reconciler.adapters import dvc_config
        from reconciler.adapters.cache import Cache
        from reconciler.adapters.dvc_remote import Remote
        from reconciler.controller.sharing import share

        return share(self.store, Remote(self.root), Cache(dvc_config.cache_dir(self.root)))

    @cached_property
    def reports(self) -> Reports:
        """What is known of versions, for people."""
        from reconciler.controller.reports import Reports

        return Reports(self.artifacts, self.workspace.reports)

    def fleet(self, revision: str, only: str | None = None) -> Fleet:
        """Return what `revision` declares: of one model, or of all where it is None."""
        from reconciler.controller import fleet as fleets

        commit = self.git.resolve(revision)
        return fleets.load(self.git, commit, self.catalogue, self.memo(), only)

    @cached_property
    def settled(self) -> Memo:
        """Remembers which models are settled."""
        return Memo(self.workspace.settled)

    def recall(self, commit: str) -> Recalled:
        """Return the models that need not be looked at: nothing of theirs has changed."""

        def settings() -> str | None:
            files = (compilation.SETTINGS, compilation.PARAMS, compilation.PIPELINE)
            ids = self.git.ids([f"{commit}:{path}" for path in files])
            there = [oid for oid in ids if oid]
            blobs = self.git.blobs(there)
            whole = any(ids[:2]) and ids[2]
            return models_map.settings(*(blobs[oid] for oid in there)) if whole else None

        return recalls.recall(self.git, self.settled, commit, stamp(), settings)

    def others(self, commit: str, recalled: Recalled) -> Others:
        """Return the models that must be looked at, those of `recalled` left out."""
        from reconciler.controller import fleet as fleets

        memo, known = self.memo(), recalled.models
        fleet = fleets.load(self.git, commit, self.catalogue, memo, skip=known)
        gone = {n for n in fleet.renaming if n in known and known[n].reason == "Retired"}
        if gone:  # a spec that cannot be followed calls its model so
            recalled = recalled.without(gone)
            fleet = fleets.load(self.git, commit, self.catalogue, memo, skip=recalled.models)
        # where it was found which are settled: at a later commit one of these may be another
        snapshot = self.store.read_others(recalled.models, recalled.deployed)
        return Others(recalled, fleet, snapshot)

    def remember(self, others: Others, plans: Mapping[str, tuple[str, str] | None]) -> None:
        """Remember that models have no next step; `plans` as in `recall.learned`."""
        before = others.recalled
        after = recalls.learned(before, plans, others.fleet, others.snapshot)
        if after != before or not before.kept:
            recalls.keep(self.settled, after)

    def memo(self) -> StatusStore | None:
        """Return what remembers parsed specs; None where it cannot be used."""
        try:
            return self.status if self.workspace.base.is_dir() else None
        except TransientError:
            return None

    def uncommitted(self, fleet: Fleet, rev: str) -> tuple[str, ...]:
        """Return a note about changes of the working tree that `rev` does not hold."""
        return self.beside(named(fleet), rev, fleet.revision)

    def beside(self, paths: Collection[str], rev: str, commit: str) -> tuple[str, ...]:
        """Return a note about uncommitted changes of specs, of settings, or at `paths`."""
        if rev != "HEAD" or self.git.bare:
            return ()
        settings = (compilation.SETTINGS, compilation.PARAMS, compilation.PIPELINE)
        watched = (compilation.SPECS, *settings, *sorted(paths)[:1000])
        found = self.git.uncommitted(watched)
        if not found:
            return ()
        more = f" and {len(found) - 3} more" if len(found) > 3 else ""
        verb = "is" if len(found) == 1 else "are"
        listed = ", ".join(found[:3])
        return (f"{listed}{more} {verb} not committed; HEAD ({commit[:7]}) is followed",)

    def apart(self) -> tuple[str, ...]:
        """Return a note about decisions that origin has on record and this clone has not."""
        from reconciler.adapters.counterpart import apart

        far = apart(self.git)
        return (f"{far.what}: {far.hint}",) if far.what else ()

    def serving(self, fleet: Fleet, listen: Listen = lambda _: None) -> Serving:
        """Return the targets of a fleet; `listen` is told what is done there."""
        from reconciler.bundle.manifest import verify
        from reconciler.controller import telling
        from reconciler.controller.serving import Serving

        settings = fleet.params.targets
        targets, followed = self.targets(settings, verify), self.endpoints.followed(settings)
        told = telling.serving(listen)
        return Serving(targets, self.artifacts.champion, self.artifacts.gather, told, followed)

    def targets(
        self, settings: Mapping[str, Mapping[str, Any]], verify: Verify
    ) -> dict[str, Target]:
        """Return every target that bundles are published at, by the name that specs give it.

        Raises:
            SpecError: The settings of one cannot be followed.
        """
        from reconciler.adapters.targets import KNOWN, open_target

        return {n: open_target(n, settings.get(n, {}), self.root, verify) for n in KNOWN}

    @cached_property
    def endpoints(self) -> Endpoints:
        """The inference servers, and what is known of them."""
        from reconciler.cli.endpoints import Endpoints

        base, secret = self.workspace.base, self.secret
        return Endpoints(lambda digest: self.artifacts.golden(digest), base, secret)

    def trainer(
        self,
        jobs: int,
        listen: Listen,
        ended: Callable[[str], None] | None = None,
        memory: int | None = None,
    ) -> Trainer:
        """Return what trains in the background, in slots that nothing runs in any more.

        `memory` is the bytes that each training may take; None: most of what there is.
        """
        from reconciler.adapters import machine
        from reconciler.adapters.slots import SlotPool
        from reconciler.controller.slices import Slices
        from reconciler.controller.training import Trainer

        pool = SlotPool(self.workspace.slots, jobs, self.root)
        pool.end_orphans()
        work = Slices(self.git, pool)
        bound = memory or machine.fair()
        return Trainer(work.run, self.workspace.logs, jobs, listen, ended, bound)

    def guards(self, fleet: Fleet, snapshot: Snapshot, recalled: Recalled | None = None) -> Guards:
        """Return what keeps changes back at the fleet's commit.

        Args:
            fleet: What is declared, without the models of `recalled`.
            snapshot: What is on record, without them too.
            recalled: Models that are settled; None: there is no other.
        """
        from reconciler.controller.guards import guards

        settled = recalled.models.values() if recalled else ()
        others = sum(known.champion is not None for known in settled)
        allowed = self.workspace.allowed()
        return guards(fleet, snapshot.records, datetime.now(UTC), allowed, others)

    def release_plans(self, snapshot: Snapshot) -> dict[str, Plan]:
        """Return what the release rules say of each model at HEAD.

        Raises:
            ReconcilerError: HEAD cannot be followed.
        """
        from reconciler.controller.planning import plans

        fleet = self.fleet("HEAD")
        return plans(fleet, snapshot, self.guards(fleet, snapshot), datetime.now(UTC))

    def seen(self) -> dict[str, tuple[str, str, str]]:
        """Return sync, health and detail of each model as they were last seen."""
        if not self.workspace.status.exists():
            return {}
        try:
            return self.status.seen()
        except TransientError:
            return {}

    def observed(self) -> tuple[dict[str, Any], dict[str, list[dict[str, str]]]]:
        """Return how each model stood when it was last looked at, and its conditions."""
        if not self.workspace.status.exists():
            return {}, {}
        seen = {
            name: {"sync": sync.value, "health": health.value, "detail": detail, "seen": str(at)}
            for name, (sync, health, detail, at) in self.status.observed().items()
        }
        conditions = {
            name: [_condition(c) for c in found.values()]
            for name, found in self.status.conditions().items()
        }
        return seen, conditions

    def events(
        self, model: str | None = None, *, after: int = 0, most: int = 1000
    ) -> tuple[int, tuple[Told, ...]]:
        """Return what happened lately; see `StatusStore.events`."""
        if not self.workspace.status.exists():
            return after, ()
        return self.status.events(model, after, most)

    def kept_events(self) -> KeptEvents:
        """Return what keeps events for `events` to show."""
        from reconciler.adapters.status import StatusStore
        from reconciler.controller.kept_events import KeptEvents

        return KeptEvents(lambda: StatusStore(self.workspace.status), lambda: datetime.now(UTC))

    def export(self) -> None:
        """Show the records as files, for people."""
        from reconciler.adapters.export import export

        export(self.git, self.store.ref)


def named(fleet: Fleet) -> set[str]:
    """Return the files and folders that specs of a fleet name."""
    specs = (spec for name in fleet.models if (spec := fleet.spec(name)))
    named = {path for spec in specs for path in compilation.rests_on(spec) or ()}
    return named.union(*(adoption.contents.code for adoption in fleet.adoptions.values()))


def _condition(condition: Condition) -> dict[str, str]:
    return {
        "type": condition.type.value,
        "status": condition.status.value,
        "reason": condition.reason,
        "message": condition.message,
        "since": condition.since.isoformat(),
    }


def mirrored(mirror: Mirror) -> Site:
    """Return the bare repository that mirrors a remote one; records move on the remote first."""
    return Site(mirror.git, Workspace(home(mirror.git)), mirror.move)


def open_site(path: Path | None = None, rev: str | None = "HEAD") -> Site:
    """Return the repository that `path` (default: the current folder) is in, bare or not.

    Args:
        path: A folder in it.
        rev: The revision whose DVC settings hold in a bare repository that has none yet; None:
            that of the first commit that is followed, see `Site.following`.

    Raises:
        UsageError: It is in none, or a bare repository has no such revision.
    """
    git = Git.open(path or Path.cwd())
    if rev is not None and not furnished(git):
        furnish(git, git.resolve(rev))
    return Site(git, Workspace(home(git)))
