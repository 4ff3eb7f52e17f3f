"""Local source: where the refs of a repository on this machine stand."""

from __future__ import annotations

import re

from reconciler.adapters.git import Git
from reconciler.adapters.layout import REF, UPSTREAM
from reconciler.errors import ReconcilerError, TransientError
from reconciler.ports.source import Sighting

#: What no branch's name holds: git would read it as a way from one commit to another.
_NO_BRANCH = re.compile(r"[\x00-\x20\x7f~^:?*\[\\]|@\{")


class LocalSource:
    """The refs of one repository, bare or not.

    Args:
        git: The repository.
        branch: The branch to follow, such as `main`; None: HEAD, whatever is checked out.
    """

    def __init__(self, git: Git, branch: str | None) -> None:
        self._git = git
        self._followed = None if branch is None else f"refs/heads/{branch}"

    def look(self) -> Sighting:
        """Return where the refs stand now, by one process.

        The records are those of `deployed`, or of origin's where there is no such branch yet.

        Raises:
            TransientError: They cannot be read now: the repository is away, or cannot be read.
        """
        followed = self._followed or "HEAD"
        if _NO_BRANCH.search(followed):
            followed = "refs/heads/"  # names nothing
        try:
            revision, own, cloned = self._git.ids([f"{followed}^{{commit}}", REF, UPSTREAM])
        except (ReconcilerError, OSError) as error:
            raise TransientError(
                f"the refs of {self._git.common_dir} cannot be read: {error}",
                reason="RepositoryAway",
            ) from error
        return Sighting(revision, own or cloned)
