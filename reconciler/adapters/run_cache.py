"""DVC's run-cache as it lies on a disk: what stages have left, by key, read without DVC."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from reconciler.errors import SpecError
from reconciler.spec import yaml

_HASH = re.compile(r"[0-9a-f]{64}")
_MD5 = re.compile(r"[0-9a-f]{32}(\.dir)?")
_LIMIT = 1 << 20


@dataclass(frozen=True, slots=True)
class Found:
    """What a place has of what it was asked for."""

    entries: Mapping[str, tuple[Mapping[str, Any], ...]] = field(default_factory=dict)
    """Blocks of dvc.lock by key, the newest first."""
    present: frozenset[str] = frozenset()
    """Content, by md5."""


def entries(store: Path, key: str) -> tuple[Mapping[str, Any], ...]:
    """Return what a cache, or a remote in a folder, holds under `key`: the newest first.

    Args:
        store: The cache's folder, with `runs/` and `files/` in it.
        key: 64 hexadecimal digits.
    """
    place = store / "runs" / key[:2] / key
    try:
        files = [path for path in place.iterdir() if _HASH.fullmatch(path.name)]
        files.sort(key=lambda path: path.stat().st_mtime, reverse=True)
        blocks = [parsed(path.read_bytes()) for path in files]
    except OSError:  # not there, or gone while it was looked at
        return ()
    return tuple(block for block in blocks if block is not None)


def look(store: Path, keys: Collection[str], md5s: Collection[str]) -> Found:
    """Return what a remote in a folder has of these keys, of their content, and of `md5s`."""
    found = {key: blocks for key in keys if (blocks := entries(store, key))}
    wanted = {*md5s, *(md5 for blocks in found.values() for b in blocks for md5 in content(b))}
    files = store / "files" / "md5"
    return Found(found, frozenset(m for m in wanted if (files / m[:2] / m[2:]).is_file()))


def content(block: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the md5 of each output of a sound block."""
    return tuple(str(out["md5"]) for out in block["outs"])


def sound(block: object) -> bool:
    """Return whether this is a block of dvc.lock that names the content of its outputs."""
    outs = block.get("outs") if isinstance(block, Mapping) else None
    return isinstance(outs, list) and all(
        isinstance(out, Mapping) and "path" in out and _MD5.fullmatch(str(out.get("md5")))
        for out in outs
    )


def parsed(text: bytes | str) -> Mapping[str, Any] | None:
    """Return the block in an entry of the run-cache; None when it is none."""
    try:
        data = yaml.load(text, "run-cache", _LIMIT).data
    except SpecError:
        return None
    return data if sound(data) else None
