"""Wiring: the composition root, where the outside world is put together for the verbs."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from reconciler.adapters import catalogue, dvc_config
from reconciler.adapters.deployed import DeployedStore
from reconciler.adapters.export import export
from reconciler.adapters.git import Git
from reconciler.adapters.runtime import installed
from reconciler.adapters.snapshot import Snapshot
from reconciler.adapters.status import StatusStore
from reconciler.controller import fleet as fleets
from reconciler.controller.fleet import Fleet
from reconciler.controller.memory import Memory, observed
from reconciler.controller.workspace import Workspace
from reconciler.core import compilation
from reconciler.core.conditions import Condition
from reconciler.core.plan import Desired, Plan, plan_release
from reconciler.core.record import Version
from reconciler.core.runtime import LIBRARIES, mismatches
from reconciler.core.verdict import Verdict
from reconciler.errors import ReconcilerError, TransientError
from reconciler.spec.catalogue import Catalogue

if TYPE_CHECKING:
    from reconciler.controller.artifacts import Artifacts
    from reconciler.controller.engine import Tools
    from reconciler.controller.events import Listen
    from reconciler.controller.serving import Serving


@dataclass(frozen=True)
class Site:
    """One repository and what a verb needs of it; each part is made when it is first asked for."""

    git: Git
    workspace: Workspace

    @property
    def root(self) -> Path:
        """The top folder of the working tree."""
        return self.git.root

    @cached_property
    def catalogue(self) -> Catalogue:
        """The estimators that specs may name."""
        return catalogue.load(self.workspace.cache)

    @cached_property
    def status(self) -> StatusStore:
        """How models are doing."""
        return StatusStore(self.workspace.status)

    @cached_property
    def store(self) -> DeployedStore:
        """The release records."""
        remotes = dvc_config.remotes(self.root)
        return DeployedStore(self.git, remotes=remotes.options, default_remote=remotes.default)

    @cached_property
    def artifacts(self) -> Artifacts:
        """What versions point to."""
        from reconciler.adapters.cache import Cache
        from reconciler.adapters.dvc_remote import Remote
        from reconciler.controller.artifacts import Artifacts

        cache = Cache(dvc_config.cache_dir(self.root), Remote(self.root).fetch)
        return Artifacts(cache, self.workspace.bundles, installed(LIBRARIES))

    def fleet(self, revision: str) -> Fleet:
        """Return what `revision` declares."""
        return fleets.load(self.git, self.git.resolve(revision), self.catalogue, self._memo())

    def _memo(self) -> StatusStore | None:
        """Return what remembers parsed specs; None where it cannot be used."""
        try:
            return self.status if self.workspace.base.is_dir() else None
        except TransientError:
            return None

    def uncommitted(self, fleet: Fleet, rev: str) -> tuple[str, ...]:
        """Return a note about changes of the working tree that `rev` does not hold."""
        if rev != "HEAD":
            return ()
        specs = (fleet.spec(name) for name in fleet.models)
        data = {path for spec in specs if spec and (path := compilation.data_path(spec))}
        watched = ("specs", compilation.PARAMS, compilation.PIPELINE, *sorted(data)[:1000])
        found = self.git.uncommitted(watched)
        if not found:
            return ()
        more = f" and {len(found) - 3} more" if len(found) > 3 else ""
        verb = "is" if len(found) == 1 else "are"
        listed = ", ".join(found[:3])
        return (f"{listed}{more} {verb} not committed; HEAD ({fleet.revision[:7]}) is followed",)

    def serving(self, fleet: Fleet) -> Serving:
        """Return the targets of a fleet."""
        from reconciler.adapters.targets import KNOWN, open_target
        from reconciler.bundle.manifest import verify
        from reconciler.controller.serving import Serving

        settings = fleet.params.targets
        targets = {n: open_target(n, settings.get(n, {}), self.root, verify) for n in KNOWN}
        return Serving(targets, self.artifacts.champion)

    def tools(self, fleet: Fleet, jobs: int, listen: Listen) -> Tools:
        """Return everything that a pass over `fleet` needs, trainings included."""
        from reconciler.adapters.slots import SlotPool
        from reconciler.controller.engine import Tools
        from reconciler.controller.judging import Judging
        from reconciler.controller.measuring import measure
        from reconciler.controller.slices import Slices
        from reconciler.controller.training import Trainer

        pool = SlotPool(self.workspace.slots, jobs, self.root)
        pool.end_orphans()
        work = Slices(self.git, pool, dvc_config.cache_dir(self.root))
        trainer = Trainer(work.run, self.workspace.logs, jobs, listen)
        declared = fleet.params.runtime
        return Tools(
            store=self.store,
            trainer=trainer,
            drafts=self.artifacts.draft,
            gate=Judging(self.artifacts, self.workspace.scored, measure),
            serving=self.serving(fleet),
            status=self.status,
            clock=lambda: datetime.now(UTC),
            mismatches=mismatches(declared, installed(tuple({*LIBRARIES, *declared}))),
        )

    def durations(self) -> dict[str, dict[str, float]]:
        """Return how long each stage took when it last ran; nothing where that cannot be read."""
        if not self.workspace.status.exists():
            return {}
        try:
            return self.status.last_durations()
        except TransientError:
            return {}

    def release_plans(self, snapshot: Snapshot) -> dict[str, Plan]:
        """Return what the release rules say of each model at HEAD; empty when HEAD cannot be."""
        try:
            fleet = self.fleet("HEAD")
        except ReconcilerError:
            return {}
        return {
            name: plan_release(
                fleet.wish(name),
                observed(snapshot.records.get(name), Memory(), None, ()),
                datetime.now(UTC),
            )
            for name in {*fleet.models, *snapshot.records}
        }

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

    def ask(
        self, desired: Desired, version: Version, champion: Version | None, released: bool
    ) -> Verdict | None:
        """Return what the gate says without measuring anything; None: it cannot be known yet."""
        from reconciler.controller.judging import Judging, remembered

        gate = Judging(self.artifacts, self.workspace.scored, remembered(version))
        try:
            return gate.judge(desired, version, champion, released)
        except ReconcilerError:
            return None

    def export(self) -> None:
        """Show the records below the working tree, for people."""
        export(self.git, self.store.ref)


def _condition(condition: Condition) -> dict[str, str]:
    return {
        "type": condition.type.value,
        "status": condition.status.value,
        "reason": condition.reason,
        "message": condition.message,
        "since": condition.since.isoformat(),
    }


def open_site(path: Path | None = None) -> Site:
    """Return the repository that `path` (default: the current folder) is in.

    Raises:
        UsageError: It is in none.
    """
    git = Git.open(path or Path.cwd())
    return Site(git, Workspace(git.root))
