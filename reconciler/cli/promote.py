"""`promote`: releases, on a person's word, a version that the gate could not decide about."""

from __future__ import annotations

from reconciler.cli.steered import tell
from reconciler.cli.subject import subject
from reconciler.core import steering
from reconciler.errors import UsageError


def run(model: str, number: int | None, reason: str) -> int:
    """Return 0 when the version is served; 1 when it is on record, and not served yet."""
    about = subject(model)
    why = steering.said(reason)
    if not why:
        raise UsageError(
            "a promotion needs a reason",
            reason="ReasonMissing",
            hint="say what convinced you: it stands on record with your name",
        )
    done = about.steering().promote(number, why, about.fetch)
    champion = done.after.champion
    assert champion is not None
    if not done.changed:
        return tell(about, done, f"version {champion.number} of {model} is in production already")
    return tell(
        about,
        done,
        f"version {champion.number} of {model} is released on your word; rules or data that"
        " change are judged as ever",
    )
