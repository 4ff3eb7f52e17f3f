"""Decisions: how each one changes a release record. Applied again when another commit came first.

A change is a function of the record as it is found, so that a lost race costs a second try and
never an update.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from reconciler.core import record as records
from reconciler.core import rollouts
from reconciler.core import verdict as gate
from reconciler.core.record import Outcome, Record, Version
from reconciler.core.rollout import Promote, Shift, Withdraw
from reconciler.core.trainings import Broken
from reconciler.spec.model import Rollout

Change = Callable[[Record | None], Record]

_OUTCOMES = {
    gate.Outcome.FAILED: Outcome.REJECTED,
    gate.Outcome.INCONCLUSIVE: Outcome.INCONCLUSIVE,
}


class Overtaken(Exception):  # noqa: N818  no error: the plan is made again
    """What a decision rests on was changed by hand while it was made."""


@dataclass(frozen=True, slots=True)
class Decision:
    """One change to one model's record, and how to speak of it."""

    model: str
    change: Change
    reason: str
    message: str
    good: bool
    bundle: str | None = None
    """The bundle that is on record once the change is made; None: it concerns none."""


def release(
    model: str, version: Version, revision: str, keep: int, *, declared: bool = True
) -> Decision:
    """Return the decision that makes `version` the champion.

    Args:
        model: The model's name.
        version: What passed.
        revision: The commit that is followed.
        keep: Versions that are kept.
        declared: It is what `revision` declares; False: an earlier version steps in for it.
    """

    def change(record: Record | None) -> Record:
        changed, number = _enter(record or records.empty(model), version, Outcome.RELEASED, keep)
        satisfied = revision if declared else version.revision
        return records.attempt(records.promote(changed, number, satisfied), revision)

    if declared:
        message = f"released: {_figures(version)}"
        return Decision(model, change, "Released", message, True, _of(version))
    message = f"rolled back to version {version.number}: {_figures(version)}"
    return Decision(model, change, "RolledBack", message, True, _of(version))


def accept(model: str, version: Version, revision: str, keep: int) -> Decision:
    """Return the decision that puts on record that `version` may be released, and waits."""

    def change(record: Record | None) -> Record:
        entered = record or records.empty(model)
        changed, _ = _enter(entered, version, Outcome.ACCEPTED, keep)
        return records.attempt(changed, revision)

    message = f"accepted, its release waits: {_figures(version)}"
    return Decision(model, change, "Accepted", message, True, _of(version))


def challenge(
    model: str, version: Version, revision: str, keep: int, rollout: Rollout, now: datetime
) -> Decision:
    """Return the decision that begins to roll `version` out beside the champion.

    Args:
        model: The model's name.
        version: What passed.
        revision: The commit that is followed.
        keep: Versions that are kept.
        rollout: The settings, of a strategy other than immediate.
        now: When it begins.
    """

    def change(record: Record | None) -> Record:
        entered = record or records.empty(model)
        changed, number = _enter(entered, version, Outcome.ACCEPTED, keep)
        return records.attempt(rollouts.started(changed, number, rollout, now), revision)

    message = f"rollout started ({rollout.strategy}): {_figures(version)}"
    return Decision(model, change, "RolloutStarted", message, True, _of(version))


def shift(record: Record, move: Shift, now: datetime) -> Decision:
    """Return the decision that sends another part of the traffic to the challenger."""

    def change(found: Record) -> Record:
        return rollouts.shifted(found, move.weight, move.step, now)

    message = rollouts.said(rollouts.shifted(record, move.weight, move.step, now))
    return _rolling(record, change, "Shifted", message)


def promote_challenger(record: Record, move: Promote, revision: str) -> Decision:
    """Return the decision that makes the challenger the champion."""

    def change(found: Record) -> Record:
        return rollouts.promoted(found, revision, move.reason, move.message)

    message = f"released: {_challenger(record)} {move.message}"
    return _rolling(record, change, "Released", message)


def withdraw_challenger(record: Record, move: Withdraw, revision: str) -> Decision:
    """Return the decision that takes the challenger out of the traffic.

    Args:
        record: The record as it was seen.
        move: Why, and whether it is kept from another try under these settings.
        revision: The commit that is followed: what was inconclusive is tried again by another.
    """
    until = "" if move.remembered else revision

    def change(found: Record) -> Record:
        return rollouts.withdrawn(found, move.reason, move.message, until)

    message = f"{_challenger(record)} is withdrawn: {move.message}"
    return _rolling(record, change, move.reason, message, good=False)


def abandon(record: Record, why: str, revision: str) -> Decision:
    """Return the decision that ends a rollout because something else is declared now."""

    def change(found: Record) -> Record:
        return records.attempt(rollouts.abandoned(found, why), revision)

    message = f"the rollout of {_challenger(record)} is abandoned: {why}"
    return _rolling(record, change, "Abandoned", message)


def _rolling(
    record: Record,
    change: Callable[[Record], Record],
    reason: str,
    message: str,
    *,
    good: bool = True,
) -> Decision:
    """Return a decision about the challenger; overtaken where it stands elsewhere by then."""
    seen, version = record.challenger, rollouts.challenger(record)

    def guarded(found: Record | None) -> Record:
        if found is None or found.challenger is None or found.challenger != seen:
            raise Overtaken
        return change(found)

    bundle = version.bundle_digest if version else None
    return Decision(record.model, guarded, reason, message, good, bundle)


def _challenger(record: Record) -> str:
    return f"version {record.challenger.version}" if record.challenger else "no version"


