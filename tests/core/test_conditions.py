"""Conditions: the time is that of the last change, not of the last look."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from reconciler.core.conditions import Condition, ConditionType, Truth, merged, transition

NOON = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
LATER = NOON + timedelta(minutes=5)


def ready(status: Truth, since: datetime, reason: str = "Converged") -> Condition:
    return Condition(ConditionType.READY, status, reason, "it is ready", since)


def test_a_condition_that_stays_true_keeps_the_time_of_its_transition() -> None:
    seen = transition(ready(Truth.TRUE, NOON), ready(Truth.TRUE, LATER, "Healed"))

    assert (seen.since, seen.reason) == (NOON, "Healed")


def test_a_condition_that_changes_takes_the_time_of_the_change() -> None:
    assert transition(ready(Truth.FALSE, NOON), ready(Truth.TRUE, LATER)).since == LATER
    assert transition(None, ready(Truth.TRUE, LATER)).since == LATER


def test_a_claim_that_is_no_longer_made_is_dropped() -> None:
    stalled = Condition(ConditionType.STALLED, Truth.TRUE, "DataMissing", "no file", NOON)
    before = {ConditionType.READY: ready(Truth.TRUE, NOON), ConditionType.STALLED: stalled}

    after = merged(before, [ready(Truth.TRUE, LATER)])

    assert after == {ConditionType.READY: ready(Truth.TRUE, NOON)}
