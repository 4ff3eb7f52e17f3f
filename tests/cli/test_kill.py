"""SIGKILL at random moments, of `apply` alone and of all it started: the next apply mends it."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import time
from pathlib import Path

import psutil
import pytest

from tests.conftest import BIN, Project, Specify

pytestmark = pytest.mark.slow

MODEL = "m"


@pytest.fixture
def counted(project: Project, specify: Specify, tmp_path: Path) -> Project:
    """Return a repository whose stage commands write down when they start and end."""
    project.env["STAGE_LOG"] = str(tmp_path / "stages.log")
    (tmp_path / "stages.log").touch()
    pipeline = (project.root / "dvc.yaml").read_text()
    for stage in ("prepare", "train", "evaluate"):
        command = f"reconciler-stage {stage} ${{key}}"
        start, end = (f'echo "{word} {stage}" >> "$STAGE_LOG"' for word in ("start", "end"))
        pipeline = pipeline.replace(f"cmd: {command}", f"cmd: '{start} && {command} && {end}'")
    project.write("dvc.yaml", pipeline)
    project.write(f"specs/{MODEL}.yaml", specify(MODEL))
    project.reconciler("compile")
    project.commit()
    return project


@pytest.mark.parametrize("everything", [False, True], ids=["alone", "with all it started"])
def test_ten_kills_later_the_end_state_is_that_of_an_undisturbed_run(
    counted: Project, tmp_path: Path, everything: bool
) -> None:
    chance = random.Random(20 + everything)
    kills = 0
    for _ in range(10):
        kills += _cut(counted, chance.uniform(0.2, 4.0), everything)
    done = counted.reconciler("apply")
    assert "as declared" in done.stdout
    log = (tmp_path / "stages.log").read_text().split("\n")
    for stage in ("prepare", "train", "evaluate"):
        ends = log.count(f"end {stage}")
        starts = log.count(f"start {stage}")
        assert ends >= 1
        assert starts <= 1 + kills
    assert sum(line.startswith("start") for line in log) <= 3 + kills
    assert _orphans(counted) == []
    assert _state(counted) == _undisturbed(counted)


def _cut(project: Project, after_s: float, everything: bool) -> int:
    """Start apply, kill it after a while, and return whether it was still at work."""
    child = subprocess.Popen(
        [str(BIN / "reconciler"), "apply"],
        cwd=project.root, env=project.env, start_new_session=True,
        stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    time.sleep(after_s)
    victims = psutil.Process(child.pid).children(recursive=True) if everything else []
    alive = child.poll() is None
    os.kill(child.pid, signal.SIGKILL)
    for victim in victims:
        with_gone(victim)
    child.wait()
    return int(alive)


def with_gone(victim: psutil.Process) -> None:
    """Kill a process unless it has ended by itself."""
    try:
        victim.kill()
    except psutil.NoSuchProcess:
        return


def _orphans(project: Project) -> list[str]:
    mark = project.env["STAGE_LOG"]
    found = []
    for process in psutil.process_iter():
        try:
            if process.environ().get("STAGE_LOG") == mark:
                found.append(" ".join(process.cmdline()))
        except (psutil.NoSuchProcess, psutil.AccessDenied):
            continue
    return found


def _state(project: Project) -> tuple[object, ...]:
    champion = project.champion(MODEL)
    served = project.root / "releases" / MODEL / "current"
    files = {path.name: path.read_bytes() for path in sorted(served.iterdir())}
    return champion["number"], champion["bundle"], champion["fingerprint"], files


def _undisturbed(project: Project) -> tuple[object, ...]:
    """Return the end state that a run from nothing reaches: record, cache and target anew."""
    project.git("update-ref", "-d", "refs/heads/deployed")
    for folder in (".reconciler", "releases", ".dvc/cache"):
        subprocess.run(["rm", "-rf", str(project.root / folder)], check=True)
    project.reconciler("apply")
    return _state(project)