def confirm(
    model: str,
    version: Version,
    revision: str,
    keep: int,
    *,
    declared: bool = True,
    vouched: bool = False,
) -> Decision:
    """Return the decision that renews the champion's verdict; its number stays.

    The revision is satisfied only by a champion that it declares and that its rules accept, or a
    person by whom it is vouched.
    """
    passed = (version.verdict or {}).get("outcome") == gate.Outcome.PASSED or vouched

    def change(record: Record | None) -> Record:
        changed, number = _enter(record or records.empty(model), version, Outcome.RELEASED, keep)
        if passed and declared:
            return records.promote(changed, number, revision)
        return records.attempt(changed, revision)

    said = "still accepted" if passed else f"out of policy: {said_by(version)}"
    return Decision(model, change, "Judged", said, passed, _of(version))


def reject(model: str, version: Version, revision: str, keep: int) -> Decision:
    """Return the decision that puts on record that `version` stays out, and why."""
    assert version.verdict is not None
    outcome = _OUTCOMES[gate.Outcome(version.verdict["outcome"])]

    def change(record: Record | None) -> Record:
        changed, number = _enter(record or records.empty(model), version, outcome, keep)
        if changed.challenger is not None and changed.challenger.version == number:
            changed = rollouts.ended(changed)
        return records.attempt(changed, revision)

    message = f"{outcome.value}: {said_by(version)}"
    return Decision(model, change, outcome.value.title(), message, False, _of(version))


def fail(model: str, broken: Broken, revision: str, keep: int, now: datetime) -> Decision:
    """Return the decision that puts on record that training ended without an artifact."""

    def change(record: Record | None) -> Record:
        before = record or records.empty(model)
        version = Version(
            number=before.next_version,
            outcome=Outcome.FAILED,
            reason=broken.reason,
            message=broken.message,
            fingerprint=broken.fingerprint,
            revision=revision,
            created=now,
            timeout=broken.timeout,
            memory=broken.memory,
        )
        return records.attempt(records.with_version(before, version, keep), revision)

    message = f"training failed: {broken.message}"
    return Decision(model, change, broken.reason, message, False)


def cancelled(model: str, broken: Broken, revision: str, keep: int, now: datetime) -> Decision:
    """Return the decision that puts on record that a training was cut short, and for what."""

    def change(record: Record | None) -> Record:
        before = record or records.empty(model)
        version = Version(
            number=before.next_version,
            outcome=Outcome.CANCELLED,
            reason=broken.reason,
            message=broken.message,
            fingerprint=broken.fingerprint,
            revision=broken.revision,
            created=now,
            timeout=broken.timeout,
        )
        return records.attempt(records.with_version(before, version, keep), revision)

    return Decision(model, change, broken.reason, f"training {broken.message}", True)


def retire(model: str, revision: str) -> Decision:
    """Return the decision that takes the model out of production and keeps its history."""

    def change(record: Record | None) -> Record:
        return records.retire(record or records.empty(model), revision)

    message = "retired: nothing declares it any more"
    return Decision(model, change, "Retired", message, True)


def unless_steered(change: Change, seen: Record | None) -> Change:
    """Return `change` for a record that nobody has steered since it was `seen`.

    Raises:
        Overtaken: From the change: a hold came or went, another version is in production, a
            rollout began, went on or ended, a version was added, perhaps this very one by a push
            whose answer never came; somebody else has decided by another revision, perhaps a newer
            one than ours; or has put just this on record.
    """

    def guarded(record: Record | None) -> Record:
        if _steered(record) != _steered(seen):
            raise Overtaken
        after = change(record)
        if after == record and record != seen:
            raise Overtaken
        return after

    return guarded


def _steered(record: Record | None) -> tuple[object, ...]:
    if record is None:
        return (), None, None, 1, None
    champion = record.champion.number if record.champion else None
    return record.holds, champion, record.challenger, record.next_version, record.attempted


def said_by(version: Version) -> str:
    """Return what the gate said of `version`, as one sentence."""
    return str((version.verdict or {}).get("message") or "the gate was not asked")


def _enter(record: Record, version: Version, outcome: Outcome, keep: int) -> tuple[Record, int]:
    """Return the record with `version` in it, under its number if its bundle is known."""
    known = record.by_bundle(version.bundle.md5) if version.bundle else None
    number = known.number if known else record.next_version
    changes: dict[str, Any] = {"number": number, "outcome": outcome, "reason": "", "message": ""}
    if outcome is not Outcome.RELEASED:
        changes |= {"reason": outcome.value.title(), "message": said_by(version)}
    if known is not None:
        changes |= {"promotion": known.promotion}
    if known is not None and known.rollout is not None and outcome is not Outcome.RELEASED:
        changes |= {"rollout": known.rollout}
    if known is not None and known.rollout is not None and outcome is Outcome.ACCEPTED:
        told = ("outcome", "reason", "message")  # what servers saw of it stays true
        changes |= {name: getattr(known, name) for name in told}
    if known is not None and known.outcome in (Outcome.RELEASED, Outcome.SUPERSEDED):
        changes |= {"created": known.created}
        if outcome is not Outcome.RELEASED:
            changes |= {"outcome": known.outcome}  # it was in production: that stays true
    return records.with_version(record, version.model_copy(update=changes), keep), number


def _of(version: Version) -> str | None:
    return version.bundle_digest


def _figures(version: Version) -> str:
    """Return the metrics that its rules ask for, as evidence that it was judged."""
    evidence = (version.verdict or {}).get("evidence", ())
    named = dict.fromkeys(item["metric"] for item in evidence)
    values = {name: version.metrics[name] for name in named if name in version.metrics}
    return ", ".join(f"{name} {value:.4g}" for name, value in values.items()) or "accepted"
