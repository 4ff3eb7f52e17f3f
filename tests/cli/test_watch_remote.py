"""Daemons that follow one remote: they share its records, and each trains what no other does."""

from __future__ import annotations

import contextlib
import socket
import subprocess
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from tests.conftest import BIN, Project, Specify
from tests.hosts import git

pytestmark = pytest.mark.slow

ENTRYPOINT = """
import os, time
from sklearn.linear_model import Ridge

def build(alpha):
    with open(os.environ["TRAINED"], "a") as file:
        file.write(f"{alpha} {os.getpid()}\\n")
    time.sleep(1)
    return Ridge(alpha=alpha)
"""
ENTRY = {"entrypoint": "training/code.py:build", "task": "regression", "estimator": None}


class Team:
    """A repository whose remote is followed by daemons of one machine or more."""

    def __init__(self, project: Project, specify: Specify, folder: Path) -> None:
        self.project = project
        self.specify = specify
        self.folder = folder
        self.hub = folder / "hub.git"
        project.env["TRAINED"] = str(folder / "trained")
        git(folder, "init", "-q", "--bare", "-b", "main", str(self.hub))
        project.git("remote", "add", "origin", str(self.hub))
        project.call("dvc", "remote", "add", "-q", "-d", "shared", str(folder / "store"))
        project.write("training/code.py", ENTRYPOINT)

    def declare(self, **alphas: float) -> None:
        """Push a commit that declares models by their one hyperparameter."""
        for name, alpha in alphas.items():
            text = self.specify(name, hyperparameters={"alpha": alpha}, training=ENTRY)
            self.project.write(f"specs/{name}.yaml", text.replace('"estimator": null, ', ""))
        self.project.reconciler("compile")
        self.project.commit()
        self.project.git("push", "-q", "origin", "main")

    @contextlib.contextmanager
    def daemon(self, name: str, url: str | None = None) -> Iterator[subprocess.Popen[bytes]]:
        """Run a daemon with a state folder of its own."""
        argv = [
            str(BIN / "reconciler"), "watch", "--repo", url or f"file://{self.hub}",
            "--branch", "main", "--state", str(self.folder / name), "--interval", "0.5",
            "--jobs", "2", "--probes-port", "0",
        ]  # fmt: skip
        with (self.folder / f"{name}.log").open("ab") as log:
            daemon = subprocess.Popen(
                argv, cwd=self.folder, env=self.project.env, stdout=log, stderr=log
            )
        try:
            yield daemon
        finally:
            children = psutil.Process(daemon.pid).children(recursive=True) if alive(daemon) else []
            daemon.kill()
            daemon.wait()
            for child in children:
                with contextlib.suppress(psutil.NoSuchProcess):
                    child.kill()

    def log(self, name: str) -> str:
        """Return what a daemon has said."""
        file = self.folder / f"{name}.log"
        return file.read_text() if file.exists() else ""

    def records(self) -> dict[str, Any]:
        """Return the records on the remote, by model."""
        self.project.git("fetch", "-q", "origin")
        return {name: found["record"] for name, found in self.project.status().items()}

    def released(self, *names: str) -> bool:
        """Return whether these models are in production as the last commit declares them."""
        head, found = self.project.git("rev-parse", "HEAD"), self.records()
        return all((found.get(name) or {}).get("released") == head for name in names)

    def trained(self) -> Counter[str]:
        """Return how often each hyperparameter was trained with, in processes."""
        file = self.folder / "trained"
        lines = set(file.read_text().splitlines()) if file.exists() else set()
        return Counter(line.split()[0] for line in lines)

    def leases(self) -> list[str]:
        """Return the leases on the remote."""
        return git(self.hub, "for-each-ref", "refs/reconciler/leases").splitlines()


@pytest.fixture
def team(project: Project, specify: Specify, tmp_path: Path) -> Team:
    return Team(project, specify, tmp_path)


def alive(daemon: subprocess.Popen[bytes]) -> bool:
    return daemon.poll() is None


def eventually(claim: Callable[[], bool], team: Team, seconds: float = 90) -> None:
    deadline = time.monotonic() + seconds
    while not claim():
        assert time.monotonic() < deadline, team.log("a") + team.log("b")
        time.sleep(0.2)


def ended(daemon: subprocess.Popen[bytes]) -> float:
    """Return the seconds that a daemon takes to end when asked to."""
    began = time.monotonic()
    daemon.terminate()
    assert daemon.wait(20) == 0
    return time.monotonic() - began


def test_two_daemons_train_every_fingerprint_once_and_release_it_on_the_remote(team: Team) -> None:
    team.declare(one=0.1, two=0.2)
    with team.daemon("a") as a, team.daemon("b") as b:
        eventually(lambda: team.released("one", "two"), team)
        assert max(ended(a), ended(b)) < 5
    assert team.trained() == {"0.1": 1, "0.2": 1}
    champions = [record["champion"]["number"] for record in team.records().values()]
    assert champions == [1, 1]
    assert "TrainedElsewhere" in team.log("a") + team.log("b")
    assert team.leases() == []
    assert git(team.hub, "rev-list", "--count", "--merges", "deployed") == "0"


def test_a_daemon_that_was_killed_goes_on_with_its_own_lease(team: Team) -> None:
    team.declare(one=0.1)
    with team.daemon("a"):
        eventually(lambda: bool(team.trained()), team)
    assert len(team.leases()) == 1
    with team.daemon("a") as again:
        eventually(lambda: team.released("one"), team)
        eventually(lambda: team.leases() == [], team)
        assert ended(again) < 5
    assert "TrainedElsewhere" not in team.log("a")


def test_a_remote_that_hangs_keeps_no_daemon_from_ending(team: Team) -> None:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        url = f"git://127.0.0.1:{listener.getsockname()[1]}/x"
        with team.daemon("a", url) as daemon:
            process = psutil.Process(daemon.pid)
            eventually(lambda: bool(process.children(recursive=True)), team)
            asked = process.children(recursive=True)
            assert ended(daemon) < 5
            assert not psutil.wait_procs(asked, timeout=1)[1]
