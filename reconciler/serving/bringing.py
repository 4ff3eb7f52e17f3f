"""Bringing: bundles that are not here, fetched apart from whoever follows the records.

A remote may take its time or never answer; nobody but those who need what it has waits for it.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

from reconciler.errors import ReconcilerError
from reconciler.serving import unforeseen

#: Brings what digests name nearer, as far as it can be had, and ends early once the event is set.
Bring = Callable[[Sequence[str], threading.Event], None]

#: Errands at one time; what waits then goes together on the next one.
_MOST = 4
#: Seconds after which what could not be brought is tried again, if it is still wanted then.
_PAUSE_S = 5.0
#: Seconds after which what is still under way is called overdue.
OVERDUE_S = 30.0
#: Seconds for errands to end once they are called back.
_END_S = 1.5


@dataclass(frozen=True, slots=True)
class Errand:
    """How it goes with one bundle."""

    since: datetime
    """When it was first wanted, with a zone."""
    under_way: bool
    overdue: bool
    """Whether it has been for long."""
    tried: bool
    """Whether it was over once before, with `error` or without."""
    error: ReconcilerError | None


@dataclass(slots=True)
class _Parcel:
    """One digest that is wanted."""

    moved: float
    """When its last try began, or was over (monotonic)."""
    since: datetime = field(default_factory=lambda: datetime.now(UTC))
    under_way: bool = True
    """Waiting, or with somebody who is out for it."""
    tried: bool = False
    error: ReconcilerError | None = None


class Bringing:
    """Errands in threads of their own; any thread may ask.

    Args:
        bring: What they do.
        arrived: Told, by such a thread, whenever one is over; it must not wait.
        clock: Monotonic seconds.
    """

    def __init__(
        self,
        bring: Bring,
        arrived: Callable[[], None],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._bring = bring
        self._arrived = arrived
        self._clock = clock
        self._lock = threading.Lock()
        self._parcels: dict[str, _Parcel] = {}
        self._waiting: list[str] = []
        """Digests that nobody is out for yet, those that have waited longest first."""
        self._out: dict[threading.Thread, tuple[tuple[str, ...], threading.Event]] = {}
        """Whoever is out: for what, and how they are called back."""
        self._ended = False

    def want(self, digests: Collection[str], at_once: Collection[str] = ()) -> None:
        """Have these brought and no others: whoever is out for nothing else is called back.

        Args:
            digests: What is wanted and is not here.
            at_once: Those of them that are tried again now, however short ago they failed.
        """
        now = self._clock()
        with self._lock:
            for digest in self._parcels.keys() - set(digests):
                del self._parcels[digest]
            self._waiting = [digest for digest in self._waiting if digest in self._parcels]
            for digest in digests:
                found = self._parcels.get(digest)
                if found is None:
                    self._parcels[digest] = _Parcel(now)
                elif found.under_way or (digest not in at_once and now - found.moved < _PAUSE_S):
                    continue
                else:
                    found.moved, found.under_way = now, True
                self._waiting.append(digest)
            for wanted, back in self._out.values():
                if not any(digest in self._parcels for digest in wanted):
                    back.set()
            self._send()

    def errand(self, digest: str) -> Errand | None:
        """Return how it goes with a bundle; None: it is not wanted."""
        with self._lock:
            found = self._parcels.get(digest)
            if found is None:
                return None
            overdue = found.under_way and self._clock() - found.moved >= OVERDUE_S
            return Errand(found.since, found.under_way, overdue, found.tried, found.error)

    def due_s(self) -> float | None:
        """Return the seconds until something that is under way is overdue; None: never."""
        now = self._clock()
        with self._lock:
            left = [p.moved + OVERDUE_S - now for p in self._parcels.values() if p.under_way]
        return min((seconds for seconds in left if seconds > 0), default=None)

    def end(self) -> None:
        """Call everybody back, and wait for them a little."""
        with self._lock:
            self._ended = True
            self._waiting.clear()
            out = dict(self._out)
        until = time.monotonic() + _END_S
        for _, back in out.values():
            back.set()
        for thread in out:
            thread.join(max(until - time.monotonic(), 0.0))

    def _send(self) -> None:
        """Send somebody out for what waits, as long as there is anybody; the lock is held."""
        while self._waiting and len(self._out) < _MOST and not self._ended:
            free = _MOST - len(self._out)
            share = -(-len(self._waiting) // free)
            wanted, self._waiting = tuple(self._waiting[:share]), self._waiting[share:]
            back = threading.Event()
            thread = threading.Thread(target=self._go, args=(wanted, back), daemon=True)
            self._out[thread] = (wanted, back)
            try:
                thread.start()
            except RuntimeError:  # the system has no room for one: another time
                del self._out[thread]
                self._waiting = [*wanted, *self._waiting]
                return

    def _go(self, wanted: tuple[str, ...], back: threading.Event) -> None:
        error: ReconcilerError | None = None
        try:
            self._bring(wanted, back)
        except Exception as raised:  # noqa: BLE001  the one guard of this thread
            error = unforeseen.known(raised)
        with self._lock:
            del self._out[threading.current_thread()]
            for digest in wanted:
                parcel = self._parcels.get(digest)
                if parcel is not None and not back.is_set():
                    parcel.under_way, parcel.tried, parcel.error = False, True, error
                    parcel.moved = self._clock()
            self._send()
        self._arrived()
