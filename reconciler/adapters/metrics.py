"""Metrics: what a daemon counts and measures, in the text formats that Prometheus reads.

No label names a model: ten thousand models make as many series as one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Histogram,
    Info,
    ProcessCollector,
    disable_created_metrics,
    generate_latest,
)
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.openmetrics import exposition as openmetrics
from prometheus_client.registry import Collector

from reconciler import __version__
from reconciler.core.conditions import Health, Sync
from reconciler.core.target_plan import COUNTED

#: What a pass is about: a model's release, its target, or its rollout.
KINDS = ("release", "target", "rollout")
#: How a pass ends: it changed something, had nothing to do, waits for something, or failed.
RESULTS = ("acted", "rest", "waiting", "failed")
#: How a rollout stands: it goes on by itself, waits for a person, or no server tells of it.
ROLLOUTS = ("advancing", "stalled", "unseen")
_PLAIN = "text/plain; version=0.0.4; charset=utf-8"
_BUCKETS_S = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)


@dataclass(frozen=True, slots=True)
class Gauges:
    """What is asked for when somebody reads the metrics; any thread may call it."""

    queued: Callable[[], Mapping[str, int]]
    """Keys that wait for a pass, by kind."""
    standing: Callable[[], Mapping[tuple[str, str], int]]
    """Models by sync and health, as the words of `Sync` and `Health`."""
    rollouts: Callable[[], Mapping[str, int]]
    """Rollouts by how they stand, as the words of `ROLLOUTS`."""
    trainings: Callable[[], int]
    """Trainings that run."""
    sync_age_s: Callable[[], float]
    """Seconds since the refs were last followed; since the start where they were not."""


class Metrics:
    """Counts and measures in a registry of its own; any thread may call any method."""

    def __init__(self) -> None:
        disable_created_metrics()  # they would be a second series for every counter
        self._registry = CollectorRegistry()
        self._passes = Histogram(
            "reconciler_pass_duration_seconds",
            "How long passes took, by what they were about and how they ended.",
            ("kind", "result"),
            buckets=_BUCKETS_S,
            registry=self._registry,
        )
        for kind in KINDS:
            for result in RESULTS:
                self._passes.labels(kind, result)
        self._commits = self._counter("record_commits", "Commits made on the branch of records.")
        self._remote = self._counter(
            "remote_errors", "Looks at the git remote, and pushes to it, that failed."
        )
        self._superseded = self._counter(
            "trainings_superseded", "Trainings that ended because they were not wanted any more."
        )
        self._heals = Counter(
            "reconciler_heals",
            "Models made well again where they are served, by what was wrong.",
            ("reason",),
            registry=self._registry,
        )
        for fault in COUNTED:
            self._heals.labels(fault.value)
        info = Info("reconciler_build", "The program's version.", registry=self._registry)
        info.info({"version": __version__})
        ProcessCollector(registry=self._registry)

    def ask(self, gauges: Gauges) -> None:
        """Ask for these at each reading from now on; to be called once."""
        self._registry.register(_Asked(gauges))

    def passed(self, kind: str, result: str, seconds: float) -> None:
        """Count a pass: one of `KINDS`, one of `RESULTS`, and how long it took."""
        self._passes.labels(kind, result).observe(seconds)

    def committed(self) -> None:
        """Count a commit of records."""
        self._commits.inc()

    def remote_failed(self) -> None:
        """Count a look at the git remote, or a push to it, that failed."""
        self._remote.inc()

    def superseded(self) -> None:
        """Count a training that was cancelled because it is not wanted any more."""
        self._superseded.inc()

    def healed(self, reason: str) -> None:
        """Count a model that is served as it should be again; `reason` is a word of `Fault`."""
        self._heals.labels(reason).inc()

    def render(self, accept: str = "") -> tuple[str, bytes]:
        """Return content type and text: OpenMetrics where `accept`, an HTTP header, names it."""
        if "application/openmetrics-text" in accept:
            return openmetrics.CONTENT_TYPE_LATEST, openmetrics.generate_latest(self._registry)
        return _PLAIN, generate_latest(self._registry)

    def _counter(self, name: str, documentation: str) -> Counter:
        return Counter(f"reconciler_{name}", documentation, registry=self._registry)


class _Asked(Collector):
    """The gauges, asked for when they are read."""

    def __init__(self, gauges: Gauges) -> None:
        self._gauges = gauges

    def collect(self) -> Iterator[Metric]:
        """Give every gauge; a word that nobody stands by now is told as 0."""
        queued = GaugeMetricFamily(
            "reconciler_queue_depth", "Keys that wait for a pass.", labels=("kind",)
        )
        depth = self._gauges.queued()
        for kind in KINDS:
            queued.add_metric((kind,), depth.get(kind, 0))
        yield queued
        models = GaugeMetricFamily(
            "reconciler_models", "Models, by how they stand.", labels=("sync", "health")
        )
        counts = self._gauges.standing()
        for sync in Sync:
            for health in Health:
                models.add_metric((sync, health), counts.get((sync, health), 0))
        yield models
        rollouts = GaugeMetricFamily(
            "reconciler_rollouts", "Rollouts that are on, by how they stand.", labels=("state",)
        )
        states = self._gauges.rollouts()
        for state in ROLLOUTS:
            rollouts.add_metric((state,), states.get(state, 0))
        yield rollouts
        yield GaugeMetricFamily(
            "reconciler_trainings_running", "Trainings that run.", value=self._gauges.trainings()
        )
        yield GaugeMetricFamily(
            "reconciler_last_sync_age_seconds",
            "Seconds since the refs were last followed; since the start where they were not.",
            value=self._gauges.sync_age_s(),
        )
