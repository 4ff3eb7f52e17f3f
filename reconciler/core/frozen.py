"""Frozen: releases wait for time, until a freeze ends."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

_SHORTEST_PAUSE, _LONGEST_PAUSE = timedelta(seconds=1), timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class Frozen:
    """A time in which no new version goes into production, and none out of it."""

    until: datetime | None
    """When it ends, in the zone of its window; None: no end is in sight."""
    window: str
    """The window that it comes from, in words."""

    def pause(self, now: datetime) -> timedelta:
        """Return after which time to look again: clocks jump, so an hour at most."""
        left = _LONGEST_PAUSE if self.until is None else self.until - now
        return max(_SHORTEST_PAUSE, min(left, _LONGEST_PAUSE))

    def __str__(self) -> str:
        if self.until is None:
            return f"releases wait, with no end in sight: {self.window}"
        until = self.until.isoformat(" ", "seconds" if self.until.second else "minutes")
        return f"releases wait until {until}: {self.window}"
