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
from reconciler.serving.refusal import not_ready

#: Asks the supervisor for what it knows of all workers: `status` or `metrics`.
Summed = Callable[[str], Awaitable[Any]]
#: Has the supervisor load a model anew, unless the bundle of a digest answers already; gives how
#: it is served then, or None where no record has it.
Reload = Callable[[str, str | None], Awaitable[Any]]


class Ids:
    """Ids that no other process gives, and that cost nothing to make."""

    def __init__(self) -> None:
        self.boot = uuid.uuid4().hex
        self._numbers = itertools.count(1)

    def next(self) -> str:
        """Return a new one."""
        return f"{self.boot[:16]}-{next(self._numbers):x}"


async def _nobody(model: str, _unless: str | None) -> Any:
    raise not_ready(f"nobody is there to load {model:.80} anew")


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
    reload: Reload = _nobody
