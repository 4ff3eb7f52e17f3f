"""What the author has run: the blocks of dvc.lock that stand in a commit, if it holds the file."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from typing import Any

from reconciler.adapters.git import Git
from reconciler.controller.fleet import Fleet
from reconciler.core import lockfile
from reconciler.core.compilation import LOCK
from reconciler.errors import SpecError
from reconciler.spec import yaml


class Authored:
    """The dvc.lock of one revision; it is read once, and only the blocks that are asked for.

    Args:
        git: The repository.
        fleet: What the revision declares.
    """

    def __init__(self, git: Git, fleet: Fleet) -> None:
        self._git = git
        self._fleet = fleet

    def blocks(self, model: str) -> list[Mapping[str, Any]]:
        """Return the blocks of a model's stages; those that cannot be read are left out."""
        found = (lockfile.cut(self._text, name) for name in self._fleet.locked(model))
        return [block for cut in found if (block := _block(cut))]

    @cached_property
    def _text(self) -> str:
        entry = self._fleet.tree.get(LOCK)
        if entry is None:
            return ""
        return self._git.blobs([entry.oid])[entry.oid].decode(errors="replace")


def _block(text: str) -> Mapping[str, Any] | None:
    """Return one block as plain values; None where it says nothing that can be followed."""
    try:
        data = yaml.load(text.encode(), LOCK).data
    except SpecError:  # such as the marks of a merge: then nothing is known of that stage
        return None
    blocks = list(data.values()) if isinstance(data, Mapping) else []
    return blocks[0] if blocks and isinstance(blocks[0], Mapping) else None
