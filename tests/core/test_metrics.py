import math
import warnings
from collections.abc import Callable
from random import Random
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import metrics as sk

from reconciler.core.metrics import FUNCTIONS, Scored, compute, statistic

LABELS: dict[str, tuple[Any, ...]] = {
    "text": ("no", "yes", "perhaps", "é"),
    "numbers": (3, 7, 11, 20),
    "booleans": (False, True),
}

REGRESSION: dict[str, Callable[..., Any]] = {
    "mae": sk.mean_absolute_error,
    "mse": sk.mean_squared_error,
    "rmse": sk.root_mean_squared_error,
    "mape": sk.mean_absolute_percentage_error,
    "r2": sk.r2_score,
    "explained_variance": sk.explained_variance_score,
    "max_error": sk.max_error,
    "median_absolute_error": sk.median_absolute_error,
}
OF_LABELS: dict[str, Callable[..., Any]] = {
    "accuracy": sk.accuracy_score,
    "balanced_accuracy": sk.balanced_accuracy_score,
    "matthews_corrcoef": sk.matthews_corrcoef,
    "cohen_kappa": sk.cohen_kappa_score,
}
PER_LABEL: dict[str, Callable[..., Any]] = {
    "precision": sk.precision_score,
    "recall": sk.recall_score,
    "f1": sk.f1_score,
}


def close(ours: float, theirs: float) -> bool:
    return math.isclose(ours, theirs, rel_tol=1e-12, abs_tol=1e-12)


@st.composite
def regressions(draw: st.DrawFn) -> Scored:
    # Few distinct values on a grid, so that ties are common.
    rows = draw(st.integers(2, 40))
    numbers = st.integers(-50, 50).map(lambda i: i / 8)
    actual = draw(st.lists(numbers, min_size=rows, max_size=rows))
    prediction = draw(st.lists(numbers, min_size=rows, max_size=rows))
    return Scored(np.array(actual), np.array(prediction))


@st.composite
def classifications(draw: st.DrawFn, all_classes: bool = False) -> Scored:
    kind = draw(st.sampled_from(sorted(LABELS)))
    count = draw(st.integers(2, len(LABELS[kind])))
    classes = tuple(sorted(LABELS[kind][:count]))
    rows = draw(st.integers(count, 40))
    indices = st.integers(0, count - 1)
    actual = draw(st.lists(indices, min_size=rows, max_size=rows))
    if all_classes:
        actual[:count] = range(count)
    predicted = draw(st.lists(indices, min_size=rows, max_size=rows))
    grid = st.lists(st.integers(0, 4), min_size=count, max_size=count)
    raw = np.array(draw(st.lists(grid, min_size=rows, max_size=rows)), dtype=float) + 0.125
    names = np.array(classes)
    positive = draw(st.sampled_from(classes)) if count == 2 else None
    return Scored(
        names[actual],
        names[predicted],
        raw / raw.sum(axis=1, keepdims=True),
        classes,
        positive,
    )


@settings(deadline=None, derandomize=True)
@given(regressions())
def test_regression_metrics_equal_those_of_scikit_learn(scored: Scored) -> None:
    ours = compute(REGRESSION, scored)
    constant = len(set(scored.actual.tolist())) == 1
    for name, theirs in REGRESSION.items():
        if constant and name in ("r2", "explained_variance"):
            assert math.isnan(ours[name])  # scikit-learn says 0 or 1 by convention
        else:
            assert close(ours[name], theirs(scored.actual, scored.prediction)), name


@settings(deadline=None, derandomize=True)
@given(classifications())
def test_label_metrics_equal_those_of_scikit_learn(scored: Scored) -> None:
    assert scored.classes is not None
    truth, answer = scored.actual, scored.prediction
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        expected = {name: theirs(truth, answer) for name, theirs in OF_LABELS.items()}
        for name, theirs in PER_LABEL.items():
            for average in ("macro", "micro", "weighted"):
                expected[f"{name}_{average}"] = theirs(truth, answer, average=average)
            if len(scored.classes) == 2:
                labels = list(scored.classes)
                values = theirs(truth, answer, average=None, labels=labels)
                positive = scored.classes[-1] if scored.positive is None else scored.positive
                expected[name] = values[labels.index(positive)]
    ours = compute(expected, scored)
    for name, value in expected.items():
        both_undefined = math.isnan(value) and math.isnan(ours[name])
        assert both_undefined or close(ours[name], value), name


