"""Specs that adopt stages: what belongs together, and what does not."""

from __future__ import annotations

from pathlib import Path

import pytest

from reconciler.adapters import catalogue
from reconciler.core import compilation
from reconciler.spec.params import Params
from reconciler.spec.reading import read_spec

CATALOGUE = catalogue.load(Path(__file__).parent)
STAGES = "stages: [train], model: m.pkl"
TESTED = "{test: t.csv, target: y}"


def found(
    training: str = STAGES,
    data: str = TESTED,
    acceptance: str = "[{metric: r2, min: 0.5}]",
    params: Params | None = None,
) -> list[str]:
    text = (
        "apiVersion: reconciler/v1\nkind: Model\nmetadata: {name: m}\nspec:\n"
        f"  data: {data}\n  training: {{{training}}}\n  acceptance: {acceptance}\n"
    )
    read = read_spec(text.encode(), "specs/m.yaml", params or Params(), CATALOGUE)
    assert (read.spec is None) == any(p.severity == "error" for p in read.problems)
    return [f"{p.key}: {p.severity}: {p.message} {p.hint}" for p in read.problems]


@pytest.mark.parametrize(
    ("training", "data"),
    [
        (STAGES, TESTED),
        ("stages: train, model: m.onnx, timeout: 1h, task: regression", TESTED),
        (STAGES, "{test: data/prepared/t.csv, target: y, ignore: [id]}"),
        (STAGES, "{test: models/t.pkl, target: y, positive: 1}"),
        (f"{STAGES}, metrics_file: metrics.json", "{}"),
    ],
)
def test_what_belongs_together_is_valid(training: str, data: str) -> None:
    assert found(training, data) == []


@pytest.mark.parametrize(
    ("training", "data", "key", "words"),
    [
        ("stages: [train]", TESTED, "spec.training.model", "is missing"),
        (f"{STAGES}, estimator: sklearn.linear_model.Ridge", TESTED, "estimator", "leave it out"),
        (f"{STAGES}, entrypoint: 'a.py:b'", TESTED, "spec.training.entrypoint", "says nothing"),
        (f"{STAGES}, hyperparameters: {{a: 1}}", TESTED, "hyperparameters", "says nothing"),
        (f"{STAGES}, preprocessing: none", TESTED, "preprocessing", "says nothing"),
        ("stages: ['sub/dvc.yaml:train'], model: m", TESTED, "stages[0]", "only these"),
        ("stages: [train], model: ../m.pkl", TESTED, "spec.training.model", "leads out"),
        ("stages: [train], model: /m.pkl", TESTED, "spec.training.model", "absolute"),
        (STAGES, "{}", "spec.data.test", "self-reported"),
        (STAGES, "{test: t.csv}", "spec.data.target", "the column to predict"),
        (STAGES, "{test: t.xlsx, target: y}", "spec.data.test", "set data.format"),
        (STAGES, "{source: t.csv, test: t.csv, target: y}", "spec.data.source", "says nothing"),
        (STAGES, "{test: t.csv, target: y, split: {test: 0.3}}", "spec.data.split", "says nothing"),
        ("estimator: sklearn.linear_model.Ridge", "{source: t.csv, target: y, test: u.csv}",
         "spec.data.test", "only a model with training.stages"),
        ("estimator: sklearn.linear_model.Ridge, model: m.pkl", "{source: t.csv, target: y}",
         "spec.training.model", "only a model with training.stages"),
        ("estimator: sklearn.linear_model.Ridge", "{target: y}", "spec.data.source", "is missing"),
    ],
)  # fmt: skip
def test_what_does_not_is_said_at_its_key(training: str, data: str, key: str, words: str) -> None:
    [problem] = found(training, data)
    assert key in problem.split(": ")[0]
    assert "error" in problem
    assert words in problem


def test_a_metrics_file_beside_a_test_set_is_only_a_warning() -> None:
    [problem] = found(f"{STAGES}, metrics_file: m.json")
    assert "warning: is not judged" in problem


@pytest.mark.parametrize(
    ("rule", "words"),
    [
        ("{metric: r2, min: 0.5, slice: city}", "slices cannot be judged"),
        ("{metric: r2, compare: champion}", "models cannot be compared"),
    ],
)
def test_rules_that_need_predictions_are_refused_of_self_reported_metrics(
    rule: str, words: str
) -> None:
    reported = f"{STAGES}, metrics_file: m.json"
    [problem] = found(reported, "{}", f"[{rule}]")
    assert words in problem
    assert "declare data.test" in problem
    assert (
        found(reported, "{}", "[{metric: test.our_own, min: 3}, {metric: size_mb, max: 1}]") == []
    )
    assert "there is no metric" in found(acceptance="[{metric: our_own, min: 3}]")[0]


def test_defaults_of_the_fleet_that_fit_no_adopted_model_are_left_out() -> None:
    training = {"estimator": "sklearn.linear_model.Ridge", "seed": 3, "preprocessing": "none"}
    data = {"source": "t.csv", "target": "y", "split": {"test": 0.3}, "leakage": "refuse"}
    params = Params(defaults={"training": training, "data": data})
    assert found(data="{test: t.csv}", params=params) == []


def test_the_sections_of_other_models_digest_as_they_did_before() -> None:
    text = (
        "apiVersion: reconciler/v1\nkind: Model\nmetadata: {name: m}\nspec:\n"
        "  data: {source: 'sklearn:iris', target: target}\n"
        "  training: {estimator: sklearn.linear_model.LogisticRegression}\n"
        "  acceptance: [{metric: accuracy, min: 0.5}]\n"
    )
    read = read_spec(text.encode(), "specs/m.yaml", Params(), CATALOGUE).spec
    assert read is not None
    assert "test" not in compilation.section(read, "data")
    assert {"stages", "model", "metrics_file"}.isdisjoint(compilation.section(read, "training"))
