"""Loading: objects that the user's own stages have written, with the modules that those use.

Loading a pickle runs whatever is in it, so it is done here, in the slot's own process, after the
user's stages have run there anyway; never in daemon, gate, command line or server.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any


def load(root: Path, path: str, folders: Sequence[str]) -> Any:
    """Return the object in a pickle, joblib, skops or NumPy file; it may raise anything.

    Args:
        root: The slot's tree.
        path: The file, from `root`.
        folders: Where modules of the user's own may be, from `root`.
    """
    with _importing(root, folders):
        match Path(path).suffix:
            case ".skops":
                return _skops(root / path)
            case ".npy" | ".npz":
                import numpy as np

                return np.load(root / path, allow_pickle=True)  # as any pickle here
            case _:
                import joblib

                return joblib.load(root / path)  # of plain pickles too


def _skops(path: Path) -> Any:
    import skops.io

    # What the stage has saved it may load again: this is its own process.
    return skops.io.load(path, trusted=skops.io.get_untrusted_types(file=path))


@contextmanager
def _importing(root: Path, folders: Sequence[str]) -> Iterator[None]:
    """Let modules be found first where the stages' scripts find theirs; afterwards, last."""
    before = list(sys.path)
    own = [str(root / folder) for folder in (*folders, ".")]
    sys.path[:0] = own
    try:
        yield
    finally:
        sys.path[:] = [*before, *own]
