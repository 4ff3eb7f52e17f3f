"""Leases as a remote shows them: whose refs were seen, and for how long they have not changed."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass

PREFIX = "refs/reconciler/leases/"
PATTERN = f"{PREFIX}*"


def ref_of(fingerprint: str) -> str:
    """Return the ref of a fingerprint's lease."""
    return PREFIX + fingerprint


@dataclass(frozen=True, slots=True)
class Seen:
    """One lease as it was last seen."""

    oid: str
    """The commit that it points to: another one after every sign of life."""
    since: float
    """When it was first seen to point there, in seconds of this process's steady clock."""


class LeaseRefs:
    """The leases of a remote as they were last seen, by fingerprint. Threads share it."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._seen: dict[str, Seen] = {}
        self._lock = threading.Lock()

    def note(self, refs: Mapping[str, str]) -> None:
        """Take in all refs of the remote: what is not among them is gone."""
        now = self._clock()
        found = {ref[len(PREFIX) :]: oid for ref, oid in refs.items() if ref.startswith(PREFIX)}
        with self._lock:
            self._seen = {name: self._after(name, oid, now) for name, oid in found.items()}

    def note_one(self, fingerprint: str, oid: str | None) -> None:
        """Take in where one lease stands; None: it is gone."""
        with self._lock:
            if oid is None:
                self._seen.pop(fingerprint, None)
            else:
                self._seen[fingerprint] = self._after(fingerprint, oid, self._clock())

    def get(self, fingerprint: str) -> Seen | None:
        """Return a lease; None when nobody was seen to hold it."""
        with self._lock:
            return self._seen.get(fingerprint)

    def age_s(self, seen: Seen) -> float:
        """Return for how many seconds a lease has shown no sign of life that we could see."""
        return self._clock() - seen.since

    def all(self) -> dict[str, Seen]:
        """Return every lease that somebody was seen to hold."""
        with self._lock:
            return dict(self._seen)

    def _after(self, fingerprint: str, oid: str, now: float) -> Seen:
        before = self._seen.get(fingerprint)
        return before if before is not None and before.oid == oid else Seen(oid, now)
