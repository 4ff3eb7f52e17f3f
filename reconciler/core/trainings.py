"""Trainings of one model: one that runs, and one that ended without an artifact."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Running:
    """A training in the background, started at this revision or at an earlier one."""

    fingerprint: str
    ending: bool = False
    """It was cancelled, and its processes have not all ended."""


@dataclass(frozen=True, slots=True)
class Broken:
    """A training that ended without an artifact, during this process's life or on record."""

    fingerprint: str
    reason: str
    message: str
    transient: bool = False
    """The cause may pass by itself: it waits for time, and is never put on record."""

    timeout: str | None = None
    memory: int | None = None
    """Bytes of memory that did not suffice; None: it was not for want of memory."""

    recorded: bool = False
    revision: str = ""
    """The commit that it was started at; empty where it is on record."""
    superseded: bool = False
    """It was cut short for a newer revision: held against nothing."""
