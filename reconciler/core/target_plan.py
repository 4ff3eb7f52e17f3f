"""The target plan: what a target must do to serve what the record says, a pure function."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from enum import StrEnum


class Fault(StrEnum):
    """What keeps a target from serving a model as the record says."""

    NOT_SERVED = "NotServed"
    """No server has ever answered."""
    DENIED = "TokenWanted"
    """A server is there, and tells us nothing: it asks for a token that we have not."""
    REFUSES = "ServerRefuses"
    """A server is there, and tells us nothing, for another reason than a token."""
    FOREIGN = "NotOurs"
    """Another program answers where a server is looked for."""
    SERVER_DOWN = "ServerDown"
    LOADING = "Loading"
    """Not an error: a server has heard of it, and is not done yet."""
    MODEL_MISSING = "ModelMissing"
    NOT_LOADED = "NotLoaded"
    """A server has tried, and could not."""
    WRONG_VERSION = "WrongVersion"
    """Another bundle answers than the one on record."""
    WRONG_ANSWER = "WrongAnswer"
    """The right bundle answers its own examples otherwise than it did."""
    BUNDLE_DAMAGED = "BundleDamaged"


#: What to do where it cannot be seen that anybody serves what is released, by the fault.
HINTS: Mapping[str, str] = {
    Fault.NOT_SERVED: "`reconciler serve` starts a server, `reconciler up` a daemon beside it",
    Fault.DENIED: "`reconciler token create NAME --scope admin` makes one, at the server",
    Fault.REFUSES: "`reconciler doctor` asks it again",
    Fault.FOREIGN: "`reconciler serve --port N` starts a server at another port, which is found"
    " by itself unless `targets.local.endpoints` of params.yaml names others",
}
#: Whether what is released is served cannot be known.
UNSEEN = frozenset({Fault.DENIED, Fault.REFUSES})
#: Reasons of a target plan that is at rest: the target does what the record says, or nobody is
#: there to do it, or to tell of it.
AT_REST = frozenset({"Settled", "NotReleased", *HINTS})
#: Reasons of a target that is at rest while a challenger gets its share: it goes on by itself, or
#: waits for a person.
ROLLING, ROLLING_STALLED = "RollingOut", "RolloutStalled"
#: What only waiting helps with.
_WAITS = (*HINTS, Fault.SERVER_DOWN, Fault.LOADING)
_LOADED_IN = timedelta(seconds=1)


#: What loading or publishing anew may help with.
HEALED = tuple(fault for fault in Fault if fault not in _WAITS)


#: What is counted once it is over.
COUNTED = (*HEALED, Fault.SERVER_DOWN)


@dataclass(frozen=True, slots=True)
class Seen:
    """What a target serves of one model."""

    digest: str | None
    """Digest of the served bundle; None when nothing is served."""
    intact: bool = True
    """Whether every byte is what the bundle's manifest says."""
    detail: str = ""
    fault: Fault | None = None
    """What is wrong, where the target tells it apart; None: digest and `intact` say all."""


@dataclass(frozen=True, slots=True)
class Converge:
    """Serve the bundle with this digest, whole."""

    digest: str


@dataclass(frozen=True, slots=True)
class Withdraw:
    """Stop serving the model."""


@dataclass(frozen=True, slots=True)
class TargetPlan:
    """The next step for one model at its target; without an action it is at rest, or waits."""

    reason: str
    message: str = ""
    action: Converge | Withdraw | None = None
    acted: bool = field(default=False, compare=False)
    """Whether something had to be done to come to it."""
    requeue_after: timedelta | None = None
    """When to look again although nothing has changed; None: there is no need."""
    missing: bool = False
    """Whether something is released and nothing answers."""

    @property
    def faulty(self) -> bool:
        """Return whether something is wrong that a while may mend."""
        return self.reason in (*COUNTED, *HINTS)

    @property
    def heals(self) -> bool:
        """Return whether its action mends what was as it should be before."""
        return isinstance(self.action, Converge) and self.reason != "RollOut"


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
    if (fault := _fault(champion, seen)) is not None:
        return _healing(champion, seen, fault)
    if seen.digest != champion:
        return TargetPlan("RollOut", "the released version is not served yet", Converge(champion))
    return TargetPlan("Settled", "serves the released version")


def _fault(champion: str, seen: Seen) -> Fault | None:
    damaged = seen.digest == champion and not seen.intact
    return seen.fault or (Fault.BUNDLE_DAMAGED if damaged else None)


def _healing(champion: str, seen: Seen, fault: Fault) -> TargetPlan:
    message, missing = seen.detail, seen.digest is None and fault not in UNSEEN
    if fault is Fault.BUNDLE_DAMAGED:
        message = f"what is served is damaged: {seen.detail}"
    if fault is Fault.LOADING:
        return TargetPlan(fault.value, message, requeue_after=_LOADED_IN)
    action = None if fault in _WAITS else Converge(champion)
    return TargetPlan(fault.value, message, action, missing=missing)
