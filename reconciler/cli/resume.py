"""`resume`: takes every hold on a model out of the record."""

from __future__ import annotations

from reconciler.cli.steered import tell
from reconciler.cli.subject import subject


def run(model: str) -> int:
    """Return 0; also when nothing held the model."""
    about = subject(model)
    about.check_readable()
    if about.record is None or not about.record.holds:
        return tell(about, None, f"{model} is not held: there is nothing to resume")
    done = about.steering().resume()
    ended = "; ".join(map(str, done.before.holds if done.before else ()))
    said = f"{model} is no longer {ended}; the next pass goes on with what HEAD declares"
    return tell(about, done, said)
