"""Tallies: what became of one version's requests, as numbers that add up."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import zip_longest
from typing import Final


@dataclass(frozen=True, slots=True)
class Tally:
    """What one version has done since a rollout's step began, at one worker or at all."""

    requests: int = 0
    """Those that count for a rollout: no probes, none that asked for that very version."""
    errors: int = 0
    """Requests on which it raised, whoever answered then."""
    latency: tuple[int, ...] = ()
    """Answers by the seconds they took: a count for each of LATENCY_BUCKETS and one above them;
    empty: none is known."""
    compared: int = 0
    """Requests that both versions were asked."""
    disagreed: int = 0
    """Of those, the ones that they answered otherwise."""

    def __add__(self, other: Tally) -> Tally:
        """Return both together."""
        return Tally(
            self.requests + other.requests,
            self.errors + other.errors,
            tuple(map(sum, zip_longest(self.latency, other.latency, fillvalue=0))),
            self.compared + other.compared,
            self.disagreed + other.disagreed,
        )

    def or_later(self, other: Tally) -> Tally:
        """Return the later of two looks at one boot, whose numbers never go back."""
        return Tally(
            max(self.requests, other.requests),
            max(self.errors, other.errors),
            tuple(map(max, zip_longest(self.latency, other.latency, fillvalue=0))),
            max(self.compared, other.compared),
            max(self.disagreed, other.disagreed),
        )


#: What a version has done that nobody asked.
NONE: Final = Tally()
