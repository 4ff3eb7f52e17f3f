"""Every usual estimator leaves as ONNX that answers as scikit-learn does."""

from __future__ import annotations

from typing import Any

import numpy as np
import polars as pl
import pytest

from reconciler.errors import TerminalError

REGRESSORS: list[tuple[str, dict[str, Any]]] = [
    ("linear_model.LinearRegression", {}),
    ("linear_model.Ridge", {"alpha": 0.5}),
    ("linear_model.Lasso", {"alpha": 0.1}),
    ("linear_model.ElasticNet", {"alpha": 0.1}),
    ("linear_model.SGDRegressor", {}),
    ("linear_model.HuberRegressor", {}),
    ("linear_model.PoissonRegressor", {}),
    ("linear_model.BayesianRidge", {}),
    ("tree.DecisionTreeRegressor", {"max_depth": 6}),
    ("tree.ExtraTreeRegressor", {}),
    ("ensemble.RandomForestRegressor", {"n_estimators": 9}),
    ("ensemble.ExtraTreesRegressor", {"n_estimators": 9}),
    ("ensemble.GradientBoostingRegressor", {"n_estimators": 9}),
    ("ensemble.HistGradientBoostingRegressor", {"max_iter": 9}),
    ("ensemble.HistGradientBoostingRegressor", {"max_iter": 5, "loss": "poisson"}),
    ("ensemble.BaggingRegressor", {"n_estimators": 3}),
    ("ensemble.AdaBoostRegressor", {"n_estimators": 3}),
    ("svm.SVR", {}),
    ("svm.SVR", {"kernel": "poly"}),
    ("svm.SVR", {"kernel": "sigmoid"}),
    ("svm.SVR", {"kernel": "linear"}),
    ("svm.NuSVR", {}),
    ("svm.LinearSVR", {}),
    ("neural_network.MLPRegressor", {"hidden_layer_sizes": [8], "max_iter": 20}),
    ("neighbors.KNeighborsRegressor", {}),
]
CLASSIFIERS: list[tuple[str, dict[str, Any]]] = [
    ("linear_model.LogisticRegression", {}),
    ("linear_model.RidgeClassifier", {}),
    ("linear_model.SGDClassifier", {}),
    ("linear_model.SGDClassifier", {"loss": "log_loss"}),
    ("linear_model.Perceptron", {}),
    ("discriminant_analysis.LinearDiscriminantAnalysis", {}),
    ("tree.DecisionTreeClassifier", {"max_depth": 4}),
    ("tree.ExtraTreeClassifier", {}),
    ("ensemble.RandomForestClassifier", {"n_estimators": 10, "min_samples_leaf": 2}),
    ("ensemble.ExtraTreesClassifier", {"n_estimators": 10}),
    ("ensemble.GradientBoostingClassifier", {"n_estimators": 5}),
    ("ensemble.HistGradientBoostingClassifier", {"max_iter": 5}),
    ("ensemble.BaggingClassifier", {"n_estimators": 3}),
    ("svm.SVC", {}),
    ("svm.NuSVC", {}),
    ("svm.LinearSVC", {}),
    ("neural_network.MLPClassifier", {"hidden_layer_sizes": [8], "max_iter": 20}),
    ("neighbors.KNeighborsClassifier", {}),
    ("naive_bayes.GaussianNB", {}),
    ("naive_bayes.BernoulliNB", {}),
    ("calibration.CalibratedClassifierCV", {}),
]


def numbers(rows: int = 160, classes: int = 0) -> pl.DataFrame:
    """A table of four numbers, one with gaps, and a target they decide with noise."""
    random = np.random.default_rng(7)
    x = random.normal(size=(rows, 4)) * [1, 10, 0.1, 100]
    signal = x[:, 0] + x[:, 1] / 10 + random.normal(size=rows) * 0.3
    edges = np.quantile(signal, np.linspace(0, 1, max(classes, 1) + 1)[1:-1])
    y = np.searchsorted(edges, signal) if classes else np.exp(signal / 3)
    table = pl.DataFrame({"a": x[:, 0], "b": x[:, 1], "c": x[:, 2], "d": x[:, 3], "y": y})
    gaps = (pl.int_range(pl.len()) % 9 == 1) | (pl.int_range(pl.len()) % 12 == 4)
    return table.with_columns(pl.when(gaps).then(None).otherwise(pl.col("b")).alias("b"))


@pytest.mark.parametrize(("path", "settings"), REGRESSORS)
def test_a_regressor_leaves_as_onnx(workspace: Any, path: str, settings: dict[str, Any]) -> None:
    workspace.prepare(numbers(), "y", "regression")
    predictor = workspace.train(estimator=f"sklearn.{path}", hyperparameters=settings)
    assert predictor.manifest.form == "onnx", predictor.manifest.form_reason
    assert predictor.predict(workspace.test()).values.dtype == np.float64


