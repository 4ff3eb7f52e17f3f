"""The main job as its user meets it: commit a spec, apply, change it, revert it, retire it."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

import pytest

from tests.conftest import Project, Specify, new, spec

pytestmark = pytest.mark.slow

RIDGE = "specs/diabetes.yaml"


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with a repository that has one released model; only to be copied."""
    place = tmp_path_factory.mktemp("journey")
    (place / "home").mkdir()
    project = Project(place / "repo", place / "home")
    new(project)
    rules = "[{metric: r2, min: 0.2}, {metric: rmse, compare: champion}]"
    project.write(RIDGE, spec("diabetes", hyperparameters={"alpha": 1.0}, acceptance=rules))
    project.reconciler("compile")
    project.commit("Declare diabetes")
    project.reconciler("apply")
    return place


@pytest.fixture
def released(template: Path, tmp_path: Path) -> Project:
    """Return a copy of the repository with the released model."""
    shutil.copytree(template, tmp_path, dirs_exist_ok=True, symlinks=True)
    project = Project(tmp_path / "repo", tmp_path / "home")
    project.git("status")  # takes note of the copies' times
    return project


def stages_run(project: Project) -> list[str]:
    """Return the stages that ran in the last apply, from the logs."""
    logs = (project.root / ".reconciler" / "logs").glob("*.log")
    return [
        stage
        for log in sorted(logs)
        for stage in re.findall(r"Running stage '(\w+)@", log.read_text())
    ]


def forget_logs(project: Project) -> None:
    for log in (project.root / ".reconciler" / "logs").glob("*.log"):
        log.unlink()


def test_a_commit_becomes_a_released_model_and_the_next_apply_has_nothing_to_do(
    released: Project,
) -> None:
    champion = released.champion("diabetes")
    assert champion["verdict"]["outcome"] == "passed"
    assert champion["revision"] == released.git("rev-parse", "HEAD")
    assert released.plan()["diabetes"]["kind"] == "unchanged"
    before = released.git("rev-parse", "deployed")
    forget_logs(released)
    released.reconciler("apply")
    assert released.git("rev-parse", "deployed") == before
    assert stages_run(released) == []


def test_a_threshold_changes_the_verdict_and_starts_no_dvc(released: Project) -> None:
    before = released.champion("diabetes")
    forget_logs(released)
    released.edit(RIDGE, "min: 0.2", "min: 0.25")
    released.commit("Ask for more")
    assert released.plan()["diabetes"]["kind"] == "re-judge"
    released.reconciler("apply")
    after = released.champion("diabetes")
    assert after["number"] == before["number"]
    assert after["verdict"]["evidence"][0]["threshold"] == {"min": 0.25}
    assert not list((released.root / ".reconciler" / "logs").glob("*.log"))


def test_a_stricter_threshold_leaves_the_champion_and_says_that_it_is_out_of_policy(
    released: Project,
) -> None:
    released.edit(RIDGE, "min: 0.2", "min: 0.99")
    released.commit("Ask for too much")
    done = released.reconciler("apply", check=False)
    assert done.returncode == 1
    assert "OutOfPolicy" in done.stdout
    assert released.champion("diabetes")["number"] == 1
    assert released.status()["diabetes"]["health"] == "Degraded"


def test_one_hyperparameter_runs_train_and_evaluate_and_its_revert_runs_nothing(
    released: Project,
) -> None:
    first = released.champion("diabetes")
    forget_logs(released)
    released.edit(RIDGE, '"alpha": 1.0', '"alpha": 0.9')
    released.commit("Less shrinkage")
    stages = released.plan()["diabetes"]["stages"]
    assert [stage["result"] for stage in stages] == ["cached", "runs", "probably runs"]
    released.reconciler("apply")
    assert stages_run(released) == ["train", "evaluate"]
    assert released.champion("diabetes")["number"] == 2
    forget_logs(released)
    released.git("revert", "--no-edit", "HEAD")
    assert released.plan()["diabetes"]["kind"] == "release"
    released.reconciler("apply")
    assert stages_run(released) == []
    again = released.champion("diabetes")
    assert (again["number"], again["bundle"]) == (first["number"], first["bundle"])


