"""Standing: how one model stands on three axes, derived from its two plans; pure."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from reconciler.core.conditions import Condition, ConditionType, Health, Sync, Truth
from reconciler.core.plan import Plan
from reconciler.core.target_plan import (
    AT_REST,
    HINTS,
    ROLLING,
    ROLLING_STALLED,
    UNSEEN,
    Fault,
    TargetPlan,
)

#: Reasons of a release plan that is at rest because all is as declared.
GOOD = frozenset({"Settled", "Suspended", "Retired", "Absent", "DeclaredElsewhere"})
#: Reasons of a release plan that a person has stopped.
_HELD = frozenset({"Held", "Suspended"})
#: How a model fares that is served, by its release plan; any other is healthy.
_SERVED = {
    **dict.fromkeys(_HELD, Health.SUSPENDED),
    "RollingOut": Health.PROGRESSING,
    "OutOfPolicy": Health.DEGRADED,
}
#: Reasons under which a model is on its way, by itself.
MOVING = frozenset(
    {
        "Training",
        "TrainedElsewhere",
        "RecordsMoved",
        "NotTrained",
        "NotJudged",
        "Passed",
        "RollingOut",
        "Frozen",
    }
)


@dataclass(frozen=True, slots=True)
class Standing:
    """How a model stands: whether it is as declared, how what is served fares, and why."""

    sync: Sync
    health: Health
    reason: str
    message: str
    conditions: tuple[Condition, ...]

    @property
    def as_declared(self) -> bool:
        """Return whether nothing is left to do and nothing is wrong."""
        well = (Health.HEALTHY, Health.SUSPENDED, Health.UNKNOWN)
        return self.sync is Sync.SYNCED and (self.health in well or bool(self.unserved))

    @property
    def unserved(self) -> str:
        """Return why nobody is seen to serve what is released, and what to do; else nothing."""
        found = (one for one in self.conditions if one.reason in HINTS)
        return next((f"{one.message}; {HINTS[one.reason]}" for one in found), "")

    @property
    def rolling_out(self) -> bool:
        """Return whether a version is on its way into production, and all is well so far."""
        return self.reason == "RollingOut" and self.health is not Health.DEGRADED


def standing(release: Plan, target: TargetPlan, champion: str | None, now: datetime) -> Standing:
    """Return how a model stands.

    Args:
        release: The next step of its release record.
        target: The next step at its target.
        champion: Digest of the bundle in production; None: no model is.
        now: The time, with a zone.
    """
    good = release.reason in GOOD and not release.actions
    sync = Sync.SYNCED if good else Sync.OUT_OF_SYNC
    health = _health(release, target, champion)
    rolling = target.reason in (ROLLING, ROLLING_STALLED) and (good or release.reason == ROLLING)
    served = target.reason in ("Settled", ROLLING, ROLLING_STALLED)
    gone = release.reason == "Retired" and target.reason in AT_REST
    why = release if (not good or served or gone) and not rolling else target
    conditions = _conditions(release, target, good=good, served=served, now=now)
    if rolling:
        conditions = _rolled(conditions, target, now)
    return Standing(sync, health, why.reason, why.message, conditions)


def _health(release: Plan, target: TargetPlan, champion: str | None) -> Health:
    if target.reason in ("RecordCorrupt", "Unknown", *UNSEEN):
        return Health.UNKNOWN
    if champion is None:
        if target.reason not in AT_REST:
            return Health.DEGRADED  # nothing is released, and something is served
        if release.reason in _HELD:
            return Health.SUSPENDED
        if release.reason in GOOD:
            return Health.UNKNOWN
        return Health.PROGRESSING if release.reason in MOVING else Health.MISSING
    match target.reason:
        case "Settled":
            return _SERVED.get(release.reason, Health.HEALTHY)
        case "RolloutStalled":
            return Health.SUSPENDED
        case "RollOut" | "RollingOut" | Fault.LOADING:
            return Health.PROGRESSING
        case _:
            return Health.MISSING if target.missing else Health.DEGRADED


def _conditions(
    release: Plan, target: TargetPlan, *, good: bool, served: bool, now: datetime
) -> tuple[Condition, ...]:
    moving = bool(release.actions) or release.reason in MOVING or release.requeue_after is not None
    accepted = {
        "Settled": Truth.TRUE,
        "Suspended": Truth.TRUE,
        "RollingOut": Truth.TRUE,
        "Rejected": Truth.FALSE,
        "Withdrawn": Truth.FALSE,
        "OutOfPolicy": Truth.FALSE,
    }

    def claim(kind: ConditionType, truth: Truth, plan: Plan | TargetPlan) -> Condition:
        return Condition(kind, truth, plan.reason, plan.message, now)

    return (
        claim(ConditionType.READY, _truth(good and served), release if not good else target),
        claim(ConditionType.RECONCILING, _truth(moving), release),
        claim(ConditionType.STALLED, _truth(not good and not moving), release),
        claim(ConditionType.ACCEPTED, accepted.get(release.reason, Truth.UNKNOWN), release),
        claim(ConditionType.RELEASED, _truth(served), target),
    )


def _rolled(
    conditions: tuple[Condition, ...], target: TargetPlan, now: datetime
) -> tuple[Condition, ...]:
    """Return the conditions of a model that nothing but its rollout moves."""
    moves = {
        ConditionType.READY: False,
        ConditionType.RECONCILING: target.reason == ROLLING,
        ConditionType.STALLED: target.reason == ROLLING_STALLED,
    }
    return tuple(
        Condition(c.type, _truth(moves[c.type]), target.reason, target.message, now)
        if c.type in moves
        else c
        for c in conditions
    )


def _truth(value: bool) -> Truth:
    return Truth.TRUE if value else Truth.FALSE
