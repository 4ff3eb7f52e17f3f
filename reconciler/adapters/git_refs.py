"""Refs and working trees of a repository, all of them, for the verbs that look at the whole.

They are read with GitPython. Its import takes 70 ms, which is why the everyday verbs do without.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from reconciler.errors import TerminalError, TransientError

if TYPE_CHECKING:
    from git import Repo


@dataclass(frozen=True, slots=True)
class Refs:
    """What names commits in one repository."""

    commits: dict[str, str]
    """By the full name of the ref; tags are followed to what they tag."""
    trees: tuple[Path, ...]
    """The top folder of every working tree that exists."""
    heads: frozenset[str]
    """What is checked out in them, on a branch or not."""


def read_refs(root: Path) -> Refs:
    """Return the refs of the repository at `root`, a working tree's top folder or a bare one's.

    Raises:
        TerminalError: git cannot list them.
    """
    from git import GitCommandError

    with _open(root) as repo:
        try:
            commits = _commits(repo)
            trees, heads = _trees(repo)
        except (GitCommandError, ValueError, OSError) as error:
            raise TerminalError(
                f"the refs of {root} cannot be read: {error}",
                reason="GitFailed",
                hint="`git fsck` tells what is wrong",
            ) from error
    return Refs(commits, trees, heads)


def is_ancestor(root: Path, older: str, newer: str) -> bool:
    """Return whether commit `newer` goes on from `older`, or is it."""
    with _open(root) as repo:
        return bool(repo.is_ancestor(repo.commit(older), repo.commit(newer)))


def unfetched(root: Path) -> dict[str, str]:
    """Return what git remotes have and this repository has not: commit by `<remote> <ref>`.

    Raises:
        TransientError: A remote cannot be asked.
    """
    from git import GitCommandError

    with _open(root) as repo:
        here = set(_commits(repo).values())
        found = {}
        for remote in repo.remotes:
            try:
                said = str(repo.git.ls_remote("--heads", "--tags", remote.name))
            except GitCommandError as error:
                raise TransientError(
                    f"the git remote {remote.name} cannot be asked what it has",
                    reason="RemoteFailed",
                    hint="what its branches name must be known before content is deleted",
                ) from error
            # a tag's own object is followed by what it tags, under the same name and `^{}`
            tips = {line.split("\t")[1].removesuffix("^{}"): line.split("\t")[0]
                    for line in said.splitlines()}  # fmt: skip
            found.update({f"{remote.name} {r}": o for r, o in tips.items() if o not in here})
    return found


def listed(root: Path, *patterns: str) -> tuple[Path, ...]:
    """Return the files of one working tree that match, tracked or not, and not ignored."""
    options = ("-z", "--cached", "--others", "--exclude-standard", "--")
    with _open(root) as repo:
        found = repo.git.ls_files(*options, *patterns, stdout_as_string=False)
    return tuple(root / path for path in os.fsdecode(found).split("\0") if path)


def _open(root: Path) -> Repo:
    from git import Repo

    return Repo(root)


def _commits(repo: Repo) -> dict[str, str]:
    form = "--format=%(refname) %(objecttype) %(objectname) %(*objecttype) %(*objectname)"
    found = {}
    for line in str(repo.git.for_each_ref(form)).splitlines():
        name, *words = line.split()
        kinds = dict(zip(words[::2], words[1::2], strict=True))
        if "commit" in kinds:
            found[name] = kinds["commit"]
    return found


def _trees(repo: Repo) -> tuple[tuple[Path, ...], frozenset[str]]:
    blocks = str(repo.git.worktree("list", "--porcelain")).strip().split("\n\n")
    said = [dict(line.partition(" ")[::2] for line in block.splitlines()) for block in blocks]
    places = (Path(one["worktree"]) for one in said if "bare" not in one)
    heads = (one["HEAD"] for one in said if set(one.get("HEAD", "0")) != {"0"})
    return tuple(place for place in places if place.is_dir()), frozenset(heads)
