"""What starting costs: each program's own imports beside an empty `import sklearn`.

python bench/startup.py [ROUNDS]
"""

from __future__ import annotations

import statistics
import sys
import tempfile
from pathlib import Path

from common import ROOT, call, environment, median_ratio, report, repository

#: A stage's program from start to end, with imports for work.
STAGE = """
import importlib, sys
from reconciler.pipeline import main
def imports(stage, name):
    importlib.import_module(f"reconciler.pipeline.{{stage}}")
    {extra}
main._run = imports
sys.argv = ["reconciler-stage", "{stage}", "wine"]
main.main()
"""
PROGRAMS = {
    "prepare": STAGE.format(stage="prepare", extra="pass"),
    "train": STAGE.format(stage="train", extra="pass"),
    "train, with scikit-learn": STAGE.format(stage="train", extra="import sklearn"),
    "evaluate": STAGE.format(stage="evaluate", extra="pass"),
}


def main(rounds: int) -> None:
    """Time every program in turn with its peer, and print medians and ratios."""
    with tempfile.TemporaryDirectory() as aside:
        place = Path(aside)
        env = environment(place / "home")
        spec = (ROOT / "specs" / "wine.yaml").read_text(encoding="utf-8")
        files = {"specs/wine.yaml": spec, "params.yaml": "apiVersion: reconciler/v1\n"}
        repository(place / "repo", env, files)

        def python(code: str) -> float:
            return float(call(place / "repo", env, sys.executable, "-c", code))

        rows = []
        for name, code in PROGRAMS.items():
            ours, peer = [], []
            for _ in range(rounds):
                ours.append(python(code))
                peer.append(python("import sklearn"))
            rows.append(_row(name, ours, peer, "≤ 1.2"))
        for verb, reach in (("--help", "≤ 0.3 s"), ("validate", ""), ("plan", "")):
            ours, peer = [], []
            for _ in range(rounds):
                ours.append(call(place / "repo", env, "reconciler", verb))
                peer.append(python("import sklearn"))
            rows.append(_row(f"reconciler {verb}", ours, peer, reach))
    report("startup", rows)


def _row(name: str, ours: list[float], peer: list[float], reach: str) -> dict[str, object]:
    return {
        "program": name,
        "s": statistics.median(ours),
        "import sklearn s": statistics.median(peer),
        "ratio": median_ratio(ours, peer),
        "reach": reach,
    }


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 7)
