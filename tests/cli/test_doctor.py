"""`doctor` names what is wrong, and what to do; each cause is really brought about."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from reconciler.adapters.status import StatusStore
from reconciler.controller.workspace import Workspace
from tests.conftest import Project, Specify


@pytest.fixture
def clinic(project: Project, specify: Specify) -> Project:
    project.write("specs/m.yaml", specify("m"))
    project.reconciler("compile")
    project.git("config", "user.name", "Ada")
    project.git("config", "user.email", "ada@example.org")
    project.commit()
    return project


def findings(project: Project, *options: str, code: int = 0) -> list[dict[str, Any]]:
    done = project.reconciler("doctor", "--output", "json", *options, check=False)
    assert done.returncode == code, done.stdout + done.stderr
    return list(json.loads(done.stdout))


def bad(found: list[dict[str, Any]]) -> dict[str, str]:
    return {f["subject"]: f"{f['what']} → {f['hint']}" for f in found if f["level"] != "ok"}


def test_a_healthy_clone_is_told_of_the_remote_it_lacks_and_of_dvc_gc(clinic: Project) -> None:
    found = findings(clinic)
    assert set(bad(found)) == {"remote"}
    assert "dvc remote add" in bad(found)["remote"]
    assert any("dvc gc -w" in f["what"] and "reconciler gc" in f["hint"] for f in found)
    said = clinic.reconciler("doctor").stdout
    assert "! remote" in said
    assert clinic.git("status", "--porcelain") == "", "it changes nothing"


def test_libraries_that_differ_from_the_declared_ones_fail(clinic: Project) -> None:
    text = (clinic.root / "params.yaml").read_text()
    clinic.write("params.yaml", text.replace('scikit-learn: "1.', 'scikit-learn: "0.'))
    assert "scikit-learn" in bad(findings(clinic, code=1))["runtime"]


def test_params_that_cannot_be_read_fail(clinic: Project) -> None:
    clinic.write("params.yaml", "[")
    assert "validate" in bad(findings(clinic, code=1))["runtime"]


def test_a_broken_record_fails_with_its_name(clinic: Project) -> None:
    blob = clinic.call("git", "hash-object", "-w", "params.yaml").stdout.strip()
    mark = clinic.root / "mark"
    mark.write_text("reconciler/records/v1\n")
    marked = clinic.git("hash-object", "-w", "mark")
    mark.unlink()
    listing = f"100644 blob {marked}\t.records\n100644 blob {blob}\tm.yaml\n"
    tree = _mktree(clinic, listing)
    commit = clinic.git("commit-tree", tree, "-m", "Broken")
    clinic.git("update-ref", "refs/heads/deployed", commit)
    assert "record of m" in bad(findings(clinic, code=1))["records"]


def test_a_shallow_clone_and_a_missing_identity_are_warned_of(
    clinic: Project, tmp_path: Path
) -> None:
    clinic.commit("Two")
    other = Project(tmp_path / "other", tmp_path / "home")
    clinic.git("clone", "-q", "--depth", "1", f"file://{clinic.root}", str(other.root))
    found = [f["what"] for f in findings(other) if f["level"] == "warn"]
    assert any("shallow" in what for what in found)
    assert any("user.name" in what for what in found)


def test_a_remote_that_does_not_answer_fails_online_only(clinic: Project) -> None:
    clinic.call("dvc", "remote", "add", "-q", "-d", "far", "ssh://127.0.0.1:9/nowhere")
    found = {f["subject"]: f for f in findings(clinic)}
    assert "--online" in found["remote"]["hint"]
    assert "far" in bad(findings(clinic, "--online", code=1))["remote"]


def _mktree(project: Project, listing: str) -> str:
    import subprocess

    done = subprocess.run(
        ("git", "mktree"), cwd=project.root, env=project.env, input=listing,
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    return done.stdout.strip()


def test_decisions_that_only_origin_has_are_named_with_the_way_to_get_them(
    clinic: Project,
) -> None:
    def decided(after: str, message: str) -> str:
        return clinic.git("commit-tree", f"{after}^{{tree}}", "-p", after, "-m", message)

    clinic.reconciler("suspend", "m", "--reason", "Trial")
    base = clinic.git("rev-parse", "refs/heads/deployed")
    theirs = decided(base, "Theirs")
    clinic.git("update-ref", "refs/remotes/origin/deployed", theirs)
    said = bad(findings(clinic))["records"]
    assert "1 decision that is not here" in said
    assert "`git fetch origin deployed:deployed`" in said
    note = f"note: {said.partition(' →')[0]}"
    assert note in clinic.reconciler("plan").stdout
    assert note in clinic.reconciler("apply", check=False).stdout

    clinic.git("update-ref", "refs/heads/deployed", decided(base, "Ours"))
    said = bad(findings(clinic))["records"]
    assert "1 of its own" in said
    assert "`git fetch origin +deployed:deployed`" in said
    clinic.git("update-ref", "refs/heads/deployed", decided(theirs, "After theirs"))
    assert "records" not in bad(findings(clinic)), "ours goes on from theirs"


def test_it_tells_whether_a_reconciler_is_at_work_here(clinic: Project) -> None:
    assert any(f["what"] == "no reconciler is at work here" for f in findings(clinic))
    workspace = Workspace(clinic.root)
    with workspace.alone():
        said = [f["what"] for f in findings(clinic)]
    assert f"process {os.getpid()} is at work here" in said


def test_a_status_store_that_cannot_be_written_is_warned_of(clinic: Project) -> None:
    assert "status" not in {f["subject"] for f in findings(clinic)}, "there is none yet"
    path = clinic.root / ".reconciler" / "status.db"
    StatusStore(path).close()
    assert "status" not in bad(findings(clinic))
    path.unlink()
    path.mkdir()
    assert "events" in bad(findings(clinic))["status"]


def test_a_system_that_has_no_watches_left_is_named_with_its_limit(clinic: Project) -> None:
    limited = (
        "echo 1 > /proc/sys/user/max_inotify_watches || exit 77; exec reconciler doctor -o json"
    )
    done = clinic.call("sh", "-c", f"unshare -Ur sh -c '{limited}' || exit $?", check=False)
    if done.returncode == 77 or "unshare" in done.stderr:
        pytest.skip(f"limits cannot be set here: {done.stderr.strip()}")
    said = bad(json.loads(done.stdout))["watching"]
    assert "noticed by the timer alone" in said
    assert "fs.inotify.max_user_watches (now " in said
    assert "watching" not in bad(findings(clinic))


def test_origin_is_asked_online_only(clinic: Project, tmp_path: Path) -> None:
    gone = tmp_path / "gone.git"
    clinic.git("init", "-q", "--bare", str(gone))
    clinic.git("remote", "add", "origin", str(gone))
    assert "origin" not in {f["subject"] for f in findings(clinic)}
    assert f"{gone} answers" in {f["what"] for f in findings(clinic, "--online")}
    gone.rename(tmp_path / "elsewhere")
    found = {f["subject"]: f for f in findings(clinic, "--online", code=1)}
    assert str(gone) in found["origin"]["what"]


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_repository_that_cannot_be_written_fails(clinic: Project) -> None:
    refs = clinic.root / ".git" / "refs"
    refs.chmod(0o500)
    try:
        assert "nothing can be put on record" in bad(findings(clinic, code=1))["clone"]
    finally:
        refs.chmod(0o700)
