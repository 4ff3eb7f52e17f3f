"""A rename that is half done takes nothing out of production."""

from __future__ import annotations

import pytest

from tests.conftest import Project, Specify


@pytest.mark.slow
def test_a_file_renamed_without_its_spec_retires_nothing(
    project: Project, specify: Specify
) -> None:
    project.write("specs/old.yaml", specify("old"))
    project.reconciler("compile")
    project.commit()
    project.reconciler("apply")
    project.git("mv", "specs/old.yaml", "specs/new.yaml")
    project.commit("Rename the file alone")
    done = project.reconciler("apply", check=False)
    assert done.returncode == 1
    assert "called like its file" in done.stdout
    assert project.champion("old")["number"] == 1
    assert (project.root / "releases" / "old" / "current" / "model.onnx").is_file()


@pytest.mark.slow
def test_a_fresh_clone_goes_on_with_the_records_of_its_origin(
    project: Project, specify: Specify
) -> None:
    project.write("specs/old.yaml", specify("old"))
    project.reconciler("compile")
    project.commit()
    project.reconciler("apply")
    clone = Project(project.root.parent / "clone", project.root.parent / "home")
    project.git("clone", "-q", ".", str(clone.root))
    clone.call("dvc", "cache", "dir", "--local", str(project.root / ".dvc" / "cache"))
    assert clone.champion("old")["number"] == 1
    assert clone.plan()["old"]["kind"] == "unchanged"
    clone.edit("specs/old.yaml", "min: 0.2", "min: 0.21")
    clone.commit("Ask for more")
    clone.reconciler("apply")
    assert clone.git("rev-parse", "refs/remotes/origin/deployed") in clone.git(
        "rev-list", "refs/heads/deployed"
    )
