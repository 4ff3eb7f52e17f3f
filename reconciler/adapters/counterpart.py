"""Counterpart: how far the branch of records here and origin's, as last fetched, are apart."""

from __future__ import annotations

from dataclasses import dataclass

from reconciler.adapters.git import Git
from reconciler.adapters.layout import REF, UPSTREAM


@dataclass(frozen=True, slots=True)
class Apart:
    """Commits of records that only one side has."""

    ours: int = 0
    theirs: int = 0

    @property
    def what(self) -> str:
        """What is missing here; empty where nothing is."""
        if not self.theirs:
            return ""
        listed = "1 decision that is" if self.theirs == 1 else f"{self.theirs} decisions that are"
        own = f", and `deployed` here has {self.ours} of its own" if self.ours else ""
        return f"origin has {listed} not here{own}"

    @property
    def hint(self) -> str:
        """How they get here; origin's replace ours where both have some."""
        if not self.ours:
            return "`git fetch origin deployed:deployed` brings them"
        return (
            "`git fetch origin +deployed:deployed` takes origin's instead; "
            "`reconciler apply` then releases again what HEAD declares, from the cache"
        )


def apart(git: Git) -> Apart:
    """Return how far both are apart; without a branch of our own, origin's is what is read."""
    ours, theirs = git.ids([REF, UPSTREAM])
    if ours is None or theirs is None or ours == theirs:
        return Apart()
    counts = git.text("rev-list", "--left-right", "--count", f"{ours}...{theirs}", "--")
    return Apart(*map(int, counts.split()))
