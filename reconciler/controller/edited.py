"""Edited data that DVC tracks: its `.dvc` files as `dvc commit` would write them."""

from __future__ import annotations

import json
import posixpath
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from reconciler.adapters.cache import Cache
from reconciler.adapters.hashing import Contents
from reconciler.errors import ReconcilerError, SpecError
from reconciler.spec import yaml


@dataclass(frozen=True, slots=True)
class Edited:
    """What the working tree's data says that its `.dvc` files do not."""

    pointers: Mapping[str, bytes]
    """The `.dvc` files that would change, by path."""
    notes: tuple[str, ...]
    """What is to be said of data that was not followed."""


def edited(pointers: Mapping[str, bytes], contents: Contents, cache: Cache) -> Edited:
    """Return the `.dvc` files of data that stands edited on disk.

    Data that is not there is taken as its `.dvc` file names it; so is another version that the
    cache knows, which is what stands there after a `git pull` without a `dvc checkout`.

    Args:
        pointers: The `.dvc` files that models rest on, by path.
        contents: What stands on disk.
        cache: What DVC has kept.
    """
    changed, notes = {}, []
    for path, text in pointers.items():
        data = path.removesuffix(".dvc")
        plain = _plain(text, path)
        try:
            out = plain["outs"][0]
            named = str(out["md5"])
            plainly = out["hash"] == "md5" and out["path"] == posixpath.basename(data)
        except (KeyError, IndexError, TypeError):  # whoever reads the fleet says so
            continue
        if not plainly or "wdir" in plain or contents.holds(data, named):
            continue
        if (found := contents.md5(data)) is None:
            continue
        if _has(cache, found):
            notes.append(f"{data} on disk is another version than {path} names, which is followed")
            continue
        rest = {key: value for key, value in out.items() if key not in ("size", "nfiles")}
        changed[path] = json.dumps({**plain, "outs": [{**rest, "md5": found}]}).encode()
    return Edited(changed, tuple(notes))


def _plain(text: bytes, path: str) -> dict[str, Any]:
    try:
        data = yaml.load(text, path).data
    except SpecError:
        return {}
    return dict(data) if isinstance(data, Mapping) else {}


def _has(cache: Cache, md5: str) -> bool:
    try:
        return cache.has(md5)
    except ReconcilerError:  # a listing that is damaged
        return False


def tracked(named: Iterable[str], files: Iterable[str]) -> tuple[str, ...]:
    """Return the `.dvc` files among `files` that stand for what specs name, or for a part of it."""
    wanted = set(named)
    ends = (path for path in files if path.endswith(".dvc"))
    return tuple(p for p in ends if _around(p.removesuffix(".dvc")) & wanted)


def _around(path: str) -> set[str]:
    """Return a path and the folders that it is in."""
    found = {path}
    while path := path.rpartition("/")[0]:
        found.add(path)
    return found
