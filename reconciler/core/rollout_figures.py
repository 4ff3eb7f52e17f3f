"""What a rollout is judged by, as few words as tell it."""

from __future__ import annotations

from collections.abc import Sequence

from reconciler.core.latency import LATENCY_BUCKETS
from reconciler.core.rollout import Counts

_NINE_TENTHS = 0.9


def figures(counts: Counts) -> str:
    """Return such as `1,204 requests, 0 errors, p90 1.1 x the champion's`."""
    mine, theirs = counts.challenger, counts.champion
    said = [_number(mine.requests, "request"), _number(mine.errors, "error")]
    took, usual = decile(mine.latency), decile(theirs.latency)
    if took is not None and usual is not None:
        said.append(f"p90 {took / usual:.2g} x the champion's")
    if mine.compared:
        said.append(f"{mine.disagreed:,} of {mine.compared:,} answers other than the champion's")
    return ", ".join(said)


def decile(latency: Sequence[int]) -> float | None:
    """Return the seconds that nine in ten answers took at most, about; None without any.

    Args:
        latency: Counts by bucket of LATENCY_BUCKETS, one more above; a bucket is 26 % wide.
    """
    wanted, seen = _NINE_TENTHS * sum(latency), 0
    if not wanted:
        return None
    for upper, count in zip((*LATENCY_BUCKETS, LATENCY_BUCKETS[-1]), latency, strict=False):
        if count and seen + count >= wanted:
            return upper
        seen += count
    return LATENCY_BUCKETS[-1]


def _number(count: int, what: str) -> str:
    return f"{count:,} {what}{'' if count == 1 else 's'}"
