"""A repository whose models come from commits: a stage of its own hands over an ONNX file.

So a challenger can be anything: one that raises on some rows, one that is slow, one that is fine.
"""

from __future__ import annotations

import random
from pathlib import Path

from tests.conftest import Project
from tests.serving.bundles import onnx_model

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
