"""One cut: a run is killed at a point, another one goes on, and what it has left is looked at."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from tests.conftest import BIN, Project
from tests.killing.bed import Bed
from tests.killing.reading import Reader
from tests.killing.state import (
    State,
    differing,
    leftovers,
    processes,
    remote,
    state,
    yours,
)

COUNTING = Path(__file__).with_name("counting")
How = Literal["alone", "all"]
_DVC_ENDED = "reconciler|ended|dvc repro"
_LIMIT_S = 120.0


@dataclass(frozen=True)
class Undisturbed:
    """A run that nobody cut."""

    state: State
    code: int
    points: tuple[str, ...]
    """Every point that it met, in order."""


@dataclass(frozen=True)
class Cut:
    """What became of a run that was killed."""

    reached: bool
    """Whether the point was met; otherwise the run came to its end."""
    faults: tuple[str, ...]
    """What is not as after an undisturbed run; empty: all of it is."""
    commits: int = 0
    """Commits of `deployed` that the reader looked at."""
    left: frozenset[str] = frozenset()
    """Kinds of files that are left and do no harm."""


def undisturbed(bed: Bed, scene: str, verb: Sequence[str], place: Path) -> Undisturbed:
    """Run a scene to its end, counting its points; those inside of git too."""
    project = bed.copy(scene, place)
    code = _run(project, verb, "counted", {"KILLING_INSIDE": "trace"})
    trace = (place / "trace").read_text().splitlines()
    return Undisturbed(state(project), code, tuple(dict.fromkeys(trace)))


def cut(
    bed: Bed, scene: str, verb: Sequence[str], point: str, how: How, like: Undisturbed, place: Path
) -> Cut:
    """Kill a run at a point, run it again, and compare with a run that nobody cut.

    Args:
        bed: Where the scene comes from.
        scene: Its name.
        verb: What is run.
        point: One of `like.points`.
        how: Whether the reconciler alone is killed, or all that it started too.
        like: The same without a cut.
        place: A new folder.
    """
    project = bed.copy(scene, place)
    before = yours(project)
    asked = {"KILLING_AT": point, "KILLING_HOW": how}
    if point.startswith("dvc repro") and "|spawned|" in point:
        asked["KILLING_PAUSE"] = "1"  # so that the stage outlives whoever is killed
    with Reader(project.root) as reader:
        code = _run(project, verb, "cut", asked)
        if code != -signal.SIGKILL:
            fault = f"it ended with {code} instead of {like.code}, before it was cut"
            return Cut(False, () if code == like.code else (fault,))
        trained = _trained(place, point)
        again = _run(project, verb, "again", None)
    faults = [*reader.faults, *_repeated(_stages(project), trained)]
    if again != like.code:
        said = (place / "again.out").read_text()[-2000:]
        faults.append(f"the next run ended with {again} instead of {like.code}: {said}")
    _settled(project)
    faults += state(project).differences(like.state)
    faults += [f"yours: {what} is not as before" for what in differing(before, yours(project))]
    return Cut(True, tuple(faults), reader.commits, leftovers(project))


def _run(project: Project, verb: Sequence[str], name: str, asked: dict[str, str] | None) -> int:
    """Run the reconciler and return its exit status; `asked` None: nothing is counted."""
    place = project.root.parent
    env = dict(project.env)
    if asked is not None:
        roots = os.pathsep.join((str(project.root), env["TMPDIR"], str(remote(project))))
        env |= {"PYTHONPATH": str(COUNTING), "KILLING_ROOT": roots}
        env |= {"KILLING_TRACE": str(place / "trace"), **asked}
    with (place / f"{name}.out").open("wb") as output:
        child = subprocess.Popen(
            [str(BIN / "reconciler"), *verb], cwd=project.root, env=env, start_new_session=True,
            stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT,
        )  # fmt: skip
        try:
            return child.wait(_LIMIT_S)
        except subprocess.TimeoutExpired:
            for pid in processes(project):
                os.kill(pid, signal.SIGKILL)
            child.wait()
            return 124


def _stages(project: Project) -> list[str]:
    return Path(project.env["KILLING_STAGES"]).read_text().splitlines()


def _trained(place: Path, point: str) -> frozenset[str]:
    """Return the models whose DVC had ended before the cut: nothing of theirs may run again."""
    trace = (place / "trace").read_text().splitlines()
    ended = [line for line in trace[: trace.index(point)] if line.startswith(_DVC_ENDED)]
    return frozenset(line.partition("@")[2].partition("#")[0] for line in ended)


def _repeated(lines: Sequence[str], trained: frozenset[str]) -> list[str]:
    """Return the stages that ran again although no cut had hit them.

    One that was the last of its run counts as cut until DVC has ended: what it has left is not
    in the cache before.
    """
    last: dict[str, str] = {}
    runs = defaultdict(list)
    for line in lines:
        word, stage, model, alpha, run = line.split()
        if word == "start":
            last[run] = f"{stage} {model} {alpha}"
            runs[last[run]].append(run)
    return [
        f"{stage} ran {len(by)} times; DVC had ended for {sorted(trained)}: {list(lines)}"
        for stage, by in runs.items()
        if len(by) > 2 or (len(by) == 2 and (last[by[0]] != stage or stage.split()[1] in trained))
    ]


def _settled(project: Project) -> None:
    """Wait a moment for what a killed reconciler has left to come to its own end."""
    deadline = time.monotonic() + 2.0
    while processes(project) and time.monotonic() < deadline:
        time.sleep(0.02)
