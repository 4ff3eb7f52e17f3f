"""The unforeseen: an error that is none of ours, told as a bug where it stops one thing alone."""

from __future__ import annotations

import traceback
from pathlib import Path

from reconciler.adapters import room
from reconciler.errors import ReconcilerError, TransientError

_PACKAGE = str(Path(__file__).parents[1])
_LONGEST = 300


def known(error: Exception) -> ReconcilerError:
    """Return an error as one of ours: what a machine lacks as that, any other as a bug.

    A bug is told with the line of ours that it came from, and waits for time, perhaps in vain.
    """
    found = room.known(error)
    if isinstance(found, ReconcilerError):
        return found
    said = f"{type(error).__name__}: {error}"[:_LONGEST]
    return TransientError(
        f"this is a bug of reconciler: {said} ({_place(error)})",
        reason="InternalError",
        hint="please report it",
    )


def _place(error: Exception) -> str:
    """Return the file and line that went wrong: the innermost that is ours."""
    frames = traceback.extract_tb(error.__traceback__)
    ours = [frame for frame in frames if frame.filename.startswith(_PACKAGE)]
    last = (ours or frames)[-1]
    return f"{Path(last.filename).name}:{last.lineno}"
