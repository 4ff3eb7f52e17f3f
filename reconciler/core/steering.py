"""Steering: what a person may do to a release record by hand, and why not; pure.

Nothing here overrides the gate: what failed or was rejected is never released. A person may go
back to what was in production before, stop releases, and decide where the gate could not.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from reconciler.core import record as records
from reconciler.core import rollouts
from reconciler.core.record import Hold, Outcome, Promotion, Record, Version
from reconciler.errors import UsageError

_LONGEST = 500


def said(text: str | None) -> str:
    """Return what a person wrote as one line, without what a terminal would act on."""
    words = "".join(c if c.isprintable() else " " for c in text or "").split()
    return " ".join(words)[:_LONGEST]


def suspended(record: Record, hold: Hold) -> Record:
    """Return the record with a hold on everything; unchanged when there is one like it."""
    same = any(h.reason == hold.reason for h in everything(record))
    return record if same else records.with_hold(record, hold)


def everything(record: Record | None) -> tuple[Hold, ...]:
    """Return the holds that stop every release of a model."""
    return tuple(hold for hold in record.holds if not hold.against) if record else ()


def rollback_target(record: Record, number: int | None, declared: str | None) -> Version:
    """Return the version to roll back to.

    Args:
        record: The record of a model with a champion.
        number: Which one; None: the newest that was in production before.
        declared: Fingerprint of what the tracked branch declares; None: that is not known.

    Raises:
        UsageError: There is none, it is not kept, or it was never in production.
    """
    champion, model = record.champion, record.model
    if champion is None:
        raise UsageError(f"{model} has no version in production", reason="NotReleased")
    if number is None:
        return _before(record, declared)
    version = kept(record, number)
    if version.number == champion.number:
        return version
    if version.outcome is not Outcome.SUPERSEDED or version.bundle is None:
        raise UsageError(
            f"version {number} of {model} was never in production: it {_fate(version)}",
            reason="NeverReleased",
            hint=_choices(record, Outcome.SUPERSEDED) or f"see `reconciler history {model}`",
        )
    if version.fingerprint == declared:
        raise UsageError(
            f"version {number} of {model} is what HEAD declares, so no rollback leads to it",
            reason="Declared",
            hint=f"`reconciler why {model}` says what keeps it out; a hold ends with"
            f" `reconciler resume {model}`",
        )
    return version


def rollback_hold(
    record: Record, to: Version, declared: str | None, reason: str, by: str, now: datetime
) -> Hold:
    """Return the hold that keeps what is rolled back from out, until something else is declared.

    It names fingerprint and bundle of the champion, and the fingerprint that is declared now:
    otherwise the next pass would release what was just taken back, also when a commit of no
    consequence gives it a new fingerprint and training the same bytes.
    """
    champion = record.champion
    assert champion is not None
    ids = (champion.fingerprint, champion.bundle_digest, declared)
    own = (to.fingerprint, to.bundle_digest)
    against = tuple(dict.fromkeys(i for i in ids if i is not None and i not in own))
    told = f"rolled back from version {champion.number} to {to.number}"
    told = f"{told}: {reason}" if reason else told
    return Hold(reason=told, by=by, since=now, against=against)


def rolled_back(record: Record, number: int, hold: Hold, revision: str) -> Record:
    """Return the record with an earlier version as champion and `hold` against the former one.

    Holds that name the chosen version end: it was chosen by hand.

    Args:
        record: The record before.
        number: A version that `rollback_target` gave.
        hold: What `rollback_hold` gave.
        revision: The commit that is followed.
    """
    chosen = kept(record, number)
    ids = {chosen.fingerprint, chosen.bundle_digest}
    for other in record.holds:
        if ids & set(other.against):
            record = records.without(record, other)
    record = records.promote(record, number, chosen.revision)
    return records.with_hold(records.attempt(record, revision), hold)


def withdraws(record: Record, number: int | None) -> bool:
    """Return whether a rollback is one of the challenger: the champion stays.

    Args:
        record: The record before.
        number: The version that is asked for; None: whichever was there before.
    """
    champion = record.champion
    stays = champion is not None and number in (None, champion.number)
    return record.challenger is not None and stays


def challenger_withdrawn(record: Record, reason: str, by: str) -> Record:
    """Return the record with its challenger withdrawn by hand, and remembered as that."""
    told = f"rolled back by {by}: {reason}" if reason else f"rolled back by {by}"
    return rollouts.withdrawn(record, "RolledBack", told)


def promotable(record: Record, number: int | None, declared: str | None) -> Version:
    """Return the version that a person may release although the gate could not tell.

    One that is being rolled out may be released before its rollout is over.

    Args:
        record: The model's record.
        number: Which one; None: the challenger, else the one that is declared.
        declared: Fingerprint of what the tracked branch declares; None: nothing valid.

    Raises:
        UsageError: The gate did tell, it is not what is declared, or a hold stands against it.
    """
    rival = rollouts.challenger(record)
    if rival is not None and number in (None, rival.number):
        version = rival
    else:
        rival, version = None, _asked(record, number, declared)
    model, count = record.model, version.number
    if record.champion is not None and count == record.champion.number:
        return version
    undecided = version.outcome is Outcome.INCONCLUSIVE and version.judged is not None
    if rival is None and not undecided:
        raise UsageError(
            f"version {count} of {model} is not promoted: it {_fate(version)}",
            reason="NotInconclusive",
            hint=_instead(version, model),
        )
    if version.fingerprint != declared:
        raise UsageError(
            f"version {count} of {model} is not what HEAD declares: the next pass would undo it",
            reason="NotDeclared",
            hint=f"commit the spec of {version.revision[:10]} again, then promote",
        )
    held = [h for h in record.holds if h.stops(version.fingerprint, version.bundle_digest or "")]
    if held:
        raise UsageError(
            f"{model} is {held[0]}", reason="Held", hint=f"`reconciler resume {model}` ends it"
        )
    return version


def promoted(record: Record, number: int, by: str, reason: str, now: datetime, at: str) -> Record:
    """Return the record with an inconclusive version, or the challenger, as champion.

    Args:
        record: The record before.
        number: A version that `promotable` gave.
        by: Who stands by it.
        reason: Why.
        now: When.
        at: The commit that declares it.
    """
    version = kept(record, number)
    word = Promotion(reason=reason, by=by, since=now, judged=version.judged or "")
    vouched = version.model_copy(update={"promotion": word})
    return records.promote(records.with_version(record, vouched), number, at)


def failures(record: Record | None, fingerprint: str) -> tuple[Version, ...]:
    """Return the attempts at a fingerprint that stand in the way of another."""
    spent = (Outcome.FAILED, Outcome.WITHDRAWN)
    found = record.versions if record else ()
    return tuple(v for v in found if v.fingerprint == fingerprint and v.outcome in spent)


def kept(record: Record, number: int) -> Version:
    """Return version `number`.

    Raises:
        UsageError: It is not on record; the message lists those that are.
    """
    version = record.version(number)
    if version is None:
        raise UsageError(
            f"{record.model} has no version {number}",
            reason="UnknownVersion",
            hint=f"kept are: {_numbers(record.versions) or 'none'}",
        )
    return version


def _before(record: Record, declared: str | None) -> Version:
    """Return the newest version that was in production, is not declared, and not held against."""
    rest = tuple(v for v in record.versions if v.fingerprint != declared or v == record.champion)
    former = records.predecessor(record.model_copy(update={"versions": rest}))
    if former is None or former.bundle is None:
        raise UsageError(
            f"{record.model} has no earlier version that was in production",
            reason="NoPredecessor",
            hint=f"`reconciler suspend {record.model}` stops releases",
        )
    return former


def _asked(record: Record, number: int | None, declared: str | None) -> Version:
    if number is not None:
        return kept(record, number)
    version = record.by_fingerprint(declared) if declared else None
    if version is None:
        raise UsageError(
            f"{record.model} has no version of what HEAD declares",
            reason="NothingToPromote",
            hint=f"`reconciler why {record.model}` says what it waits for",
        )
    return version


def _fate(version: Version) -> str:
    why = version.message or str((version.verdict or {}).get("message", ""))
    why = f": {why}" if why else ""
    match version.outcome:
        case Outcome.FAILED:
            return f"failed in training{why}"
        case Outcome.REJECTED:
            return f"was rejected{why}"
        case Outcome.INCONCLUSIVE:
            return f"was inconclusive{why}"
        case Outcome.WITHDRAWN:
            return f"was withdrawn{why}"
        case Outcome.CANCELLED:
            return f"was not trained to the end{why}"
        case Outcome.ACCEPTED:
            return "passed, and has not been released yet"
        case _:
            return "was in production before"


def _instead(version: Version, model: str) -> str:
    match version.outcome:
        case Outcome.SUPERSEDED | Outcome.RELEASED:
            return f"`reconciler rollback {model} --to {version.number}` goes back to it"
        case Outcome.FAILED | Outcome.WITHDRAWN:
            return f"`reconciler retry {model}` tries again"
        case Outcome.CANCELLED:
            return f"commit the spec of {version.revision[:10]} again: it is trained again"
        case Outcome.ACCEPTED:
            return "it is released when releases no longer wait, if it is still declared then"
        case _:
            return (
                "only what the gate left open can be promoted; to let this version in, change its"
                " rule in the spec and commit: it is judged again without training"
            )


def _choices(record: Record, outcome: Outcome) -> str:
    numbers = _numbers(v for v in record.versions if v.outcome is outcome)
    return f"in production before: {numbers}" if numbers else ""


def _numbers(versions: Iterable[Version]) -> str:
    return ", ".join(str(v.number) for v in versions)