@pytest.mark.parametrize("classes", [2, 3])
@pytest.mark.parametrize(("path", "settings"), CLASSIFIERS)
def test_a_classifier_leaves_as_onnx(
    workspace: Any, path: str, settings: dict[str, Any], classes: int
) -> None:
    task = "binary" if classes == 2 else "multiclass"
    workspace.prepare(numbers(classes=classes), "y", task, list(range(classes)))
    predictor = workspace.train(estimator=f"sklearn.{path}", hyperparameters=settings)
    assert predictor.manifest.form == "onnx", predictor.manifest.form_reason
    answers = predictor.predict(workspace.test())
    if answers.probabilities is not None:
        assert answers.probabilities.shape == (40, classes)
        np.testing.assert_allclose(answers.probabilities.sum(axis=1), 1, atol=1e-9)


def test_the_answers_of_both_forms_are_equal(workspace: Any) -> None:
    workspace.prepare(numbers(classes=3), "y", "multiclass", [0, 1, 2])
    path = "sklearn.ensemble.RandomForestClassifier"
    onnx = workspace.train(estimator=path).predict(workspace.test())
    native = workspace.train(estimator=path, packaging="native")
    assert native.manifest.form == "native"
    assert native.manifest.form_reason == "the spec asks for the native form"
    answers = native.predict(workspace.test())
    assert (onnx.values == answers.values).all()
    np.testing.assert_allclose(onnx.probabilities, answers.probabilities, atol=1e-12)


def test_a_tie_of_a_forest_falls_as_scikit_learn_lets_it(workspace: Any) -> None:
    random = np.random.default_rng(0)
    table = pl.DataFrame({"x": random.normal(size=400), "y": random.integers(0, 2, 400)})
    workspace.prepare(table, "y", "binary", [0, 1])
    settings = {"n_estimators": 4}  # of four trees on noise, many rows see two against two
    predictor = workspace.train(
        estimator="sklearn.ensemble.RandomForestClassifier", hyperparameters=settings
    )
    assert predictor.manifest.form == "onnx", predictor.manifest.form_reason
    answers = predictor.predict(workspace.test())
    tied = answers.probabilities[:, 0] == 0.5
    assert tied.any()
    assert (answers.values[tied] == 0).all()


def test_what_has_no_onnx_form_ships_natively_with_the_reason(workspace: Any) -> None:
    workspace.prepare(numbers(), "y", "regression")
    predictor = workspace.train(estimator="sklearn.kernel_ridge.KernelRidge")
    assert predictor.manifest.form == "native"
    assert "does not convert" in predictor.manifest.form_reason
    assert (workspace.bundle() / "model.skops").is_file()
    row = workspace.test().drop_nulls().to_dicts()[0]
    one, all_rows = predictor.predict_one(row), predictor.predict(workspace.test().drop_nulls())
    assert one.values[0] == pytest.approx(all_rows.values[0], abs=1e-12)


def test_a_spec_that_insists_on_onnx_is_told_why_it_cannot_have_it(workspace: Any) -> None:
    workspace.prepare(numbers(), "y", "regression")
    with pytest.raises(TerminalError, match="no exact ONNX form") as caught:
        workspace.train(estimator="sklearn.kernel_ridge.KernelRidge", packaging="onnx")
    assert caught.value.reason == "NotConvertible"
    assert not workspace.bundle().exists()


@pytest.mark.parametrize(
    "path",
    [
        "sklearn.ensemble.HistGradientBoostingRegressor",
        "sklearn.ensemble.GradientBoostingRegressor",
        "sklearn.svm.SVR",
        "sklearn.neighbors.KNeighborsRegressor",
    ],
)
def test_the_native_form_of_usual_estimators_is_trusted(workspace: Any, path: str) -> None:
    workspace.prepare(numbers(), "y", "regression")
    predictor = workspace.train(estimator=path, packaging="native")
    assert predictor.manifest.form == "native"
    first = workspace.digest()
    workspace.train(estimator=path, packaging="native")
    assert workspace.digest() == first


def test_disagreement_counts_rows_and_notices_nan() -> None:
    from reconciler.pipeline.export import disagreement

    right = [np.array([0, 1]), np.array([[0.9, 0.1], [0.2, 0.8]])]
    assert disagreement(right, right, regression=False) == ""
    label = [np.array([0, 0]), right[1]]
    assert disagreement(right, label, regression=False) == "the label in 1"
    nan = [right[0], np.array([[0.9, 0.1], [np.nan, 0.8]])]
    assert disagreement(right, nan, regression=False).endswith("in 1")
    numbers_off = [np.array([1e6, 1.0])], [np.array([1e6 + 0.1, 1.0])]
    assert disagreement(*numbers_off, regression=True) == ""
    assert disagreement([np.array([1.0])], [np.array([1.00001])], regression=True)
