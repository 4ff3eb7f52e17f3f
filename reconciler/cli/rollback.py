"""`rollback`: puts an earlier version in production, at once, and holds what it steps in for."""

from __future__ import annotations

from reconciler.cli.steered import tell
from reconciler.cli.subject import subject
from reconciler.core import steering
from reconciler.core.plan import Desired
from reconciler.errors import UsageError


def run(model: str, number: int | None, reason: str | None) -> int:
    """Return 0 when the earlier version is served; 1 when it is on record, and not served yet."""
    about = subject(model)
    if about.desired is None:
        raise UsageError(
            f"nothing declares {model} any more, so nothing of it is in production",
            reason="Retired",
            hint=f"a commit with specs/{model}.yaml (`git revert`) brings it back",
        )
    done = about.steering().rollback(number, steering.said(reason), about.fetch)
    champion = done.after.champion
    assert champion is not None
    if not done.changed:
        return tell(about, done, f"version {champion.number} of {model} is in production already")
    if done.before and done.before.challenger and done.before.champion == champion:
        number = done.before.challenger.version
        said = (
            f"version {number} of {model} is withdrawn, and version {champion.number} answers every"
            f" request; its rollout is not begun again under these settings, unless `reconciler"
            f" retry {model}` asks for it"
        )
        return tell(about, done, said)
    former = done.before.champion if done.before else None
    assert former is not None
    what = "what HEAD declares" if isinstance(about.desired, Desired) else "that version"
    return tell(
        about,
        done,
        f"{model} is rolled back from version {former.number} to {champion.number}; {what} is"
        f" held until something else is declared, or until `reconciler resume {model}`",
    )