@settings(deadline=None, derandomize=True)
@given(classifications(all_classes=True))
def test_probability_metrics_equal_those_of_scikit_learn(scored: Scored) -> None:
    assert scored.classes is not None
    assert scored.probabilities is not None
    names = ("log_loss", "brier", "roc_auc", "average_precision")
    ours = compute(names, scored)
    classes, truth, given_ = list(scored.classes), scored.actual, scored.probabilities
    expected = {"log_loss": sk.log_loss(truth, given_, labels=classes)}
    if len(classes) == 2:
        yes = truth == scored.positive
        score = given_[:, classes.index(scored.positive)]
        expected["brier"] = sk.brier_score_loss(yes, score)
        expected["roc_auc"] = sk.roc_auc_score(yes, score)
        expected["average_precision"] = sk.average_precision_score(yes, score)
    else:
        expected["brier"] = sk.brier_score_loss(truth, given_, labels=classes)
        expected["roc_auc"] = sk.roc_auc_score(truth, given_, multi_class="ovr", labels=classes)
        expected["average_precision"] = sk.average_precision_score(truth, given_)
    for name, value in expected.items():
        assert close(ours[name], value), name


@settings(deadline=None, derandomize=True)
@given(st.one_of(regressions(), classifications(all_classes=True)), st.randoms())
def test_weights_count_how_often_a_row_stands_in_a_resample(scored: Scored, random: Random) -> None:
    drawn = np.array([random.randrange(len(scored)) for _ in range(len(scored))])
    weights = np.bincount(drawn, minlength=len(scored)).astype(float)[None, :]
    resample = scored.take(drawn)
    for name in FUNCTIONS:
        if (function := statistic(name, scored)) is None:
            continue
        with np.errstate(invalid="ignore", divide="ignore"):
            value = function(weights)[0]
        again = compute([name], resample)[name]
        assert (math.isnan(value) and math.isnan(again)) or close(value, again), name


@pytest.mark.parametrize("scale", [1e-6, 1.0, 1e6])
def test_large_tables_and_units_keep_the_precision(scale: float) -> None:
    rng = np.random.default_rng(1)
    actual = rng.lognormal(12, 0.5, 5000) * scale
    prediction = actual + rng.standard_t(3, 5000) * 4e4 * scale
    ours = compute(REGRESSION, Scored(actual, prediction))
    for name, theirs in REGRESSION.items():
        assert ours[name] == pytest.approx(theirs(actual, prediction), rel=1e-12, abs=0), name


def test_a_prediction_that_is_no_number_leaves_no_metric_defined() -> None:
    values = compute(FUNCTIONS, Scored(np.array([1.0, 2.0, 3.0]), np.array([1.0, math.nan, 3.0])))
    assert set(values) == set(REGRESSION)
    assert all(math.isnan(value) for value in values.values())


def test_a_probability_that_is_no_number_leaves_no_ranking_or_loss_defined() -> None:
    probabilities = np.array([[0.5, 0.5], [math.nan, math.nan], [0.1, 0.9]])
    labels = np.array(["a", "b", "b"])
    scored = Scored(labels, labels, probabilities, ("a", "b"))
    names = ("log_loss", "brier", "roc_auc", "average_precision")
    assert all(math.isnan(value) for value in compute(names, scored).values())


def test_a_ranking_without_one_of_the_classes_is_undefined() -> None:
    probabilities = np.array([[0.5, 0.5], [0.2, 0.8]])
    scored = Scored(np.array(["b", "b"]), np.array(["b", "b"]), probabilities, ("a", "b"), "a")
    values = compute(("roc_auc", "average_precision"), scored)
    assert math.isnan(values["roc_auc"])
    assert math.isnan(values["average_precision"])


def test_a_true_label_that_the_model_does_not_know_makes_its_probabilities_undefined() -> None:
    probabilities = np.array([[0.5, 0.5], [0.2, 0.8], [0.9, 0.1]])
    actual, answer = np.array(["a", "b", "c"]), np.array(["a", "b", "a"])
    values = compute(FUNCTIONS, Scored(actual, answer, probabilities, ("a", "b")))
    assert math.isnan(values["log_loss"])
    assert math.isnan(values["roc_auc"])
    assert values["accuracy"] == pytest.approx(2 / 3)


def test_metrics_of_another_task_and_without_probabilities_are_missing() -> None:
    labels = np.array([0, 1, 1])
    values = compute(
        ("rmse", "accuracy", "log_loss", "nonsense"), Scored(labels, labels, None, (0, 1))
    )
    assert values == {"accuracy": 1.0}


def test_a_table_without_rows_has_no_metric_defined() -> None:
    empty = np.array([])
    assert all(math.isnan(value) for value in compute(REGRESSION, Scored(empty, empty)).values())
