"""Measuring: latency, size and memory of a bundle as it is served, taken when it is judged."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Collection, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from reconciler.core.gate import Measurement

if TYPE_CHECKING:
    from reconciler.bundle.predictor import Predictor

_ROUNDS = 7
_CALLS = 1000
_LEAST_CALLS = 100
_ROUND_S = 0.25
_WARM_UP = 20
_MEGABYTE = 1e6

SYSTEM = ("latency_p50_ms", "latency_p99_ms", "memory_mb", "size_mb")


def measure(
    bundle: Path,
    rows: Callable[[], list[Mapping[str, Any]]],
    wanted: Collection[str],
) -> dict[str, Measurement]:
    """Return the wanted measurements of a bundle.

    Args:
        bundle: Its folder.
        rows: Gives rows to ask it about, as its golden examples have them; at least one.
        wanted: Metrics among `SYSTEM`; what is not wanted costs nothing.
    """
    found: dict[str, Measurement] = {}
    if "size_mb" in wanted:
        size = sum(path.stat().st_size for path in bundle.iterdir()) / _MEGABYTE
        found["size_mb"] = Measurement(size, size, size)
    if not {"latency_p50_ms", "latency_p99_ms", "memory_mb"} & set(wanted):
        return found
    from reconciler.bundle.predictor import open_bundle

    before = _resident_mb()
    predictor = open_bundle(bundle)
    examples = rows()
    rounds = [_round(predictor, examples) for _ in range(_ROUNDS)]
    for name, at in (("latency_p50_ms", 0), ("latency_p99_ms", 1)):
        found[name] = _measurement([pair[at] for pair in rounds])
    taken = max(_resident_mb() - before, 0.0)
    found["memory_mb"] = Measurement(taken, taken, taken)
    return {name: value for name, value in found.items() if name in wanted}


def _measurement(values: list[float]) -> Measurement:
    """Return the median and the range of rounds, without the best and the worst of them."""
    ordered = sorted(values)
    return Measurement(statistics.median(ordered), ordered[1], ordered[-2])


def _round(predictor: Predictor, examples: list[Mapping[str, Any]]) -> tuple[float, float]:
    """Return median and 99th percentile of single-row calls, in milliseconds.

    A slow model is asked less often, so that a round takes about a quarter of a second at most.
    """
    for call in range(_WARM_UP):
        predictor.predict_one(examples[call % len(examples)])
    taken: list[float] = []
    until = time.perf_counter() + _ROUND_S
    while len(taken) < _CALLS and (len(taken) < _LEAST_CALLS or time.perf_counter() < until):
        row = examples[len(taken) % len(examples)]
        began = time.perf_counter()
        predictor.predict_one(row)
        taken.append((time.perf_counter() - began) * 1000)
    taken.sort()
    return taken[len(taken) // 2], taken[len(taken) * 99 // 100]


def _resident_mb() -> float:
    import psutil

    return float(psutil.Process().memory_info().rss) / _MEGABYTE
