"""Rolling: what each rollout waits for, as far as this process has looked."""

from __future__ import annotations

import threading
from collections import Counter

from reconciler.controller.delivery import Waiting
from reconciler.core.target_plan import ROLLING, ROLLING_STALLED, TargetPlan


class Rolling:
    """Any thread may call."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._waiting: dict[str, Waiting] = {}

    def wait(self, name: str, waiting: Waiting) -> bool:
        """Keep what a rollout waits for, and return whether that reads otherwise than before."""
        with self._lock:
            before = self._waiting.get(name)
            self._waiting[name] = waiting
        return before is None or _told(before) != _told(waiting)

    def end(self, name: str) -> bool:
        """Forget a rollout that has ended, and return whether there was one."""
        with self._lock:
            return self._waiting.pop(name, None) is not None

    def __contains__(self, name: str) -> bool:
        """Return whether a rollout of a model was on at its last look."""
        with self._lock:
            return name in self._waiting

    def at(self, name: str, plan: TargetPlan) -> TargetPlan:
        """Return how a target stands, with its rollout where nothing else is the matter."""
        with self._lock:
            waiting = self._waiting.get(name)
        if waiting is None or plan.reason != "Settled":
            return plan
        return TargetPlan(ROLLING_STALLED if waiting.stalled else ROLLING, waiting.message)

    def states(self) -> Counter[str]:
        """Return how many rollouts go on by themselves, wait for a person, or are seen by nobody.

        By the words `advancing`, `stalled` and `unseen`.
        """
        with self._lock:
            return Counter(_state(waiting) for waiting in self._waiting.values())


def _told(waiting: Waiting) -> tuple[str, str]:
    return _state(waiting), waiting.message


def _state(waiting: Waiting) -> str:
    return "unseen" if waiting.unseen else "stalled" if waiting.stalled else "advancing"
