"""`comment`: posts a plan on the pull request that CI builds, or updates the one it posted."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from reconciler.adapters.comments import from_environment, post
from reconciler.errors import UsageError


def run(file: Path) -> int:
    """Return 0 once the comment stands as the file says."""
    try:
        body = sys.stdin.read() if str(file) == "-" else file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"{file} cannot be read: {error}", reason="NoSuchFile") from error
    done = post(from_environment(os.environ), body)
    sys.stdout.write(f"{done} the comment\n")
    return 0
