"""`repro` cut short: dvc.lock stays valid, and every output is whole, old or new."""

from __future__ import annotations

import contextlib
import random
import signal
import subprocess
from pathlib import Path

import psutil
import pytest
from ruamel.yaml import YAML

from tests import quick
from tests.conftest import BIN, Project
from tests.quick import outputs, retune, same_as_dvc, twin

pytestmark = pytest.mark.slow

#: No other process sleeps for this long.
LONG = "61.37"


@pytest.fixture
def trained(tmp_path: Path) -> Project:
    """Return a repository of two models that are up to date."""
    (tmp_path / "home").mkdir()
    made = quick.make(tmp_path / "repo", tmp_path / "home")
    made.reconciler("repro")
    return made


def test_killed_at_any_moment_outputs_and_lock_are_whole_and_the_next_run_ends_as_dvc_does(
    trained: Project,
) -> None:
    chance, words = random.Random(7), ["{}"]
    for number in range(5):
        last = words[-1]
        words.append(retune(trained, "a", number + 0.5, last))
        retune(trained, "b", number + 0.5, last)
        _killed(trained, after_s=chance.uniform(0.5, 2.0), everything=bool(number % 2))
        for name in "ab":
            text = (trained.root / "models" / name / "deep" / "model").read_text()
            assert sum(f'"hyperparameters": {word}' in text for word in words) == 1
            assert (trained.root / "data" / "prepared" / name / "rows").is_file()
            assert len(list((trained.root / "reports" / name).rglob("*.*"))) == 3
        stages = YAML(typ="safe").load((trained.root / "dvc.lock").read_text())["stages"]
        assert len(stages) == 6
        assert all(block["outs"] for block in stages.values())
    same_as_dvc(trained, twin(trained))
    assert not list(trained.root.glob("models/.*"))


def _killed(project: Project, after_s: float, everything: bool) -> None:
    """Start repro and kill it after a while, alone or with all that it started."""
    child = subprocess.Popen(
        [str(BIN / "reconciler"), "repro", "--jobs", "2"],
        cwd=project.root, env=project.env, start_new_session=True,
        stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    try:
        child.wait(after_s)
    except subprocess.TimeoutExpired:
        victims = psutil.Process(child.pid).children(recursive=True) if everything else []
        child.kill()
        for victim in victims:
            with contextlib.suppress(psutil.NoSuchProcess):
                victim.kill()
        child.wait()


def test_an_interrupt_ends_what_runs_and_leaves_the_tree_as_it_was(trained: Project) -> None:
    before = outputs(trained)
    trained.edit("dvc.yaml", "cmd: mkdir -p models", f"cmd: sleep {LONG} && mkdir -p models")
    child = subprocess.Popen(
        [str(BIN / "reconciler"), "repro"], cwd=trained.root, env=trained.env, text=True,
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
    )  # fmt: skip
    assert child.stdout is not None
    assert any("train …" in line for line in child.stdout)
    child.send_signal(signal.SIGINT)
    said, _ = child.communicate(timeout=60)
    assert child.returncode == 130
    assert "interrupted" in said
    assert outputs(trained) == before
    assert not [p for p in psutil.process_iter(["cmdline"]) if LONG in str(p.info)]
