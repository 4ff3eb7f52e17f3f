"""The metrics of a server are read back with Prometheus's own parser."""

from __future__ import annotations

import os
from typing import Any

from prometheus_client.parser import text_string_to_metric_families

from reconciler.serving.crew import Faring
from reconciler.serving.meter import Meter
from reconciler.serving.metrics import KEPT, Totals

Samples = dict[tuple[str, frozenset[tuple[str, str]]], float]


def read(totals: Totals, models: dict[str, Any] | None = None, *workers: Faring) -> Samples:
    return parsed(totals.render(models or {}, workers))


def parsed(text: str) -> Samples:
    """Return the samples of metrics, by what follows `reconciler_server_` and by labels."""
    return {
        (sample.name.removeprefix("reconciler_server_"), frozenset(sample.labels.items())):
        sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }  # fmt: skip


def value(found: Samples, name: str, **labels: str) -> float | None:
    return found.get((name, frozenset(labels.items())))


def drained(meter: Meter) -> dict[str, Any]:
    found = meter.drain()
    assert found is not None
    return found


def test_what_workers_tell_adds_up_and_never_falls() -> None:
    totals, first, second = Totals(), Meter(), Meter()
    first.observe("m", "1", "ok", 0.0002, 3)
    second.observe("m", "1", "ok", 2.0, 1)
    second.observe("m", "2", "ModelFailed", 20.0, 1)
    second.refused("BadJson")
    totals.add(drained(first))
    totals.add(drained(second))
    totals.restarted()  # a worker that is gone takes nothing back
    fresh = Meter()
    fresh.observe("m", "1", "ok", 0.0001, 1)
    totals.add(drained(fresh))
    found = read(totals)
    one = {"model": "m", "version": "1"}
    assert value(found, "requests_total", **one) == 3
    assert value(found, "rows_total", **one) == 5
    assert value(found, "errors_total", model="m", version="2", reason="ModelFailed") == 1
    assert value(found, "errors_total", **one, reason="ModelFailed") is None
    buckets = {
        le: value(found, "request_duration_seconds_bucket", **one, le=le)
        for le in ("0.0001", "0.0003", "1", "3", "+Inf")
    }
    assert buckets == {"0.0001": 1, "0.0003": 2, "1": 2, "3": 3, "+Inf": 3}
    assert value(found, "request_duration_seconds_count", **one) == 3
    assert value(found, "refused_total", reason="BadJson") == 1
    assert value(found, "worker_restarts_total") == 1


def test_old_versions_make_room_for_those_that_are_asked() -> None:
    totals = Totals()
    for version in range(100):
        meter = Meter()
        meter.observe("m", str(version), "ok", 0.1, 1)
        meter.observe("m", "0", "ok", 0.1, 1)  # this one is asked all the time
        totals.add(drained(meter))
    found = read(totals)
    kept = [dict(labels)["version"] for name, labels in found if name == "requests_total"]
    assert len(kept) == KEPT
    assert "0" in kept
    assert "99" in kept
    assert value(found, "requests_total", model="m", version="0") == 101


def test_weights_loads_and_states_are_those_of_the_moment() -> None:
    models = {
        "a": {
            "state": "ready",
            "champion": {"version": 1, "loaded_s": 0.5, "bytes": 10},
            "challenger": {
                "version": 2, "loaded_s": 0.25, "bytes": 20, "weight": 10, "tripped": False,
            },
        },
        "b": {
            "state": "failed",
            "healed": 3,
            "champion": {"version": 3, "loaded_s": 0.5, "bytes": 10},
            "challenger": {
                "version": 4, "loaded_s": 0.25, "bytes": 20, "weight": 10, "tripped": True,
            },
        },
        "c": {"state": "loading", "champion": None, "challenger": None},
    }  # fmt: skip
    found = read(Totals(), models)
    weights = {dict(k[1])["version"]: v for k, v in found.items() if k[0] == "weight_percent"}
    assert weights == {"1": 90, "2": 10, "3": 100, "4": 0}
    assert value(found, "bundle_bytes", model="a", version="2") == 20
    assert value(found, "load_seconds", model="a", version="2") == 0.25
    assert value(found, "challenger_tripped", model="b", version="4") == 1
    assert value(found, "bundles_restored_total", model="b") == 3
    assert [value(found, "models", state=s) for s in ("ready", "loading", "failed")] == [1, 1, 1]


def test_each_worker_says_how_it_fares() -> None:
    gone = Faring(1, 2**22 + 1, 0, 0)
    found = read(Totals(), {}, Faring(0, os.getpid(), 2, 5), gone)
    assert value(found, "requests_in_flight", worker="0") == 2
    assert value(found, "connections", worker="0") == 5
    assert (value(found, "worker_memory_bytes", worker="0") or 0) > 1e6
    assert value(found, "worker_memory_bytes", worker="1") == 0


def test_names_of_any_kind_stay_inside_of_their_labels() -> None:
    totals, meter = Totals(), Meter()
    meter.limited('a"} 1\nevil_total 5')
    totals.add(drained(meter))
    assert value(read(totals), "rate_limited_total", token='a"} 1\nevil_total 5') == 1
