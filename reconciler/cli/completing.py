"""Completion of model names: looked up in two folders, because a shell waits for it at every key.

It imports nothing that takes time and asks neither git nor a database.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

#: Specs that may become models, and the records of those that have.
_FOLDERS = ("specs", "deployed")
_SUFFIX = ".yaml"


def models(incomplete: str) -> list[str]:
    """Return the models around the current folder whose names begin so, sorted."""
    return sorted(name for name in set(_names(Path.cwd())) if name.startswith(incomplete))


def _names(here: Path) -> Iterator[str]:
    root = next((p for p in (here, *here.parents) if (p / ".git").exists()), here)
    for folder in _FOLDERS:
        try:
            with os.scandir(root / folder) as entries:
                for entry in entries:
                    if entry.name.endswith(_SUFFIX) and not entry.name.startswith("."):
                        yield entry.name.removesuffix(_SUFFIX)
        except OSError:
            continue
