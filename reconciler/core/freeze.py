"""Freeze windows: whether releases wait now, until when, and because of which window; pure.

An active deny window freezes. Where allow windows concern a model, so does all the time outside
of them. Windows begin as cron says in their zone, and last as long as time passes there: where
clocks go forward, a window that would begin in the hour that is left out begins after it; where
they go back, one of a stated hour begins once.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta, tzinfo
from fnmatch import fnmatchcase
from zoneinfo import ZoneInfo

from cronsim import CronSim

from reconciler.core.frozen import Frozen
from reconciler.spec.model import seconds
from reconciler.spec.params import FreezeWindow

#: Beyond this no end is looked for.
LOOK_AHEAD = timedelta(days=400)
#: Windows that are followed from one to the next: a day of minutes, for a week.
_FOLLOWED = 10_000
_REACH = timedelta(minutes=1)


def concerning(windows: Sequence[FreezeWindow], model: str) -> tuple[FreezeWindow, ...]:
    """Return the windows that concern a model: those that name none, or a pattern it fits."""
    return tuple(
        w for w in windows if not w.models or any(fnmatchcase(model, one) for one in w.models)
    )


def frozen(windows: Sequence[FreezeWindow], now: datetime) -> Frozen | None:
    """Return until when releases wait, and because of which window; None: they need not.

    Windows that overlap or adjoin each other are followed to the end of the last.

    Args:
        windows: Valid windows, all that concern a model; see `concerning`.
        now: The time, with a zone.
    """
    deny = [w for w in windows if w.kind == "deny"]
    allow = [w for w in windows if w.kind == "allow"]
    cause = _denying(deny, now) or _outside(allow, now)
    if cause is None:
        return None
    until = _end(deny, allow, now)
    return Frozen(until and until.astimezone(_zone(cause[0])), cause[1])


def _denying(deny: Sequence[FreezeWindow], now: datetime) -> tuple[FreezeWindow, str] | None:
    """Return the deny window that is active, of several the one that ends last; in words too."""
    active = [(begun + _length(w), -at) for at, w in enumerate(deny) if (begun := _begun(w, now))]
    if not active:
        return None
    window = deny[-max(active)[1]]
    return window, f"deny window {_said(window)}"


def _outside(allow: Sequence[FreezeWindow], now: datetime) -> tuple[FreezeWindow, str] | None:
    """Return the allow window that opens next where none is open; in words too."""
    if not allow or any(_begun(w, now) for w in allow):
        return None
    window = min(allow, key=lambda w: _next(w, now) or datetime.max.replace(tzinfo=UTC))
    more = f" and {len(allow) - 1} more" if len(allow) > 1 else ""
    return window, f"outside of allow window {_said(window)}{more}"


def _end(
    deny: Sequence[FreezeWindow], allow: Sequence[FreezeWindow], now: datetime
) -> datetime | None:
    """Return the first time from `now` at which releases may go on; None: none is in sight."""
    at = now.astimezone(UTC)
    last = at + LOOK_AHEAD
    for _ in range(_FOLLOWED):
        if at > last:
            break
        if ends := [begun + _length(w) for w in deny if (begun := _begun(w, at))]:
            at = max(ends)
        elif not allow or any(_begun(w, at) for w in allow):
            return at
        elif opening := [begins for w in allow if (begins := _next(w, at))]:
            at = min(opening)
        else:
            break
    return None


def _begun(window: FreezeWindow, at: datetime) -> datetime | None:
    """Return when the window that is active at a time last began; None: it is not active.

    Looks back further and further, so that one that begins every minute is not followed through
    all of its length.
    """
    length = _length(window)
    reach = min(_REACH, length)
    while True:
        begun = None
        for begins in _beginnings(window, at - reach):
            if begins > at:
                break
            begun = begins
        if begun is not None or reach == length:
            return begun if begun and at < begun + length else None
        reach = min(8 * reach, length)


def _next(window: FreezeWindow, at: datetime) -> datetime | None:
    """Return when the window begins next; None: never."""
    return next((begins for begins in _beginnings(window, at) if begins > at), None)


def _beginnings(window: FreezeWindow, after: datetime) -> Iterator[datetime]:
    """Give when a window begins, ascending, in UTC; where clocks go back, from a little earlier."""
    for begins in CronSim(window.cron, after.astimezone(_zone(window))):
        yield begins.astimezone(UTC)


def _length(window: FreezeWindow) -> timedelta:
    return timedelta(seconds=seconds(window.duration))


def _zone(window: FreezeWindow) -> tzinfo:
    return UTC if window.timezone == "UTC" else ZoneInfo(window.timezone)


def _said(window: FreezeWindow) -> str:
    return f"`{window.cron}` for {window.duration}, {window.timezone}"
