"""`schema`: prints the JSON Schema of a spec."""

from __future__ import annotations

import json
import sys

from reconciler.spec.schema import json_schema


def run() -> int:
    """Return 0."""
    sys.stdout.write(json.dumps(json_schema(), indent=2) + "\n")
    return 0
