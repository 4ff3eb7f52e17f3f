"""A controller with stand-ins for everything outside of it."""

from __future__ import annotations

import hashlib
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from reconciler.adapters.deployed import Change, DeployedStore
from reconciler.adapters.git import Person
from reconciler.adapters.snapshot import Snapshot
from reconciler.adapters.status import StatusStore
from reconciler.adapters.targets.memory import MemoryTarget
from reconciler.controller.delivery import Delivery
from reconciler.controller.engine import Engine
from reconciler.controller.events import Decided, Event
from reconciler.controller.fleet import Fleet
from reconciler.controller.leasing import Leasing
from reconciler.controller.passes import Permit, Tools
from reconciler.controller.serving import Serving
from reconciler.controller.training import Artifacts, Job, Trainer
from reconciler.core.plan import Desired, Invalid
from reconciler.core.record import (
    Outcome,
    Pointer,
    Record,
    Version,
)
from reconciler.core.runtime import Mismatch
from reconciler.core.standing import Standing
from reconciler.core.verdict import Evidence, Verdict
from reconciler.core.verdict import Outcome as Said
from reconciler.errors import TerminalError
from reconciler.ports.servers import Servers
from reconciler.ports.targets import Followed
from reconciler.spec.model import ModelSpec
from reconciler.spec.params import Params

NOW = datetime(2026, 1, 1, tzinfo=UTC)


def md5(text: str) -> str:
    return hashlib.md5(text.encode(), usedforsecurity=False).hexdigest()


def declared(
    name: str = "m",
    fingerprint: str = "fp1",
    *,
    floor: float = 0.5,
    revision: str = "r1",
    timeout: str | None = None,
    on_violation: str = "hold",
    metric: str = "r2",
    compare: bool = False,
    rollout: Mapping[str, object] | None = None,
    target: str = "directory",
) -> Desired:
    rules: list[dict[str, object]] = [{"metric": metric, "min": floor}]
    if compare:
        rules.append({"metric": "rmse", "compare": "champion"})
    spec = ModelSpec.model_validate(
        {
            "apiVersion": "reconciler/v1",
            "kind": "Model",
            "metadata": {"name": name},
            "spec": {
                "data": {"source": "data/x.csv", "target": "y"},
                "training": {"estimator": "sklearn.linear_model.Ridge", "timeout": timeout},
                "acceptance": rules,
                "deployment": {
                    "on_violation": on_violation,
                    "rollout": rollout,
                    "target": target,
                },
            },
        }
    )
    return Desired(spec, fingerprint, revision)


class MemoryStore(DeployedStore):
    """The branch without git; every commit is counted."""

    def __init__(self) -> None:
        self.snapshot = Snapshot(None)
        self.commits: list[tuple[str, ...]] = []
        self.refuses: dict[str, Exception] = {}

    def read(self) -> Snapshot:
        return self.snapshot

    def record(self, model: str) -> Record | None:
        return self.snapshot.records.get(model)

    def commit(self, changes: Mapping[str, Change], author: Person | None = None) -> Snapshot:
        for name in changes:
            if name in self.refuses:
                raise self.refuses[name]
        records = dict(self.snapshot.records)
        for name, change in changes.items():
            changed = change(records.get(name))
            assert changed is not None
            records[name] = changed
        self.commits.append(tuple(sorted(changes)))
        quarantined = self.snapshot.quarantined
        before = self.snapshot.commit
        self.snapshot = Snapshot(f"c{len(self.commits)}", records, quarantined, before)
        return self.snapshot


