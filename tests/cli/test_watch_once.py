"""`watch --once` does what `apply` does, and ends also where nothing can be done."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import BIN, Project, Specify


def once(project: Project, *options: str) -> subprocess.CompletedProcess[str]:
    argv = (str(BIN / "reconciler"), "watch", "--once", "--probes-port", "off", *options)
    return project.call(*argv, check=False)


def test_what_cannot_be_followed_ends_it_with_an_error(project: Project, tmp_path: Path) -> None:
    nothing = once(project)
    assert (nothing.returncode, "there is no such branch" in nothing.stdout) == (1, True)
    project.write("params.yaml", "runtime: [")
    project.commit()
    broken = once(project)
    assert (broken.returncode, "params.yaml" in broken.stdout) == (1, True)
    gone = tmp_path / "gone.git"
    away = once(project, "--repo", f"file://{gone}", "--branch", "main", "--state", str(gone))
    assert away.returncode == 1
    assert "gone.git" in away.stdout + away.stderr


def test_one_daemon_follows_a_repository_whichever_of_its_trees_it_runs_in(
    project: Project, tmp_path: Path
) -> None:
    project.reconciler("compile")
    project.commit()
    project.git("worktree", "add", "-q", "--detach", str(tmp_path / "other"))
    other = Project(tmp_path / "other", Path(project.env["HOME"]))
    argv = [str(BIN / "reconciler"), "watch", "--probes-port", "off"]
    with subprocess.Popen(argv, cwd=other.root, env=other.env, stdout=subprocess.PIPE) as first:
        assert first.stdout is not None
        assert b"Started" in first.stdout.readline()
        second = once(project)
        assert second.returncode == 1
        assert f"process {first.pid}" in second.stdout + second.stderr
        first.terminate()
        assert first.wait(10) == 0
    assert once(project).returncode == 0, "the lock ends with whoever has it"


@pytest.mark.slow
def test_it_ends_where_apply_ends(project: Project, specify: Specify) -> None:
    project.write("specs/good.yaml", specify("good"))
    project.write("specs/bad.yaml", specify("bad", acceptance="[{metric: r2, min: 0.99}]"))
    project.reconciler("compile")
    project.commit()
    twin = Project(project.root.parent / "twin", Path(project.env["HOME"]))
    shutil.copytree(project.root, twin.root, symlinks=True)
    assert project.reconciler("apply", check=False).returncode == 1
    assert once(twin).returncode == 1
    assert state(twin) == state(project)

    for each in (project, twin):
        (each.root / "specs" / "bad.yaml").unlink()
        each.reconciler("compile")
        each.git("add", "-A")
        date = "2026-01-01T00:00:00Z"
        each.git("-c", "core.hooksPath=", "commit", "-q", "-m", "Drop", "--date", date)
    assert project.reconciler("apply").returncode == 0
    done = once(twin)
    assert (done.returncode, done.stderr) == (0, "")
    assert state(twin) == state(project)

    for each in (project, twin):
        shutil.rmtree(each.root / "releases")
        shutil.rmtree(each.root / ".dvc" / "cache" / "files")
    assert project.reconciler("apply").returncode == 0
    assert once(twin).returncode == 0, "a settled model is trained and served again"
    assert state(twin) == state(project)


def state(project: Project) -> dict[str, Any]:
    """Return what is recorded, shown and served, without what names a commit or a time."""
    shown = (project.root / "deployed").resolve()
    served = sorted(str(p.relative_to(project.root)) for p in project.root.glob("releases/*/*/*"))
    found: dict[str, Any] = {"served": served, "shown": sorted(p.name for p in shown.iterdir())}
    for name, row in project.status().items():
        versions = row["record"]["versions"]
        found[name] = (row["sync"], row["health"], row["detail"], [
            (v["number"], v["outcome"], v["fingerprint"], (v.get("bundle") or {}).get("md5"))
            for v in versions
        ])  # fmt: skip
    return found
