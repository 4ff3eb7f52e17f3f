"""The workspace: made on first use, ignored by git, held by one reconciler at a time."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from reconciler.controller.workspace import Workspace
from reconciler.errors import TransientError


def test_it_keeps_itself_out_of_git(tmp_path: Path) -> None:
    Workspace(tmp_path).prepare()
    Workspace(tmp_path).prepare()
    assert (tmp_path / ".reconciler" / ".gitignore").read_text() == "*\n"


def test_a_second_reconciler_is_told_who_holds_it(tmp_path: Path) -> None:
    Workspace(tmp_path).prepare()
    with (
        Workspace(tmp_path).alone(),
        pytest.raises(TransientError, match=f"process {os.getpid()}") as caught,
        Workspace(tmp_path).alone(),
    ):
        pass
    assert caught.value.reason == "Busy"
    with Workspace(tmp_path).alone():
        pass


def test_an_error_inside_frees_it_and_is_not_taken_for_another_reconciler(tmp_path: Path) -> None:
    workspace = Workspace(tmp_path)
    workspace.prepare()
    with pytest.raises(OSError, match="of the block"), workspace.alone():
        raise OSError("of the block")
    with workspace.alone():
        pass


@pytest.mark.parametrize("occupied", [".reconciler", ".reconciler/reconciler.lock"])
def test_what_stands_in_the_way_is_said_in_one_line(tmp_path: Path, occupied: str) -> None:
    workspace = Workspace(tmp_path)
    if occupied.endswith("lock"):
        (tmp_path / occupied).mkdir(parents=True)
    else:
        (tmp_path / occupied).write_text("")
    with pytest.raises(TransientError) as caught:
        _enter(workspace)
    assert caught.value.reason == "NotWritable"


def _enter(workspace: Workspace) -> None:
    workspace.prepare()
    with workspace.alone():
        pass


def test_who_is_at_work_is_told_without_disturbing_anybody(tmp_path: Path) -> None:
    workspace = Workspace(tmp_path)
    assert workspace.holder() is None
    workspace.prepare()
    assert workspace.holder() is None
    with workspace.alone():
        assert workspace.holder() == str(os.getpid())
    assert workspace.holder() is None


def test_one_commit_at_a_time_is_allowed_to_change_much(tmp_path: Path) -> None:
    workspace = Workspace(tmp_path)
    assert workspace.allowed() is None
    workspace.prepare()
    workspace.allow("abc")
    workspace.allow("def")
    assert Workspace(tmp_path).allowed() == "def"
    (workspace.base / "allowed").write_bytes(b"\xff\xfe")
    assert workspace.allowed() is None
    assert sorted(p.name for p in workspace.base.iterdir()) == [".gitignore", "allowed"]
