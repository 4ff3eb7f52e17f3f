"""`merge-driver`: git calls it with three versions of a file; it brings them closer together."""

from __future__ import annotations

import sys
from pathlib import Path, PurePosixPath

from reconciler.core.lockfile import ForeignError
from reconciler.core.merging import merge_lock, merge_params


def run(base: Path, ours: Path, theirs: Path, name: str) -> int:
    """Rewrite the three files so that a merge by line does the rest; return 0.

    A file that is not as it is generated is left alone: git merges it by line then.
    """
    merge = merge_params if PurePosixPath(name).suffix == ".yaml" else merge_lock
    paths = (base, ours, theirs)
    try:
        merged = merge(*(path.read_bytes().decode() for path in paths))
    except (ForeignError, UnicodeDecodeError) as error:
        sys.stderr.write(f"{name}: merged by line ({error})\n")
        return 0
    for path, text in zip(paths, merged.versions, strict=True):
        path.write_bytes(text.encode())
    for note in merged.notes:
        sys.stderr.write(f"{name}: {note}\n")
    return 0
