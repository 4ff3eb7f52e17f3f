"""The tree of the branch `deployed` after a change: what has not changed is reused by its id.

```
.records            what this branch is, and the version of its layout
.dvc/config         where the content lies, for `dvc get … --rev deployed`
.dvcignore          keeps DVC from looking into versions/ for what is in production
<model>.yaml        the record
.production/<shard>/<model>.dvc         the bundle in production, which DVC finds as <model>
versions/<shard>/<model>/.dvc/config    a DVC repository of its own, so that `dvc get` of one
versions/<shard>/<model>/<n>.dvc        bundle need not read what every version left
```
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from reconciler.adapters import shards
from reconciler.adapters.git import Git
from reconciler.adapters.git_output import Entry
from reconciler.adapters.layout import LAYOUT, MARK, PRODUCTION, VERSIONS, record_path
from reconciler.adapters.pointers import champion_file, version_files
from reconciler.core.record import Record
from reconciler.core.recordtext import dumps
from reconciler.core.stored import to_plain

_FILE, _TREE = "100644", "040000"

Records = Mapping[str, Record | None]


@dataclass(frozen=True, slots=True)
class _Before:
    """The tree that a change begins with."""

    root: dict[str, Entry]
    production: Mapping[str, Entry]
    versions: Mapping[str, Entry]
    strays: Mapping[str, Entry]
    """Versions of an older layout, by model."""


def write(
    git: Git,
    commit: str | None,
    changed: Records,
    every: Callable[[], Mapping[str, Record]],
    config: bytes,
) -> str:
    """Write the tree with records changed, and return its id.

    Args:
        git: The repository.
        commit: What the change begins with; None: nothing.
        changed: The records that change, None for one that goes.
        every: Gives all records of `commit`.
        config: The content of `.dvc/config`.
    """
    remote = _folder(git, {"config": config})
    before = _before(git, commit)
    root = before.root
    if before.strays or root.get(".dvc") not in (None, remote) or not _current(git, root):
        changed = {**every(), **changed}  # each model's pointers are written anew
    files = _files(changed)
    ids = dict(zip(files.values(), git.write_blobs(list(files.values())), strict=True))
    for name in changed:
        for stale in (record_path(name), f"{name}.dvc"):
            root.pop(stale, None)
    root |= {path: Entry(_FILE, ids[text]) for path, text in files.items() if "/" not in path}
    root[".dvc"] = remote
    folders = {
        PRODUCTION: shards.updated(git, before.production, _production(changed, ids)),
        VERSIONS: shards.updated(
            git, before.versions, _strays(before) | _versions(git, changed, ids, remote)
        ),
    }
    root = {path: entry for path, entry in root.items() if path not in folders}
    root |= {path: entry for path, entry in folders.items() if entry is not None}
    return git.write_trees([root])[0]


def _before(git: Git, commit: str | None) -> _Before:
    root = {} if commit is None else git.level(commit)
    production = git.level(f"{commit}:{PRODUCTION}") if PRODUCTION in root else {}
    versions = git.level(f"{commit}:{VERSIONS}") if VERSIONS in root else {}
    if not root or _current(git, root):
        return _Before(root, production, versions, {})
    return _Before(root, {}, {}, versions)


def _current(git: Git, root: Mapping[str, Entry]) -> bool:
    return MARK in root and root[MARK].oid == git.blob_id(LAYOUT)


def _files(changed: Records) -> dict[str, bytes]:
    """Return every file to write, by path; that of pointers is given short of its shard."""
    files = {MARK: LAYOUT, ".dvcignore": b"/versions/\n"}
    for name, record in changed.items():
        if record is None:
            continue
        files[record_path(name)] = dumps(to_plain(record)).encode()
        if (pointer := champion_file(record)) is not None:
            files[f"{PRODUCTION}/{name}"] = pointer
        files |= {f"{VERSIONS}/{name}/{p}": text for p, text in version_files(record).items()}
    return files


def _production(changed: Records, ids: Mapping[bytes, str]) -> dict[str, dict[str, Entry | None]]:
    found: dict[str, dict[str, Entry | None]] = {}
    for name, record in changed.items():
        pointer = None if record is None else champion_file(record)
        entry = None if pointer is None else Entry(_FILE, ids[pointer])
        found[name] = {f"{name}.dvc": entry}
    return found


def _versions(
    git: Git, changed: Records, ids: Mapping[bytes, str], remote: Entry
) -> dict[str, dict[str, Entry | None]]:
    levels = {}
    for name, record in changed.items():
        files = {} if record is None else version_files(record)
        levels[name] = {path: Entry(_FILE, ids[text]) for path, text in files.items()}
    kept = {name: {".dvc": remote, **level} for name, level in levels.items() if level}
    trees = dict(zip(kept, git.write_trees(list(kept.values())), strict=True))
    return {n: {n: Entry(_TREE, trees[n]) if n in trees else None} for n in changed}


def _strays(before: _Before) -> dict[str, dict[str, Entry | None]]:
    return {name: {name: entry} for name, entry in before.strays.items()}


def _folder(git: Git, files: Mapping[str, bytes]) -> Entry:
    ids = git.write_blobs(list(files.values()))
    level = {path: Entry(_FILE, oid) for path, oid in zip(files, ids, strict=True)}
    return Entry(_TREE, git.write_trees([level])[0])
