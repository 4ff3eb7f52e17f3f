"""Troubles: what went wrong with keys, what was said of it, and when each is tried again."""

from __future__ import annotations

import math
import time
from collections.abc import Callable

from reconciler.controller.backoff import Backoff
from reconciler.controller.events import Decided, Listen
from reconciler.controller.keys import Key, release
from reconciler.controller.passes import told
from reconciler.controller.queue import WorkQueue
from reconciler.core.plan import Plan


class Troubles:
    """Each key has pauses of its own, which end with their time or with a change of the model.

    Args:
        queue: Where what is tried again is asked for.
        listen: Told what is wrong, once for as long as it stays the same.
        clock: Monotonic seconds.
        backoff: How long what failed is left alone.
    """

    def __init__(
        self,
        queue: WorkQueue[Key],
        listen: Listen,
        clock: Callable[[], float] = time.monotonic,
        backoff: Backoff[Key] | None = None,
    ) -> None:
        self._queue = queue
        self._listen = listen
        self._clock = clock
        self._backoff: Backoff[Key] = backoff or Backoff()
        self._stuck: dict[str, Plan] = {}
        """Models whose release takes no step until a change, or their time."""
        self._retry: dict[str, float] = {}
        """When what went wrong with a release for the time being is tried again."""
        self._said: dict[Key, tuple[str, str]] = {}
        """What was last said to be wrong."""

    def stuck(self, model: str) -> Plan | None:
        """Return why a model's release takes no step; None: it may."""
        return self._stuck.get(model)

    def pauses(self, model: str) -> bool:
        """Return whether a model's release is tried again by itself."""
        return model in self._retry

    def over(self, model: str) -> bool:
        """Forget why a release takes no step if its time has come, and return whether it has."""
        if self._retry.get(model, math.inf) > self._clock():
            return False
        del self._retry[model]
        self._stuck.pop(model, None)
        return True

    def changed(self, model: str) -> None:
        """Have a release take steps again at the next look, whatever went wrong before."""
        self.free(model)
        self._retry[model] = -math.inf

    def free(self, model: str) -> None:
        """Have a release take steps again; what is waited for otherwise is still waited for."""
        self._stuck.pop(model, None)

    def stop(self, model: str, error: Exception) -> None:
        """Have a release take no step until a change; see `pause` where time may help."""
        plan = self._stuck[model] = Plan(*told(error))
        self.say(release(model), plan.reason, plan.message)

    def pause(self, model: str) -> None:
        """Have a release tried again after a while, longer each time."""
        self._retry[model] = self._clock() + self._backoff.failed(release(model))
        self.wait(model)

    def wait(self, model: str) -> None:
        """Have a release that pauses looked at when its pause is over.

        A look that comes before takes the wish for a later one with it: the queue knows but one.
        """
        if (due := self._retry.get(model)) is not None:
            self._queue.add_after(release(model), max(due - self._clock(), 0.0))

    def failed(self, key: Key, error: Exception) -> None:
        """Tell what is wrong with a key, and have it looked at again after a while."""
        self.say(key, *told(error))
        self.later(key)

    def later(self, key: Key) -> float:
        """Have a key looked at after a while, longer each time; return the seconds."""
        pause = self._backoff.failed(key)
        self._queue.add_after(key, pause)
        return pause

    def say(self, key: Key, reason: str, message: str) -> None:
        """Tell what is wrong with a key, unless that was said."""
        if self._said.get(key) != (reason, message):
            self._said[key] = reason, message
            self._listen(Decided(key.model, reason, message, good=False))

    def well(self, key: Key) -> None:
        """Begin anew with a key: it went well, or something has changed."""
        self._backoff.forget(key)
        self._said.pop(key, None)
