"""The log: commits that lead to a revision, and who writes the next one, as git tells them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from reconciler.adapters.git import Git, Person
from reconciler.errors import ReconcilerError

_NOBODY = Person("somebody", "somebody@localhost")
_FORM = "--format=tformat:%H%x00%an%x00%ae%x00%cI%x00%B%x00"


@dataclass(frozen=True, slots=True)
class Logged:
    """A commit as its log tells it."""

    oid: str
    author: Person
    when: datetime
    """When it was committed, with a zone."""
    message: str


def log(
    git: Git, revision: str, paths: Sequence[str] = (), most: int | None = None
) -> tuple[Logged, ...]:
    """Return the commits that a revision goes back to, the newest first.

    Args:
        git: The repository.
        revision: A commit that exists.
        paths: Only commits that change any of these; none: all.
        most: How many at most; None: all.
    """
    limit = () if most is None else (f"--max-count={most}",)
    plain = ("--no-color", "--no-show-signature", "--no-notes")
    fields = git.text("log", *plain, _FORM, *limit, revision, "--", *paths).split("\0")[:-1]
    return tuple(
        Logged(oid.strip(), Person(name, email), datetime.fromisoformat(when), message.rstrip())
        for oid, name, email, when, message in zip(*[iter(fields)] * 5, strict=True)
    )


def identity(git: Git) -> Person:
    """Return who works here, as git would sign a commit; a stand-in where git cannot tell."""
    try:
        name, _, rest = git.text("var", "GIT_AUTHOR_IDENT").partition(" <")
    except ReconcilerError:
        return _NOBODY
    return Person(name, rest.partition(">")[0])
