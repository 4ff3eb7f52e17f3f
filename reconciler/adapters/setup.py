"""Before there is a repository: git and DVC set up in a folder, and who may commit there."""

from __future__ import annotations

import os
from pathlib import Path

from reconciler.adapters import process
from reconciler.adapters.git import Git
from reconciler.errors import TerminalError, TransientError, UsageError


def repository(path: Path) -> Git | None:
    """Return the git repository that `path` is in; None when it is in none.

    Raises:
        UsageError: It is bare, or git refuses to trust it.
        TerminalError: Git is not installed.
    """
    try:
        return Git.open(path)
    except UsageError as error:
        if error.reason != "NotARepository":
            raise
        return None


def git_init(path: Path) -> Git:
    """Make `path` a git repository, as the user's own settings say, and return it.

    Raises:
        UsageError: It is the user's home, or the top of the file system.
        TransientError: The folder cannot be written.
    """
    if path in (Path.home(), Path(path.anchor)):
        raise UsageError(
            f"{path} is no place for a repository: all that is below would be in it",
            reason="WrongFolder",
            hint="make a folder for the project, and run there",
        )
    writable(path)
    done = process.run(("git", "init", "--quiet"), path)
    if done.code != 0:
        said = done.stderr.decode(errors="replace").strip()
        raise TerminalError(f"git init in {path}: {said}", reason="GitFailed")
    return Git.open(path)


def writable(path: Path) -> None:
    """Return when files can be made in a folder.

    Raises:
        TransientError: They cannot.
    """
    if not os.access(path, os.W_OK | os.X_OK):
        raise TransientError(
            f"{path} cannot be written: permission denied",
            reason="NotWritable",
            hint="check the folder's owner",
        )


def obstacles(git: Git) -> tuple[str, ...]:
    """Return what stands between the user and a commit: no name, or no branch."""
    found = []
    if _git(git, "var", "GIT_COMMITTER_IDENT") != 0:
        found.append(
            "git does not know who you are: git config user.name NAME; git config user.email MAIL"
        )
    if _git(git, "symbolic-ref", "--quiet", "HEAD") != 0:
        found.append("HEAD is detached, a commit would be on no branch: git switch -c NAME")
    return tuple(found)


def _git(git: Git, *arguments: str) -> int:
    return process.run(("git", *arguments), git.root).code
