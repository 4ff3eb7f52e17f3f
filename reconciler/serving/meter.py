"""The meter: what one worker has to tell of its requests since it last told, for the metrics.

Only what was added is told, so that the sums of the supervisor never fall when a worker ends.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any, Final

#: Upper bounds of the histogram's buckets, in seconds; one more is open above them.
BOUNDS: Final[tuple[float, ...]] = (
    0.0001, 0.0003, 0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1.0, 3.0, 10.0,
)  # fmt: skip


@dataclass(slots=True)
class Series:
    """What became of the requests that one version of a model was asked."""

    requests: int = 0
    rows: int = 0
    seconds: float = 0.0
    errors: dict[str, int] = field(default_factory=dict)
    """By reason, such as `ModelFailed`."""
    buckets: list[int] = field(default_factory=lambda: [0] * (len(BOUNDS) + 1))
    """Requests by the seconds that they took, those that failed as well."""


#: Model, version and rows that the request at hand was about; None: no version was asked yet.
ASKED: ContextVar[tuple[str, str, int] | None] = ContextVar("asked", default=None)


class Meter:
    """Counts; used by the loop's thread alone."""

    def __init__(self) -> None:
        self._series: dict[tuple[str, str], Series] = {}
        self._refused: Counter[str] = Counter()
        self._limited: Counter[str] = Counter()

    def observe(self, model: str, version: str, outcome: str, seconds: float, rows: int) -> None:
        """Count a request that a version was asked; see `answering.Observe`."""
        series = self._series.get((model, version))
        if series is None:
            series = self._series[model, version] = Series()
        series.requests += 1
        series.rows += rows
        series.seconds += seconds
        series.buckets[bisect_left(BOUNDS, seconds)] += 1
        if outcome != "ok":
            series.errors[outcome] = series.errors.get(outcome, 0) + 1
        ASKED.set((model, version, rows))

    def refused(self, reason: str) -> None:
        """Count a request that got no answer, for one of our own reasons."""
        self._refused[reason] += 1

    def limited(self, token: str) -> None:
        """Count a request that came too soon; `token` is whose, or nothing."""
        self._limited[token] += 1

    def drain(self) -> dict[str, Any] | None:
        """Return what was counted since the last time, in JSON's own types; None: nothing was."""
        if not (self._series or self._refused or self._limited):
            return None
        told = {
            "series": [
                [model, version, s.requests, s.rows, s.seconds, s.errors, s.buckets]
                for (model, version), s in self._series.items()
            ],
            "refused": self._refused,
            "limited": self._limited,
        }
        self._series, self._refused, self._limited = {}, Counter(), Counter()
        return told
