"""The target plan: what a target must do to serve what the record says, a pure function."""

from __future__ import annotations

from dataclasses import dataclass, field

#: Reasons of a target plan that is at rest because the target does what the record says.
AT_REST = frozenset({"Settled", "NotReleased"})
#: Reasons of a target that is at rest while a challenger gets its share: it goes on by itself, or
#: waits for a person.
ROLLING, ROLLING_STALLED = "RollingOut", "RolloutStalled"


@dataclass(frozen=True, slots=True)
class Seen:
    """What a target serves of one model."""

    digest: str | None
    """Digest of the served bundle; None when nothing is served."""
    intact: bool = True
    """Whether every byte is what the bundle's manifest says."""
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Converge:
    """Serve the bundle with this digest, whole."""

    digest: str


@dataclass(frozen=True, slots=True)
class Withdraw:
    """Stop serving the model."""


@dataclass(frozen=True, slots=True)
class TargetPlan:
    """The next step for one model at its target; without an action it is at rest."""

    reason: str
    message: str = ""
    action: Converge | Withdraw | None = None
    acted: bool = field(default=False, compare=False)
    """Whether something had to be done to come to it."""


def plan_target(champion: str | None, seen: Seen) -> TargetPlan:
    """Return the next step that brings a target closer to the release record.

    The rules are withdraw, heal, roll out, settle, in this order. Holds are no part of it: they
    stop releases, never withdrawal or healing.

    Args:
        champion: Digest of the bundle that the record puts in production; None: no model is.
        seen: What is served.
    """
    if champion is None:
        if seen.digest is None:
            return TargetPlan("NotReleased", "no version is released")
        return TargetPlan("Withdraw", "nothing is released any more", Withdraw())
    if seen.digest == champion and not seen.intact:
        return TargetPlan("Heal", f"what is served is damaged: {seen.detail}", Converge(champion))
    if seen.digest != champion:
        return TargetPlan("RollOut", "the released version is not served yet", Converge(champion))
    return TargetPlan("Settled", "serves the released version")
