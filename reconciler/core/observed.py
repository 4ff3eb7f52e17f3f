"""What is known of one model, as the release plan looks at it."""

from __future__ import annotations

from dataclasses import dataclass

from reconciler.core.candidates import Candidate
from reconciler.core.frozen import Frozen
from reconciler.core.record import Hold
from reconciler.core.rollouts import Challenging
from reconciler.core.runtime import Mismatch
from reconciler.core.trainings import Broken, Running


@dataclass(frozen=True, slots=True)
class Observed:
    """What is known of one model: its release record, its artifacts, its running work."""

    recorded: bool = False
    """A release record exists."""

    champion: str | None = None
    """Digest of the bundle in production; it is always among `candidates`."""

    candidates: tuple[Candidate, ...] = ()
    """Every artifact at hand, the most recently recorded last."""

    running: Running | None = None
    broken: tuple[Broken, ...] = ()
    foreign: bool = False
    """No commit of the history that is followed has ever declared it: another branch does."""
    holds: tuple[Hold, ...] = ()
    mismatches: tuple[Mismatch, ...] = ()
    memory: int | None = None
    """Bytes of memory that a training may take here; None: not known."""
    frozen: Frozen | None = None
    """Releases wait for time; None: they need not."""
    guarded: str | None = None
    """Why what the revision would change of it must be allowed first; None: it need not be."""
    challenger: Challenging | None = None
    """What is being rolled out; it is among `candidates` unless its artifacts are lost."""

    def at(self, bundle: str | None) -> Candidate | None:
        """Return the candidate with this bundle digest."""
        return next((c for c in self.candidates if c.bundle == bundle), None)

    def of(self, fingerprint: str) -> Candidate | None:
        """Return the candidate with this fingerprint, the latest if there are several."""
        return next((c for c in reversed(self.candidates) if c.fingerprint == fingerprint), None)

    def rolls_out(self, bundle: str) -> bool:
        """Return whether the candidate with this bundle digest is being rolled out."""
        return self.challenger is not None and self.challenger.bundle == bundle

    def stopped(self, *ids: str) -> tuple[Hold, ...]:
        """Return the holds that keep out what goes by any of these fingerprints and digests."""
        return tuple(hold for hold in self.holds if hold.stops(*ids))
