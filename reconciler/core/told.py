"""Told: one event as it is logged and kept: when, about which model, what, and why."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

#: A value of one fact.
Fact = str | int | float | bool


class Level(StrEnum):
    """Whether somebody should look."""

    DEBUG = "debug"
    INFO = "info"
    WARNING = "warning"


@dataclass(frozen=True, slots=True)
class Told:
    """One event."""

    at: datetime
    """When it was told (aware)."""
    level: Level
    event: str
    """What kind of event it is, one CamelCase word such as `Decided`."""
    model: str
    """The model it is about; empty: the daemon itself."""
    reason: str
    """One CamelCase word for machines; empty where the kind says all."""
    message: str
    """A sentence for people."""
    facts: Mapping[str, Fact]
    """What else is known, by name: `revision`, `version`, `sync`, `seconds` and the like."""
