"""Freeze windows: held against every beginning there is, also where clocks are put back or on."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, date, datetime, time, timedelta
from itertools import takewhile
from zoneinfo import ZoneInfo

import pytest
from cronsim import CronSim
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from reconciler.controller.guards import Guards
from reconciler.core.freeze import concerning, frozen
from reconciler.core.frozen import Frozen
from reconciler.spec.checks.freeze import check
from reconciler.spec.model import seconds
from reconciler.spec.params import FreezeWindow

BERLIN = ZoneInfo("Europe/Berlin")
#: Half an hour, midnight, a whole day: clocks are not only put on at two.
ZONES = ("UTC", "Europe/Berlin", "Australia/Lord_Howe", "America/Havana", "Pacific/Apia")
#: Moments near which a zone above changes its clocks, and one at which none does.
CHANGES = (
    datetime(2026, 3, 29, 1, tzinfo=UTC),
    datetime(2026, 10, 25, 1, tzinfo=UTC),
    datetime(2026, 4, 4, 15, tzinfo=UTC),
    datetime(2026, 10, 3, 15, 30, tzinfo=UTC),
    datetime(2026, 3, 8, 5, tzinfo=UTC),
    datetime(2026, 11, 1, 5, tzinfo=UTC),
    datetime(2011, 12, 30, 10, tzinfo=UTC),
    datetime(2026, 7, 1, tzinfo=UTC),
)


def window(kind: str, cron: str, duration: str, zone: str = "UTC", *models: str) -> FreezeWindow:
    return FreezeWindow.model_validate(
        {"kind": kind, "cron": cron, "duration": duration, "timezone": zone, "models": [*models]}
    )


fields = (
    st.sampled_from(("*", "*/15", "0", "30", "5,50")),
    st.sampled_from(("*", "*/6", "0", "2", "3", "17", "0-4")),
    st.sampled_from(("*", "1", "L", "25-31")),
    st.just("*"),
    st.sampled_from(("*", "FRI", "SUN", "1-5", "SUN#2")),
)
windows = st.builds(
    window,
    st.sampled_from(("allow", "deny")),
    st.tuples(*fields).map(" ".join),
    st.sampled_from(("1m", "30m", "45m", "3h", "25h", "60h")),
    st.sampled_from(ZONES),
)
moments = st.builds(
    lambda at, away: at + timedelta(seconds=away),
    st.sampled_from(CHANGES),
    st.integers(-3 * 86400, 3 * 86400),
)


def beginnings(one: FreezeWindow, since: datetime, until: datetime) -> Iterator[datetime]:
    """Give every beginning, one after the other, from well before `since`."""
    zone = UTC if one.timezone == "UTC" else ZoneInfo(one.timezone)
    found = CronSim(one.cron, (since - timedelta(days=2)).astimezone(zone))
    return takewhile(lambda at: at <= until, (at.astimezone(UTC) for at in found))


def active(one: FreezeWindow, at: datetime) -> bool:
    length = timedelta(seconds=seconds(one.duration))
    return any(begun <= at < begun + length for begun in beginnings(one, at - length, at))


def stopped(every: Sequence[FreezeWindow], at: datetime) -> bool:
    """Return what is wanted: deny wins, and outside of all that is allowed nothing is."""
    allow = [one for one in every if one.kind == "allow"]
    denied = any(active(one, at) for one in every if one.kind == "deny")
    return denied or (bool(allow) and not any(active(one, at) for one in allow))


@given(st.lists(windows, max_size=3), moments)
@settings(max_examples=60)
def test_releases_wait_exactly_while_a_window_says_so(
    every: list[FreezeWindow], now: datetime
) -> None:
    assert (frozen(every, now) is not None) == stopped(every, now)


@given(st.lists(windows, min_size=1, max_size=3), moments, st.floats(0, 1))
@settings(max_examples=40)
def test_the_end_is_the_first_moment_at_which_nothing_waits(
    every: list[FreezeWindow], now: datetime, share: float
) -> None:
    found = frozen(every, now)
    assume(found is not None and found.until is not None)
    assert found is not None
    assert found.until is not None
    assert found.until > now
    assert not stopped(every, found.until)
    between = now + share * (found.until - now - timedelta(seconds=1))
    assert stopped(every, max(now, between))
    assert stopped(every, max(now, found.until - timedelta(seconds=1)))


@given(st.lists(windows, max_size=2), windows, moments)
@settings(max_examples=30)
def test_one_more_deny_window_never_lets_anything_through(
    every: list[FreezeWindow], more: FreezeWindow, now: datetime
) -> None:
    more = more.model_copy(update={"kind": "deny"})
    if frozen(every, now) is not None:
        assert frozen([*every, more], now) is not None


@given(windows, windows, moments)
@settings(max_examples=30)
def test_deny_wins(one: FreezeWindow, other: FreezeWindow, now: datetime) -> None:
    deny = one.model_copy(update={"kind": "deny"})
    allow = other.model_copy(update={"kind": "allow"})
    if frozen([deny], now) is not None:
        assert frozen([allow, deny], now) is not None


@given(st.lists(windows, max_size=2), moments, st.sampled_from(ZONES))
@settings(max_examples=20)
def test_the_zone_in_which_the_time_is_told_does_not_matter(
    every: list[FreezeWindow], now: datetime, zone: str
) -> None:
    assert frozen(every, now.astimezone(ZoneInfo(zone))) == frozen(every, now)


@given(st.lists(windows, min_size=1, max_size=2), st.lists(moments, min_size=2, max_size=6))
@settings(max_examples=20)
def test_a_clock_that_jumps_to_and_fro_is_answered_as_if_it_was_asked_first(
    every: list[FreezeWindow], times: list[datetime]
) -> None:
    guards = Guards(tuple(every))
    for now in (at + part for at in times for part in (timedelta(0), timedelta(seconds=0.9))):
        assert guards.frozen("m", now) == frozen(every, now)


@given(st.dates(date(2026, 1, 1), date(2027, 12, 31)), st.integers(0, 23), st.integers(0, 59))
def test_a_stated_hour_begins_once_on_each_day_and_after_the_gap_where_it_is_left_out(
    day: date, hour: int, minute: int
) -> None:
    begins = datetime.combine(day, time(hour, minute), BERLIN)  # of two such times the first
    begins = begins.astimezone(UTC).astimezone(BERLIN)
    if (begins.hour, begins.minute) != (hour, minute):  # left out: the clock then shows three
        begins = begins.replace(hour=3, minute=0)
    one = window("deny", f"{minute} {hour} * * *", "1m", "Europe/Berlin")
    assert frozen([one], begins.astimezone(UTC)) is not None
    assert frozen([one], begins.astimezone(UTC) - timedelta(seconds=1)) is None
    again = datetime.combine(day, time(hour, minute), BERLIN).replace(fold=1).astimezone(UTC)
    if again > begins:
        assert frozen([one], again) is None


WEEKEND = window("deny", "0 17 * * FRI", "60h", "Europe/Berlin")


@pytest.mark.parametrize(
    ("now", "until"),
    [
        (datetime(2026, 11, 20, 16, 0, tzinfo=UTC), datetime(2026, 11, 23, 5, tzinfo=BERLIN)),
        (datetime(2026, 11, 23, 3, 59, 59, tzinfo=UTC), datetime(2026, 11, 23, 5, tzinfo=BERLIN)),
        (datetime(2026, 10, 24, 12, 0, tzinfo=UTC), datetime(2026, 10, 26, 4, tzinfo=BERLIN)),
        (datetime(2026, 3, 28, 12, 0, tzinfo=UTC), datetime(2026, 3, 30, 6, tzinfo=BERLIN)),
    ],
    ids=["its first moment", "its last moment", "clocks are put back", "clocks are put on"],
)
def test_a_weekend_lasts_as_long_as_time_passes(now: datetime, until: datetime) -> None:
    found = frozen([WEEKEND], now)
    assert found is not None
    assert found.until == until
    assert "deny window `0 17 * * FRI` for 60h, Europe/Berlin" in str(found)


def test_the_end_is_told_in_the_zone_of_its_window() -> None:
    found = frozen([WEEKEND], datetime(2026, 11, 21, tzinfo=UTC))
    assert str(found).startswith("releases wait until 2026-11-23 05:00+01:00: ")
    assert frozen([WEEKEND], datetime(2026, 11, 23, 4, tzinfo=UTC)) is None


def test_windows_that_adjoin_or_overlap_are_followed_to_the_last() -> None:
    chain = [
        window("deny", "0 17 * * FRI", "7h"),
        window("deny", "0 0 * * SAT", "30h"),
        window("deny", "0 4 * * SUN", "20h"),
        window("allow", "0 9 * * 1-5", "8h"),
    ]
    found = frozen(chain, datetime(2026, 11, 20, 18, tzinfo=UTC))
    assert found is not None
    assert found.until == datetime(2026, 11, 23, 9, tzinfo=UTC)


def test_outside_of_an_allow_window_releases_wait_for_the_next() -> None:
    hours = window("allow", "0 9 * * 1-4", "7h")
    found = frozen([hours], datetime(2026, 11, 19, 16, tzinfo=UTC))
    assert found is not None
    assert found.until == datetime(2026, 11, 23, 9, tzinfo=UTC)
    assert "outside of allow window `0 9 * * 1-4` for 7h, UTC" in str(found)
    assert frozen([hours], datetime(2026, 11, 19, 15, 59, 59, tzinfo=UTC)) is None


@pytest.mark.parametrize(
    "every",
    [
        [window("deny", "* * * * *", "2h")],
        [window("deny", "* * * * *", "1m")],
        [window("deny", "0 0 * * *", "24h", "Pacific/Apia")],
        [window("deny", "0 0 1 1 *", "366d"), window("allow", "0 9 * * *", "1h")],
        [window("allow", "0 0 29 2 *", "1h")],
    ],
    ids=["overlapping", "adjoining", "day after day", "year after year", "in a leap year"],
)
def test_a_freeze_that_lasts_beyond_a_year_has_no_end_in_sight(every: list[FreezeWindow]) -> None:
    now = datetime(2026, 7, 1, 12, tzinfo=UTC)
    found = frozen(every, now)
    assert found is not None
    assert found.until is None
    assert str(found).startswith("releases wait, with no end in sight: ")
    assert found.pause(now) == timedelta(hours=1)


def test_a_window_concerns_the_models_that_its_patterns_name() -> None:
    some, all_ = window("deny", "* * * * *", "2h", "UTC", "churn-*", "wine"), WEEKEND
    assert concerning([some, all_], "churn-eu") == (some, all_)
    assert concerning([some, all_], "wine") == (some, all_)
    assert concerning([some, all_], "wines") == (all_,)
    now = datetime(2026, 11, 18, tzinfo=UTC)
    guards = Guards((some, all_))
    assert (guards.frozen("churn-eu", now) is None, guards.frozen("m", now)) == (False, None)


def test_a_short_wait_is_waited_for_and_a_long_one_looked_at_each_hour() -> None:
    now = datetime(2026, 1, 1, tzinfo=UTC)
    assert Frozen(now + timedelta(seconds=90), "w").pause(now) == timedelta(seconds=90)
    assert Frozen(now + timedelta(days=9), "w").pause(now) == timedelta(hours=1)
    assert Frozen(now - timedelta(days=9), "w").pause(now) == timedelta(seconds=1)


@given(st.text("0123456789*/,-#LWMONFRIJAN ", max_size=40) | st.text(max_size=20), st.text())
def test_whatever_stands_in_a_window_is_refused_or_can_be_followed(cron: str, zone: str) -> None:
    plain = {"kind": "deny", "cron": cron, "duration": "1h", "timezone": zone}
    if not cron or not zone or any(check([plain], ("freeze",))):
        return
    frozen([FreezeWindow.model_validate(plain)], datetime(2026, 1, 1, tzinfo=UTC))
