"""Crash reports: a bug of ours, written to a file for whoever mends it."""

from __future__ import annotations

import tempfile
import traceback
from pathlib import Path


def report(error: BaseException) -> str:
    """Write the traceback of `error` to a file and return what to tell the user."""
    text = "".join(traceback.format_exception(error))
    with tempfile.NamedTemporaryFile(
        "w", prefix="reconciler-crash-", suffix=".txt", delete=False
    ) as file:
        file.write(text)
    kind = type(error).__name__
    return (
        f"error: this is a bug of reconciler: {kind}: {error}\n"
        f"hint: please report it with {Path(file.name)}\n"
    )
