"""Actions: the steps that bring one model's release record to what is declared."""

from __future__ import annotations

from dataclasses import dataclass

from reconciler.core.trainings import Broken


@dataclass(frozen=True, slots=True)
class Retire:
    """Take the model out of production: nothing declares it any more."""


@dataclass(frozen=True, slots=True)
class Train:
    """Start the model's stages in the background."""

    fingerprint: str


@dataclass(frozen=True, slots=True)
class Judge:
    """Ask the gate `question` about a candidate."""

    bundle: str
    question: str


@dataclass(frozen=True, slots=True)
class Release:
    """Make the candidate the champion, on record."""

    bundle: str


@dataclass(frozen=True, slots=True)
class Challenge:
    """Begin to roll the candidate out beside the champion."""

    bundle: str


@dataclass(frozen=True, slots=True)
class Abandon:
    """End a rollout of what is not declared any more."""

    why: str


@dataclass(frozen=True, slots=True)
class Confirm:
    """Renew the champion's verdict on record: same bytes, so no new version."""

    bundle: str


@dataclass(frozen=True, slots=True)
class Reject:
    """Put on record that the candidate was tried, and why it stays out."""

    bundle: str


@dataclass(frozen=True, slots=True)
class Accept:
    """Put on record that the candidate may be released, and is not yet: releases wait."""

    bundle: str


@dataclass(frozen=True, slots=True)
class Fail:
    """Put on record that training ended without an artifact, and why."""

    broken: Broken


@dataclass(frozen=True, slots=True)
class Cancel:
    """End a training that nothing declares any more, with every process of it."""

    fingerprint: str


@dataclass(frozen=True, slots=True)
class Supersede:
    """Put on record that a training was cut short, and for what."""

    broken: Broken


Action = (
    Retire
    | Train
    | Judge
    | Release
    | Challenge
    | Abandon
    | Accept
    | Confirm
    | Reject
    | Fail
    | Cancel
    | Supersede
)
