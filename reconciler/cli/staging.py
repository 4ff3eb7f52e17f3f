"""Staging: the commit that `git commit` would make, for the verbs that can look at it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from reconciler.adapters.git import Git
from reconciler.adapters.working_copy import WorkingCopy, working_copy
from reconciler.controller.staged import Committed


@contextmanager
def next_commit(git: Git) -> Iterator[Committed]:
    """Give the files of the next commit."""
    with staging(git) as (copy, commit):
        yield Committed(copy, commit)


@contextmanager
def staging(git: Git) -> Iterator[tuple[WorkingCopy, str]]:
    """Give the next commit, and the repository in which it can be read, and which no one sees."""
    with working_copy(git) as copy:
        yield copy, copy.staged(_index(git.root))


def _index(root: Path) -> Path | None:
    """Return the index that git has given a hook: `git commit -a` commits another than is kept."""
    named = os.environ.get("GIT_INDEX_FILE")
    return root / named if named else None
