"""`schema`: prints the JSON Schema of a spec."""

from __future__ import annotations

import sys

from reconciler.spec.schema import text


def run() -> int:
    """Return 0."""
    sys.stdout.write(text())
    return 0
