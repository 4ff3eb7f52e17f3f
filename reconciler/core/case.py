"""What the gate is shown: a version's answers, its rival, and measurements of its bundle."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from reconciler.core.metrics import Scored

Array = npt.NDArray[Any]
Mask = npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Measurement:
    """A property of the bundle as it is served."""

    value: float
    low: float
    """Least value over repeated measurements."""
    high: float
    """Greatest value over repeated measurements."""


@dataclass(frozen=True, slots=True)
class Case:
    """A version's answers on its own test split."""

    scored: Scored
    slices: Mapping[str, Array] = field(default_factory=dict)
    """Column to the value of each row, shape (n,): text, or numbers."""


@dataclass(frozen=True, slots=True)
class Reported:
    """Metrics in the words of the user's own stages: there are no answers to compute them from."""

    metrics: Mapping[str, float]


@dataclass(frozen=True, slots=True)
class Rivalry:
    """Challenger and champion on the same rows, none of which either was trained on."""

    challenger: Scored
    champion: Scored
    slices: Mapping[str, Array] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class NoChampion:
    """Nothing is released yet."""


@dataclass(frozen=True, slots=True)
class Unscorable:
    """There is a champion, and it cannot be asked about these rows."""

    why: str


Rival = Rivalry | NoChampion | Unscorable
