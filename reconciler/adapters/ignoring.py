"""Outputs that git must not see: ignored where they are, as DVC does it."""

from __future__ import annotations

from pathlib import PurePosixPath
from typing import TYPE_CHECKING

from reconciler.adapters.files import write

if TYPE_CHECKING:
    from collections.abc import Iterable

    from reconciler.adapters.git import Git


def ignore(git: Git, paths: Iterable[str]) -> None:
    """Add each path that git does not ignore to the `.gitignore` of its folder.

    Raises:
        TransientError: That file cannot be written.
    """
    for path in paths:
        if git.ignored(path):
            continue
        pure = PurePosixPath(path)
        file = pure.parent / ".gitignore"
        place = git.root / file
        before = place.read_bytes() if place.exists() else b""
        gap = b"" if not before or before.endswith(b"\n") else b"\n"
        write(git.root, str(file), before + gap + f"/{pure.name}\n".encode())
