"""A repository whose models come from commits: a stage of its own hands over an ONNX file.

So a challenger can be anything: one that raises on some rows, one that is slow, one that is fine.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.conftest import Project
from tests.serving.bundles import onnx_model
from tests.serving.running import Running, free_port, until

SPEC = """\
apiVersion: reconciler/v1
kind: Model
metadata: {name: m}
spec:
  data: {test: data/test.csv, target: y}
  training: {stages: [fit], model: out/model.onnx, task: regression}
  acceptance: [{metric: rmse, max: 100000}]
  deployment: {target: local, rollout: ROLLOUT}
"""
PIPELINE = """\
stages:
  fit:
    cmd: mkdir -p out && cp src/model.onnx out/model.onnx
    deps: [src/model.onnx]
    outs: [out/model.onnx]
"""
#: Clients send every `a` below this; the held-out rows have none that is near it.
LARGEST = 50


def rolling(place: Path, rollout: str, port: int) -> Project:
    """Return a repository with version 1 declared: y = 2 a + b, served at a port.

    Args:
        place: An empty folder.
        rollout: The spec's rollout, as YAML on one line.
        port: Where the server of target `local` is.
    """
    (place / "home").mkdir()
    project = Project(place / "repo", place / "home")
    project.root.mkdir()
    project.git("init", "-q", "-b", "main")
    project.call("dvc", "init", "-q")
    project.write("dvc.yaml", PIPELINE)
    project.write("specs/m.yaml", SPEC.replace("ROLLOUT", rollout))
    project.write("data/test.csv", table())
    project.write(
        "reconciler.yaml",
        "apiVersion: reconciler/v1\n"
        f'targets: {{local: {{endpoints: ["http://127.0.0.1:{port}"]}}}}\n',
    )
    project.write(".gitignore", "/out\n/.reconciler/\n/deployed\n")
    project.reconciler("init")
    change(project, 2.0)
    return project


def change(project: Project, factor: float, *, limit: int | None = None, drag: int = 0) -> str:
    """Commit another model and return the commit; see `bundles.made` for what it is like."""
    project.write("src/model.onnx", onnx_model(factor, limit, drag, float_input=True))
    return project.commit(f"Multiply by {factor}")


def table() -> str:
    """Return held-out rows."""
    drawn = random.Random(0)
    rows = [(drawn.uniform(0, LARGEST - 5), drawn.uniform(0, 8)) for _ in range(60)]
    lines = "".join(f"{a:.4f},{b:.4f},{2 * a + b:.4f}\n" for a, b in rows)
    return f"a,b,y\n{lines}"


@dataclass(frozen=True)
class Ended:
    """What became of a challenger."""

    outcome: str
    reason: str
    message: str
    seconds: float
    """From the start of its rollout to its end."""
    steps: int
    """How many it has entered."""


@dataclass(frozen=True)
class Team:
    """A repository, and the daemon and the server at work in it."""

    project: Project
    server: Running
    daemon: Running

    def version(self, number: int) -> dict[str, Any]:
        """Return what is on record of a version; empty while it is none."""
        record = self.project.status()["m"]["record"] or {}
        versions = (*record.get("versions", ()), record.get("champion") or {"number": 0})
        found = [v for v in versions if v["number"] == number]
        return dict(found[0]) if found else {}

    def play(
        self,
        number: int,
        factor: float,
        *,
        limit: int | None = None,
        drag: int = 0,
        started: Callable[[], None] = lambda: None,
    ) -> Ended:
        """Commit a model and wait until its rollout is over.

        Args:
            number: The version that it becomes.
            factor: See `bundles.onnx_model`, as for `limit` and `drag`.
            limit: Where it raises.
            drag: How slow it is.
            started: Called once its rollout has begun.
        """
        log = self.daemon.log
        since = len(log)
        change(self.project, factor, limit=limit, drag=drag)
        until(lambda: any("RolloutStarted" in line for line in log[since:]), 120, log)
        began = time.monotonic()
        started()
        words = ("is withdrawn", f"released: version {number}")
        until(lambda: any(word in line for line in log[since:] for word in words), 120, log)
        seconds = time.monotonic() - began
        found = self.version(number)
        steps = 1 + sum("Shifted" in line for line in log[since:])
        message = found.get("message", "")
        return Ended(found["outcome"], found.get("reason", ""), message, seconds, steps)


@contextmanager
def delivering(place: Path, rollout: str) -> Iterator[Team]:
    """Give a repository with version 1 in production, its daemon and its server."""
    port = free_port()
    project = rolling(place, rollout, port)
    project.reconciler("apply")
    with (
        Running(project.root, ("serve", "--port", str(port)), project.env) as server,
        Running(project.root, ("watch", "--probes-port", "off"), project.env) as daemon,
    ):
        server.until(1, wait_s=60)
        yield Team(project, server, daemon)
