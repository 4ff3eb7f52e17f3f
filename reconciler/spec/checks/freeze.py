"""Checks of freeze windows: cron that comes, a zone that is known, a length that makes sense."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo, available_timezones

from cronsim import CronSim, CronSimError

from reconciler.spec.model import seconds
from reconciler.spec.problems import Finding, Keys, nearest

_YEAR_S = 366 * 86400
_FIELDS = 5
_ANY_DAY = datetime(2000, 1, 1, tzinfo=UTC)
_LONGEST = 200
_EXAMPLE = "such as `0 17 * * FRI`: minute, hour, day of the month, month, day of the week"


def check(windows: list[Any], at: Keys) -> Iterator[Finding]:
    """Give what is wrong with the windows at `at` beyond their schema."""
    for index, window in enumerate(windows):
        if isinstance(window, dict):
            place = (*at, index)
            yield from _cron(window.get("cron"), (*place, "cron"))
            yield from _zone(window.get("timezone"), (*place, "timezone"))
            yield from _length(window.get("duration"), (*place, "duration"))


def _cron(cron: Any, at: Keys) -> Iterator[Finding]:
    if not isinstance(cron, str) or not cron:
        return
    if len(cron) > _LONGEST or len(cron.split()) != _FIELDS:
        message = f"found {cron[:80]!r}, wanted cron of five fields"
        yield Finding(at, message, _EXAMPLE)
        return
    try:
        never = next(CronSim(cron, _ANY_DAY), None) is None
    except CronSimError as error:
        message = f"found {cron!r}, wanted cron: {str(error).lower()}"
        yield Finding(at, message, _EXAMPLE)
        return
    if never:
        yield Finding(at, f"found {cron!r}, wanted cron that comes: this date never does")


def _zone(zone: Any, at: Keys) -> Iterator[Finding]:
    if not isinstance(zone, str) or not zone or zone == "UTC":
        return
    try:
        ZoneInfo(zone)
    except (KeyError, ValueError, OSError):  # also a folder of zones, or a way out of them
        hint = nearest(zone, available_timezones()) or "such as Europe/Berlin or UTC"
        yield Finding(at, f"found {zone[:80]!r}, wanted a time zone", hint)


def _length(duration: Any, at: Keys) -> Iterator[Finding]:
    try:
        length = seconds(duration) if isinstance(duration, str) else 0
    except ValueError:
        return  # the schema says so
    if length > _YEAR_S:
        yield Finding(at, f"found {duration!r}, wanted a year at most")
