"""Events: what a pass tells whoever watches it. They inform and decide nothing."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Queued:
    """A training waits for a free slot."""

    model: str


@dataclass(frozen=True, slots=True)
class StageStarted:
    """A stage of a model runs."""

    model: str
    stage: str


@dataclass(frozen=True, slots=True)
class StageEnded:
    """A stage of a model is done: it ran, or DVC had its result."""

    model: str
    stage: str
    cached: bool
    seconds: float


@dataclass(frozen=True, slots=True)
class Trained:
    """All stages of a model are done."""

    model: str
    seconds: float


@dataclass(frozen=True, slots=True)
class Decided:
    """Something was decided about a model: one sentence, and the word for machines."""

    model: str
    reason: str
    message: str
    good: bool
    """Whether it moves the model to what is declared."""
    revision: str | None = None
    """The commit that it follows; None: it follows none."""
    fingerprint: str | None = None
    """What it is about; None: no one artifact."""
    version: int | None = None
    """The version it is about, by number; None: none is on record."""


@dataclass(frozen=True, slots=True)
class Warned:
    """Something about a model's data that a person should look at."""

    model: str
    message: str


@dataclass(frozen=True, slots=True)
class Served:
    """A target was brought to the record."""

    model: str
    target: str
    """The target's name, such as `directory`."""
    reason: str
    """`RolledOut`, `Healed` or `Withdrawn`."""
    message: str
    cause: str | None = None
    """What was healed, as a word of `core.target_plan.Fault`; None: nothing was wrong."""


@dataclass(frozen=True, slots=True)
class Moved:
    """A model stands otherwise than it did when it was last looked at."""

    model: str
    sync: str
    health: str
    reason: str
    message: str


@dataclass(frozen=True, slots=True)
class Happened:
    """Something about the daemon itself: it started, looked at a commit, lost a remote, stops."""

    reason: str
    message: str
    good: bool = True
    """Whether nobody needs to look."""
    revision: str | None = None
    """The commit that is followed; None: it is about none."""
    seconds: float | None = None
    """How long it took; None: it has no length."""


Event = Queued | StageStarted | StageEnded | Trained | Decided | Warned | Served | Moved | Happened
Listen = Callable[[Event], None]
