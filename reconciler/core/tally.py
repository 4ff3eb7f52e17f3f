"""Tallies: what became of one version's requests, as numbers that add up."""

from __future__ import annotations

from dataclasses import dataclass
from operator import add, sub

from reconciler.core.latency import LATENCY_BUCKETS


@dataclass(frozen=True, slots=True)
class Tally:
    """What one version has done, such as since its server's worker began or in a step."""

    requests: int = 0
    """Those that count for a rollout: no probes, none that asked for that very version."""
    errors: int = 0
    """Requests on which it raised, whoever answered then."""
    latency: tuple[int, ...] = (0,) * (len(LATENCY_BUCKETS) + 1)
    """Requests by the seconds they took, by the buckets of `core.latency`; the last is open."""
    compared: int = 0
    """Requests that both versions were asked."""
    disagreed: int = 0
    """Of those, the ones that they answered otherwise."""

    def __add__(self, other: Tally) -> Tally:
        """Return both together."""
        return Tally(
            self.requests + other.requests,
            self.errors + other.errors,
            tuple(map(add, self.latency, other.latency)),
            self.compared + other.compared,
            self.disagreed + other.disagreed,
        )

    def since(self, earlier: Tally) -> Tally:
        """Return what has come since `earlier`; a number that went back counts as none."""
        return Tally(
            max(self.requests - earlier.requests, 0),
            max(self.errors - earlier.errors, 0),
            tuple(max(n, 0) for n in map(sub, self.latency, earlier.latency)),
            max(self.compared - earlier.compared, 0),
            max(self.disagreed - earlier.disagreed, 0),
        )
