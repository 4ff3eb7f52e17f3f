"""`retire`: removes a model's spec from the working tree, for the user to commit.

A model whose spec stands would come back with the next pass, so this is no matter of the record.
"""

from __future__ import annotations

import sys

from reconciler.cli import compile as compiling
from reconciler.cli.subject import Subject, subject
from reconciler.core import compilation
from reconciler.errors import TransientError, UsageError


def run(model: str) -> int:
    """Return 0; also when the spec is gone already."""
    about = subject(model)
    path = compilation.spec_path(model)
    if not (about.site.git.root / path).is_file():
        return _gone(about, path)
    if about.site.git.uncommitted((path,)):
        raise UsageError(
            f"{path} has changes that are in no commit",
            reason="Uncommitted",
            hint="commit them, or take them back with `git restore`; then retire",
        )
    try:
        (about.site.git.root / path).unlink()
    except OSError as error:
        raise TransientError(
            f"{path} cannot be removed: {error.strerror}", reason="NotWritable"
        ) from error
    sys.stdout.write(f"removed {path}\n")
    compiling.run(check=False, upgrade=False, staged=False)
    _say(about)
    return 0


def _gone(about: Subject, path: str) -> int:
    if about.desired is None:
        champion = about.record.champion if about.record else None
        said = ": nothing is in production"
        if champion is not None:
            said = f"; `reconciler apply {about.name}` takes version {champion.number} out"
        sys.stdout.write(f"{about.name} is retired already{said}\n")
    else:
        sys.stdout.write(f"{path} is removed already; commit that, and the next pass retires it\n")
    sys.stdout.write("nothing was written\n")
    return 0


def _say(about: Subject) -> None:
    """Say what the commit will do; the record is not touched."""
    champion = about.record.champion if about.record else None
    served = f"version {champion.number}" if champion else "nothing"
    sys.stdout.write(
        f"once that is committed, the next pass takes {about.name} out of production"
        f" ({served} is served now); its history stays, and a revert brings it back\n"
    )
