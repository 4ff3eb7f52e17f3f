"""Branches share the records: what one of them never declared, it does not retire."""

from __future__ import annotations

import pytest

from tests.conftest import Project, Specify

pytestmark = pytest.mark.slow


def test_a_branch_leaves_what_another_declares_alone_and_retires_what_it_drops_itself(
    project: Project, specify: Specify
) -> None:
    project.write("specs/mine.yaml", specify("mine"))
    project.reconciler("compile")
    project.commit()
    project.git("switch", "-q", "-c", "theirs")
    project.write("specs/sms.yaml", specify("sms", hyperparameters={"alpha": 2.0}))
    project.reconciler("compile")
    project.commit()
    project.reconciler("apply")

    project.git("switch", "-q", "main")
    assert project.plan()["sms"]["kind"] == "unchanged"
    done = project.reconciler("apply")
    assert "left alone, because this branch has never declared them: sms" in done.stdout
    assert "1 model is as declared" in done.stdout
    assert project.champion("sms")["number"] == 1
    assert (project.root / "releases" / "sms" / "current").exists()

    project.git("merge", "-q", "--squash", "theirs")
    project.commit("Take theirs in")
    (project.root / "specs" / "sms.yaml").unlink()
    project.reconciler("compile")
    project.commit("Drop it")
    assert project.plan()["sms"]["kind"] == "retire"
    assert "sms: retired" in project.reconciler("apply").stdout
    assert not (project.root / "releases" / "sms" / "current").exists()
