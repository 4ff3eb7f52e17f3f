"""Why: what one model waits for, since when, and what would change that; pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from reconciler.core import rollouts
from reconciler.core.actions import Challenge
from reconciler.core.plan import Desired, Invalid, Plan
from reconciler.core.record import Outcome, Record, Version
from reconciler.core.standing import GOOD
from reconciler.core.steering import failures
from reconciler.core.target_plan import AT_REST, HINTS, UNSEEN, Fault, TargetPlan

#: What a model waits for whose server is there and cannot be asked.
_WANTED: Mapping[str, str] = {Fault.DENIED: "a token", Fault.REFUSES: "its server to let us ask"}


@dataclass(frozen=True, slots=True)
class Trouble:
    """How the last pass over a model ended, where it ended in an error of the world's."""

    reason: str
    message: str
    at: datetime


@dataclass(frozen=True, slots=True)
class Sighting:
    """How a model was found at its target by whoever could last look."""

    served: bool
    reason: str
    message: str
    at: datetime

    @property
    def when(self) -> str:
        """The time, as people read it."""
        return f"{self.at:%Y-%m-%d %H:%M:%S} UTC"


@dataclass(frozen=True, slots=True)
class Facts:
    """What is known of one model."""

    name: str
    plan: Plan
    desired: Desired | Invalid | None
    record: Record | None
    target: TargetPlan
    """What its target would have to do."""
    declared: datetime | None = None
    """When what it is made of was last committed; None: that is not known."""
    decided: datetime | None = None
    """When its record last changed; None: it never did."""
    training: datetime | None = None
    """Since when its stages run; None: they do not."""
    busy: str | None = None
    """Process id of a reconciler that is at work; None: none is."""
    rollout: str = ""
    """What its rollout has shown and still needs; empty: none is on."""
    trouble: Trouble | None = None
    sighting: Sighting | None = None
    """How its target was last seen, since the record last changed; None: nobody has looked."""
    log: str | None = None
    """Path of what its stages last printed; None: they printed nothing here."""

    @property
    def asked(self) -> Version | None:
        """The version that is in question: the one of what is declared."""
        if self.record is None or not isinstance(self.desired, Desired):
            return None
        return self.record.by_fingerprint(self.desired.fingerprint)

    @property
    def champion(self) -> Version | None:
        """The version in production."""
        return self.record.champion if self.record else None


@dataclass(frozen=True, slots=True)
class Why:
    """One sentence, in its three parts."""

    model: str
    reason: str
    """One CamelCase word for machines."""
    waits: str
    """The end of a sentence that begins with the model's name."""
    since: datetime | None
    then: str
    """What would change it, as the end of a sentence."""

    def sentence(self) -> str:
        """Return all of it as one sentence."""
        since = f", since {self.since:%Y-%m-%d %H:%M} UTC" if self.since else ""
        return f"{self.model} {self.waits}{since}; {self.then}."


def why(facts: Facts) -> Why:
    """Return what a model waits for, since when, and what would change that."""
    for rule in (_kept_back, _moving, _rolling, _resting, _judged, _stopped):
        if (found := rule(facts)) is not None:
            return found
    plan = facts.plan
    return _why(facts, f"waits: {plan.message}", facts.declared, "`reconciler apply` goes on")


def _why(facts: Facts, waits: str, since: datetime | None, then: str, reason: str = "") -> Why:
    return Why(facts.name, reason or facts.plan.reason, waits, since, then)


def _kept_back(facts: Facts) -> Why | None:
    """Tell of releases that wait for time, and of what a person must allow."""
    plan, name = facts.plan, facts.name
    if plan.reason == "Frozen":
        then = f"`reconciler apply {name}` goes on then, and a daemon does by itself"
        return _why(facts, f"waits for time: {plan.message}", facts.declared, then)
    if plan.reason == "MassChange":
        then = "either would change that"
        return _why(facts, f"waits for a person: {plan.message}", facts.declared, then)
    return None


