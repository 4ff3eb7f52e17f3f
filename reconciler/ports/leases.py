"""Leases: of several daemons, the one that holds a fingerprint's lease trains it."""

from __future__ import annotations

from typing import Protocol


class Leases(Protocol):
    """Who may train what. Any thread may ask."""

    def take(self, fingerprint: str) -> str | None:
        """Take the lease of a fingerprint, or keep it.

        Returns:
            None: it is ours until it is given back, and what its last holder has put on record
            can be read here: read that again before training. Otherwise who holds it, as a
            sentence.

        Raises:
            TransientError: That cannot be told now.
        """
        ...

    def give_back(self, fingerprint: str) -> None:
        """Let others have it; what came of it is on record. Nothing is raised when it is gone."""
        ...


class NoLeases:
    """The leases where one daemon is alone: every one is free."""

    def take(self, fingerprint: str) -> str | None:
        """Return None: nobody else trains it."""

    def give_back(self, fingerprint: str) -> None:
        """Do nothing."""
