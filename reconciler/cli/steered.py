"""What a verb that steers has to say: what it did, what it wrote, and what is served now."""

from __future__ import annotations

import sys

from reconciler.adapters.layout import UPSTREAM
from reconciler.cli.subject import Subject
from reconciler.controller.steering import Done
from reconciler.core.target_plan import AT_REST, HINTS, UNSEEN


def tell(about: Subject, done: Done | None, said: str) -> int:
    """Print what was done, bring the target to it, and return the exit code.

    Args:
        about: The model.
        done: What became of its record; None: it was not touched.
        said: A sentence about it.
    """
    sys.stdout.write(f"{said}\n")
    if done is None or not done.changed:
        sys.stdout.write("nothing was written\n")
        return 0
    wrote = f"wrote the record of {about.name} on `deployed` (commit {(done.commit or '')[:10]})"
    sys.stdout.write(f"{wrote}; there is nothing to commit\n")
    if about.site.git.read_ref(UPSTREAM) is not None:
        sys.stdout.write("`git push origin deployed` shares it\n")
    served = about.settle(done)
    if not done.released or done.after.champion is None:
        return 0
    if served.reason not in AT_REST:
        sys.stderr.write(f"error: its target could not follow: {served.message}\n")
        sys.stderr.write(f"hint: `reconciler apply {about.name}` tries again\n")
        return 1
    if served.reason in UNSEEN and (holder := about.site.workspace.holder()) is not None:
        sys.stdout.write(f"process {holder} is at work and sees to its target: {served.message}\n")
        return 0
    if served.reason in HINTS:
        sys.stdout.write(f"{served.message}; {HINTS[served.reason]}\n")
        return 0
    sys.stdout.write(f"its target serves version {done.after.champion.number} now\n")
    return 0
