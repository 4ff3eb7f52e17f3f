"""Contenders: servers of one model, each a process of its own, started and asked the same way."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from common import BIN, call, environment, repository

PEERS = Path(__file__).resolve().parent / "peers"
#: What each peer's virtual environment holds.
NEEDS = {
    "mlserver": ("mlserver", "mlserver-sklearn"),
    "bentoml": ("bentoml", "onnxruntime", "numpy"),
    "litserve": ("litserve", "onnxruntime", "numpy"),
}
SPEC = """\
apiVersion: reconciler/v1
kind: Model
metadata: {name: NAME}
spec:
  data: {source: "sklearn:breast_cancer", target: target}
  training:
    estimator: sklearn.ensemble.RandomForestClassifier
    hyperparameters: {n_estimators: 100}
  acceptance: [{metric: accuracy, min: 0.5}]
"""


@dataclass(frozen=True)
class Contender:
    """How one server is started, and asked for one row."""

    name: str
    argv: Sequence[str]
    path: str
    body: Mapping[str, Any] | None
    cwd: Path
    env: Mapping[str, str] = field(default_factory=dict)
    health: str | None = None
    """Answers 200 once it is ready; None: `path` does."""


def released(folder: Path, names: Sequence[str] = ("breast",)) -> Path:
    """Make a repository with models that are trained and released, and return it."""
    env = environment(folder.parent / "home")
    repository(folder, env, {f"specs/{n}.yaml": SPEC.replace("NAME", n) for n in names})
    call(folder, env, "reconciler", "apply")
    return folder


def row(repo: Path, model: str = "breast") -> dict[str, float]:
    """Return a row that the model takes: the first of its examples."""
    rows = json.loads((bundle(repo, model) / "examples.json").read_text())["rows"]
    found: dict[str, float] = rows[0]
    return found


def bundle(repo: Path, model: str = "breast") -> Path:
    """Return the folder of a model's bundle as it was published."""
    return repo / "releases" / model / "current"


def ours(repo: Path, port: int, *options: str) -> Contender:
    """Return our server, asked by `/predict`."""
    argv = [str(BIN / "reconciler"), "serve", "--port", str(port), *options]
    env = environment(repo.parent / "home")
    return Contender(
        "reconciler /predict", argv, "/predict/breast", row(repo), repo, env, "/v2/health/ready"
    )


def ours_v2(repo: Path, port: int, *options: str) -> Contender:
    """Return our server, asked by the Open Inference Protocol."""
    values = list(row(repo).values())
    tensor = {"name": "input", "shape": [1, len(values)], "datatype": "FP64", "data": values}
    base = ours(repo, port, *options)
    return Contender(
        "reconciler /v2 infer", base.argv, "/v2/models/breast/infer", {"inputs": [tensor]},
        repo, base.env, base.health,
    )  # fmt: skip


def peers(repo: Path, place: Path, port: int) -> list[Contender]:
    """Return the peers, whose environments are made below `place` where they are missing."""
    values = list(row(repo).values())
    env = {**os.environ, "MODEL": str((bundle(repo) / "model.onnx").resolve())}
    tensor = {"name": "input", "shape": [1, len(values)], "datatype": "FP64", "data": values}
    models = place / "models"
    models.mkdir(exist_ok=True)
    python = {name: _environment(place / name, needs) for name, needs in NEEDS.items()}
    subprocess.run([python["mlserver"], PEERS / "train.py", models], check=True)
    settings = {"http_port": port, "host": "127.0.0.1", "debug": False, "parallel_workers": 0}
    (models / "settings.json").write_text(json.dumps(settings))
    bento = python["bentoml"].with_name("bentoml")
    return [
        Contender("MLServer scikit-learn", [str(python["mlserver"].with_name("mlserver")),
                  "start", str(models)], "/v2/models/breast/infer", {"inputs": [tensor]}, models,
                  env, "/v2/models/breast/ready"),
        Contender("BentoML ONNX", [str(bento), "serve", "bento_service:Breast", "--port",
                  str(port), "--host", "127.0.0.1"], "/predict", {"row": values}, PEERS, env,
                  "/readyz"),
        Contender("LitServe ONNX", [str(python["litserve"]), "lit_server.py", str(port)],
                  "/predict", {"row": values}, PEERS, env, "/health"),
    ]  # fmt: skip


def bare(port: int) -> Contender:
    """Return uvicorn alone, which answers `ok`."""
    return Contender("bare uvicorn", [sys.executable, "bare.py", str(port)], "/", None, PEERS)


def _environment(place: Path, needs: Sequence[str]) -> Path:
    """Return the interpreter of a virtual environment that has what a peer needs."""
    python = place / "bin" / "python"
    if not python.exists():
        subprocess.run([sys.executable, "-m", "venv", place], check=True)
        subprocess.run([python, "-m", "pip", "install", "--quiet", *needs], check=True)
    return python


def free_port() -> int:
    """Return a port that nobody listens on."""
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


@contextmanager
def running(
    contender: Contender, port: int, wait_s: float = 90.0, every_s: float = 0.05
) -> Iterator[int]:
    """Run a server for the length of the block, once it answers; gives its process id."""
    child = subprocess.Popen(
        list(contender.argv), cwd=contender.cwd, env=dict(contender.env) or None,
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True,
    )  # fmt: skip
    try:
        until = time.monotonic() + wait_s
        while not answers(contender, port):
            if child.poll() is not None or time.monotonic() > until:
                sys.exit(f"{contender.name} does not answer: {' '.join(contender.argv)}")
            time.sleep(every_s)
        yield child.pid
    finally:
        child.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            child.wait(10)
        with contextlib.suppress(ProcessLookupError):  # some leave processes of theirs behind
            os.killpg(child.pid, signal.SIGKILL)
        child.wait()


def answers(contender: Contender, port: int) -> bool:
    """Return whether a server is ready."""
    url = f"http://127.0.0.1:{port}{contender.health or contender.path}"
    try:
        with urllib.request.urlopen(url, timeout=2) as answer:
            return bool(answer.status == 200)
    except OSError:
        return False
