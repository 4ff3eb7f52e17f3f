"""Keys: what is queued. A model has several, so that what is served waits for no training."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Kind(StrEnum):
    """What of a model is looked at."""

    RELEASE = "release"
    TARGET = "target"
    ROLLOUT = "rollout"
    """What servers tell of its challenger, every other second: no look at any byte of a target."""


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


def rollout(model: str) -> Key:
    """Return the key of a model's rollout."""
    return Key(Kind.ROLLOUT, model)


def urgent(key: Key) -> bool:
    """Return whether a key is about what is in production."""
    return key.kind is not Kind.RELEASE
