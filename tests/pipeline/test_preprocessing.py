"""Tables of every kind become numbers, and the ONNX form does it exactly."""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

SHARED = Path(__file__).resolve().parents[3] / "shared" / "data"
shared = pytest.mark.skipif(not SHARED.is_dir(), reason=f"{SHARED} is not there")

PLAIN = ["the", "Cat", "SAT", "on", "a", "mat", "don't", "x1", "_y_"]
WORDS = [*PLAIN, "ÎLE", "straße", "東京", "naïve", "İstanbul", "ß", "ΟΔΟΣ"]


def mixed(rows: int = 160) -> pl.DataFrame:
    """A number with gaps, an integer, a flag, a category with gaps, texts and dates."""
    random = np.random.default_rng(11)
    kinds = random.choice(["a", "b", "ç", "d"], rows, p=[0.5, 0.3, 0.15, 0.05])
    start = datetime(2023, 12, 28, 5)
    x = random.normal(size=rows)
    table = pl.DataFrame(
        {
            "n": x,
            "i": random.integers(-5, 5, rows),
            "flag": random.integers(0, 2, rows).astype(bool),
            "kind": kinds,
            "text": [" ".join(random.choice(WORDS, random.integers(0, 9))) for _ in range(rows)],
            "at": [start + timedelta(hours=int(h)) for h in random.integers(0, 9000, rows)],
            "y": x + (kinds == "a") + random.normal(size=rows) * 0.1,
        },
        schema_overrides={"at": pl.Datetime("us")},
    )
    third = pl.int_range(pl.len()) % 3 == 1
    return table.with_columns(
        pl.when(third).then(None).otherwise(pl.col(name)).alias(name)
        for name in ("n", "flag", "kind", "at")
    )


SPELLED: list[dict[str, Any]] = [
    {"numbers": {"impute": "mean", "scale": "minmax"}},
    {"numbers": {"impute": "zero", "scale": "robust"}},
    {"numbers": {"impute": "most_frequent", "scale": "none"}},
    {"categories": {"encode": "ordinal"}},
    {"categories": {"min_frequency": 20}},
    {"text": {"ngrams": [1, 3], "max_features": 40, "sublinear": True}},
    {"text": {"ngrams": [2, 2]}},
    {"dates": {"parts": ["minute", "hour", "year"]}},
    {"drop": ["text", "at"]},
]


@pytest.mark.parametrize("recipe", ["auto", *SPELLED], ids=str)
@pytest.mark.parametrize("path", ["linear_model.Ridge", "ensemble.RandomForestRegressor"])
def test_a_mixed_table_leaves_as_exact_onnx(workspace: Any, path: str, recipe: Any) -> None:
    workspace.prepare(mixed(), "y", "regression", types={"text": "text"})
    settings = {"n_estimators": 5} if "Forest" in path else {}
    predictor = workspace.train(
        estimator=f"sklearn.{path}", hyperparameters=settings, preprocessing=recipe
    )
    assert predictor.manifest.form == "onnx", predictor.manifest.form_reason
    rows = workspace.test()
    together = predictor.predict(rows).values
    alone = [predictor.predict_one(row).values[0] for row in rows.to_dicts()]
    np.testing.assert_allclose(alone, together, rtol=1e-12, atol=1e-12)


def test_a_histogram_boosting_takes_gaps_as_they_are(workspace: Any) -> None:
    workspace.prepare(mixed(), "y", "regression", types={"text": "text"})
    predictor = workspace.train(estimator="sklearn.ensemble.HistGradientBoostingRegressor")
    assert predictor.manifest.form == "onnx", predictor.manifest.form_reason


@pytest.mark.parametrize("path", ["linear_model.LogisticRegression", "naive_bayes.MultinomialNB"])
@pytest.mark.parametrize("kind", ["category", "text"])
def test_a_table_without_numbers_leaves_as_exact_onnx(workspace: Any, path: str, kind: str) -> None:
    table = mixed().select("kind", "text", y=pl.col("y") > 0.5).fill_null("")
    workspace.prepare(table, "y", "binary", [False, True], types={"text": kind})
    predictor = workspace.train(estimator=f"sklearn.{path}")
    assert predictor.manifest.form == "onnx", predictor.manifest.form_reason
    assert predictor.predict_one({"kind": "never seen", "text": ""}).values.dtype == bool


def test_an_unknown_category_counts_as_none_of_the_known(workspace: Any) -> None:
    workspace.prepare(mixed().select("kind", "y").drop_nulls(), "y", "regression")
    for packaging in ("onnx", "native"):
        predictor = workspace.train(estimator="sklearn.linear_model.Ridge", packaging=packaging)
        unknown = predictor.predict_one({"kind": "q"}).values
        assert (unknown == predictor.predict_one({"kind": "r"}).values).all()
        assert unknown != predictor.predict_one({"kind": "a"}).values


