"""One small model from nothing to released, beside `dvc repro` of the same stages.

python bench/apply.py [PAIRS]
"""

from __future__ import annotations

import statistics
import sys
import tempfile
from pathlib import Path

from common import ROOT, call, environment, median_ratio, report, repository

FILES = {
    "specs/diabetes.yaml": (ROOT / "specs" / "diabetes.yaml").read_text(encoding="utf-8"),
    "params.yaml": "apiVersion: reconciler/v1\ndefaults: {}\n",
}


def main(pairs: int) -> None:
    """Run both in turn in fresh repositories, and print medians and their ratio."""
    ours, theirs = [], []
    for _ in range(pairs):
        with tempfile.TemporaryDirectory() as aside:
            place = Path(aside)
            env = environment(place / "home")
            for name in ("ours", "theirs"):
                repository(place / name, env, FILES)
            ours.append(call(place / "ours", env, "reconciler", "apply"))
            theirs.append(call(place / "theirs", env, "dvc", "repro"))
    row = {
        "what": "one small model, nothing → released",
        "apply s": statistics.median(ours),
        "dvc repro s": statistics.median(theirs),
        "ratio": median_ratio(ours, theirs),
        "reach": "≤ 1.3",
        "pairs": pairs,
    }
    report("apply", [row])


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 5)
