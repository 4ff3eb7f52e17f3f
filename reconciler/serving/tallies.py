"""Tallies: what became of requests, by model and bundle, since a rollout's step began.

They name the step, so that whoever adds them up takes in nothing that came before it, however
late the look and however often the daemon was away.
"""

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

    def plain(self, since: str) -> dict[str, Any]:
        """Return it in JSON's own types; `since` tells when its step began."""
        return {
            "since": since,
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
        self._of: dict[str, dict[str, Tally]] = {}
        self._since: dict[str, str] = {}
        """When the step began that is counted for, as its record says it; absent: there is none."""

    def begin(self, model: str, since: str) -> None:
        """Count a model's requests from nought: another step began; empty: a rollout has ended."""
        if self._since.get(model, "") != since:
            self._since[model] = since
            self._of.pop(model, None)

    def of(self, model: str, digest: str) -> Tally:
        """Return the tally of a version, which goes on where it ended before."""
        own = self._of.get(model)
        if own is None:
            own = self._of[model] = {}
        found = own.get(digest)
        if found is None:
            found = own[digest] = Tally()
        return found

    def plain(self) -> dict[str, dict[str, Any]]:
        """Return all of them by model, then digest, in JSON's own types."""
        return {
            model: {d: tally.plain(self._since.get(model, "")) for d, tally in own.items()}
            for model, own in self._of.items()
        }
