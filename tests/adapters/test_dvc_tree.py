"""The working tree is shared with DVC: with its locks, and with its dvc.lock."""

from __future__ import annotations

import json
import subprocess
import time
from pathlib import Path

import pytest

from reconciler.adapters.dvc_tree import held, read_lock, refuse_busy, write_blocks
from reconciler.errors import TerminalError, TransientError
from tests.conftest import BIN, Project

BLOCK = "  {name}:\n    cmd: {cmd}\n    outs:\n    - path: {name}\n      md5: x\n"
PIPELINE = "stages:\n  s:\n    cmd: sleep 1 && echo 1 > out\n    outs:\n    - out\n"


def block(name: str, cmd: str = "x") -> str:
    return BLOCK.format(name=name, cmd=cmd)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / ".dvc" / "tmp").mkdir(parents=True)
    return tmp_path


@pytest.mark.slow
@pytest.mark.parametrize("hardlink", ["false", "true"])
def test_while_we_hold_the_lock_dvc_does_nothing(project: Project, hardlink: str) -> None:
    project.write("dvc.yaml", PIPELINE)
    project.call("dvc", "config", "core.hardlink_lock", hardlink)
    with held(project.root):
        done = project.call("dvc", "repro", check=False)
    assert "Unable to acquire lock" in done.stderr
    assert not (project.root / "dvc.lock").exists()


@pytest.mark.slow
def test_a_stage_that_dvc_runs_is_left_alone_until_it_has_ended(project: Project) -> None:
    project.write("dvc.yaml", PIPELINE)
    child = subprocess.Popen(
        [str(BIN / "dvc"), "repro"], cwd=project.root, env=project.env,
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, stdin=subprocess.DEVNULL,
    )  # fmt: skip
    try:
        _until_busy(project.root)
        with held(project.root):
            refuse_busy(project.root, ["other"])
            with pytest.raises(TransientError, match="at work on the same stage"):
                refuse_busy(project.root, ["out"])
        assert child.wait(60) == 0
    finally:
        child.kill()
    with held(project.root):
        refuse_busy(project.root, ["out"])


def _until_busy(root: Path) -> None:
    for _ in range(600):
        text = (root / ".dvc" / "tmp" / "rwlock").read_text() if _has_rwlock(root) else ""
        if "out" in text:
            return
        time.sleep(0.05)
    raise AssertionError("the stage has not begun")


def _has_rwlock(root: Path) -> bool:
    return (root / ".dvc" / "tmp" / "rwlock").exists()


def test_a_lock_that_stays_taken_is_said_with_the_way_out(root: Path) -> None:
    with (
        held(root),
        pytest.raises(TransientError, match="another DVC is at work"),
        held(root, wait_s=0.1),
    ):
        pass
    with held(root, wait_s=0.1):
        pass


def test_a_stage_of_a_process_that_has_died_is_none(root: Path) -> None:
    place = root / ".dvc" / "tmp" / "rwlock"
    place.write_text(json.dumps({"write": {str(root / "out"): {"pid": 2**22 + 1, "cmd": "x"}}}))
    refuse_busy(root, ["out"])
    place.write_text('{"write": {')
    with pytest.raises(TransientError, match="rwlock cannot be read"):
        refuse_busy(root, ["out"])


def test_blocks_are_put_in_their_place_or_at_the_end_in_the_order_of_stages(root: Path) -> None:
    write_blocks(root, {"train@b": block("train@b")}, ["prepare@a", "prepare@b", "train@b"])
    write_blocks(root, {"prepare@a": block("prepare@a")}, ["prepare@a", "prepare@b", "train@b"])
    new = {"prepare@b": block("prepare@b"), "train@b": block("train@b", "new")}
    write_blocks(root, new, ["prepare@a", "prepare@b", "train@b"])
    assert (root / "dvc.lock").read_text() == (
        "schema: '2.0'\nstages:\n"
        + block("prepare@a") + block("prepare@b") + block("train@b", "new")
    )  # fmt: skip
    write_blocks(root, {"prepare@b": block("prepare@b", "other")}, [])
    assert list(read_lock(root).blocks) == ["prepare@a", "prepare@b", "train@b"]


def test_a_lock_that_a_person_has_edited_is_written_as_dvc_would(root: Path) -> None:
    (root / "dvc.lock").write_text("schema: '2.0'\nstages:\n    a:\n        cmd:   x # mine\n")
    write_blocks(root, {"b": block("b")}, [])
    assert (root / "dvc.lock").read_text() == (
        "schema: '2.0'\nstages:\n  a:\n    cmd: x       # mine\n" + block("b")
    )


def test_a_half_solved_conflict_is_refused_and_kept(root: Path) -> None:
    text = "schema: '2.0'\nstages:\n<<<<<<< ours\n  a:\n    cmd: x\n=======\n>>>>>>> theirs\n"
    (root / "dvc.lock").write_text(text)
    with pytest.raises(TerminalError, match="is not as DVC writes it"):
        write_blocks(root, {"b": block("b")}, [])
    assert (root / "dvc.lock").read_text() == text


def test_a_lock_that_cannot_be_written_is_said(root: Path) -> None:
    (root / ".dvc" / "tmp" / "lock").mkdir()
    with pytest.raises(TransientError, match="lock cannot be written"), held(root):
        pass
