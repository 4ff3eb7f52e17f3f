"""Leasing: which leases each model's training needs, so that none is kept longer."""

from __future__ import annotations

import threading

from reconciler.ports.leases import Leases, NoLeases


class Leasing:
    """Takes and gives back leases on behalf of models; any thread may call.

    Args:
        leases: Where leases are had.
        most: How many may be held: what this machine cannot train soon is left to others.
    """

    def __init__(self, leases: Leases | None = None, most: int = 1) -> None:
        self._leases = leases or NoLeases()
        self._most = most
        self._lock = threading.Lock()
        self._held: dict[str, set[str]] = {}

    @property
    def alone(self) -> bool:
        """Whether nobody else trains: records cannot have moved while a lease was taken."""
        return isinstance(self._leases, NoLeases)

    def take(self, model: str, fingerprint: str) -> str | None:
        """Take the lease of what a model is to be trained to; see `Leases.take`."""
        said = self._leases.take(fingerprint)
        if said is None:
            with self._lock:
                self._held.setdefault(model, set()).add(fingerprint)
        return said

    def full(self, fingerprint: str) -> bool:
        """Return whether a further lease must wait until one of ours is given back."""
        with self._lock:
            held = set().union(*self._held.values())
        return not self.alone and fingerprint not in held and len(held) >= self._most

    def keep(self, model: str, fingerprint: str | None) -> None:
        """Give back every lease of a model but that of what is trained now; None: all."""
        with self._lock:
            held = self._held.get(model, set())
            gone = held - {fingerprint}
            if left := held - gone:
                self._held[model] = left
            else:
                self._held.pop(model, None)
        for each in gone:
            self._leases.give_back(each)

    def whose(self, fingerprint: str) -> tuple[str, ...]:
        """Return the models that hold the lease of a fingerprint."""
        with self._lock:
            return tuple(model for model, held in self._held.items() if fingerprint in held)