def _moving(facts: Facts) -> Why | None:
    """Tell what the next pass does by itself, and what keeps it from doing so."""
    plan, name = facts.plan, facts.name
    if plan.reason == "Training" or (facts.training and plan.actions):
        then = "the gate judges it when its stages end"
        return _why(facts, "is being trained", facts.training, then, "Training")
    if not plan.actions:
        return None
    doing = _next(facts)
    if facts.busy:
        then = f"process {facts.busy} is at work and comes to it"
        return _why(facts, f"waits {doing}", facts.declared, then)
    if (trouble := facts.trouble) is not None:
        waits = f"waits {doing}: the last try ended with {trouble.message}"
        then = f"`reconciler apply {name}` tries again{_see(facts)}"
        return _why(facts, waits, trouble.at, then, trouble.reason)
    return _why(facts, f"waits {doing}", facts.declared, f"`reconciler apply {name}` does that")


def _next(facts: Facts) -> str:
    plan = facts.plan
    match plan.reason:
        case "NotTrained":
            revision = getattr(facts.desired, "revision", "")[:7]
            return f"to be trained: there is no artifact of what HEAD ({revision}) declares"
        case "NotJudged":
            return "to be judged: the gate has not answered the rules that HEAD declares"
        case "Passed" if any(isinstance(action, Challenge) for action in plan.actions):
            return "to be rolled out: the gate let it through"
        case "Passed":
            return "to be released: the gate let it through"
        case "NotDeclared":
            return "to be retired: no spec declares it any more"
        case _:
            return f"for its next step: {plan.message}"


def _rolling(facts: Facts) -> Why | None:
    """Tell of a rollout that goes on, and of one that was withdrawn."""
    plan, name = facts.plan, facts.name
    if plan.reason == "RollingOut":
        then = (
            "it goes on as its requests are counted, by a daemon that runs"
            f" (`reconciler watch`); `reconciler promote {name} --reason …` ends it at once, and"
            f" `reconciler rollback {name}` withdraws it"
        )
        so_far = f"; {facts.rollout}" if facts.rollout else ""
        return _why(facts, f"waits for its rollout: {plan.message}{so_far}", None, then)
    if plan.reason != "Withdrawn":
        return None
    stays = f"version {facts.champion.number} stays in production; " if facts.champion else ""
    then = (
        f"{stays}a commit that changes the model or its rollout would change that, and `reconciler"
        f" retry {name}` begins the rollout again"
    )
    return _why(facts, f"waits for a person: {plan.message}", facts.decided, then)


def _resting(facts: Facts) -> Why | None:
    """Tell of a model that is as declared, and of its target."""
    if facts.plan.reason not in GOOD or facts.plan.reason == "Suspended":
        return None
    if facts.plan.reason != "Settled":
        count = len(facts.record.versions) if facts.record else 0
        back = f"a commit with specs/{facts.name}.yaml (`git revert`) would bring it back"
        kept = f"{count} version{'s are' if count != 1 else ' is'} kept"
        return _why(facts, f"waits for nothing: it is retired, {kept}", facts.decided, back)
    assert facts.champion is not None
    number, target = facts.champion.number, facts.target
    if target.reason not in AT_REST:
        then = f"`reconciler apply {facts.name}` brings it there"
        return _why(
            facts,
            f"waits for its target: version {number} is released, and {target.message}",
            facts.decided,
            then,
            target.reason,
        )
    if target.reason in UNSEEN and facts.sighting is not None:
        return _as_seen(facts, number, facts.sighting)
    if target.reason in HINTS:
        what = _WANTED.get(target.reason, "a server")
        waits = f"waits for {what}: version {number} is released, and {target.message}"
        return _why(facts, waits, facts.decided, HINTS[target.reason], target.reason)
    waits = f"waits for nothing: version {number} is in production {facts.plan.message}"
    return _why(facts, waits, facts.decided, "a commit that changes it would change that")


def _as_seen(facts: Facts, number: int, last: Sighting) -> Why:
    """Tell how the target was found when somebody could look at it."""
    then = f"we cannot look ourselves: {facts.target.message}"
    if last.served:
        well = f"version {number} is in production {facts.plan.message}"
        waits = f"waits for nothing: {well} (served when last looked at, {last.when})"
        then = f"a commit that changes it would change that; {then}"
        return _why(facts, waits, facts.decided, then)
    waits = f"waits for its target: version {number} is released, and {last.message}"
    waits = f"{waits} (when last looked at, {last.when})"
    return _why(facts, waits, facts.decided, then, last.reason)


