"""The stage `train`: from prepared splits to a bundle."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from reconciler.bundle.manifest import verify
from reconciler.errors import SpecError, TerminalError, TransientError

SHARED = Path(__file__).resolve().parents[3] / "shared" / "data"


def table(rows: int = 120) -> pl.DataFrame:
    random = np.random.default_rng(3)
    x = random.normal(size=rows)
    return pl.DataFrame(
        {
            "size": x,
            "count": random.integers(0, 9, rows),
            "kind": random.choice(["red", "green", "blue"], rows),
            "new": random.integers(0, 2, rows).astype(bool),
            "y": 3 * x + random.normal(size=rows) * 0.1,
        }
    )


def labelled(labels: list[Any]) -> pl.DataFrame:
    return table().with_columns(
        pl.Series("y", [labels[int(value > 0)] for value in table()["y"].to_list()])
    )


def test_a_bundle_has_its_files_and_verifies(workspace: Any) -> None:
    workspace.prepare(table(), "y", "regression")
    predictor = workspace.train(estimator="sklearn.linear_model.Ridge", seed=5)
    assert sorted(path.name for path in workspace.bundle().iterdir()) == [
        "card.md",
        "examples.json",
        "manifest.json",
        "model.onnx",
        "reference.json",
        "signature.json",
        "split.json",
    ]
    manifest = verify(workspace.bundle())
    assert (manifest.model, manifest.form, manifest.seed) == ("m", "onnx", 5)
    assert manifest.runtime == {"scikit-learn": "1.9"}
    errors = predictor.predict(workspace.test()).values - workspace.test()["y"].to_numpy()
    assert np.abs(errors).mean() < 0.3


def test_golden_examples_are_answered_as_they_say(workspace: Any) -> None:
    workspace.prepare(labelled(["no", "yes"]), "y", "binary", ["no", "yes"])
    predictor = workspace.train(estimator="sklearn.linear_model.LogisticRegression")
    examples = json.loads((workspace.bundle() / "examples.json").read_text())
    assert len(examples["rows"]) == 20
    for row, label, shares in zip(
        examples["rows"], examples["predictions"], examples["probabilities"], strict=True
    ):
        answer = predictor.predict_one(row)
        assert answer.values.tolist() == [label]
        assert answer.probabilities[0].tolist() == pytest.approx(shares, abs=1e-12)


@pytest.mark.parametrize(
    "classes", [["no", "yes"], [3, 7], [False, True]], ids=["texts", "integers", "booleans"]
)
def test_labels_come_back_as_they_stand_in_the_table(workspace: Any, classes: list[Any]) -> None:
    workspace.prepare(labelled(classes), "y", "binary", classes)
    for packaging in ("onnx", "native"):
        predictor = workspace.train(
            estimator="sklearn.linear_model.LogisticRegression", packaging=packaging
        )
        answers = predictor.predict(workspace.test())
        assert set(answers.values.tolist()) == set(classes)
        assert {type(value) for value in answers.values.tolist()} == {type(classes[0])}
        assert (answers.values == workspace.test()["y"].to_numpy()).mean() > 0.8
        assert answers.classes == tuple(classes)
        assert predictor.signature.positive == classes[1]


def test_class_weights_are_given_by_label(workspace: Any) -> None:
    workspace.prepare(labelled(["no", "yes"]), "y", "binary", ["no", "yes"])
    path = "sklearn.linear_model.LogisticRegression"
    plain = workspace.train(estimator=path).predict(workspace.test())
    weights = {"class_weight": {"no": 1, "yes": 1000}}
    heavy = workspace.train(estimator=path, hyperparameters=weights).predict(workspace.test())
    assert heavy.probabilities[:, 1].mean() > plain.probabilities[:, 1].mean() + 0.05
    with pytest.raises(SpecError, match="no class is called maybe"):
        workspace.train(estimator=path, hyperparameters={"class_weight": {"maybe": 2}})


TWICE = """
import sys
sys.path.insert(0, {folder!r})
from pathlib import Path
from conftest import Workspace
workspace = Workspace(Path({root!r}))
workspace.train(estimator={path!r}, hyperparameters={settings!r}, packaging={packaging!r})
print(workspace.digest())
"""


@pytest.mark.slow
@pytest.mark.parametrize(
    ("path", "settings", "packaging"),
    [
        ("sklearn.linear_model.LogisticRegression", {}, "auto"),
        ("sklearn.ensemble.RandomForestClassifier", {"n_estimators": 8}, "auto"),
        ("sklearn.neural_network.MLPClassifier", {"max_iter": 9}, "native"),
        ("sklearn.ensemble.HistGradientBoostingClassifier", {"max_iter": 9}, "native"),
    ],
)
def test_two_processes_write_the_same_bytes(
    workspace: Any, path: str, settings: dict[str, Any], packaging: str
) -> None:
    workspace.prepare(labelled(["no", "yes"]), "y", "binary", ["no", "yes"])
    digests = set()
    for seed in ("1", "2"):
        code = TWICE.format(
            folder=str(Path(__file__).parent),
            root=str(workspace.root),
            path=path,
            settings=settings,
            packaging=packaging,
        )
        done = subprocess.run(
            [sys.executable, "-c", code],
            env={**os.environ, "PYTHONHASHSEED": seed, "TZ": f"UTC+{seed}"},
            capture_output=True,
            text=True,
            check=True,
        )
        digests.add(done.stdout)
    assert len(digests) == 1


def test_a_seed_changes_the_model_and_an_equal_seed_does_not(workspace: Any) -> None:
    workspace.prepare(table(), "y", "regression")
    path = "sklearn.ensemble.BaggingRegressor"
    settings = {"estimator": "sklearn.tree.ExtraTreeRegressor", "n_estimators": 3}
    digests = []
    for seed in (1, 1, 2):
        workspace.train(estimator=path, hyperparameters=settings, seed=seed)
        digests.append(workspace.digest())
    assert digests[0] == digests[1] != digests[2]


def test_a_timeout_is_no_part_of_the_bundle(workspace: Any) -> None:
    workspace.prepare(table(), "y", "regression")
    workspace.train(estimator="sklearn.linear_model.Ridge")
    first = workspace.digest()
    workspace.train(estimator="sklearn.linear_model.Ridge", timeout="3m")
    assert workspace.digest() == first


def test_a_stale_bundle_leaves_nothing_behind(workspace: Any) -> None:
    workspace.prepare(table(), "y", "regression")
    workspace.train(estimator="sklearn.linear_model.Ridge", packaging="native")
    workspace.train(estimator="sklearn.linear_model.Ridge")
    assert not (workspace.bundle() / "model.skops").exists()


def test_the_reference_profile_counts_every_row(workspace: Any) -> None:
    from datetime import datetime, timedelta

    moments = [datetime(2024, 1, 1) + timedelta(hours=i) for i in range(120)]
    rich = table().with_columns(
        pl.Series("at", moments, dtype=pl.Datetime("us")),
        pl.Series("words", ["one two"] * 60 + ["three"] * 60),
        pl.when(pl.col("count") > 6).then(None).otherwise(pl.col("size")).alias("size"),
    )
    workspace.prepare(rich, "y", "regression", types={"words": "text"})
    predictor = workspace.train(estimator="sklearn.linear_model.Ridge")
    profile = json.loads((workspace.bundle() / "reference.json").read_text())
    for name, feature in profile["features"].items():
        counts = feature["counts"]
        if isinstance(counts[0], dict):
            total = sum(item["count"] for item in counts) + feature["other"]
        else:
            assert len(counts) == len(feature["edges"]) + 1, name
            total = sum(counts)
        assert total + feature["nulls"] == profile["rows"] == 90, name
    assert sum(profile["predictions"]["counts"]) == 30
    row = workspace.test().to_dicts()[1]
    assert predictor.predict_one(row).values[0] == pytest.approx(
        predictor.predict(workspace.test()).values[1], abs=1e-12
    )


def test_the_words_of_a_failing_estimator_reach_the_person(workspace: Any) -> None:
    workspace.prepare(table(), "y", "regression")
    with pytest.raises(TerminalError, match=r"alpha.* must be a float") as caught:
        workspace.train(estimator="sklearn.linear_model.Ridge", hyperparameters={"alpha": "strong"})
    assert caught.value.reason == "TrainingFailed"
    assert not workspace.bundle().exists()


def test_a_class_without_a_training_row_is_refused(workspace: Any) -> None:
    classes = ["maybe", "no", "yes"]
    workspace.prepare(labelled(["no", "yes"]), "y", "multiclass", classes)
    with pytest.raises(TerminalError, match="no training row has y = maybe"):
        workspace.train(estimator="sklearn.tree.DecisionTreeClassifier")


def test_a_regressor_for_classes_is_refused(workspace: Any) -> None:
    workspace.prepare(labelled(["no", "yes"]), "y", "binary", ["no", "yes"])
    with pytest.raises(SpecError, match="is for regression") as caught:
        workspace.train(estimator="sklearn.linear_model.Ridge")
    assert caught.value.reason == "WrongTask"


@pytest.mark.parametrize(
    ("path", "settings", "message"),
    [
        ("os.system", {}, "outside the allowed"),
        ("sklearn.linear_model.Rigde", {}, "there is no"),
        ("sklearn.utils.shuffle", {}, "is not an estimator"),
        ("sklearn.linear_model.Ridge", {"alhpa": 1}, "Invalid parameter 'alhpa'"),
        ("sklearn.ensemble.BaggingRegressor", {"estimator": "os.path"}, "outside the allowed"),
    ],
)
def test_an_estimator_that_a_spec_cannot_have_is_refused(
    workspace: Any, path: str, settings: dict[str, Any], message: str
) -> None:
    workspace.prepare(table(), "y", "regression")
    with pytest.raises(SpecError, match=message):
        workspace.train(estimator=path, hyperparameters=settings)


def test_prepared_data_that_is_not_there_is_said_so(workspace: Any) -> None:
    with pytest.raises(TransientError, match=r"train\.parquet, test\.parquet, report\.json"):
        workspace.train(estimator="sklearn.linear_model.Ridge")


def test_an_estimator_that_did_not_converge_says_so_on_the_card(workspace: Any) -> None:
    workspace.prepare(table(), "y", "regression")
    workspace.train(
        estimator="sklearn.neural_network.MLPRegressor", hyperparameters={"max_iter": 1}
    )
    assert "Maximum iterations (1) reached" in (workspace.bundle() / "card.md").read_text()


def test_doubles_keep_their_last_digits_where_the_spec_asks(workspace: Any) -> None:
    x = np.repeat([1.0, 1.0 + 1e-9], 40)  # one number in float32
    workspace.prepare(pl.DataFrame({"x": x, "y": np.repeat([0.0, 1.0], 40)}), "y", "regression")
    folder = workspace.root / "data" / "prepared" / "m"
    for split in ("train", "test"):
        size = pl.read_parquet(folder / f"{split}.parquet").height
        table = pl.DataFrame({"x": x[:: 80 // size][:size], "y": x[:: 80 // size][:size] - 1})
        table.write_parquet(folder / f"{split}.parquet")
    settings = {"estimator": "sklearn.linear_model.LinearRegression", "preprocessing": "none"}
    exact = workspace.train(**settings, data={"precision": "float64"})
    assert exact.predict_one({"x": 1.0 + 1e-9}).values != exact.predict_one({"x": 1.0}).values
    rounded = workspace.train(**settings)
    assert rounded.predict_one({"x": 1.0 + 1e-9}).values == rounded.predict_one({"x": 1.0}).values


@pytest.mark.slow
@pytest.mark.skipif(not SHARED.is_dir(), reason=f"{SHARED} is not there")
def test_a_float32_client_and_a_float64_client_get_one_answer_on_housing(workspace: Any) -> None:
    housing = pl.read_csv(SHARED / "housing.csv").sample(4000, seed=1)
    workspace.prepare(housing, "median_house_value", "regression")
    predictor = workspace.train(
        estimator="sklearn.ensemble.RandomForestRegressor",
        hyperparameters={"n_estimators": 20},
        data={"target": "median_house_value"},
    )
    assert predictor.manifest.form == "onnx", predictor.manifest.form_reason
    doubles = housing.drop("median_house_value")
    singles = doubles.with_columns(pl.col(pl.Float64).cast(pl.Float32))
    assert (predictor.predict(doubles).values == predictor.predict(singles).values).all()
