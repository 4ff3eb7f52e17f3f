"""Shards: a folder of the branch spread over 256, so that a commit rewrites small trees.

A folder of ten thousand entries is a quarter of a megabyte that cannot be compressed, written
anew with every commit that touches one of them.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from reconciler.adapters.git import Git
from reconciler.adapters.git_output import Entry
from reconciler.adapters.layout import shard

_TREE = "040000"


def updated(
    git: Git, folder: Mapping[str, Entry], changes: Mapping[str, Mapping[str, Entry | None]]
) -> Entry | None:
    """Write a folder with changed entries and return it; None: nothing is left in it.

    Args:
        git: The repository.
        folder: The shards that there are.
        changes: By model, entries of its shard; None: the entry goes.
    """
    touched = {shard(name) for name in changes}
    there = [key for key in sorted(touched) if key in folder]
    levels = dict(zip(there, git.levels(folder[key].oid for key in there), strict=True))
    for name, entries in changes.items():
        level = levels.setdefault(shard(name), {})
        for path, entry in entries.items():
            level.pop(path, None)
            if entry is not None:
                level[path] = entry
    kept = {key: level for key, level in levels.items() if level}
    trees = git.write_trees(list(kept.values()))
    rest = {key: entry for key, entry in folder.items() if key not in touched}
    after = {**rest, **_trees(zip(kept, trees, strict=True))}
    return Entry(_TREE, git.write_trees([after])[0]) if after else None


def _trees(written: Iterable[tuple[str, str]]) -> dict[str, Entry]:
    return {key: Entry(_TREE, oid) for key, oid in written}
