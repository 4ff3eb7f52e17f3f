"""Paths that a spec names: inside the repository, and not behind a link."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import PurePosixPath

from reconciler.spec.problems import Finding, Keys, nearest

LINK = "120000"
_SUBMODULE = "160000"
_CLOSED = (".git", ".dvc", ".reconciler", "data/prepared", "models", "reports", "deployed")
_HINT = "give the path from the repository's root, such as data/housing.csv"


def malformed(path: str) -> str:
    """Return why `path` is no path inside the repository; empty when it is one."""
    parts = path.split("/")
    if re.match(r"[A-Za-z][A-Za-z0-9+.-]*:", path):
        return "it is an address or drive, not a path"
    if path.startswith("/"):
        return "it is absolute"
    if path.startswith("~"):
        return "it starts in a home folder"
    if "\\" in path:
        return "it has backslashes"
    if ".." in parts:
        return "it leads out of its folder with .."
    if re.search(r"[\x00-\x1f\x7f*?]|\$\{", path) or path != path.strip():
        return "it has characters that no path here has"
    if path != str(PurePosixPath(path)) or path == ".":
        return f"write it as {PurePosixPath(path)}" if path != "." else "it is the repository"
    return ""


def check(
    path: str, keys: Keys, modes: Mapping[str, str] | None, *, tracked: bool
) -> Iterator[Finding]:
    """Give what is wrong with one path.

    Args:
        path: As the spec names it.
        keys: Where it stands.
        modes: Git mode of every file of the tree; None: the tree is not known.
        tracked: Whether it may be a folder or stand for a file that DVC tracks.
    """
    if why := malformed(path):
        yield Finding(keys, f"{path[:80]!r} cannot be used: {why}", _HINT)
    elif inside := next((c for c in _CLOSED if path == c or path.startswith(f"{c}/")), None):
        yield Finding(keys, f"{path} cannot be used: {inside}/ is written by the tools", _HINT)
    elif modes is not None:
        yield from _in_tree(path, keys, modes, tracked=tracked)


def _in_tree(
    path: str, keys: Keys, modes: Mapping[str, str], *, tracked: bool
) -> Iterator[Finding]:
    pointer = f"{path}.dvc"
    linked = next((p for p in (*_upwards(path), pointer) if modes.get(p) == LINK), None)
    if linked is not None:
        yield Finding(keys, f"{linked} is a symbolic link", "name the file itself")
    elif any(modes.get(p) == _SUBMODULE for p in _upwards(path)):
        yield Finding(keys, f"{path} lies in a submodule", "keep it in this repository")
    elif path not in modes and not (tracked and pointer in modes):
        inside = [p for p in modes if p.startswith(f"{path}/")]
        if not (tracked and inside):
            yield _missing(path, keys, modes, tracked=tracked)
        elif any(modes[p] == LINK for p in inside):
            yield Finding(keys, f"{path}/ holds symbolic links", "keep the files themselves there")


def _upwards(path: str) -> Iterator[str]:
    yield path
    yield from (str(parent) for parent in PurePosixPath(path).parents if str(parent) != ".")


def _missing(path: str, keys: Keys, modes: Mapping[str, str], *, tracked: bool) -> Finding:
    folder = str(PurePosixPath(path).parent)
    beside = [p.removesuffix(".dvc") for p in modes if str(PurePosixPath(p).parent) == folder]
    add = f"commit it, or track it with `dvc add {path}` and commit {path}.dvc"
    hint = nearest(path, beside[:1000], 1) or (add if tracked else "commit it")
    return Finding(keys, f"{path} is not in the repository", hint)