def _judged(facts: Facts) -> Why | None:
    """Tell of a version that the gate did not let through."""
    version, name = facts.asked, facts.name
    if version is None or facts.plan.reason not in ("Inconclusive", "Rejected", "OutOfPolicy"):
        return None
    said, number = _said(version), version.number
    current = facts.champion is not None and facts.champion.number == number
    if facts.plan.reason == "Inconclusive":
        open_ = "still holds" if current else "may be released"
        waits = f"waits for evidence whether version {number} {open_}: {said}"
        then = "more rows or another rule would settle it"
        word = f", as would `reconciler promote {name} {number} --reason …`"
        return _why(facts, waits, facts.decided, then if current else then + word)
    fate = "is out of policy and stays in production" if current else "was rejected"
    waits = f"waits for a commit: version {number} {fate}: {said}"
    then = "a commit that changes the model, its data or that rule would change that"
    return _why(facts, waits, facts.decided, then)


def _stopped(facts: Facts) -> Why | None:
    """Tell of what a commit or a person must undo."""
    plan, name = facts.plan, facts.name
    stays = f", and version {facts.champion.number} stays in production" if facts.champion else ""
    if plan.reason in ("Held", "Suspended"):
        return _held(facts)
    if plan.reason == "RecordCorrupt":
        then = f"mend {name}.yaml on the branch `deployed`, or revert what broke it"
        return _why(facts, f"waits for a person: {plan.message}", facts.decided, then)
    if isinstance(facts.desired, Invalid):
        then = f"a commit that mends it would change that{stays}"
        return _why(facts, f"waits for a commit: {plan.message}", facts.declared, then)
    if plan.reason == "RuntimeMismatch":
        then = f"either would let it train{stays}"
        return _why(facts, f"waits for libraries: it {plan.message}", facts.declared, then)
    fingerprint = getattr(facts.desired, "fingerprint", "")
    if (spent := failures(facts.record, fingerprint)) == ():
        return None
    last = spent[-1]
    fate = "training failed" if last.outcome is Outcome.FAILED else "it was withdrawn"
    then = (
        f"a commit that changes what is trained would change that, and `reconciler retry {name}`"
        f" tries once more{_see(facts)}{stays}"
    )
    waits = f"waits for a person: {fate} ({last.reason}): {last.message}"
    return _why(facts, waits, last.created, then)


def _held(facts: Facts) -> Why:
    fingerprint = getattr(facts.desired, "fingerprint", None)
    holds = facts.record.holds if facts.record else ()
    whole = next((hold for hold in holds if not hold.against), None)
    hold = whole or next((h for h in holds if fingerprint in h.against), holds[-1])
    ends = f"`reconciler resume {facts.name}` ends that"
    then = ends if whole else f"{ends}, and so does a commit that declares another model"
    going = f"; meanwhile {said}" if facts.record and (said := rollouts.said(facts.record)) else ""
    waits = f"waits for a person: it is held by {hold.by} ({hold.reason})"
    return _why(facts, waits, hold.since, f"{then}{going}")


def _see(facts: Facts) -> str:
    return f" (its log: {facts.log})" if facts.log else ""


def _said(version: Version) -> str:
    """Return what the gate said, and of an absolute rule by how much it was missed."""
    verdict = version.verdict or {}
    text = str(verdict.get("message") or version.message or "the gate did not say why")
    evidence = (e for e in verdict.get("evidence", ()) if e["outcome"] == verdict.get("outcome"))
    return text + _missed(next(evidence, {}))


def _missed(evidence: Mapping[str, Any]) -> str:
    value, rule = evidence.get("value"), evidence.get("threshold") or {}
    if evidence.get("outcome") != "failed" or value is None:
        return ""
    low, high = rule.get("min"), rule.get("max")
    if low is not None and value < low:
        return f" ({low - value:.3g} too low)"
    return f" ({value - high:.3g} too high)" if high is not None and value > high else ""
