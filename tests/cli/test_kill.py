"""SIGKILL at random moments, of `apply` alone and of all it started: the next apply mends it."""

from __future__ import annotations

import json
import random
import re
import subprocess
from pathlib import Path

import psutil
import pytest

from tests.conftest import BIN, Project, Specify

pytestmark = pytest.mark.slow

MODEL = "m"
KILLS = 10


@pytest.fixture
def counted(project: Project, specify: Specify, tmp_path: Path) -> Project:
    """Return a repository whose stage commands write down when they start and end."""
    project.env["STAGE_LOG"] = str(tmp_path / "stages.log")
    (tmp_path / "stages.log").touch()
    pipeline = (project.root / "dvc.yaml").read_text()
    for stage in ("prepare", "train", "evaluate"):
        command = f"reconciler-stage {stage} ${{key}} ${{item.digest}}"
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
    kills, models = 0, 1
    while kills < KILLS:
        if _cut(counted, chance.uniform(0.4, 3.0), everything):
            kills += 1
        else:  # it was done already: give it something new to do
            models += 1
            _declare(counted, models)
    done = counted.reconciler("apply")
    assert "as declared" in done.stdout
    assert _orphans(counted) == []
    log = (tmp_path / "stages.log").read_text().split("\n")
    for stage in ("prepare", "train", "evaluate"):
        assert 1 <= log.count(f"end {stage}") <= log.count(f"start {stage}")
    started = sum(line.startswith("start") for line in log)
    assert started <= 1 + 2 * models + kills, "a stage ran again that no kill had cut"
    assert _state(counted) == _undisturbed(counted)


def _declare(project: Project, number: int) -> None:
    """Commit another hyperparameter: the model must be trained and evaluated again."""
    text = project.root / f"specs/{MODEL}.yaml"
    alpha = json.dumps({"hyperparameters": {"alpha": 1 / number}})[1:-1]
    project.write(
        f"specs/{MODEL}.yaml", re.sub(r'"hyperparameters": \{[^}]*\}', alpha, text.read_text())
    )
    project.commit(f"Model {number}")


def _cut(project: Project, after_s: float, everything: bool) -> bool:
    """Start apply, kill it after a while, and return whether it was still at work."""
    child = subprocess.Popen(
        [str(BIN / "reconciler"), "apply"],
        cwd=project.root, env=project.env, start_new_session=True,
        stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    try:
        child.wait(after_s)
    except subprocess.TimeoutExpired:
        victims = psutil.Process(child.pid).children(recursive=True) if everything else []
        child.kill()
        for victim in victims:
            with_gone(victim)
        child.wait()
        return True
    return False


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
    return champion["bundle"], champion["fingerprint"], files


def _undisturbed(project: Project) -> tuple[object, ...]:
    """Return the end state that a run from nothing reaches: record, cache and target anew."""
    project.git("update-ref", "-d", "refs/heads/deployed")
    for folder in (".reconciler", "releases", ".dvc/cache"):
        subprocess.run(["rm", "-rf", str(project.root / folder)], check=True)
    project.reconciler("apply")
    return _state(project)
