"""`retry`: forgets what failed of what is declared, so that the next pass tries it again."""

from __future__ import annotations

from reconciler.cli.steered import tell
from reconciler.cli.subject import subject
from reconciler.cli.why import facts
from reconciler.core import steering
from reconciler.core.plan import Desired
from reconciler.core.why import why


def run(model: str) -> int:
    """Return 0; also when nothing failed."""
    about = subject(model)
    about.check_readable()
    desired = about.desired
    fingerprint = desired.fingerprint if isinstance(desired, Desired) else ""
    failed = steering.failures(about.record, fingerprint)
    if not failed:
        waits = why(facts(about)).sentence() if desired or about.record else ""
        return tell(about, None, f"nothing that HEAD declares of {model} has failed: {waits}")
    done = about.steering().retry()
    listed = ", ".join(f"{version.number} ({version.reason})" for version in failed)
    noun = "version" if len(failed) == 1 else "versions"
    said = f"{model}: {noun} {listed} forgotten; the next pass tries again"
    return tell(about, done, said)
