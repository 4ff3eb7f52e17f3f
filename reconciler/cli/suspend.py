"""`suspend`: writes a hold to the record, so that nothing of a model is released."""

from __future__ import annotations

from reconciler.cli.steered import tell
from reconciler.cli.subject import subject
from reconciler.core import steering


def run(model: str, reason: str | None) -> int:
    """Return 0; also when the model was suspended before."""
    about = subject(model)
    done = about.steering().suspend(steering.said(reason))
    if not done.changed:
        held = "; ".join(map(str, steering.everything(done.after)))
        return tell(about, done, f"{model} is suspended already: {held}")
    return tell(
        about,
        done,
        f"{model} is suspended: it is not trained, judged or released until"
        f" `reconciler resume {model}`; what is served stays, and is healed",
    )
