"""`why`: what a model waits for, since when, and what would change that."""

from __future__ import annotations

import json
import sys
from dataclasses import asdict, replace
from datetime import UTC, datetime

from reconciler.adapters.log import log
from reconciler.adapters.machine import fair
from reconciler.adapters.slots import SlotPool
from reconciler.cli.options import Plain
from reconciler.cli.rolling import progress
from reconciler.cli.subject import Subject, subject
from reconciler.controller.fleet import Fleet
from reconciler.controller.guards import Guards
from reconciler.controller.last_seen import last_seen
from reconciler.controller.memory import Memory, observed
from reconciler.core import compilation
from reconciler.core.conditions import ConditionType
from reconciler.core.plan import Desired, Plan, plan_release
from reconciler.core.standing import MOVING
from reconciler.core.target_plan import TargetPlan
from reconciler.core.trainings import Running
from reconciler.core.why import Facts, Sighting, Trouble, Why, why
from reconciler.errors import ReconcilerError, TransientError

_RECENT = 200


def run(model: str, output: Plain) -> int:
    """Return 0; an unknown model is a usage error."""
    about = subject(model)
    found = _uncommitted(about) or why(facts(about))
    if output is Plain.JSON:
        plain = {**asdict(found), "sentence": found.sentence()}
        sys.stdout.write(json.dumps(plain, indent=2, default=_text) + "\n")
    else:
        sys.stdout.write(f"{found.sentence()}\n")
    return 0


def _uncommitted(about: Subject) -> Why | None:
    """Return that a model waits for a commit, where its spec stands on disk alone."""
    if about.desired is not None or about.record is not None:
        return None
    path = compilation.spec_path(about.name)
    waits = f"waits for a commit: {path} is not in HEAD"
    then = f"`git add {path} {compilation.PARAMS} && git commit` declares it"
    return Why(about.name, "NotCommitted", waits, None, then)


def facts(about: Subject) -> Facts:
    """Return everything that `why` looks at, gathered without changing anything."""
    site, desired, record = about.site, about.desired, about.record
    training = _leases(about).get(about.name)
    running = Running(desired.fingerprint) if training and isinstance(desired, Desired) else None
    seen = observed(record, Memory(), running, about.mismatches, room=fair())
    now = datetime.now(UTC)
    plan = plan_release(desired, seen, now)
    if plan.actions and about.fleet is not None:
        guards = _guards(about, about.fleet)
        kept = replace(
            seen, frozen=guards.frozen(about.name, now), guarded=guards.guarded(about.name)
        )
        plan = plan_release(desired, kept, now)
    declared, decided, path = (
        _declared(about),
        _decided(about, plan),
        site.workspace.logs / f"{about.name}.log",
    )
    return Facts(
        name=about.name,
        plan=plan,
        desired=desired,
        record=record,
        target=_target(about),
        declared=declared,
        decided=decided,
        training=training,
        busy=site.workspace.holder(),
        rollout=str(progress(site, record) or ""),
        trouble=_trouble(about, declared),
        sighting=_sighting(about, decided),
        log=str(path.relative_to(site.git.place)) if path.is_file() else None,
    )


def _guards(about: Subject, own: Fleet) -> Guards:
    """Return what keeps changes back, for which the whole fleet counts."""
    site = about.site
    try:
        recalled = site.recall(own.revision)
        others = site.others(own.revision, recalled)
        return site.guards(others.fleet, others.snapshot, others.recalled)
    except ReconcilerError:
        return Guards(own.params.freeze)


def _decided(about: Subject, plan: Plan) -> datetime | None:
    """Return when the record last changed, or what it says of the version in question did."""
    record, desired = about.record, about.desired
    asked = (
        record.by_fingerprint(desired.fingerprint)
        if record and isinstance(desired, Desired)
        else None
    )
    entries = about.store.history(about.name, _RECENT)
    if asked is not None and plan.reason != "OutOfPolicy":
        own = [e for e, note in entries if ("Version", str(asked.number)) in note.trailers]
        return own[0].when if own else None
    return entries[0][0].when if entries else None


def _leases(about: Subject) -> dict[str, datetime]:
    try:
        return SlotPool(about.site.workspace.slots, 1, about.site.root).leases()
    except TransientError:
        return {}


def _declared(about: Subject) -> datetime | None:
    """Return when what the model is made of was last committed."""
    if about.fleet is None:
        return None
    paths: tuple[str, ...] = (compilation.spec_path(about.name),)
    if about.fleet.spec(about.name) is not None:
        paths = about.fleet.slice_of(about.name)[0]
    found = log(about.site.git, about.fleet.revision, paths, 1)
    return found[0].when if found else None


def _target(about: Subject) -> TargetPlan:
    if about.fleet is None:
        return TargetPlan("Unknown", "HEAD cannot be followed")
    try:
        own = about.fleet.target(about.name)
        return about.site.serving(about.fleet).look(about.name, own, about.record)
    except ReconcilerError as error:
        return TargetPlan(error.reason, str(error))


def _sighting(about: Subject, decided: datetime | None) -> Sighting | None:
    """Return how its target was last seen, unless its record has changed since."""
    found = last_seen(about.site.workspace, about.name).get(about.name)
    return None if found is None or (decided and found.at < decided) else found


def _trouble(about: Subject, declared: datetime | None) -> Trouble | None:
    """Return what kept the last pass from going on, unless a commit came since."""
    site = about.site
    if not site.workspace.status.exists():
        return None
    try:
        seen = site.status.observed().get(about.name)
        claims = site.status.conditions(about.name).get(about.name, {})
    except TransientError:
        return None
    claim = claims.get(ConditionType.RECONCILING)
    if seen is None or claim is None or (declared and seen[3] < declared):
        return None
    if claim.reason in MOVING or not claim.message:
        return None
    return Trouble(claim.reason, claim.message, seen[3])


def _text(value: object) -> str:
    return value.isoformat() if isinstance(value, datetime) else str(value)
