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


@dataclass(frozen=True, slots=True)
class Warned:
    """Something about a model's data that a person should look at."""

    model: str
    message: str


@dataclass(frozen=True, slots=True)
class Moved:
    """A model stands otherwise than it did when it was last looked at."""

    model: str
    sync: str
    health: str
    reason: str
    message: str


Event = Queued | StageStarted | StageEnded | Trained | Decided | Warned | Moved
Listen = Callable[[Event], None]
