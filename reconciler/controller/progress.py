"""Progress: what a rollout has shown so far, and what it still needs, for whoever asks; pure."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime

from reconciler.controller.sightings import Totals, counts, trial
from reconciler.core.record import Record
from reconciler.core.rollout import Wait, judge_rollout
from reconciler.core.rollout_figures import figures
from reconciler.core.rollout_rules import in_force
from reconciler.errors import TerminalError

_NOTHING = "nothing, it goes on at the next look at its servers"


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a step of a rollout has come."""

    figures: str
    """What was counted in it, such as `55 requests, 0 errors`."""
    needs: str
    """What is still open before the next step, in a few words."""
    until: datetime | None
    """When that may be had; None: nobody can tell."""

    def __str__(self) -> str:
        until = f" (until {self.until:%Y-%m-%d %H:%M:%S} UTC at least)" if self.until else ""
        return f"so far {self.figures}; still open: {self.needs}{until}"


def progress(record: Record, totals: Totals, now: datetime) -> Progress | None:
    """Return how far the step of a model's rollout has come; None: none is on.

    Args:
        record: The model's record.
        totals: What servers had counted when they were last looked at.
        now: The time, with a zone.
    """
    tried = trial(record)
    if tried is None or record.challenger is None:
        return None
    seen = replace(counts(tried, (), totals, now), ready=True)  # no server is asked here
    try:
        move = judge_rollout(in_force(record.rollout), record.challenger, seen, now)
    except TerminalError as error:
        return Progress(figures(seen), str(error), None)
    if isinstance(move, Wait):
        return Progress(figures(seen), move.message, move.until)
    return Progress(figures(seen), _NOTHING, None)
