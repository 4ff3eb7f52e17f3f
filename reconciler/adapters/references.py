"""References: all content that git names: on any ref, in any working tree."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import PurePosixPath

from reconciler.adapters.deployed import REF
from reconciler.adapters.git import Git
from reconciler.adapters.git_refs import Refs, is_ancestor, listed
from reconciler.core.retention import named

_PATTERNS = ("*.dvc", "dvc.lock", "*/dvc.lock")
_BRANCH = REF.removeprefix("refs/heads/")


def references(git: Git, refs: Refs) -> set[str]:
    """Return the md5s in every `.dvc` file and `dvc.lock`, but for those of the records.

    Looked at are all refs (branches, tags, remotes' branches, stashes, experiments) and the
    files of all working trees, committed or not.
    """
    branches = {commit for name, commit in refs.commits.items() if not _of_records(name)}
    oids: set[str] = set()
    for commit in branches | refs.heads:
        oids |= {entry.oid for path, entry in git.tree(commit).items() if _points(path)}
    found: set[str] = set()
    for text in (*git.blobs(sorted(oids)).values(), *_on_disk(refs)):
        found |= named(text)
    return found


def recorded_elsewhere(git: Git, refs: Refs) -> set[str]:
    """Return the md5s in the records of remotes' branches that hold more than ours.

    One from which ours goes on is left out: what ours has dropped since, it names still.
    """
    own = refs.commits.get(REF)
    found: set[str] = set()
    for name, commit in refs.commits.items():
        if name == REF or not _of_records(name):
            continue
        if own is None or not is_ancestor(git.place, commit, own):
            found |= recorded(git, commit)
    return found


def recorded(git: Git, commit: str) -> set[str]:
    """Return the md5s in all records of one commit of the branch."""
    entries = git.tree(commit).items()
    oids = {entry.oid for path, entry in entries if path.endswith((".yaml", ".dvc"))}
    return set().union(*(named(text) for text in git.blobs(sorted(oids)).values()))


def _of_records(ref: str) -> bool:
    remote = ref.startswith("refs/remotes/") and ref.count("/") == 3
    return ref == REF or (remote and ref.endswith(f"/{_BRANCH}"))


def _points(path: str) -> bool:
    name = PurePosixPath(path).name
    return name == "dvc.lock" or name.endswith(".dvc")


def _on_disk(refs: Refs) -> Iterator[bytes]:
    for root in refs.trees:
        for path in listed(root, *_PATTERNS):
            if path.is_file():
                yield path.read_bytes()
