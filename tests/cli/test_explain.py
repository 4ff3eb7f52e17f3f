"""`explain`: every value of a spec, and who says so."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.conftest import Project, Specify

SPEC = """\
apiVersion: reconciler/v1
kind: Model
metadata: {name: m}
spec:
  data:
    source: data/t.tsv
    target: y
    columns: {a: {type: number, min: 0}}
  training:
    estimator: sklearn.linear_model.Ridge
    hyperparameters: {alpha: 0.5}
  acceptance:
    - {metric: r2, min: 0.1}
    - {metric: rmse, compare: champion}
"""
SETTINGS = """\
apiVersion: reconciler/v1
defaults:
  training:
    seed: 7
  deployment: {keep: 3}
models: {}
"""


@pytest.fixture
def declared(project: Project) -> Project:
    """Return a repository in which one spec is committed, and not compiled."""
    project.write("specs/m.yaml", SPEC)
    project.write("params.yaml", SETTINGS)
    project.write("data/t.tsv", "a\ty\n1\t2\n")
    project.commit()
    return project


def explained(project: Project, *options: str) -> dict[str, Any]:
    return dict(json.loads(project.reconciler("explain", "m", "-o", "json", *options).stdout))


@pytest.mark.parametrize(
    ("key", "source", "where"),
    [
        ("spec.data.target", "spec", "specs/m.yaml:7"),
        ("spec.data.columns.a.min", "spec", "specs/m.yaml:8"),
        ("spec.training.seed", "defaults", "params.yaml:4"),
        ("spec.deployment.keep", "defaults", "params.yaml:5"),
        ("spec.training.threads", "built-in", ""),
        ("spec.data.format", "inferred", "the ending of data/t.tsv"),
        ("spec.data.reader.separator", "inferred", "it is tsv"),
        ("spec.acceptance.1.margin", "built-in", ""),
    ],
)
def test_every_value_is_followed_to_its_origin(
    declared: Project, key: str, source: str, where: str
) -> None:
    assert explained(declared)["origins"][key] == {"from": source, "where": where}


def test_text_and_json_state_the_same(declared: Project) -> None:
    told, text = explained(declared), declared.reconciler("explain", "m").stdout
    assert len(told["fingerprint"]) == 64
    assert f"# fingerprint {told['fingerprint']}" in text
    blob = declared.git("rev-parse", "HEAD:data/t.tsv")
    assert told["data"] == f"git:{blob}"
    assert f"data      git:{blob} (data/t.tsv)" in text
    assert 'separator: "\\t"' in text
    assert told["estimator_defaults"]["solver"] == "'auto'"
    assert "# solver: 'auto'" in text
    assert told["estimator_defaults"]["random_state"] == "7"
    assert "alpha" not in told["estimator_defaults"]
    assert '{metric: rmse, compare: champion, margin: "1%", confidence: 0.95}' in text
    assert "specs/m.yaml:14; default: margin, confidence" in text
    assert "task: null" in text
    assert "regression, by the estimator" in text


def test_the_working_tree_is_explained_on_request_and_where_nothing_is_committed(
    declared: Project, specify: Specify
) -> None:
    before = explained(declared)["fingerprint"]
    declared.edit("specs/m.yaml", "alpha: 0.5", "alpha: 2")
    assert explained(declared)["fingerprint"] == before
    assert "not committed" in declared.reconciler("explain", "m").stdout
    after = explained(declared, "--uncommitted")
    assert after["revision"] == "the working tree"
    assert after["fingerprint"] != before
    declared.write("specs/fresh.yaml", specify("fresh"))
    assert "fresh at the working tree" in declared.reconciler("explain", "fresh").stdout


def test_a_wrong_spec_is_explained_as_far_as_it_goes(declared: Project) -> None:
    declared.edit("specs/m.yaml", "target: y", "tarjet: y")
    declared.edit("specs/m.yaml", "Ridge", "Rigde")
    done = declared.reconciler("explain", "m", "--uncommitted", check=False)
    assert done.returncode == 1
    assert "specs/m.yaml:7:5: spec.data.tarjet: there is no such key" in done.stderr
    assert "WRONG: there is no such key" in done.stdout
    assert "fingerprint: none" in done.stdout
    assert "seed: 7" in done.stdout
    assert "specs/m.yaml:13" in done.stdout


@pytest.mark.parametrize("text", ["a: [\n", "", "3", "spec: 3", "spec: {data: [], acceptance: 5}"])
def test_what_is_no_spec_at_all_shows_its_problems(declared: Project, text: str) -> None:
    declared.write("specs/m.yaml", text)
    done = declared.reconciler("explain", "m", "--uncommitted", check=False)
    assert done.returncode == 1
    assert "specs/m.yaml:" in done.stderr
    assert "bug of reconciler" not in done.stderr


def test_an_unknown_model_names_the_nearest(declared: Project) -> None:
    declared.write("specs/housing.yaml", SPEC)
    declared.commit()
    done = declared.reconciler("explain", "hausing", check=False)
    assert done.returncode == 2
    assert "nearest: housing" in done.stderr
