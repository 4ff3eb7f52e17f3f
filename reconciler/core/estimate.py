"""Estimates: how long a run will take, from how long its parts took before."""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Sequence
from statistics import median


def typical(seconds: Sequence[float]) -> float | None:
    """Return the median of several times, which one slow run does not move; None without any."""
    return float(median(seconds)) if seconds else None


def makespan(seconds: Iterable[float], jobs: int) -> float:
    """Return how long a run takes whose parts start in order, each when a place is free.

    Args:
        seconds: Time of each part, in the order of their start.
        jobs: Places, at least 1.
    """
    free = [0.0] * jobs
    for part in seconds:
        heapq.heappush(free, heapq.heappop(free) + part)
    return max(free)


def spoken(seconds: float) -> str:
    """Return a time as people say it: `0.4 s`, `12 s`, `3 min 5 s`, `2 h 10 min`."""
    if seconds < 9.95:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    minutes, rest = divmod(whole, 60)
    if minutes < 60:
        return f"{minutes} min {rest} s" if rest else f"{minutes} min"
    hours, rest = divmod(round(seconds / 60), 60)
    return f"{hours} h {rest} min" if rest else f"{hours} h"
