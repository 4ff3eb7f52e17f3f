"""The plan that is shown: what changed, which stages it concerns, and what would come of it."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest

from reconciler.adapters import catalogue
from reconciler.adapters.git import Git
from reconciler.adapters.snapshot import Snapshot
from reconciler.controller import fleet as fleets
from reconciler.controller.preview import Facts, Preview, Unasked
from reconciler.core import record as records
from reconciler.core.outlook import Kind, Row
from reconciler.core.record import Outcome, Pointer, Record, Version
from reconciler.core.runtime import Mismatch
from tests.conftest import Project

NOW = datetime(2026, 1, 1, tzinfo=UTC)
CATALOGUE = catalogue.load(Path(__file__).parent)
SPEC = "specs/m.yaml"

Specify = Callable[..., str]


@pytest.fixture
def declared(project: Project, specify: Specify) -> Project:
    """Return a repository that declares one model on a table in git."""
    project.write("data/x.csv", "a,y\n1,2\n")
    project.write("training/build.py", "def build(): ...\n")
    project.write(SPEC, specify("m", source="data/x.csv", hyperparameters={"alpha": 1.0}))
    project.edit("params.yaml", "models: {}", 'runtime:\n  numpy: "2.4"\nmodels: {}')
    project.commit()
    return project


def record(project: Project, released: str | None = None) -> Record:
    """Return the record of version 1, released at HEAD."""
    head = project.git("rev-parse", "HEAD")
    fleet = fleets.load(Git.open(project.root), head, CATALOGUE)
    model = fleet.models["m"]
    version = Version(
        number=1,
        outcome=Outcome.RELEASED,
        fingerprint=getattr(model, "fingerprint", ""),
        revision=head,
        created=NOW,
        bundle=Pointer(md5="0" * 32 + ".dir"),
    )
    return records.promote(records.with_version(records.empty("m"), version), 1, released or head)


def shown(project: Project, found: Record | None, *mismatches: Mismatch) -> Row:
    """Commit what stands in the working tree, and return the plan's row."""
    git = Git.open(project.root)
    fleet = fleets.load(git, project.commit(), CATALOGUE)
    snapshot = Snapshot(None if found is None else "c1", {"m": found} if found else {})
    facts = Facts(
        git, fleet, CATALOGUE, snapshot, mismatches, lambda *_: Unasked("nobody is there"), NOW
    )
    return Preview(facts).row("m")


def fields(row: Row) -> list[str]:
    return [change.field for change in row.changes]


def test_a_new_model_is_created(declared: Project) -> None:
    assert shown(declared, None).kind is Kind.CREATE


def test_a_hyperparameter_retrains_and_is_told_with_both_values(declared: Project) -> None:
    before = record(declared)
    declared.edit(SPEC, '"alpha": 1.0', '"alpha": 0.5')
    row = shown(declared, before)
    assert row.kind is Kind.RETRAIN
    assert [str(c) for c in row.changes] == ["spec.training.hyperparameters.alpha: 1.0 → 0.5"]


def test_new_rows_are_told_as_content(declared: Project) -> None:
    before = record(declared)
    declared.write("data/x.csv", "a,y\n1,2\n3,4\n")
    row = shown(declared, before)
    assert (row.kind, fields(row)) == (Kind.RETRAIN, ["data/x.csv"])
    assert str(row.changes[0].old).startswith("git:")


def test_data_that_moves_from_git_to_dvc_is_told_as_content(declared: Project) -> None:
    before = record(declared)
    (declared.root / "data" / "x.csv").unlink()
    declared.write("data/x.csv.dvc", f"outs:\n- md5: {'a' * 32}\n  path: x.csv\n")
    row = shown(declared, before)
    assert fields(row) == ["data/x.csv"]
    assert row.changes[0].new == f"md5:{'a' * 12}"


def test_the_runtime_is_told_by_library(declared: Project) -> None:
    before = record(declared)
    declared.edit("params.yaml", '"2.4"', '"2.5"')
    row = shown(declared, before)
    assert fields(row) == ["runtime.numpy"]


def test_a_stage_is_told_by_its_part_of_the_pipeline(declared: Project) -> None:
    before = record(declared)
    declared.edit("dvc.yaml", "reconciler-stage train ${key}", "reconciler-stage train ${key} ")
    declared.edit("dvc.yaml", "cmd: reconciler-stage train", "cmd: nice reconciler-stage train")
    row = shown(declared, before)
    assert fields(row) == ["dvc.yaml.train.do.cmd"]


def test_code_is_told_by_file(declared: Project) -> None:
    text = declared.root / SPEC
    old = '"estimator": "sklearn.linear_model.Ridge"'
    new = '"entrypoint": "training/build.py:build", "task": "regression"'
    text.write_text(text.read_text().replace(old, new).replace('{"alpha": 1.0}', "{}"))
    declared.commit()
    before = record(declared)
    declared.write("training/build.py", "def build(): return None\n")
    row = shown(declared, before)
    assert fields(row) == ["training/build.py"]


def test_a_threshold_is_judged_again(declared: Project) -> None:
    before = record(declared)
    declared.edit(SPEC, "min: 0.2", "min: 0.3")
    row = shown(declared, before)
    assert (row.kind, fields(row)) == (Kind.REJUDGE, ["spec.acceptance[0].min"])


def test_what_was_confirmed_before_is_no_change_any_more(declared: Project) -> None:
    trained = record(declared)
    declared.edit(SPEC, "min: 0.2", "min: 0.3")
    confirmed = records.promote(trained, 1, declared.commit())
    declared.edit(SPEC, '"alpha": 1.0', '"alpha": 0.5')
    assert fields(shown(declared, confirmed)) == ["spec.training.hyperparameters.alpha"]


def test_a_former_commit_that_is_gone_leaves_the_changes_untold(declared: Project) -> None:
    gone = record(declared, released="0" * 40)
    declared.edit(SPEC, '"alpha": 1.0', '"alpha": 0.5')
    row = shown(declared, gone)
    assert (row.kind, row.changes) == (Kind.RETRAIN, ())


def test_a_spec_that_is_gone_retires_and_one_that_is_wrong_does_not(declared: Project) -> None:
    before = record(declared)
    (declared.root / SPEC).write_text("kind: Mistake\n")
    assert shown(declared, before).kind is Kind.BLOCKED
    (declared.root / SPEC).unlink()
    assert shown(declared, before).kind is Kind.RETIRE


def test_other_libraries_block_what_must_be_trained(declared: Project) -> None:
    row = shown(declared, None, Mismatch("numpy", "2.4", "2.3.1"))
    assert (row.kind, row.reason) == (Kind.BLOCKED, "RuntimeMismatch")
