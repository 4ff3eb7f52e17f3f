"""Pulse: whether the daemon's threads are alive, and whether it keeps up with the world.

Every thread says by when it will be heard of again; one that is later than that is stuck or gone.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable


class Pulse:
    """What `/livez` and `/readyz` rest on; any thread may call any method.

    Args:
        limit_s: The daemon is not ready when its last sync is longer ago than this.
        clock: Seconds that only go forward.
    """

    def __init__(self, limit_s: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._limit_s = limit_s
        self._clock = clock
        self._lock = threading.Lock()
        self._due: dict[str, float] = {}
        self._began_at = clock()
        self._synced_at: float | None = None
        self._trouble = ""

    def beat(self, thread: str, within_s: float) -> None:
        """Show that a thread is alive, and that it will show so again within `within_s`."""
        with self._lock:
            self._due[thread] = self._clock() + within_s

    def ended(self, thread: str) -> None:
        """Expect nothing more of a thread that has ended as it should."""
        with self._lock:
            self._due.pop(thread, None)

    def synced(self) -> None:
        """Note that the refs were looked at, and every model queued that needs it."""
        with self._lock:
            self._synced_at, self._trouble = self._clock(), ""

    def failed(self, message: str) -> None:
        """Note why the refs cannot be looked at now, or what they name cannot be followed."""
        with self._lock:
            self._trouble = message

    def sync_age_s(self) -> float:
        """Return the seconds since the last sync; since the start where there was none."""
        with self._lock:
            since = self._began_at if self._synced_at is None else self._synced_at
        return self._clock() - since

    def lifeless(self) -> tuple[str, ...]:
        """Return a sentence about each thread that should have been heard of; none: all live."""
        now = self._clock()
        with self._lock:
            late = sorted((name, now - due) for name, due in self._due.items() if due < now)
        return tuple(f"{name} should have been heard of {ago:.0f} s ago" for name, ago in late)

    def unready(self) -> tuple[str, ...]:
        """Return why the daemon does not keep up with the world now, in sentences; none: it does.

        A look that failed once is no reason by itself: what was seen before is in force.
        """
        age_s = self.sync_age_s()
        with self._lock:
            never, trouble = self._synced_at is None, self._trouble
        why = (trouble,) if trouble else ()
        if never:
            return ("the repository was not looked at yet", *why)
        if age_s > self._limit_s:
            return (f"the last sync was {age_s:.0f} s ago, more than {self._limit_s:.0f} s", *why)
        return ()