def test_a_rare_category_is_answered_like_an_unknown_one(workspace: Any) -> None:
    workspace.prepare(mixed().select("kind", "y").drop_nulls(), "y", "regression")
    predictor = workspace.train(
        estimator="sklearn.linear_model.Ridge",
        preprocessing={"categories": {"min_frequency": 10}},
    )
    rare, unknown = (predictor.predict_one({"kind": kind}).values for kind in ("d", "q"))
    assert rare == unknown


def test_a_missing_value_is_filled_where_it_is_allowed_and_refused_elsewhere(
    workspace: Any,
) -> None:
    from reconciler.errors import UsageError

    workspace.prepare(mixed().select("n", "i", "y"), "y", "regression")
    predictor = workspace.train(estimator="sklearn.linear_model.Ridge")
    assert np.isfinite(predictor.predict_one({"n": None, "i": 2}).values)
    assert (
        predictor.predict_one({"n": float("nan"), "i": 2}).values
        == predictor.predict_one({"i": 2}).values
    )
    with pytest.raises(UsageError, match="i: 1 missing, and the field is not nullable"):
        predictor.predict_one({"n": 1.0, "i": None})
    with pytest.raises(UsageError, match="i: the field is missing"):
        predictor.predict_one({"n": 1.0})


def test_a_column_without_any_value_does_no_harm(workspace: Any) -> None:
    table = mixed().select("n", "y").with_columns(pl.lit(None, pl.Float64).alias("empty"))
    workspace.prepare(table, "y", "regression")
    predictor = workspace.train(estimator="sklearn.linear_model.Ridge")
    assert predictor.manifest.form == "onnx", predictor.manifest.form_reason


def test_a_dropped_feature_is_no_input(workspace: Any) -> None:
    workspace.prepare(mixed().select("n", "i", "y"), "y", "regression")
    predictor = workspace.train(
        estimator="sklearn.linear_model.Ridge", preprocessing={"drop": ["i"]}
    )
    assert [item.name for item in predictor.signature.inputs] == ["n"]


def test_a_feature_may_be_called_as_a_part_of_a_date(workspace: Any) -> None:
    table = mixed().select("at", "i", "y").rename({"i": "at.hour"})
    workspace.prepare(table, "y", "regression")
    predictor = workspace.train(estimator="sklearn.linear_model.Ridge")
    names = [c.name for tensor in predictor.signature.tensors for c in tensor.columns]
    assert len(names) == len(set(names)) == 6


def test_without_preprocessing_the_columns_come_as_they_are(workspace: Any) -> None:
    table = mixed().select("i", "at", "flag", "y").drop_nulls()
    workspace.prepare(table, "y", "regression")
    predictor = workspace.train(
        estimator="sklearn.tree.DecisionTreeRegressor", preprocessing="none"
    )
    (tensor,) = predictor.signature.tensors
    assert [column.name for column in tensor.columns] == ["i", "at", "flag"]
    assert predictor.manifest.form == "onnx", predictor.manifest.form_reason


@shared
@pytest.mark.slow
def test_churn_with_its_odd_column_names_leaves_as_onnx(workspace: Any) -> None:
    churn = pl.read_csv(SHARED / "telco_churn.csv", null_values=[" "]).drop("customerID")
    workspace.prepare(churn.head(2000), "Churn", "binary", ["No", "Yes"])
    predictor = workspace.train(
        estimator="sklearn.ensemble.HistGradientBoostingClassifier",
        hyperparameters={"max_iter": 20},
    )
    assert predictor.manifest.form == "onnx", predictor.manifest.form_reason
    right = predictor.predict(workspace.test()).values == workspace.test()["Churn"].to_numpy()
    assert right.mean() > 0.75


@shared
@pytest.mark.slow
def test_spam_leaves_as_onnx_and_is_recognised(workspace: Any) -> None:
    spam = pl.read_csv(
        SHARED / "sms_spam.tsv",
        separator="\t",
        has_header=False,
        quote_char=None,
        new_columns=["label", "text"],
    )
    workspace.prepare(spam, "label", "binary", ["ham", "spam"], types={"text": "text"})
    predictor = workspace.train(
        estimator="sklearn.linear_model.LogisticRegression", hyperparameters={"C": 10}
    )
    assert predictor.manifest.form == "onnx", predictor.manifest.form_reason
    right = predictor.predict(workspace.test()).values == workspace.test()["label"].to_numpy()
    assert right.mean() > 0.96
