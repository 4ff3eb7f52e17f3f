"""Two daemons on two clones of one remote: random commits, people who steer, daemons killed.

    python bench/two.py [--commits N] [--seed N] [--play quiet|killed|uneven]… [--keep DIR]

Every stage that runs writes down what it was for, so that one that ran twice is found; every
commit on the branch of records is read. Ends with 1 when anything is not as it must be.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

from common import ROOT, report

sys.path.insert(0, str(ROOT))

from tests.killing.bed import Bed
from tests.pair.play import Played, Size, play

SIZE = Size(
    commits=50, kills=0, steers=10, pause_s=1.0, training_s=0.5, intervals_s=(0.5, 0.5),
    rest_s=10.0, longest_s=300.0,
)  # fmt: skip
PLAYS = {
    "quiet": SIZE,
    "killed": replace(SIZE, kills=12),
    "uneven": replace(SIZE, intervals_s=(0.5, 6.0), rest_s=24.0),
}


def main() -> int:
    """Play each of them; print what was done, what is wrong, and the figures side by side."""
    asked = _arguments()
    found = {}
    with tempfile.TemporaryDirectory(prefix="two-") as aside:
        place = asked.keep or Path(aside)
        outputs = Bed(place / "bed").trained()
        for name in asked.play or PLAYS:
            folder = place / f"{name}-{asked.seed}"
            folder.mkdir()
            found[name] = play(
                folder, outputs, replace(PLAYS[name], commits=asked.commits), asked.seed
            )
            print(f"{name}: {'; '.join(found[name].said)}", flush=True)
            for fault in found[name].faults:
                print(f"FAULT: {name}: {fault}", flush=True)
    report("two", _rows(found, asked.commits))
    return 1 if any(played.faults for played in found.values()) else 0


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    parser.add_argument("--commits", type=int, default=50)
    parser.add_argument("--seed", type=int, default=4)
    parser.add_argument("--play", choices=sorted(PLAYS), action="append")
    parser.add_argument("--keep", type=Path, help="an empty folder that is kept")
    return parser.parse_args()


def _rows(found: dict[str, Played], commits: int) -> list[dict[str, object]]:
    def row(what: str, wanted: str, values: list[object]) -> dict[str, object]:
        return {"what": what, **dict(zip(found, values, strict=True)), "wanted": wanted}

    plays = list(found.values())
    return [
        row("commits on main", "", [commits + 1 for _ in plays]),
        row("decisions by hand", "", [sum(": done" in s for s in p.said) for p in plays]),
        row("daemons killed", "", [len(p.kills) for p in plays]),
        row("commits on deployed", "", [p.commits for p in plays]),
        row("pushes of records that were outrun or cut", "", [p.races for p in plays]),
        row("decisions", "", [p.decisions for p in plays]),
        row("different things trained", "", [p.trained.once for p in plays]),
        row("trainings cut short or killed", "", [p.trained.cut for p in plays]),
        row("trained again, holder killed", "", [p.trained.killed for p in plays]),
        row("trained again, cut short before", "", [p.trained.superseded for p in plays]),
        row("trained again otherwise", "0", [len(p.trained.again) for p in plays]),
        row("stages of both run by both", "", [p.trained.shared for p in plays]),
        row("faults", "0", [len(p.faults) for p in plays]),
        row("seconds to converge", "", [p.converged_s for p in plays]),
        row("seconds to stop both", "< 5", [p.stopped_s for p in plays]),
        row("ticks at rest, each", "", [_each(map(round, p.ticks)) for p in plays]),
        row("git ls-remote meanwhile, each", "one per tick", [_each(p.looks) for p in plays]),
        row("looks in all, each", "", [_each(a.looks for a in p.asked) for p in plays]),
        row("further questions, each", "", [_each(a.questions for a in p.asked) for p in plays]),
        row("fetches, each", "", [_each(a.fetches for a in p.asked) for p in plays]),
        row("pushes, each", "", [_each(a.pushes for a in p.asked) for p in plays]),
        row("git processes, each", "", [_each(a.processes for a in p.asked) for p in plays]),
    ]


def _each(values: Iterable[int]) -> str:
    return ", ".join(map(str, values))


if __name__ == "__main__":
    sys.exit(main())
