"""What `repro` remembers of the working tree between runs: it saves time and decides nothing."""

from __future__ import annotations

import contextlib
import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

_FORMAT = 1


@dataclass
class TreeMemory:
    """Facts that hold as long as the key beside them does; can be lost at any time."""

    lines: dict[str, list[Any]] = field(default_factory=dict)
    """By model: key of its spec, its line in params.yaml, content ids of declared files."""
    locked: dict[str, list[Any]] = field(default_factory=dict)
    """By model: key of all that declares it, inputs and outputs by path, parameter files."""
    contents: dict[str, list[str]] = field(default_factory=dict)
    """By path: state of the files there, and their content id."""


def load(path: Path) -> TreeMemory:
    """Return what was saved; nothing where that cannot be read."""
    try:
        found = json.loads(path.read_bytes())
        if found.pop("format") == _FORMAT:
            return TreeMemory(**found)
    except (OSError, ValueError, TypeError, AttributeError, KeyError):
        pass
    return TreeMemory()


def save(path: Path, memory: TreeMemory) -> None:
    """Keep it for the next run; where it cannot be written, the next one takes longer."""
    aside = path.with_suffix(".new")
    with contextlib.suppress(OSError):
        path.parent.mkdir(parents=True, exist_ok=True)
        aside.write_text(json.dumps({"format": _FORMAT, **vars(memory)}), encoding="utf-8")
        aside.replace(path)
