"""`gc` on a real repository: what it deletes is needed by nothing that is tried afterwards."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from reconciler.adapters.layout import version_path
from tests.conftest import Project, new, spec

pytestmark = pytest.mark.slow


def garbage(project: Project, *options: str) -> dict[str, Any]:
    out = project.reconciler("gc", "--output", "json", *options).stdout
    return dict(json.loads(out))


def heap(found: dict[str, Any], kind: str) -> list[str]:
    return next(list(h["paths"]) for h in found["heaps"] if h["kind"] == kind)


@pytest.fixture(scope="module")
def released(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with a repository of three releases of one model, two of them to be kept."""
    place = tmp_path_factory.mktemp("gc")
    (place / "home").mkdir()
    project = Project(place / "repo", place / "home")
    new(project)
    for alpha in (1, 2, 3):
        text = spec("m", hyperparameters={"alpha": float(alpha)}, deployment={"keep": 5})
        project.write("specs/m.yaml", text)
        project.reconciler("compile")
        project.commit(f"alpha {alpha}")
        project.reconciler("apply")
    project.edit("specs/m.yaml", '"keep": 5', '"keep": 2')
    project.reconciler("compile")
    project.commit("Keep two")
    return place


@pytest.fixture
def three(released: Path, tmp_path: Path) -> Project:
    """Return a copy of it."""
    shutil.copytree(released, tmp_path, dirs_exist_ok=True, symlinks=True)
    return Project(tmp_path / "repo", tmp_path / "home")


def test_versions_beyond_keep_go_and_the_others_work_without_training(three: Project) -> None:
    before = set((three.root / ".dvc/cache").rglob("*"))
    listed = garbage(three, "--older-than", "0")
    assert listed["versions"] == {"m": [1]}
    assert heap(listed, "cache")
    assert set((three.root / ".dvc/cache").rglob("*")) == before, "listing deletes nothing"

    deleted = garbage(three, "--older-than", "0", "--delete")
    assert deleted["versions"] == listed["versions"]
    assert heap(deleted, "cache") == heap(listed, "cache")
    assert not any(Path(path).exists() for path in heap(deleted, "cache"))
    record = three.status()["m"]["record"]
    assert [v["number"] for v in record["versions"]] == [2], "and the champion"

    three.git("revert", "--no-edit", "HEAD~1")  # alpha 2 again
    trained = three.reconciler("apply").stdout
    assert three.champion("m")["number"] == 2
    assert "ran" not in trained
    three.edit("specs/m.yaml", "min: 0.2", "min: 0.9")
    three.commit("Ask for more")
    judged = three.reconciler("apply", check=False)
    assert "out of policy" in judged.stdout + judged.stderr, "predictions are kept, too"
    again = garbage(three, "--older-than", "0")
    assert heap(again, "cache") == []


def test_what_a_branch_or_an_uncommitted_file_names_stays(three: Project) -> None:
    three.git("switch", "-q", "-c", "side")
    three.write("side.csv", "a,b\n1,2\n")
    three.call("dvc", "add", "-q", "side.csv")
    three.commit("Side")
    three.git("switch", "-q", "main")
    three.write("mine.csv", "a,b\n3,4\n")
    three.call("dvc", "add", "-q", "mine.csv")
    garbage(three, "--older-than", "0", "--delete")
    (three.root / "mine.csv").unlink()
    three.call("dvc", "checkout", "mine.csv.dvc")
    assert (three.root / "mine.csv").read_text() == "a,b\n3,4\n"
    three.git("switch", "-q", "--force", "side")
    three.call("dvc", "checkout", "side.csv.dvc")
    assert (three.root / "side.csv").read_text() == "a,b\n1,2\n"


