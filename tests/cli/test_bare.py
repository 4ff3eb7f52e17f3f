"""A bare repository: what is pushed there is trained, released and steered there."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.conftest import Project, spec

pytestmark = pytest.mark.slow

#: What git itself makes, before and after it has packed.
GITS = {"HEAD", "config", "description", "hooks", "info", "objects", "refs", "branches"}


def test_what_is_pushed_into_a_bare_repository_is_released_there(project: Project) -> None:
    project.write("specs/m.yaml", spec("m"))
    project.reconciler("compile")
    project.commit()
    bare = hub(project)

    assert list(bare.plan()) == ["m"]
    assert "released" in bare.reconciler("apply", "--rev", "main").stdout
    served = bare.root / "reconciler" / "releases" / "m" / "current"
    first = served.resolve()
    assert (first / "manifest.json").is_file()

    project.edit("specs/m.yaml", '"hyperparameters": {}', '"hyperparameters": {"alpha": 0.5}')
    project.reconciler("compile")
    second = project.commit()
    project.git("push", "-q", str(bare.root), "main")
    assert "m: train done" in bare.reconciler("apply").stdout
    assert bare.champion("m")["revision"] == second
    assert served.resolve() != first

    bare.reconciler("rollback", "m")
    assert bare.champion("m")["number"] == 1
    assert served.resolve() == first
    assert "rolled back" in bare.reconciler("why", "m").stdout
    assert "Nothing to delete" in bare.reconciler("gc").stdout
    assert '"fail"' not in bare.reconciler("doctor", "--output", "json").stdout

    found = {path.name for path in bare.root.iterdir()}
    assert found <= {*GITS, "packed-refs", "reconciler"}
    assert bare.git("for-each-ref", "--format=%(refname)").split() == [
        "refs/heads/deployed",
        "refs/heads/main",
    ]


def test_what_needs_a_working_tree_says_so_and_writes_nothing(project: Project) -> None:
    project.write("specs/m.yaml", spec("m"))
    project.reconciler("compile")
    project.commit()
    bare = hub(project)
    bare.reconciler("status")
    before = sorted(bare.root.rglob("*"))
    for verb in ("init", "compile", "validate", "repro", "plan --uncommitted"):
        done = bare.reconciler(*verb.split(), check=False)
        assert (done.returncode, "is a bare repository" in done.stderr) == (2, True), verb
    assert sorted(bare.root.rglob("*")) == before


def test_a_linked_worktree_is_reconciled_like_any_other(project: Project, tmp_path: Path) -> None:
    project.write("specs/m.yaml", spec("m"))
    project.reconciler("compile")
    project.commit()
    project.git("worktree", "add", "-q", "-b", "topic", str(tmp_path / "linked"))
    linked = Project(tmp_path / "linked", Path(project.env["HOME"]))
    assert "released" in linked.reconciler("apply").stdout
    assert linked.git("status", "--porcelain") == project.git("status", "--porcelain") == ""
    assert project.champion("m")["number"] == 1


def hub(project: Project) -> Project:
    """Return a bare repository to which the project is pushed."""
    place = project.root.with_name("hub.git")
    project.git("init", "-q", "--bare", "-b", "main", str(place))
    project.git("push", "-q", str(place), "main")
    return Project(place, Path(project.env["HOME"]))
