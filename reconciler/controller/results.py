"""Results: what became of each model of a working tree, and how that is told."""

from __future__ import annotations

from dataclasses import dataclass

from reconciler.controller.events import Decided, Listen


@dataclass(frozen=True, slots=True)
class Result:
    """What became of one model."""

    ran: tuple[str, ...] = ()
    """Stages that ran, without the model."""
    restored: bool = False
    """Whether something was brought from the cache."""
    failure: str | None = None
    """Why it is not up to date; None: it is."""


def tell(model: str, done: Result, listen: Listen) -> None:
    """Say what became of a model, unless nothing had to be done."""
    if done.failure is not None:
        listen(Decided(model, "Failed", done.failure, good=False))
    elif done.ran:
        listen(Decided(model, "Reproduced", f"ran {', '.join(done.ran)}", good=True))
    elif done.restored:
        listen(Decided(model, "Restored", "brought from the cache", good=True))
