"""Runtime: which versions are installed here, read from their metadata without importing them."""

from __future__ import annotations

import hashlib
import os
import platform
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from reconciler import __version__

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

_PACKAGE = Path(__file__).parents[1]


def installed(names: Iterable[str]) -> dict[str, str]:
    """Return the full version of each named library, `python` included.

    A library that is not installed is absent.
    """
    found = {name: _version(name) for name in names}
    return {name: version for name, version in found.items() if version is not None}


def stamp() -> str:
    """Return a text that changes with whatever is installed here, this program included.

    Folders on the path are told by their times: whoever installs or removes a library adds or
    removes names there. It may change without need, and costs two milliseconds.
    """
    parts = [__version__, sys.version, *_path_times(), *_own_times()]
    return hashlib.sha256("\0".join(parts).encode(errors="surrogateescape")).hexdigest()


def _path_times() -> Iterator[str]:
    script = os.path.dirname(os.path.realpath(sys.argv[0]))  # noqa: PTH120
    for place in sys.path:
        if place in ("", script):  # how this program was started is no part of what it finds
            continue
        try:
            yield f"{place} {os.stat(place).st_mtime_ns}"  # noqa: PTH116  a tenth of the time
        except OSError:
            yield f"{place} -"


def _own_times() -> Iterator[str]:
    """Give size and time of this program's own files, of which an editor changes single ones."""
    for folder, folders, files in os.walk(_PACKAGE):
        folders[:] = sorted(f for f in folders if f != "__pycache__")
        for name in sorted(files):
            path = os.path.join(folder, name)  # noqa: PTH118  the same
            found = os.stat(path)  # noqa: PTH116
            yield f"{path} {found.st_size} {found.st_mtime_ns}"


def _version(name: str) -> str | None:
    if name == "python":
        return platform.python_version()
    import importlib.metadata  # 20 ms

    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return None
