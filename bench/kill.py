"""SIGKILL at chosen points of `apply` and `watch`: what the next run makes of it.

    python bench/kill.py [--points N] [--seed N] [--jobs N] [--verb V]… [--scene S]… [--only POINT]

An injected counter names every point at which a run changes something: a process started or
ended, a file opened, half written, renamed or removed, a database committed, a lock taken, and
every such system call inside of git. At each chosen one the reconciler is killed, once alone and
once with everything it has started; then it is run again. Ends with 1 when anything is not as
after an undisturbed run.
"""

from __future__ import annotations

import argparse
import math
import os
import shutil
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from itertools import count
from pathlib import Path

from common import ROOT, report

sys.path.insert(0, str(ROOT))

from tests.killing.bed import SCENES, Bed
from tests.killing.cut import Cut, How, Undisturbed, cut, undisturbed
from tests.killing.sample import kind, spread

VERBS = {"apply": ("apply", "--jobs", "2"), "watch": ("watch", "--once", "--jobs", "2")}
#: How many of ten points belong to each scene: those that train cost most.
SHARES = {"first": 1, "shared": 1, "second": 2, "retired": 4, "steered": 2}
HOWS: tuple[How, ...] = ("alone", "all")


@dataclass(frozen=True)
class Task:
    """One cut to be made."""

    verb: str
    scene: str
    point: str
    how: How
    like: Undisturbed
    bed: Path
    place: Path


def main() -> int:
    """Cut at every chosen point in both ways; print what came of it, by kind."""
    asked = _arguments()
    os.nice(5)
    with tempfile.TemporaryDirectory(prefix="kill-") as aside:
        bed = Bed(asked.bed or Path(aside) / "bed")
        runs = Path(aside) / "runs"
        runs.mkdir()
        tasks = list(_tasks(bed, runs, asked))
        print(f"{len(tasks) // len(HOWS)} points, {len(tasks)} cuts", flush=True)
        with ProcessPoolExecutor(asked.jobs) as pool:
            done = [_told(t, c) for t, c in zip(tasks, pool.map(_work, tasks), strict=True)]
    _table(tasks, done)
    for what, times in Counter(left for each in done for left in each.left).most_common():
        print(f"left in {times} cuts, read by nobody: {what}")
    commits = sum(each.commits for each in done)
    print(f"{commits} commits of `deployed` were read whole while they appeared")
    reached = sum(c.reached for c in done)
    faulty = sum(bool(c.faults) for c in done)
    print(f"{len(done)} cuts, {reached} reached their point, {faulty} with faults")
    return 1 if faulty or reached < 0.9 * len(done) else 0


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    parser.add_argument("--points", type=int, default=300)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--verb", choices=sorted(VERBS), action="append")
    parser.add_argument("--scene", choices=sorted(SCENES), action="append")
    parser.add_argument("--only", metavar="TEXT", help="points that contain this text")
    parser.add_argument("--bed", type=Path, help="where the bed is kept from run to run")
    asked = parser.parse_args()
    asked.verb, asked.scene = asked.verb or sorted(VERBS), asked.scene or list(SCENES)
    return asked


def _tasks(bed: Bed, runs: Path, asked: argparse.Namespace) -> Iterator[Task]:
    pairs = [(verb, scene) for verb in asked.verb for scene in asked.scene]
    whole = sum(SHARES[scene] for _, scene in pairs)
    numbers = count()
    for n, (verb, scene) in enumerate(pairs):
        like = undisturbed(bed, scene, VERBS[verb], runs / f"{verb}-{scene}")
        share = math.ceil(asked.points * SHARES[scene] / whole)
        points = [point for point in like.points if not asked.only or asked.only in point]
        chosen = spread(points, share, asked.seed + n)
        print(f"{verb} {scene}: {len(like.points)} points, {len(chosen)} chosen", flush=True)
        for point in chosen:
            for how in HOWS:
                yield Task(verb, scene, point, how, like, bed.base, runs / str(next(numbers)))


def _work(task: Task) -> Cut:
    bed, verb = Bed(task.bed), VERBS[task.verb]
    try:
        for _ in range(2):  # which thread is first is chance: a point may not be met
            shutil.rmtree(task.place, ignore_errors=True)
            done = cut(bed, task.scene, verb, task.point, task.how, task.like, task.place)
            if done.reached:
                break
        return done
    except Exception as error:  # noqa: BLE001  a repository that cannot be looked at is a fault
        return Cut(True, (f"{type(error).__name__}: {error}",))
    finally:
        shutil.rmtree(task.place, ignore_errors=True)


def _told(task: Task, done: Cut) -> Cut:
    what = f"{task.verb} {task.scene} {task.how}: {task.point}"
    if not done.reached:
        print(f"not reached: {what}", flush=True)
    for fault in done.faults[:10]:
        print(f"FAULT: {what}\n    {fault}", flush=True)
    return done


def _table(tasks: Sequence[Task], done: Sequence[Cut]) -> None:
    pairs = [(kind(task.point), task, each) for task, each in zip(tasks, done, strict=True)]
    cuts = Counter((what, task.verb, task.how) for what, task, _ in pairs)
    missed = Counter(what for what, _, each in pairs if not each.reached)
    faulty = Counter(what for what, _, each in pairs if each.faults)
    rows = [
        {"point": what}
        | {f"{verb}, {how}": cuts[what, verb, how] for verb in sorted(VERBS) for how in HOWS}
        | {"not reached": missed[what], "faulty": faulty[what]}
        for what in sorted({what for what, _, _ in pairs})
    ]
    report("kill", rows)


if __name__ == "__main__":
    sys.exit(main())
