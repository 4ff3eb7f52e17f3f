"""Progress: what a rollout has shown so far, and what it still needs, for whoever asks; pure."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime

from reconciler.controller.delivery import Stopped
from reconciler.controller.sightings import Totals, counts, trial
from reconciler.core.record import Record
from reconciler.core.rollout import Wait, Withdraw, judge_rollout
from reconciler.core.rollout_figures import figures
from reconciler.core.rollout_rules import in_force
from reconciler.errors import TerminalError

_NOTHING = "nothing, it goes on at the next look at its servers"
_WITHDRAWN = "nothing, it is withdrawn at the next look at its servers"


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a step of a rollout has come."""

    figures: str
    """What was counted in it, such as `55 requests, 0 errors`."""
    needs: str
    """What is still open before the next step, in a few words; empty: nothing is."""
    until: datetime | None
    """When that may be had; None: nobody can tell."""
    stopped: str = ""
    """Why it goes no further then either, such as a hold; empty: it does."""

    def __str__(self) -> str:
        until = f" (until {self.until:%Y-%m-%d %H:%M:%S} UTC at least)" if self.until else ""
        needs = f"still open: {self.needs}{until}" if self.needs else "nothing is open"
        stops = f", but it goes no further: {self.stopped}" if self.stopped else ""
        return f"so far {self.figures}; {needs}{stops}"


def progress(
    record: Record, totals: Totals, now: datetime, stopped: Stopped | None = None
) -> Progress | None:
    """Return how far the step of a model's rollout has come; None: none is on.

    Args:
        record: The model's record.
        totals: What servers had counted when they were last looked at.
        now: The time, with a zone.
        stopped: Why it may not go on; None: it may.
    """
    tried = trial(record)
    if tried is None or record.challenger is None:
        return None
    seen = replace(counts(tried, (), totals, now), ready=True)  # no server is asked here
    try:
        move = judge_rollout(in_force(record.rollout), record.challenger, seen, now)
    except TerminalError as error:
        return Progress(figures(seen), str(error), None)
    stops = stopped.why if stopped is not None else ""
    match move:
        case Withdraw():  # which nothing stops
            return Progress(figures(seen), f"{_WITHDRAWN}: {move.message}", None)
        case Wait():
            return Progress(figures(seen), move.message, move.until, stops)
        case _:
            return Progress(figures(seen), "" if stops else _NOTHING, None, stops)
