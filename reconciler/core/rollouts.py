"""Rollouts on record: how one starts, goes on and ends, and how to speak of it; pure."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from reconciler.core import record as records
from reconciler.core.record import Challenger, Outcome, Record, Version
from reconciler.core.rollout_rules import (
    RolloutRules,
    in_force,
    rules_of,
    settings,
    settings_digest,
)
from reconciler.errors import TerminalError
from reconciler.spec.model import Rollout


@dataclass(frozen=True, slots=True)
class Challenging:
    """A version that is being rolled out."""

    bundle: str
    """Digest of its bundle."""
    settings: str
    """Digest of the settings under which that was begun."""
    said: str
    """How far it has come, as the end of a sentence."""


def challenging(record: Record | None) -> Challenging | None:
    """Return what is being rolled out; None: nothing is."""
    version = challenger(record)
    if record is None or version is None or version.bundle is None:
        return None
    return Challenging(version.bundle.md5, settings_of(record), said(record))


def challenger(record: Record | None) -> Version | None:
    """Return the version that is being rolled out; None: none is."""
    if record is None or record.challenger is None:
        return None
    return record.version(record.challenger.version)


def settings_of(record: Record, revision: str = "") -> str:
    """Return the digest of the settings in force, see `settings_digest`."""
    try:
        return settings_digest(in_force(record.rollout), revision)
    except TerminalError:
        return "unreadable"  # equal to none: begun anew under those of the spec


def started(record: Record, number: int, rollout: Rollout, now: datetime) -> Record:
    """Return the record with version `number` as challenger, at the first step.

    Args:
        record: The record of a model with a champion. Another challenger is replaced.
        number: A version on record with a bundle.
        rollout: The settings, of a strategy other than immediate.
        now: The time, with a zone.

    Raises:
        ValueError: The version is not kept, has no bundle, or there is no other in production.
    """
    version = record.version(number)
    if version is None or version.bundle is None:
        raise ValueError(f"version {number} of {record.model} is not kept or has no bundle")
    if record.champion is None or record.champion.number == number:
        raise ValueError(f"version {number} of {record.model} has no champion to challenge")
    if record.challenger is not None and record.challenger.version != number:
        record = abandoned(record, f"version {number} takes its place")
    version = records.changed(
        version, outcome=_before(version), reason="", message="", rollout=None
    )
    first = Challenger(version=number, weight=rules_of(rollout).steps[0], since=now)
    record = records.with_version(record, version)
    return records.changed(record, challenger=first, rollout=settings(rollout))


def shifted(record: Record, weight: int, step: int, now: datetime) -> Record:
    """Return the record with its challenger at another step."""
    assert record.challenger is not None
    moved = records.changed(record.challenger, weight=weight, step=step, since=now)
    return records.changed(record, challenger=moved)


def promoted(record: Record, revision: str, reason: str, message: str) -> Record:
    """Return the record with its challenger as champion."""
    assert record.challenger is not None
    number = record.challenger.version
    record = records.promote(record, number, revision)
    assert record.champion is not None
    return records.with_version(
        record, records.changed(record.champion, reason=reason, message=message)
    )


def withdrawn(record: Record, reason: str, message: str, revision: str = "") -> Record:
    """Return the record with its challenger withdrawn, and kept from another try.

    With a `revision` for as long as that one is followed, else as long as the settings stand.
    """
    assert record.challenger is not None
    kept_out = settings_of(record, revision)
    return records.withdraw(record, record.challenger.version, reason, message, kept_out)


def abandoned(record: Record, message: str) -> Record:
    """Return the record without a challenger; the version may be rolled out again."""
    version = challenger(record)
    if version is not None:
        told = {"reason": "Abandoned", "message": f"its rollout was abandoned: {message}"}
        record = records.with_version(record, records.changed(version, **told))
    return ended(record)


def ended(record: Record) -> Record:
    """Return the record without a challenger."""
    return records.changed(record, challenger=None, rollout=None)


def said(record: Record) -> str:
    """Return how far a rollout has come, as a sentence; empty where there is none."""
    at = record.challenger
    if at is None:
        return ""
    since = f"since {at.since:%Y-%m-%d %H:%M} UTC"
    try:
        rules = in_force(record.rollout)
    except TerminalError as error:
        return f"version {at.version} gets {at.weight} % of the traffic {since}; {error}"
    return f"{_place(at, rules, record)} {since}"


def _place(at: Challenger, rules: RolloutRules, record: Record) -> str:
    version, champion = f"version {at.version}", record.champion
    former = f"version {champion.number}" if champion else "the champion"
    match rules.strategy:
        case "shadow":
            return f"{version} gets a copy of every request and answers none (shadow)"
        case "blue_green" if at.weight == 0:
            return f"{version} warms up beside {former} (blue_green)"
        case "blue_green":
            return f"{version} gets all of the traffic, and {former} stays warm (blue_green)"
        case _:
            step = f"step {at.step + 1} of {len(rules.steps)}"
            return f"{version} gets {at.weight} % of the traffic ({rules.strategy}, {step})"


def _before(version: Version) -> Outcome:
    """Return the outcome of a version that is tried: what was in production before stays so."""
    return Outcome.SUPERSEDED if version.outcome is Outcome.SUPERSEDED else Outcome.ACCEPTED
