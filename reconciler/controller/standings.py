"""Standings: how models stand, kept for whoever asks and told when it changes."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable
from datetime import datetime

from reconciler.adapters.status import StatusStore
from reconciler.controller.events import Happened, Listen, Moved
from reconciler.core.plan import Plan
from reconciler.core.standing import Standing, standing
from reconciler.core.target_plan import TargetPlan
from reconciler.errors import ReconcilerError

#: What did not change is written again after this many seconds, so that it shows as looked at.
_FRESH_S = 30.0
#: Failures that come closer together are one outage, of which is told once: on a disk that is
#: nearly full, every other write goes well.
_OUTAGE_S = 60.0


class Standings:
    """Writes standings to the status store, which may be lost: nothing fails with it.

    Args:
        status: Where they are kept.
        listen: Told of models that stand otherwise than before.
        clock: The time, with a zone.
    """

    def __init__(self, status: StatusStore, listen: Listen, clock: Callable[[], datetime]) -> None:
        self._status = status
        self._listen = listen
        self._clock = clock
        self._lock = threading.Lock()
        self._lost_at = float("-inf")
        """When the store could last not be written, in monotonic seconds."""
        self._known: dict[str, tuple[str, str, str]] = {}
        self._written: dict[str, float] = {}
        self._latest: dict[str, Standing] = {}
        self._note(lambda store: self._known.update(store.seen()))

    def settle(self, name: str, champion: str | None, plan: Plan, served: TargetPlan) -> Standing:
        """Keep how a model stands now, and return it."""
        now = self._clock()
        stands = standing(plan, served, champion, now)
        facts = (stands.sync.value, stands.health.value, stands.message)
        with self._lock:
            moved = self._known.get(name) != facts
            due = time.monotonic() - self._written.get(name, float("-inf")) > _FRESH_S
            self._known[name] = facts
            self._latest[name] = stands
            if moved or due:
                self._written[name] = time.monotonic()
        if moved or due:
            self._note(lambda store: _keep(store, name, stands, now))
        if moved:
            self._listen(Moved(name, *facts[:2], stands.reason, stands.message))
        return stands

    def forget(self, name: str) -> None:
        """Forget a model that is neither declared nor on record."""
        with self._lock:
            known = self._known.pop(name, None)
            self._written.pop(name, None)
            self._latest.pop(name, None)
        if known is not None:
            self._note(lambda store: store.forget(name))

    def add_durations(self, name: str, seconds: dict[str, float]) -> None:
        """Keep how long the stages of a model took."""
        self._note(lambda store: store.add_durations(name, seconds, self._clock()))

    def latest(self) -> dict[str, Standing]:
        """Return how each model stood when it was last looked at by this process."""
        with self._lock:
            return dict(self._latest)

    def counts(self) -> Counter[tuple[str, str]]:
        """Return how many models there are by sync and health, those of former runs too."""
        with self._lock:
            return Counter((sync, health) for sync, health, _ in self._known.values())

    def _note(self, write: Callable[[StatusStore], None]) -> None:
        try:
            write(self._status)
        except ReconcilerError as error:
            before, self._lost_at = self._lost_at, time.monotonic()
            if self._lost_at - before > _OUTAGE_S:
                why = f"how models are doing is not kept: {error}"
                self._listen(Happened("StatusLost", why, good=False))


def _keep(store: StatusStore, name: str, stands: Standing, now: datetime) -> None:
    store.observe(name, stands.sync, stands.health, stands.message, stands.conditions, now)
