"""Conditions: what is true of a model, why, and since when; three axes, never mixed."""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime


class Sync(StrEnum):
    """Whether what is released is what is declared."""

    SYNCED = "Synced"
    OUT_OF_SYNC = "OutOfSync"
    UNKNOWN = "Unknown"


class Health(StrEnum):
    """Whether what is served is well."""

    HEALTHY = "Healthy"
    PROGRESSING = "Progressing"
    DEGRADED = "Degraded"
    MISSING = "Missing"
    SUSPENDED = "Suspended"
    UNKNOWN = "Unknown"


class ConditionType(StrEnum):
    """The claims that are kept about a model."""

    READY = "Ready"
    RECONCILING = "Reconciling"
    STALLED = "Stalled"
    ACCEPTED = "Accepted"
    RELEASED = "Released"
    DRIFTED = "Drifted"


class Truth(StrEnum):
    """Whether a condition holds."""

    TRUE = "True"
    FALSE = "False"
    UNKNOWN = "Unknown"


@dataclass(frozen=True, slots=True)
class Condition:
    """One claim about a model."""

    type: ConditionType
    status: Truth
    reason: str
    """One CamelCase word for machines."""
    message: str
    """A sentence for people."""
    since: datetime
    """When `status` last changed."""


def transition(before: Condition | None, now: Condition) -> Condition:
    """Return `now`, with the time of the last change of status rather than of the last look."""
    if before is None or before.status != now.status:
        return now
    return replace(now, since=before.since)


def merged(
    before: Mapping[ConditionType, Condition], now: Sequence[Condition]
) -> dict[ConditionType, Condition]:
    """Return the conditions of `now`, each with the time of its last transition.

    A claim that `now` does not make is dropped: nobody stands by it any more.
    """
    return {c.type: transition(before.get(c.type), c) for c in now}
