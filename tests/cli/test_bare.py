"""A bare repository: what is pushed there is trained, released and steered there."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from reconciler.spec import yaml
from tests.conftest import BIN, Project, spec

pytestmark = pytest.mark.slow

#: What git itself makes, before and after it has packed.
GITS = {"HEAD", "config", "description", "hooks", "info", "objects", "refs", "branches"}


def test_what_is_pushed_into_a_bare_repository_is_released_there(project: Project) -> None:
    project.write("specs/m.yaml", spec("m"))
    project.reconciler("compile")
    first = project.commit()
    bare = hub(project)
    with daemon(bare):
        project.git("push", "-q", str(bare.root), "main")
        eventually(lambda: champion(bare) == first)
    served = bare.root / "reconciler" / "releases" / "m" / "current"
    bundle = served.resolve()
    assert (bundle / "manifest.json").is_file()

    project.edit("specs/m.yaml", '"hyperparameters": {}', '"hyperparameters": {"alpha": 0.5}')
    project.reconciler("compile")
    second = project.commit()
    project.git("push", "-q", str(bare.root), "main")
    assert list(bare.plan()) == ["m"]
    assert "m: train done" in bare.reconciler("apply", "--rev", "main").stdout
    assert champion(bare) == second
    assert served.resolve() != bundle

    bare.reconciler("rollback", "m")
    assert served.resolve() == bundle
    assert "rolled back" in bare.reconciler("why", "m").stdout
    assert "Nothing to delete" in bare.reconciler("gc").stdout
    assert '"fail"' not in bare.reconciler("doctor", "--online", "--output", "json").stdout

    found = {path.name for path in bare.root.iterdir()}
    assert found <= {*GITS, "packed-refs", "reconciler"}
    assert bare.git("for-each-ref", "--format=%(refname)").split() == [
        "refs/heads/deployed",
        "refs/heads/main",
    ]


@contextmanager
def daemon(bare: Project) -> Iterator[None]:
    """Run one that looks by itself once an hour: what it notices is told by events."""
    argv = [str(BIN / "reconciler"), "watch", "--branch", "main", "--interval", "3600"]
    argv += ["--probes-port", "0"]
    process = subprocess.Popen(argv, cwd=bare.root, env=bare.env, stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        assert "Started" in process.stdout.readline()
        assert "BranchGone" in process.stdout.readline()
        yield
        process.terminate()
        assert process.wait(10) == 0
    finally:
        process.kill()
        process.communicate()


def eventually(claim: Callable[[], bool], seconds: float = 120) -> None:
    deadline = time.monotonic() + seconds
    while not claim():
        assert time.monotonic() < deadline
        time.sleep(0.1)


def champion(bare: Project) -> str | None:
    """Return the commit whose model is in production."""
    done = bare.call("git", "show", "deployed:m.yaml", check=False)
    found = yaml.load(done.stdout.encode(), "m.yaml").data if done.returncode == 0 else {}
    return (found.get("champion") or {}).get("revision")


def test_what_needs_a_working_tree_says_so_and_writes_nothing(project: Project) -> None:
    project.write("specs/m.yaml", spec("m"))
    project.reconciler("compile")
    project.commit()
    bare = hub(project)
    project.git("push", "-q", str(bare.root), "main")
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
    """Return an empty bare repository."""
    place = project.root.with_name("hub.git")
    project.git("init", "-q", "--bare", "-b", "main", str(place))
    return Project(place, Path(project.env["HOME"]))
