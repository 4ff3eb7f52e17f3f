"""Keys: what is queued. Each model has two, so that what is served waits for no training."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Kind(StrEnum):
    """What of a model is looked at."""

    RELEASE = "release"
    TARGET = "target"


@dataclass(frozen=True, slots=True)
class Key:
    """What is queued."""

    kind: Kind
    model: str


def release(model: str) -> Key:
    """Return the key of a model's release record."""
    return Key(Kind.RELEASE, model)


def target(model: str) -> Key:
    """Return the key of a model's target."""
    return Key(Kind.TARGET, model)


def urgent(key: Key) -> bool:
    """Return whether a key is about what is in production."""
    return key.kind is Kind.TARGET
