"""Latency buckets: the ones that servers count in and rollouts are judged by."""

from __future__ import annotations

from typing import Final

#: Upper bounds in seconds, ten to a decade from 10 µs to 10 s; one more bucket is open above them.
LATENCY_BUCKETS: Final[tuple[float, ...]] = tuple(
    float(f"{10 ** (power / 10):.3g}") for power in range(-50, 11)
)
