"""Metrics: what all workers of a server have counted, in the text format of Prometheus.

A label names a model only once a version of it was served: what clients ask for by names of their
own makes no series. Of each model, the versions that were asked last keep theirs.
"""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import psutil
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    Metric,
)
from prometheus_client.registry import Collector

from reconciler import __version__
from reconciler.serving.crew import Faring
from reconciler.serving.meter import BOUNDS, Series

#: Versions of a model that have series: each is some twenty lines.
KEPT = 16
_VERSION = ("model", "version")
_EDGES = (*(f"{bound:g}" for bound in BOUNDS), "+Inf")
_STATES = ("ready", "loading", "failed")


class Totals:
    """Sums up what workers tell; any thread may call any method."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._models: dict[str, dict[str, Series]] = {}
        """By model and version; the version that was asked last comes last."""
        self._refused: Counter[str] = Counter()
        self._limited: Counter[str] = Counter()
        self._restarts = 0

    def add(self, told: Mapping[str, Any]) -> None:
        """Add what a worker has counted since it last told; see `Meter.drain`."""
        with self._lock:
            for model, version, *added in told["series"]:
                versions = self._models.setdefault(model, {})
                series = versions.pop(version, None) or Series()
                versions[version] = _sum(series, *added)
                while len(versions) > KEPT:
                    del versions[next(iter(versions))]
            self._refused.update(told["refused"])
            self._limited.update(told["limited"])

    def restarted(self) -> None:
        """Count a worker that has ended unasked."""
        with self._lock:
            self._restarts += 1

    def render(self, models: Mapping[str, Any], workers: Sequence[Faring]) -> str:
        """Return the metrics as Prometheus text.

        Args:
            models: How each is served, as `Server.status` says it.
            workers: How each worker fares.
        """
        with self._lock:
            families = [*self._counted(), *_served(models), *_faring(workers)]
        registry = CollectorRegistry(auto_describe=False)
        registry.register(_Given(families))
        return generate_latest(registry).decode()

    def _counted(self) -> Iterator[Metric]:
        requests = _counter("requests", "Requests that a version was asked.", _VERSION)
        rows = _counter("rows", "Rows of those requests.", _VERSION)
        errors = _counter("errors", "Requests that ended in an error.", (*_VERSION, "reason"))
        took = HistogramMetricFamily(
            "reconciler_server_request_duration_seconds",
            "How long a version took to answer, waiting included.",
            labels=_VERSION,
        )
        for model, versions in self._models.items():
            for version, series in versions.items():
                labels = (model, version)
                requests.add_metric(labels, series.requests)
                rows.add_metric(labels, series.rows)
                for reason, count in series.errors.items():
                    errors.add_metric((*labels, reason), count)
                took.add_metric(labels, _cumulated(series.buckets), series.seconds)
        yield from (requests, rows, errors, took)
        refused = _counter("refused", "Requests that got no answer, by why.", ("reason",))
        for reason, count in sorted(self._refused.items()):
            refused.add_metric((reason,), count)
        limited = _counter("rate_limited", "Requests that came too soon, by token.", ("token",))
        for token, count in sorted(self._limited.items()):
            limited.add_metric((token,), count)
        restarts = _counter("worker_restarts", "Workers that ended unasked, and were replaced.")
        restarts.add_metric((), self._restarts)
        yield from (refused, limited, restarts)


class _Given(Collector):
    """Metrics that were made already."""

    def __init__(self, families: Sequence[Metric]) -> None:
        self._families = families

    def collect(self) -> Sequence[Metric]:
        """Return them."""
        return self._families


def _sum(
    series: Series,
    requests: int,
    rows: int,
    seconds: float,
    errors: Mapping[str, int],
    buckets: Sequence[int],
) -> Series:
    """Return a series to which what was counted since was added."""
    series.requests += requests
    series.rows += rows
    series.seconds += seconds
    for reason, count in errors.items():
        series.errors[reason] = series.errors.get(reason, 0) + count
    series.buckets = [a + b for a, b in zip(series.buckets, buckets, strict=True)]
    return series


def _served(models: Mapping[str, Any]) -> Iterator[Metric]:
    weight = _gauge("weight_percent", "Requests that a version is given.", _VERSION)
    load = _gauge("load_seconds", "How long a version took to load and warm up.", _VERSION)
    size = _gauge("bundle_bytes", "Bytes of a version's files, all in memory.", _VERSION)
    tripped = _gauge("challenger_tripped", "1: it failed, and gets no requests.", _VERSION)
    states: Counter[str] = Counter()
    for name, model in models.items():
        states[model.get("state", "loading")] += 1
        challenger = model.get("challenger")
        given = challenger["weight"] if challenger and not challenger["tripped"] else 0
        for version, share in ((model.get("champion"), 100 - given), (challenger, given)):
            if version is not None:
                labels = (name, str(version["version"]))
                weight.add_metric(labels, share)
                load.add_metric(labels, version["loaded_s"])
                size.add_metric(labels, version["bytes"])
        if challenger is not None:
            tripped.add_metric((name, str(challenger["version"])), challenger["tripped"])
    healed = _counter("bundles_restored", "Damaged bundles made whole again.", ("model",))
    for name, model in models.items():
        if "healed" in model:
            healed.add_metric((name,), model["healed"])
    standing = _gauge("models", "Models, by how they are served.", ("state",))
    for state in _STATES:
        standing.add_metric((state,), states[state])
    yield from (weight, load, size, tripped, healed, standing)


def _faring(workers: Sequence[Faring]) -> Iterator[Metric]:
    rss = _gauge("worker_memory_bytes", "Memory that a worker holds.", ("worker",))
    busy = _gauge("requests_in_flight", "Requests that are being answered.", ("worker",))
    connections = _gauge("connections", "Open connections.", ("worker",))
    for worker in workers:
        labels = (str(worker.place),)
        rss.add_metric(labels, _memory(worker.pid))
        busy.add_metric(labels, worker.busy)
        connections.add_metric(labels, worker.connections)
    info = _gauge("info", "Always 1; its label is the program's version.", ("version",))
    info.add_metric((__version__,), 1)
    yield from (rss, busy, connections, info)


def _memory(pid: int) -> int:
    try:
        return int(psutil.Process(pid).memory_info().rss)
    except psutil.Error:  # it has ended just now
        return 0


def _cumulated(counts: Sequence[int]) -> list[tuple[str, float]]:
    total, found = 0, []
    for edge, count in zip(_EDGES, counts, strict=True):
        total += count
        found.append((edge, float(total)))
    return found


def _counter(name: str, said: str, labels: Sequence[str] = ()) -> CounterMetricFamily:
    return CounterMetricFamily(f"reconciler_server_{name}", said, labels=labels)


def _gauge(name: str, said: str, labels: Sequence[str] = ()) -> GaugeMetricFamily:
    return GaugeMetricFamily(f"reconciler_server_{name}", said, labels=labels)