def test_a_record_that_cannot_be_read_keeps_all_that_it_names(three: Project) -> None:
    three.git("worktree", "add", "-q", "records", "deployed")
    broken = three.root / "records" / "m.yaml"
    broken.write_text(broken.read_text() + "\nwhat: [is this\n")
    three.git("-C", "records", "commit", "-q", "-am", "Break")
    three.git("worktree", "remove", "records")
    found = garbage(three, "--older-than", "0")
    assert found["versions"] == {}
    kept = three.git("show", f"deployed:{version_path('m', 1)}.dvc")
    bundle = next(line.split()[-1] for line in kept.splitlines() if "md5:" in line)
    assert not any(path.endswith(bundle[2:]) for path in heap(found, "cache"))


def test_what_is_young_and_what_others_share_stays(three: Project, tmp_path: Path) -> None:
    assert heap(garbage(three), "cache") == []
    (three.root / ".dvc/cache").rename(tmp_path / "shared")
    three.call("dvc", "cache", "dir", "--local", str(tmp_path / "shared"))
    done = three.reconciler("gc", "--older-than", "0")
    assert "may be shared" in done.stderr
    assert "cache" not in {h["kind"] for h in garbage(three, "--older-than", "0")["heaps"]}
    assert heap(garbage(three, "--older-than", "0", "--shared-cache"), "cache")


def test_a_retired_record_goes_when_that_is_asked_for(three: Project) -> None:
    (three.root / "specs/m.yaml").unlink()
    three.reconciler("compile")
    three.commit("Retire")
    three.reconciler("apply")
    assert garbage(three, "--older-than", "0")["retired"] == []
    assert garbage(three, "--older-than", "0", "--retired", "--delete")["retired"] == ["m"]
    assert three.status() == {}


def test_the_remote_is_swept_by_the_same_rule(three: Project, tmp_path: Path) -> None:
    three.call("dvc", "remote", "add", "-q", "-d", "store", str(tmp_path / "store"))
    three.call("git", "init", "-q", "--bare", str(tmp_path / "hub.git"))
    three.git("remote", "add", "origin", str(tmp_path / "hub.git"))
    three.commit("Remotes")
    three.git("push", "-q", "origin", "main", "deployed")
    for version in (1, 2):
        pointer = three.git("show", f"deployed:{version_path('m', version)}.dvc")
        three.write(f"v{version}.dvc", pointer.replace("path: ", f"path: v{version}/"))
    three.call("dvc", "push", "-q", "v1.dvc", "v2.dvc")
    kept = (three.root / "v2.dvc").read_text()
    (three.root / "v1.dvc").unlink()
    (three.root / "v2.dvc").unlink()
    stored = {p.name for p in (tmp_path / "store").rglob("*") if p.is_file()}

    listed = garbage(three, "--remote")
    assert listed["remote"] > 0
    assert {p.name for p in (tmp_path / "store").rglob("*") if p.is_file()} == stored
    assert garbage(three, "--remote", "--delete")["remote"] == listed["remote"]
    rest = {p.name for p in (tmp_path / "store").rglob("*") if p.is_file()}
    assert len(stored - rest) == listed["remote"]
    shutil.rmtree(three.root / ".dvc/cache")
    three.write("v2.dvc", kept)
    three.call("dvc", "pull", "-q", "v2.dvc")  # version 2 is kept, whole


def test_the_remote_is_left_alone_while_a_branch_is_unknown(three: Project, tmp_path: Path) -> None:
    three.call("dvc", "remote", "add", "-q", "-d", "store", str(tmp_path / "store"))
    three.call("git", "init", "-q", "--bare", str(tmp_path / "hub.git"))
    three.git("remote", "add", "origin", str(tmp_path / "hub.git"))
    three.git("push", "-q", "origin", "main")
    other = Project(tmp_path / "other", tmp_path / "home")
    three.git("clone", "-q", "-b", "main", str(tmp_path / "hub.git"), str(other.root))
    other.commit("Theirs")
    other.git("push", "-q", "origin", "HEAD:theirs")
    done = three.reconciler("gc", "--remote", "--delete", check=False)
    assert done.returncode == 2
    assert "git fetch --all" in done.stderr
