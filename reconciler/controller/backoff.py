"""Backoff: how long to leave alone what failed, longer each time, forgotten on success."""

from __future__ import annotations

import random
import threading
from collections.abc import Callable, Hashable
from typing import Generic, TypeVar

K = TypeVar("K", bound=Hashable)

FIRST_S = 1.0
LONGEST_S = 15 * 60.0
_DOUBLINGS = 20  # further ones change nothing and would overflow


class Backoff(Generic[K]):
    """Counts failures in a row by key; any thread may call.

    Args:
        first_s: Seconds after the first failure; doubled with every further one.
        longest_s: Bound on the seconds.
        chance: Gives a number in [0, 1): a pause is cut by up to a quarter, so that keys that
            failed together are not tried again together.
    """

    def __init__(
        self,
        first_s: float = FIRST_S,
        longest_s: float = LONGEST_S,
        chance: Callable[[], float] = random.random,
    ) -> None:
        self._first_s = first_s
        self._longest_s = longest_s
        self._chance = chance
        self._lock = threading.Lock()
        self._failures: dict[K, int] = {}

    def failed(self, key: K) -> float:
        """Count one more failure and return the seconds to wait."""
        with self._lock:
            count = self._failures.get(key, 0)
            self._failures[key] = count + 1
        whole = min(self._longest_s, self._first_s * 2.0 ** min(count, _DOUBLINGS))
        return whole * (1.0 - 0.25 * self._chance())

    def forget(self, key: K) -> None:
        """Begin anew with the key: it went well."""
        with self._lock:
            self._failures.pop(key, None)