def test_a_worse_challenger_is_rejected_with_evidence_and_not_tried_again(
    released: Project,
) -> None:
    released.edit(RIDGE, '"alpha": 1.0', '"alpha": 500.0')
    released.edit(RIDGE, "min: 0.2", "min: -1")
    released.commit("Far too much shrinkage")
    done = released.reconciler("apply", check=False)
    assert done.returncode == 1
    assert "champion" in done.stdout
    assert released.champion("diabetes")["number"] == 1
    versions = released.status()["diabetes"]["record"]["versions"]
    assert [v["outcome"] for v in versions] == ["rejected"]
    evidence = versions[0]["verdict"]["evidence"][1]
    assert evidence["outcome"] == "failed"
    assert evidence["high"] < 0
    forget_logs(released)
    before = released.git("rev-parse", "deployed")
    assert released.reconciler("apply", check=False).returncode == 1
    assert stages_run(released) == []
    assert released.git("rev-parse", "deployed") == before


def test_hand_and_reconciler_give_the_same_bytes_and_share_the_cache_both_ways(
    released: Project,
) -> None:
    out = released.call("dvc", "repro").stdout
    assert "Running stage" not in out
    md5 = released.champion("diabetes")["bundle"]["md5"]
    assert md5 in (released.root / "dvc.lock").read_text()
    released.edit(RIDGE, '"alpha": 1.0', '"alpha": 1.1')
    released.commit("A little more")
    released.call("dvc", "repro")
    forget_logs(released)
    released.reconciler("apply")
    assert stages_run(released) == []
    assert (
        released.champion("diabetes")["bundle"]["md5"] in (released.root / "dvc.lock").read_text()
    )
    assert "r2" in released.call("dvc", "metrics", "show").stdout
    assert "plots" in released.call("dvc", "plots", "show", "-o", "plots").stdout


def test_a_spec_that_is_deleted_retires_its_model_and_brings_it_back_without_training(
    released: Project,
) -> None:
    released.git("rm", "-q", RIDGE)
    released.reconciler("compile")
    released.commit("Retire diabetes")
    assert released.plan()["diabetes"]["kind"] == "retire"
    released.reconciler("apply")
    assert "champion" not in (released.status()["diabetes"]["record"] or {}) or (
        released.status()["diabetes"]["record"]["champion"] is None
    )
    assert not (released.root / "releases" / "diabetes" / "current").exists()
    forget_logs(released)
    released.git("revert", "--no-edit", "HEAD")
    released.reconciler("apply")
    assert stages_run(released) == []
    assert (released.root / "releases" / "diabetes" / "current" / "model.onnx").is_file()


def test_no_verb_but_compile_touches_branch_index_or_working_tree(released: Project) -> None:
    released.write("note.txt", "not committed")
    released.edit(RIDGE, "min: 0.2", "min: 0.21")
    released.git("add", "note.txt")
    rows = released.write("rows.json", json.dumps([_row()]))
    before = _seen(released)
    for verb in (
        ["validate"],
        ["schema"],
        ["plan"],
        ["apply"],
        ["status"],
        ["predict", "diabetes", "--data", str(rows)],
    ):
        released.reconciler(*verb)
        assert _seen(released) == before, verb


def _row() -> dict[str, float]:
    names = ["age", "sex", "bmi", "bp", "s1", "s2", "s3", "s4", "s5", "s6"]
    return dict.fromkeys(names, 0.01)


def _seen(project: Project) -> tuple[str, ...]:
    index = (project.root / ".git" / "index").read_bytes()
    return (
        project.git("rev-parse", "HEAD"),
        project.git("symbolic-ref", "HEAD"),
        project.git("status", "--porcelain"),
        project.git("stash", "list"),
        str(hash(index)),
        (project.root / ".git" / "config").read_text(),
    )


def test_two_models_with_one_broken_leave_the_other_released(
    project: Project, specify: Specify
) -> None:
    project.write("specs/good.yaml", specify("good"))
    project.write("specs/bad.yaml", specify("bad", target="nothing"))
    project.reconciler("compile")
    project.commit()
    done = project.reconciler("apply", check=False)
    assert done.returncode == 1
    assert "bad" in done.stdout
    assert "Traceback" not in done.stdout + done.stderr
    assert project.champion("good")["number"] == 1
    assert project.status()["bad"]["sync"] == "OutOfSync"


def test_dvc_get_gives_the_bundle_in_production(released: Project, tmp_path: Path) -> None:
    released.call(
        "dvc", "get", str(released.root), "diabetes", "--rev", "deployed", "-o", str(tmp_path / "b")
    )
    served = released.root / "releases" / "diabetes" / "current"
    assert _files(tmp_path / "b") == _files(served)


def _files(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}
