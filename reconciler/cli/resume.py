"""`resume`: takes every hold on a model out of the record."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

from reconciler.cli.steered import tell
from reconciler.cli.subject import Subject, subject
from reconciler.controller.guards import Guards
from reconciler.controller.planning import next_step
from reconciler.core.record import Hold, Record
from reconciler.core.standing import GOOD


def run(model: str) -> int:
    """Return 0; also when nothing held the model."""
    about = subject(model)
    about.check_readable()
    if about.record is None or not about.record.holds:
        return tell(about, None, f"{model} is not held: there is nothing to resume")
    done = about.steering().resume()
    holds = done.before.holds if done.before else ()
    return tell(about, done, f"{_ended(model, holds)}{_next(about, done.after)}")


def _ended(model: str, holds: Sequence[Hold]) -> str:
    """Return which holds have ended, up to the sentence about what follows."""
    if len(holds) == 1:
        return f"{model} is no longer {holds[0]}; "
    listed = "".join(
        f"  {hold.reason} (by {hold.by}, {hold.since:%Y-%m-%d %H:%M} UTC)\n" for hold in holds
    )
    return f"{model} is no longer held: {len(holds)} holds have ended\n{listed}"


def _next(about: Subject, record: Record) -> str:
    """Return what becomes of the model now that nothing holds it."""
    if about.fleet is None:
        return f"what HEAD declares cannot be followed: {about.trouble}"
    guards = Guards(about.fleet.params.freeze)
    now = datetime.now(UTC)
    plan = next_step(about.name, about.fleet, record, about.mismatches, now, guards)
    if plan.reason == "RollingOut":
        return "its rollout goes on with the next pass"
    if plan.actions:
        return "the next pass goes on with what HEAD declares"
    if plan.reason in GOOD:
        return "it is as HEAD declares, so there is nothing to go on with"
    return f"what HEAD declares waits all the same: {plan.message}"
