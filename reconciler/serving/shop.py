"""The shop: what the handlers of all protocols have in common."""

from __future__ import annotations

import itertools
import uuid
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

from reconciler.serving.access import Door
from reconciler.serving.answering import Answering
from reconciler.serving.house import House
from reconciler.serving.journal import Journal
from reconciler.serving.limits import Limits
from reconciler.serving.meter import Meter

#: Asks the supervisor for what it knows of all workers: `status` or `metrics`.
Summed = Callable[[str], Awaitable[Any]]


class Ids:
    """Ids that no other process gives, and that cost nothing to make."""

    def __init__(self) -> None:
        self.boot = uuid.uuid4().hex
        self._numbers = itertools.count(1)

    def next(self) -> str:
        """Return a new one."""
        return f"{self.boot[:16]}-{next(self._numbers):x}"


@dataclass(frozen=True, slots=True)
class Shop:
    """What a handler is given."""

    house: House
    answering: Answering
    summed: Summed
    limits: Limits = field(default_factory=Limits)
    ids: Ids = field(default_factory=Ids)
    door: Door = field(default_factory=Door)
    """Settles who may ask; whatever comes in by HTTP has passed it."""
    meter: Meter = field(default_factory=Meter)
    """Counts for the metrics what is refused; `answering` counts the rest."""
    journal: Journal = field(default_factory=Journal)
    """Keeps lines for the access log."""
