"""Single rows, eight connections: our server beside others, all in one run.

    python bench/serving/compare.py [--peers DIR] [--rounds N] [--seconds S] [--only NAME]…

`wrk` must be installed. The peers get virtual environments of their own below DIR, made where
they are missing. Each round asks every server in turn, so that noise of the machine hits all.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
from pathlib import Path

from contenders import Contender, bare, free_port, ours, ours_v2, peers, released, running
from wrk import Load, load

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from common import report

REACH = {
    "MLServer scikit-learn": ">= 50 x", "BentoML ONNX": ">= 12 x", "LitServe ONNX": ">= 5 x",
    "bare uvicorn": ">= 0.25 x",
}  # fmt: skip


def main() -> None:
    asked = _arguments()
    with tempfile.TemporaryDirectory(prefix="serving-") as aside:
        port = free_port()
        repo = released(Path(aside) / "repo")
        place = asked.peers or Path(aside) / "peers"
        place.mkdir(parents=True, exist_ok=True)
        every = [ours(repo, port), ours_v2(repo, port), bare(port), *peers(repo, place, port)]
        some = [c for c in every if not asked.only or any(o in c.name for o in asked.only)]
        found: dict[str, list[Load]] = {c.name: [] for c in some}
        for turn in range(asked.rounds):
            for contender in some:
                found[contender.name].append(_asked(contender, port, asked.seconds))
            print(f"round {turn + 1} of {asked.rounds}", file=sys.stderr)
    report("serving", [_row(name, found) for name in found])


def _asked(contender: Contender, port: int, seconds: float) -> Load:
    with running(contender, port):
        load(port, contender.path, contender.body, 1.0)  # what is made for the first time
        return load(port, contender.path, contender.body, seconds)


def _row(name: str, found: dict[str, list[Load]]) -> dict[str, object]:
    runs = found[name]
    own = [run.per_s for key in found if key.startswith("reconciler /p") for run in found[key]]
    per_s = [run.per_s for run in runs]
    ratio = statistics.median(a / b for a, b in zip(own, per_s, strict=True)) if own else 0.0
    return {
        "server": name,
        "requests/s": round(statistics.median(per_s)),
        "p99 ms": statistics.median(run.p99_s for run in runs) * 1e3,
        "failed": sum(run.failed for run in runs),
        "reconciler / it": ratio,
        "reach": REACH.get(name, ""),
    }


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--peers", type=Path)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=5.0)
    parser.add_argument("--only", action="append")
    return parser.parse_args()


if __name__ == "__main__":
    main()
