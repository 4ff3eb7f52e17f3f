"""The release plan: what to do next for one model, a pure function of what is.

It looks at what is, never at what happened, so a lost event, a crash or a change made by hand
costs one more pass. The rules are tried in order and the first that answers wins: the order is
the policy.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from reconciler.core.actions import (
    Abandon,
    Accept,
    Action,
    Cancel,
    Challenge,
    Confirm,
    Fail,
    Judge,
    Reject,
    Release,
    Retire,
    Supersede,
    Train,
)
from reconciler.core.candidates import Candidate, answered, question
from reconciler.core.observed import Observed
from reconciler.core.rollout_rules import rules_of, settings_digest
from reconciler.core.trainings import Broken
from reconciler.core.verdict import Outcome
from reconciler.spec.model import ModelSpec, Rollout


@dataclass(frozen=True, slots=True)
class Desired:
    """A model as the tracked branch declares it, and the fingerprint that follows."""

    spec: ModelSpec
    fingerprint: str
    revision: str

    @property
    def timeout(self) -> str | None:
        """The declared bound on training, as written; None: unbounded."""
        bound = self.spec.spec.training.timeout
        return None if bound is None else str(bound)

    @property
    def rollout(self) -> Rollout:
        """How a version of it takes over the traffic."""
        return self.spec.spec.deployment.rollout or Rollout()


@dataclass(frozen=True, slots=True)
class Invalid:
    """A spec that stands on the tracked branch and cannot be followed."""

    reason: str
    message: str

    @classmethod
    def recorded(cls, why: str) -> Invalid:
        """Return what a model counts as whose record cannot be read, whatever is declared."""
        return cls("RecordCorrupt", f"its record cannot be read: {why}")


@dataclass(frozen=True, slots=True)
class Plan:
    """The next step for one model; without actions it is at rest, for the stated reason."""

    reason: str
    message: str = ""
    actions: tuple[Action, ...] = ()
    requeue_after: timedelta | None = None
    """Ask again then, because what it waits for is time; None: a change will wake it."""


Rule = Callable[[Desired | Invalid | None, Observed, datetime], Plan | None]

_REMEDY = "install these, or declare yours with `reconciler compile --upgrade-runtime`"
TRANSIENT_PAUSE = timedelta(seconds=30)
#: Reasons of steps towards another version in production than now, or towards none.
CHANGING = frozenset({"NotTrained", "NotJudged", "Passed", "Abandoned", "NotDeclared"})


def plan_release(desired: Desired | Invalid | None, observed: Observed, now: datetime) -> Plan:
    """Return the next step that brings the release record closer to `desired`.

    Args:
        desired: The declared model; None: the tracked branch does not declare it.
        observed: What is known of it.
        now: The time, with a zone.
    """
    for rule in RULES:
        plan = rule(desired, observed, now)
        if plan is not None:
            return plan
    raise AssertionError("the last rule answers always")


def _supersede(desired: Desired | Invalid | None, observed: Observed, _: datetime) -> Plan | None:
    """End a training that is declared no more, and put on record what was cut short.

    What is declared is wanted, whatever revision its training was started at and whatever is held:
    a hold may end any moment. A spec that cannot be followed leaves the last good one in force.
    """
    if isinstance(desired, Invalid):
        return None
    declared = None if desired is None else desired.fingerprint
    running = observed.running
    if running and not running.ending and running.fingerprint != declared:
        return Plan("Superseded", _successor(desired), (Cancel(running.fingerprint),))
    cut = next((broken for broken in observed.broken if broken.superseded), None)
    if cut is None or (desired is None and not observed.recorded):
        return None
    return Plan("Superseded", cut.message, (Supersede(cut),))


def _successor(desired: Desired | None) -> str:
    """Return what takes the place of a training that is cut short."""
    if desired is None:
        return "cut short: its spec is gone from the tracked branch"
    return f"cut short: revision {desired.revision[:10]} declares another model"


def _abandon(desired: Desired | Invalid | None, observed: Observed, _: datetime) -> Plan | None:
    """End a rollout of what is declared no more: no hold and no freeze keeps it going."""
    challenger = observed.challenger
    if challenger is None or not isinstance(desired, Desired):
        return None
    candidate = observed.of(desired.fingerprint)
    if candidate is not None and candidate.bundle == challenger.bundle:
        return None
    if candidate is not None and candidate.bundle == observed.champion:
        why = "the version in production is what is declared"
    else:
        why = f"revision {desired.revision[:10]} declares another model"
    return Plan("Abandoned", why, (Abandon(why),))


def _guard(desired: Desired | Invalid | None, observed: Observed, now: datetime) -> Plan | None:
    """Stop before what must be allowed first: the revision would change too much at once."""
    if observed.guarded is None:
        return None
    rest = plan_release(desired, replace(observed, guarded=None, frozen=None), now)
    changes = rest.reason in CHANGING or any(isinstance(a, Cancel) for a in rest.actions)
    return Plan("MassChange", observed.guarded) if changes else None


def _freeze(desired: Desired | Invalid | None, observed: Observed, now: datetime) -> Plan | None:
    """Have releases and retirements wait; falling back to an earlier version does not."""
    if observed.frozen is None:
        return None
    rest = plan_release(desired, replace(observed, frozen=None), now)
    waits: tuple[Action, ...] = ()
    match rest.actions:
        case (Release(bundle) | Challenge(bundle),) if rest.reason == "Passed":
            candidate = observed.at(bundle)
            if candidate and candidate.recorded != candidate.judged:
                waits = (Accept(bundle),)
        case (Retire(),):
            pass
        case () if rest.reason == "RollingOut":  # it stays at its step
            frozen = f"{rest.message}; {observed.frozen}"
            return Plan("Frozen", frozen, requeue_after=observed.frozen.pause(now))
        case _:
            return rest
    pause = observed.frozen.pause(now)
    return Plan("Frozen", str(observed.frozen), waits, requeue_after=pause)


def _retire(desired: Desired | Invalid | None, observed: Observed, _: datetime) -> Plan | None:
    if desired is not None:
        return None
    if not observed.recorded:
        return Plan("Absent", "not declared and not recorded")
    if observed.champion is None:
        return Plan("Retired", "not declared and not in production")
    if observed.foreign:
        return Plan("DeclaredElsewhere", "no commit of this branch has declared it: left alone")
    return Plan("NotDeclared", "its spec is gone from the tracked branch", (Retire(),))


def _hold(desired: Desired | Invalid | None, observed: Observed, now: datetime) -> Plan | None:
    """Stop where a hold names nothing in particular, or what is declared: fingerprint or bundle.

    `Held` is a model that would otherwise move, `Suspended` one that is as declared meanwhile.
    """
    ids: tuple[str, ...] = ()
    if isinstance(desired, Desired):
        candidate = observed.of(desired.fingerprint)
        ids = (desired.fingerprint, *((candidate.bundle,) if candidate else ()))
    stops = observed.stopped(*ids)
    if not stops:
        return None
    rest = plan_release(desired, replace(observed, holds=()), now)
    match rest.actions:  # rules that became stricter end a rollout all the same
        case (Judge(bundle) | Reject(bundle),) if observed.rolls_out(bundle):
            return rest
    reason = "Suspended" if rest.reason == "Settled" else "Held"
    return Plan(reason, "; ".join(map(str, stops)))


def _refuse(desired: Desired | Invalid | None, observed: Observed, _: datetime) -> Plan | None:
    if isinstance(desired, Invalid):
        return Plan(desired.reason, desired.message)
    assert desired is not None
    if observed.of(desired.fingerprint) or _trains(desired, observed):
        return None
    if observed.mismatches:
        found = ", ".join(str(item) for item in observed.mismatches)
        return Plan("RuntimeMismatch", f"cannot train with these libraries: {found} ({_REMEDY})")
    return next((_refusal(b) for b in observed.broken if _repeats(b, desired, observed)), None)


def _repeats(broken: Broken, desired: Desired, observed: Observed) -> bool:
    """Return whether training again would fail as `broken` did: same inputs, no wider bounds."""
    if broken.memory is not None and (observed.memory or 0) > broken.memory:
        return False
    same = broken.fingerprint == desired.fingerprint and broken.timeout == desired.timeout
    return same and (broken.recorded or broken.transient)


def _refusal(broken: Broken) -> Plan:
    pause = TRANSIENT_PAUSE if broken.transient else None
    return Plan(broken.reason, broken.message, requeue_after=pause)


def _train(desired: Desired | Invalid | None, observed: Observed, _: datetime) -> Plan | None:
    assert isinstance(desired, Desired)
    if _trains(desired, observed):
        return Plan("Training", "its stages are running")
    if observed.of(desired.fingerprint):
        return None
    for broken in observed.broken:
        same = broken.fingerprint == desired.fingerprint and broken.timeout == desired.timeout
        if same and not broken.recorded:
            return Plan("TrainingFailed", broken.message, (Fail(broken),))
    if observed.running:
        return Plan("NotTrained", "waits until the training that was cut short has ended")
    return Plan("NotTrained", "no artifact of this fingerprint", (Train(desired.fingerprint),))


def _trains(desired: Desired, observed: Observed) -> bool:
    running = observed.running
    return running is not None and not running.ending and running.fingerprint == desired.fingerprint


def _judge(desired: Desired | Invalid | None, observed: Observed, _: datetime) -> Plan | None:
    assert isinstance(desired, Desired)
    candidate = observed.of(desired.fingerprint)
    assert candidate is not None
    asked = _asked(desired, candidate, observed)
    if not answered(candidate, asked):
        return Plan("NotJudged", "the gate has not answered", (Judge(candidate.bundle, asked),))
    return None


def _release(desired: Desired | Invalid | None, observed: Observed, _: datetime) -> Plan | None:
    assert isinstance(desired, Desired)
    candidate = observed.of(desired.fingerprint)
    assert candidate is not None
    if candidate.bundle == observed.champion:
        return _keep(desired, candidate, observed)
    if candidate.accepted:
        return _let_in(desired, candidate, observed)
    if candidate.recorded != candidate.judged:
        return Plan("Rejected", "the gate kept it out", (Reject(candidate.bundle),))
    return _fall_back(desired, observed)


def _let_in(desired: Desired, candidate: Candidate, observed: Observed) -> Plan:
    """Return what becomes of a candidate that passed: released at once, or rolled out.

    One that was withdrawn stays out as long as the settings of its rollout stand; where it was
    inconclusive, until the next revision.
    """
    rules, challenger = rules_of(desired.rollout), observed.challenger
    now = settings_digest(rules)
    stands = candidate.recorded == candidate.judged
    if candidate.withdrawn in (now, settings_digest(rules, desired.revision)):
        actions = () if stands else (Accept(candidate.bundle),)
        rests = Plan("Withdrawn", candidate.withdrawal, actions)
        return rests if actions else _fall_back(desired, observed) or rests
    if rules.strategy == "immediate" or observed.champion is None:
        return Plan("Passed", "the gate let it through", (Release(candidate.bundle),))
    if challenger is None or challenger.settings != now:
        return Plan("Passed", "the gate let it through", (Challenge(candidate.bundle),))
    actions = () if stands else (Accept(candidate.bundle),)
    return Plan("RollingOut", challenger.said, actions)


def _keep(desired: Desired, champion: Candidate, observed: Observed) -> Plan | None:
    if champion.recorded != champion.judged:
        return Plan("Confirmed", "the champion's verdict is renewed", (Confirm(champion.bundle),))
    return None if champion.accepted else _fall_back(desired, observed)


def _fall_back(desired: Desired, observed: Observed) -> Plan | None:
    """Return the way back to an earlier version, where the spec asks for one.

    It is asked for by `on_violation: rollback` once the champion fails its own rules; the
    versions that were in production are tried from the latest back.
    """
    champion = observed.at(observed.champion)
    if champion is None or desired.spec.spec.deployment.on_violation != "rollback":
        return None
    for candidate in (champion, *reversed(observed.candidates)):
        if not candidate.released or observed.stopped(candidate.fingerprint, candidate.bundle):
            continue
        asked = _asked(desired, candidate, observed)
        if not answered(candidate, asked):
            why = "the champion is held against the rules that stand now"
            return Plan("OutOfPolicy", why, (Judge(candidate.bundle, asked),))
        if candidate is champion and candidate.recorded != candidate.judged:
            why = "the champion's verdict is renewed"
            return Plan("Confirmed", why, (Confirm(candidate.bundle),))
        if candidate.accepted:
            if candidate is champion:
                return None
            return Plan("RollBack", "an earlier version passes", (Release(candidate.bundle),))
        if candidate is champion and candidate.verdict is Outcome.INCONCLUSIVE:
            return None
    return None


def _settle(desired: Desired | Invalid | None, observed: Observed, _: datetime) -> Plan:
    assert isinstance(desired, Desired)
    candidate = observed.of(desired.fingerprint)
    assert candidate is not None
    current = candidate.bundle == observed.champion
    match candidate.verdict:
        case Outcome.PASSED:
            return Plan("Settled", "as declared")
        case _ if current and candidate.accepted:
            return Plan("Settled", f"as declared; {candidate.vouched}")
        case Outcome.INCONCLUSIVE:
            return Plan("Inconclusive", candidate.said or "the gate could not tell")
        case _ if current:
            said = candidate.said or "it fails the rules that stand now"
            return Plan("OutOfPolicy", f"the champion stays, and {said}")
        case _:
            return Plan("Rejected", candidate.said or "the gate kept it out")


def _asked(desired: Desired, candidate: Candidate, observed: Observed) -> str:
    champion = observed.at(observed.champion)
    return question(desired.spec.spec.acceptance, candidate, champion)


RULES: tuple[Rule, ...] = (
    _guard,
    _supersede,
    _abandon,
    _freeze,
    _retire,
    _hold,
    _refuse,
    _train,
    _judge,
    _release,
    _settle,
)
