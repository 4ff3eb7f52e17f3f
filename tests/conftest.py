"""A real repository in a temporary folder, and the program run in it as its user would."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings

ROOT = Path(__file__).resolve().parents[1]
SHARED = ROOT.parent / "shared" / "data"
BIN = Path(sys.executable).parent

# Examples follow from the test alone, and nothing is kept beside the repository.
settings.register_profile("repeatable", derandomize=True, database=None, deadline=None)
settings.load_profile("repeatable")


class Project:
    """A git repository with DVC and our pipeline, in a folder of the test's own."""

    def __init__(self, root: Path, home: Path) -> None:
        self.root = root
        self.env = {
            **{k: v for k, v in os.environ.items() if not k.startswith(("GIT_", "DVC_"))},
            "HOME": str(home),
            "XDG_CONFIG_HOME": str(home / "config"),
            "XDG_CACHE_HOME": str(home / "cache"),
            "GIT_CONFIG_NOSYSTEM": "1",
            "DVC_NO_ANALYTICS": "1",
            "PATH": f"{BIN}{os.pathsep}{os.environ['PATH']}",
            "NO_COLOR": "1",
            "COLUMNS": "160",
        }

    def call(self, *argv: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        """Run a program in the repository, without a terminal."""
        done = subprocess.run(
            argv, cwd=self.root, env=self.env, capture_output=True, text=True, check=False,
            stdin=subprocess.DEVNULL, timeout=300,
        )  # fmt: skip
        if check and done.returncode != 0:
            raise AssertionError(f"{argv} → {done.returncode}\n{done.stdout}\n{done.stderr}")
        return done

    def reconciler(self, *argv: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        """Run one verb."""
        return self.call(str(BIN / "reconciler"), *argv, check=check)

    def git(self, *argv: str) -> str:
        """Run git with an identity of the test's own."""
        who = ("-c", "user.name=Ada", "-c", "user.email=ada@example.org")
        return self.call("git", *who, *argv).stdout.strip()

    def write(self, path: str, text: str | bytes) -> Path:
        """Write a file of the working tree."""
        file = self.root / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(text if isinstance(text, bytes) else text.encode())
        return file

    def edit(self, path: str, old: str, new: str) -> None:
        """Replace one text in a file."""
        file = self.root / path
        text = file.read_text()
        assert old in text, f"{old!r} is not in {path}"
        file.write_text(text.replace(old, new))

    def commit(self, message: str = "Change") -> str:
        """Commit everything and return the commit."""
        self.git("add", "-A")
        self.git("commit", "-q", "--allow-empty", "-m", message)
        return self.git("rev-parse", "HEAD")

    def status(self) -> dict[str, Any]:
        """Return `status --output json`."""
        return dict(json.loads(self.reconciler("status", "--output", "json").stdout))

    def champion(self, model: str) -> dict[str, Any]:
        """Return the champion on record."""
        return dict(self.status()[model]["record"]["champion"])

    def plan(self, *models: str) -> dict[str, dict[str, Any]]:
        """Return the plan's rows by model."""
        out = self.reconciler("plan", *models, "--output", "json").stdout
        return {row["model"]: row for row in json.loads(out)["models"]}


Specify = Callable[..., str]


@pytest.fixture
def project(tmp_path: Path) -> Project:
    """Return a repository that holds the pipeline and no spec yet."""
    root, home = tmp_path / "repo", tmp_path / "home"
    home.mkdir()
    made = Project(root, home)
    new(made)
    return made


def new(project: Project) -> None:
    """Make a repository that holds the pipeline and no spec yet."""
    project.root.mkdir()
    project.git("init", "-q", "-b", "main")
    project.call("dvc", "init", "-q")
    project.write("dvc.yaml", (ROOT / "dvc.yaml").read_bytes())
    project.write(".gitignore", (ROOT / ".gitignore").read_bytes())
    project.write(".dvcignore", (ROOT / ".dvcignore").read_bytes())
    project.write("params.yaml", "apiVersion: reconciler/v1\ndefaults: {}\nmodels: {}\n")


@pytest.fixture
def specify() -> Specify:
    """Return a writer of specs from keyword arguments."""
    return spec


def spec(
    name: str,
    *,
    source: str = "sklearn:diabetes",
    target: str = "target",
    estimator: str = "sklearn.linear_model.Ridge",
    hyperparameters: Mapping[str, object] | None = None,
    acceptance: str = "[{metric: r2, min: 0.2}]",
    data: Mapping[str, object] | None = None,
    training: Mapping[str, object] | None = None,
    deployment: Mapping[str, object] | None = None,
) -> str:
    """Return a spec's text; mappings are written as JSON, which is YAML."""
    body = {
        "data": {"source": source, "target": target, **(data or {})},
        "training": {
            "estimator": estimator,
            "hyperparameters": dict(hyperparameters or {}),
            **(training or {}),
        },
    }
    lines = [
        "apiVersion: reconciler/v1",
        "kind: Model",
        f"metadata: {{name: {name}}}",
        "spec:",
        *(f"  {key}: {json.dumps(value)}" for key, value in body.items()),
        f"  acceptance: {acceptance}",
        *([f"  deployment: {json.dumps(deployment)}"] if deployment else []),
    ]
    return "\n".join(lines) + "\n"
