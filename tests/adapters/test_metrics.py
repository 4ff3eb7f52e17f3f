"""Metrics are read back with Prometheus's own parsers, as a scraper would read them."""

from __future__ import annotations

import threading
from collections import Counter

import pytest
from prometheus_client.openmetrics.parser import text_string_to_metric_families as openmetrics
from prometheus_client.parser import text_string_to_metric_families as plain

from reconciler.adapters.metrics import KINDS, RESULTS, Gauges, Metrics
from reconciler.core.conditions import Health, Sync

Samples = dict[tuple[str, frozenset[tuple[str, str]]], float]


def samples(text: str) -> Samples:
    return {
        (sample.name, frozenset(sample.labels.items())): sample.value
        for family in plain(text)
        for sample in family.samples
    }


def read(metrics: Metrics) -> Samples:
    content_type, body = metrics.render()
    assert content_type == "text/plain; version=0.0.4; charset=utf-8"
    return samples(body.decode())


def value(found: Samples, name: str, **labels: str) -> float:
    return found[f"reconciler_{name}", frozenset(labels.items())]


def gauges(standing: dict[tuple[str, str], int] | None = None) -> Gauges:
    return Gauges(
        queued=lambda: {"release": 3},
        standing=lambda: standing or {},
        rollouts=lambda: {"unseen": 4},
        trainings=lambda: 2,
        sync_age_s=lambda: 12.5,
    )


def test_what_is_counted_is_read() -> None:
    metrics = Metrics()
    metrics.passed("release", "acted", 0.03)
    metrics.passed("release", "acted", 2.0)
    metrics.passed("target", "failed", 0.5)
    metrics.healed("WrongAnswer")
    for count in (metrics.committed, metrics.remote_failed, metrics.superseded):
        count()
    metrics.committed()

    found = read(metrics)

    acted = {"kind": "release", "result": "acted"}
    assert value(found, "pass_duration_seconds_count", **acted) == 2
    assert value(found, "pass_duration_seconds_sum", **acted) == pytest.approx(2.03)
    assert value(found, "pass_duration_seconds_bucket", le="0.05", **acted) == 1
    assert value(found, "pass_duration_seconds_count", kind="target", result="failed") == 1
    assert value(found, "record_commits_total") == 2
    for name in ("remote_errors", "trainings_superseded"):
        assert value(found, f"{name}_total") == 1
    assert value(found, "heals_total", reason="WrongAnswer") == 1
    assert value(found, "heals_total", reason="ModelMissing") == 0


def test_gauges_are_asked_for_at_each_reading() -> None:
    standing: Counter[tuple[str, str]] = Counter({("Synced", "Healthy"): 9_999})
    metrics = Metrics()
    metrics.ask(gauges(standing))
    assert value(read(metrics), "models", sync="Synced", health="Healthy") == 9_999

    standing["OutOfSync", "Degraded"] += 1
    found = read(metrics)

    assert value(found, "models", sync="OutOfSync", health="Degraded") == 1
    assert value(found, "queue_depth", kind="release") == 3
    assert value(found, "queue_depth", kind="target") == 0
    assert value(found, "trainings_running") == 2
    assert value(found, "rollouts", state="unseen") == 4
    assert value(found, "rollouts", state="stalled") == 0
    assert value(found, "last_sync_age_seconds") == 12.5


def test_every_series_is_there_from_the_start_and_none_is_of_one_model() -> None:
    metrics = Metrics()
    metrics.ask(gauges())
    found = read(metrics)
    for kind in KINDS:
        for result in RESULTS:
            assert value(found, "pass_duration_seconds_count", kind=kind, result=result) == 0
    for sync in Sync:
        for health in Health:
            assert value(found, "models", sync=sync.value, health=health.value) == 0
    assert value(found, "record_commits_total") == 0
    labels = {label for _, pairs in found for label, _ in pairs}
    assert labels == {"kind", "result", "le", "sync", "health", "state", "version", "reason"}
    assert len(found) < 250


def test_every_metric_says_what_it_is_and_durations_carry_their_unit() -> None:
    metrics = Metrics()
    metrics.ask(gauges())
    families = list(plain(metrics.render()[1].decode()))
    assert all(family.documentation for family in families)
    ours = {family.name for family in families if family.name.startswith("reconciler_")}
    assert {name for name in ours if "duration" in name or "age" in name} == {
        "reconciler_pass_duration_seconds",
        "reconciler_last_sync_age_seconds",
    }
    assert "process_resident_memory_bytes" in {family.name for family in families}


def test_openmetrics_is_given_to_who_asks_for_it() -> None:
    metrics = Metrics()
    metrics.ask(gauges())
    accept = "application/openmetrics-text;version=1.0.0,text/plain;version=0.0.4;q=0.5"
    content_type, body = metrics.render(accept)
    assert content_type.startswith("application/openmetrics-text")
    names = {family.name for family in openmetrics(body.decode())}
    assert {"reconciler_record_commits", "reconciler_models"} <= names
    for odd in ("", "*/*", "text/html", "application/json;;;=\x00"):
        assert metrics.render(odd)[0].startswith("text/plain")


def test_two_daemons_in_one_process_share_no_count() -> None:
    first, second = Metrics(), Metrics()
    first.committed()
    assert value(read(second), "record_commits_total") == 0


def test_threads_lose_no_count() -> None:
    metrics = Metrics()

    def work() -> None:
        for _ in range(100):
            metrics.passed("target", "rest", 0.001)
            metrics.render()

    threads = [threading.Thread(target=metrics.committed) for _ in range(20)]
    threads += [threading.Thread(target=work) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    found = read(metrics)
    assert value(found, "pass_duration_seconds_count", kind="target", result="rest") == 200
    assert value(found, "record_commits_total") == 20
