"""DVC's reflinks, made aside: several processes of DVC may add the same content to one cache.

DVC opens the final name, empties it, and removes it again where the file system knows no
reflinks. Another DVC that has just put the same content there loses it, and with it the hard
link in its own folder: its stage would read an empty file.
"""

from __future__ import annotations

import os
import uuid
from collections.abc import Callable
from pathlib import Path


def install() -> bool:
    """Take the place of DVC's way to make a reflink; False: this DVC's is not as we know it."""
    try:
        from dvc_objects.fs import system

        plain: Callable[[str, str], None] = system.reflink
    except (ImportError, AttributeError):
        return False

    def reflink(source: str, place: str) -> None:
        aside = str(Path(place).with_name(f".{uuid.uuid4().hex}.tmp"))
        plain(source, aside)  # which removes it where that fails
        os.replace(aside, place)  # noqa: PTH105  the names are texts

    system.reflink = reflink
    return True
