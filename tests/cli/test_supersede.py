"""A newer commit while a model trains: what it declares still goes on, the rest is cut short."""

from __future__ import annotations

import json
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from tests.conftest import BIN, Project, Specify

pytestmark = pytest.mark.slow

# With alpha 1 it does not end, nor does what it starts, and SIGTERM is no matter to either.
ENTRYPOINT = """
import os, signal, subprocess, time
from sklearn.linear_model import Ridge

def build(alpha):
    if alpha == 1:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        child = subprocess.Popen(["sleep", "300"], start_new_session=True)
        with open(os.environ["PIDS"], "a") as file:
            file.write(f"{os.getpid()} {child.pid}\\n")
        time.sleep(300)
    return Ridge(alpha=alpha)
"""
SPEC = "specs/m.yaml"


@pytest.fixture
def watched(
    project: Project, specify: Specify, tmp_path: Path
) -> Iterator[tuple[Project, subprocess.Popen[bytes]]]:
    """Return a repository with a model in endless training, and the daemon that trains it."""
    project.env["PIDS"] = str(tmp_path / "pids")
    project.write("training/endless.py", ENTRYPOINT)
    entry = {"entrypoint": "training/endless.py:build", "task": "regression", "estimator": None}
    spec = specify("m", hyperparameters={"alpha": 1}, training=entry)
    project.write(SPEC, spec.replace('"estimator": null, ', ""))
    project.reconciler("compile")
    project.commit()
    argv = [str(BIN / "reconciler"), "watch", "--jobs", "1", "--probes-port", "0"]
    with (tmp_path / "watch.log").open("wb") as log:
        daemon = subprocess.Popen(argv, cwd=project.root, env=project.env, stdout=log, stderr=log)
    try:
        eventually(lambda: len(training(project)) == 2)
        yield project, daemon
    finally:
        daemon.kill()
        daemon.wait()
        for pid in training(project):
            psutil.Process(pid).kill()


def eventually(claim: Callable[[], bool], seconds: float = 40) -> None:
    deadline = time.monotonic() + seconds
    while not claim():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def training(project: Project) -> set[int]:
    """Return the processes of endless trainings that live."""
    file = Path(project.env["PIDS"])
    pids = map(int, file.read_text().split()) if file.exists() else ()
    return {pid for pid in pids if psutil.pid_exists(pid) and alive(pid)}


def alive(pid: int) -> bool:
    try:
        return bool(psutil.Process(pid).status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False


def outcomes(project: Project) -> list[str]:
    versions = json.loads(project.reconciler("history", "m", "--output", "json").stdout)["versions"]
    return [version["outcome"] for version in reversed(versions)]


def test_a_newer_commit_cuts_a_training_short_and_only_one_that_it_no_longer_declares(
    watched: tuple[Project, subprocess.Popen[bytes]],
) -> None:
    project, daemon = watched
    first, pids = project.git("rev-parse", "HEAD"), training(project)
    project.edit(SPEC, "min: 0.2", "min: 0.1")
    project.commit("Another threshold: no matter for what trains")
    time.sleep(1)
    assert training(project) == pids

    project.edit(SPEC, '"alpha": 1', '"alpha": 2')
    project.reconciler("compile")
    second = project.commit("Another model")
    eventually(lambda: outcomes(project) == ["cancelled", "released"])
    assert training(project) == set()
    record = project.status()["m"]["record"]
    cut = next(version for version in record["versions"] if version["outcome"] == "cancelled")
    assert (cut["reason"], cut["revision"]) == ("Superseded", first)
    assert second[:10] in cut["message"]
    assert "Cut short m 1" in project.git("log", "--format=%s", "deployed", "--")

    project.git("revert", "--no-edit", "HEAD")
    eventually(lambda: len(training(project)) == 2)
    log = (project.root / ".reconciler" / "logs" / "m.log").read_text()
    assert "Stage 'prepare@m' is cached" in log
    daemon.terminate()
    daemon.wait(5)
    assert training(project) == set()
    assert outcomes(project) == ["cancelled", "released"]
    assert not list((project.root / ".reconciler" / "slots").glob("*/group.json"))
