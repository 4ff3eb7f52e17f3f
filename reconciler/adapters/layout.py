"""The layout of the branch `deployed`: its name, and what its files are called."""

from __future__ import annotations

import hashlib

REF = "refs/heads/deployed"
#: Where a clone that has no such branch yet reads the records.
UPSTREAM = "refs/remotes/origin/deployed"

#: The file that says what the branch is, and its content: the version of the layout.
MARK = ".records"
LAYOUT = b"reconciler/records/v2\n"
#: Before folders were spread over shards; it is read, and the next commit brings it up to date.
OLDER = b"reconciler/records/v1\n"

#: Folders of shards: pointers to what is in production, and to every kept version.
PRODUCTION = ".production"
VERSIONS = "versions"

_ENDING = ".yaml"


def record_path(name: str) -> str:
    """Return the file of a model's record."""
    return f"{name}{_ENDING}"


def model_of(path: str) -> str | None:
    """Return the model whose record a path at the top of the branch is; None: it is no record."""
    return path.removesuffix(_ENDING) if path.endswith(_ENDING) and "/" not in path else None


def shard(name: str) -> str:
    """Return the shard that belongs to a model: two hexadecimal digits."""
    return hashlib.sha256(name.encode()).hexdigest()[:2]


def production_path(name: str) -> str:
    """Return the pointer to a model's bundle in production."""
    return f"{PRODUCTION}/{shard(name)}/{name}.dvc"


def version_path(name: str, number: int) -> str:
    """Return where DVC finds what a kept version left: `dvc get . <path> --rev deployed`."""
    return f"{VERSIONS}/{shard(name)}/{name}/{number}"
