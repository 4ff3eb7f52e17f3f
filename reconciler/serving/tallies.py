"""Tallies: what became of requests, by model and bundle, since this process began."""

from __future__ import annotations

from bisect import bisect_left
from dataclasses import dataclass, field
from typing import Any

from reconciler.core.latency import LATENCY_BUCKETS


@dataclass(slots=True)
class Tally:
    """What one version of one model has done for a rollout to be judged by."""

    requests: int = 0
    errors: int = 0
    """On which it raised, whoever answered then."""
    rows: int = 0
    compared: int = 0
    """Requests that both versions were asked."""
    disagreed: int = 0
    latency: list[int] = field(default_factory=lambda: [0] * (len(LATENCY_BUCKETS) + 1))
    """Requests by the seconds that an answer took: the buckets of `core.latency`, one open."""

    def answered(self, seconds: float, rows: int) -> None:
        """Count an answer."""
        self.requests += 1
        self.rows += rows
        self.latency[bisect_left(LATENCY_BUCKETS, seconds)] += 1

    def failed(self, rows: int) -> None:
        """Count a request on which it raised."""
        self.requests += 1
        self.errors += 1
        self.rows += rows

    def plain(self) -> dict[str, Any]:
        """Return it in JSON's own types."""
        return {
            "requests": self.requests,
            "errors": self.errors,
            "rows": self.rows,
            "compared": self.compared,
            "disagreed": self.disagreed,
            "latency": list(self.latency),
        }


class Tallies:
    """By model and digest; one thread counts."""

    def __init__(self) -> None:
        self._of: dict[tuple[str, str], Tally] = {}

    def of(self, model: str, digest: str) -> Tally:
        """Return the tally of a version, which goes on where it ended before."""
        found = self._of.get((model, digest))
        if found is None:
            found = self._of[model, digest] = Tally()
        return found

    def plain(self) -> dict[str, dict[str, Any]]:
        """Return all of them by model, then digest, in JSON's own types."""
        found: dict[str, dict[str, Any]] = {}
        for (model, digest), tally in self._of.items():
            found.setdefault(model, {})[digest] = tally.plain()
        return found
