"""How a model stands, from its two plans."""

from __future__ import annotations

from datetime import UTC, datetime

from reconciler.core.conditions import Health, Sync
from reconciler.core.plan import Plan
from reconciler.core.standing import standing
from reconciler.core.target_plan import TargetPlan

NOW = datetime(2026, 1, 1, tzinfo=UTC)
RETIRED = Plan("Retired", "not declared and not in production")


def test_a_retired_model_that_serves_nothing_stands_as_retired() -> None:
    stands = standing(RETIRED, TargetPlan("NotReleased", "no version is released"), None, NOW)
    assert (stands.reason, stands.sync, stands.health) == ("Retired", Sync.SYNCED, Health.UNKNOWN)
    assert stands.as_declared


def test_a_retired_model_that_is_served_still_stands_as_its_target_does() -> None:
    stands = standing(RETIRED, TargetPlan("Unreachable", "no answer"), None, NOW)
    assert (stands.reason, stands.health) == ("Unreachable", Health.DEGRADED)