@dataclass
class World:
    """Everything that an engine works with; what differs from `all goes well` is set by tests."""

    folder: Path
    store: MemoryStore = field(default_factory=MemoryStore)
    followed: dict[str, Followed] = field(default_factory=dict)
    """Targets whose servers follow the records."""
    broken: dict[str, Exception] = field(default_factory=dict)
    """What training a fingerprint raises."""
    bundles: dict[str, str] = field(default_factory=dict)
    """The bundle of a fingerprint, where it is not its own."""
    undrafted: dict[str, Exception] = field(default_factory=dict)
    gate: Callable[[Desired, Version], Verdict] = field(default=lambda d, v: passed())
    lost: set[str] = field(default_factory=set)
    """Bundles that are nowhere to be had until they are trained again."""
    gone: set[str] = field(default_factory=set)
    """Bundles that stay lost however often they are trained."""
    trained: list[str] = field(default_factory=list)
    judged: list[str] = field(default_factory=list)
    events: list[Event] = field(default_factory=list)
    mismatches: tuple[Mismatch, ...] = ()
    work: Callable[[Job], None] = field(default=lambda job: None)
    jobs: int = 2
    params: Params = field(default_factory=Params)
    now: datetime = NOW
    allowed: str | None = None
    """The commit that may change as much at once as it does."""
    memory: int | None = None
    servers: Servers | None = None
    """Who tells of rollouts; None: nobody."""

    def __post_init__(self) -> None:
        self.target = MemoryTarget(lambda _: None)
        self.status = StatusStore(self.folder / "status.db")
        (self.folder / "bundle").mkdir(exist_ok=True)

    def apply(
        self,
        *models: Desired | Invalid,
        names: tuple[str, ...] = (),
        permit: Permit = lambda _model, _action: True,
        before: Desired | None = None,
    ) -> dict[str, Standing]:
        """Run one apply over what is declared; an Invalid is called `m`.

        `before` is in training already when it begins.
        """
        by_name = {m.spec.name if isinstance(m, Desired) else "m": m for m in models}
        revision = next((m.revision for m in models if isinstance(m, Desired)), "r9")
        fleet = Fleet(revision, {}, self.params, {}, by_name, (), {}, {})
        trainer = self.trainer()
        tools = self.tools(trainer)
        engine = Engine(fleet, tools, self.events.append, permit, self.allowed)
        if before is not None:
            trainer.start(fleet, before, ())
            while before.fingerprint not in self.trained:
                time.sleep(0.001)
        try:
            return engine.converge(names or engine.names())
        finally:
            trainer.stop()

    def trainer(self, ended: Callable[[str], None] | None = None) -> Trainer:
        logs, listen = self.folder / "logs", self.events.append
        return Trainer(self._train, logs, self.jobs, listen, ended, self.memory)

    def tools(self, trainer: Trainer, leasing: Leasing | None = None) -> Tools:
        return Tools(
            store=self.store,
            trainer=trainer,
            drafts=self._draft,
            gate=self,
            serving=Serving(
                {"directory": self.target},
                self._fetch,
                followed=self.followed,
            ),
            status=self.status,
            clock=lambda: self.now,
            mismatches=self.mismatches,
            leasing=leasing or Leasing(),
            delivery=self._delivery(),
        )

    def _delivery(self) -> Delivery | None:
        if self.servers is None:
            return None
        return Delivery(self.servers, self.status, lambda: self.now)

    def record(self, name: str = "m") -> Record:
        return self.store.snapshot.records[name]

    def champion(self, name: str = "m") -> Version:
        champion = self.record(name).champion
        assert champion is not None
        return champion

    def outcomes(self, name: str = "m") -> list[tuple[int, str]]:
        return [(v.number, v.outcome.value) for v in self.record(name).versions]

    def told(self) -> list[tuple[str, str]]:
        return [(e.model, e.reason) for e in self.events if isinstance(e, Decided)]

    def judge(
        self, desired: Desired, version: Version, champion: Version | None, released: bool
    ) -> Verdict:
        bundle = str(version.bundle_digest)
        self.judged.append(bundle)
        if bundle in self.lost | self.gone:
            raise TerminalError("its bundle is gone", reason="DataMissing")
        return self.gate(desired, version)

    def _train(self, job: Job) -> Artifacts:
        self.trained.append(job.desired.fingerprint)
        self.work(job)
        if (error := self.broken.get(job.desired.fingerprint)) is not None:
            raise error
        d = job.desired
        return Artifacts(d.fingerprint, d.revision, d.timeout, {}, {"train": 1.0})

    def _draft(self, model: str, left: Artifacts, now: datetime) -> Version:
        if (error := self.undrafted.get(left.fingerprint)) is not None:
            raise error
        bundle = self.bundles.get(left.fingerprint, f"bundle of {model} {left.fingerprint}")
        self.lost.discard(md5(bundle) + ".dir")
        return Version(
            number=1,
            outcome=Outcome.INCONCLUSIVE,
            fingerprint=left.fingerprint,
            revision=left.revision,
            created=now,
            bundle=Pointer(md5=md5(bundle) + ".dir"),
            predictions=Pointer(md5=md5(f"predictions of {bundle}")),
            prepared=Pointer(md5=md5("prepared") + ".dir"),
            timeout=left.timeout,
        )

    def _fetch(self, record: Record) -> Path:
        assert record.champion is not None
        if record.champion.bundle_digest in self.lost | self.gone:
            raise TerminalError("its bundle is gone", reason="DataMissing")
        return self.folder / "bundle"


def passed() -> Verdict:
    return said(Said.PASSED)


def said(outcome: Said, metric: str = "r2") -> Verdict:
    message = f"{metric} is {outcome}"
    item = Evidence(metric, outcome, 0.7, {"min": 0.5}, 100, message)
    return Verdict(outcome, outcome.value.title(), message, (item,))


def above(values: Mapping[str, float]) -> Callable[[Desired, Version], Verdict]:
    """Return a gate that knows the metric of each fingerprint and asks the declared minimum."""

    def gate(desired: Desired, version: Version) -> Verdict:
        minimum = desired.spec.spec.acceptance[0].min
        assert minimum is not None
        good = values[version.fingerprint] >= minimum
        return said(Said.PASSED if good else Said.FAILED)

    return gate


def until(event: threading.Event, seconds: float = 5, model: str = "") -> Callable[[Job], None]:
    """Return work that takes until the event is set, for one model or for all."""

    def work(job: Job) -> None:
        if model in ("", job.model):
            event.wait(seconds)

    return work
