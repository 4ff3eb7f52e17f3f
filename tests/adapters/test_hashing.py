"""Content ids of the working tree are DVC's own."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from reconciler.adapters.hashing import Contents
from tests.conftest import Project

OLD_NS = time.time_ns() - 10_000_000_000


def aged(root: Path) -> None:
    """Make every file old enough for its content to be remembered."""
    for path in root.rglob("*"):
        os.utime(path, ns=(OLD_NS, OLD_NS))


@pytest.mark.slow
def test_files_and_folders_have_the_ids_that_dvc_gives_them(project: Project) -> None:
    names = ["a-b", "a/b", "a.b", "ä", "z z", "deep/er/x", "deep/skip.pyc", "__pycache__/y"]
    for name in names:
        project.write(f"folder/{name}", f"{name}\n")
    project.write("file", b"\r\n\x00text")
    project.write("empty", "")
    project.call("dvc", "add", "folder", "file", "empty")
    contents = Contents(project.root, {})
    for name in ("folder", "file", "empty"):
        pointer = YAML(typ="safe").load((project.root / f"{name}.dvc").read_text())
        assert contents.holds(name, pointer["outs"][0]["md5"]), name
    assert not contents.holds("file", "0" * 32)


def test_what_does_not_exist_has_no_id_and_is_no_error(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    assert Contents(tmp_path, {}).md5("gone") is None
    assert Contents(tmp_path, {}).md5("file/below") is None


def test_a_content_is_remembered_until_anything_about_its_files_changes(tmp_path: Path) -> None:
    (tmp_path / "d").mkdir()
    for name in ("a", "b"):
        (tmp_path / "d" / name).write_text(name)
    aged(tmp_path)
    memory: dict[str, list[str]] = {}
    first = Contents(tmp_path, memory).md5("d")
    assert memory["d"][1] == first
    memory["d"][1] = "remembered"
    assert Contents(tmp_path, memory).md5("d") == "remembered"
    (tmp_path / "d" / "a").write_text("c")
    assert Contents(tmp_path, memory).md5("d") not in (first, "remembered")
    (tmp_path / "d" / "b").rename(tmp_path / "d" / "e")
    aged(tmp_path)
    second = Contents(tmp_path, memory).md5("d")
    assert second not in (first, "remembered")
    assert memory["d"][1] == second


def test_a_file_that_was_just_written_is_read_again_each_time(tmp_path: Path) -> None:
    (tmp_path / "f").write_text("1")
    memory: dict[str, list[str]] = {}
    Contents(tmp_path, memory).md5("f")
    assert memory == {}
