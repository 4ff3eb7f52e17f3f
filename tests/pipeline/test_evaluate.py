"""The stage `evaluate`: from a bundle and the test split to answers, metrics and a plot."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from sklearn import metrics as sk

from reconciler.core import tables
from reconciler.errors import TerminalError
from reconciler.pipeline import evaluate
from reconciler.spec.metrics import METRICS


def table(rows: int = 400) -> pl.DataFrame:
    random = np.random.default_rng(3)
    size, other = random.normal(size=(2, rows))
    noisy = 3 * size + other + random.normal(size=rows)
    return pl.DataFrame({"size": size, "other": other, "y": noisy})


def labelled(labels: list[Any], rows: int = 400) -> pl.DataFrame:
    made = table(rows)
    bins = np.digitize(made["y"].to_numpy(), np.linspace(-2, 2, len(labels) - 1))
    return made.with_columns(pl.Series("y", [labels[i] for i in bins]))


def evaluated(workspace: Any, **training: Any) -> tuple[pl.DataFrame, dict[str, float], Path]:
    """Train and evaluate; return the answers, the metrics and the folder they are in."""
    workspace.train(**training)
    evaluate.run(workspace.context(**training))
    out = workspace.root / "reports" / "m"
    answers = pl.read_parquet(out / "predictions.parquet")
    return answers, json.loads((out / "metrics.json").read_text()), out


def names(task: str) -> set[str]:
    return {m.name for m in METRICS.values() if task in m.tasks and m.needs != "system"}


def test_a_regression_is_answered_row_by_row_and_measured(workspace: Any) -> None:
    workspace.prepare(table(), "y", "regression")
    answers, values, _ = evaluated(workspace, estimator="sklearn.linear_model.Ridge")
    assert answers.columns == ["actual", "prediction"]
    assert answers["actual"].equals(workspace.test()["y"].alias("actual"))
    assert set(values) == names("regression")
    truth, given = answers["actual"].to_numpy(), answers["prediction"].to_numpy()
    assert values["rmse"] == pytest.approx(sk.root_mean_squared_error(truth, given), rel=1e-11)
    assert values["r2"] > 0.5


@pytest.mark.parametrize(
    "classes", [["no", "yes"], [3, 7], [False, True], ["a", "b", "c"]], ids=str
)
def test_a_classification_keeps_the_probability_of_every_class(
    workspace: Any, classes: list[Any]
) -> None:
    task = "binary" if len(classes) == 2 else "multiclass"
    workspace.prepare(labelled(classes), "y", task, classes)
    answers, values, _ = evaluated(workspace, estimator="sklearn.linear_model.LogisticRegression")
    assert answers.columns == ["actual", "prediction", *(f"p:{name}" for name in classes)]
    assert answers["prediction"].dtype == answers["actual"].dtype
    assert set(answers["prediction"]) <= set(classes)
    chances = answers.drop("actual", "prediction").to_numpy()
    assert np.allclose(chances.sum(axis=1), 1)
    assert set(values) == names(task)
    loss = sk.log_loss(answers["actual"].to_list(), chances, labels=classes)
    assert values["log_loss"] == pytest.approx(loss, rel=1e-11)


def test_a_classifier_without_probabilities_has_no_metric_of_them(workspace: Any) -> None:
    workspace.prepare(labelled(["no", "yes"]), "y", "binary", ["no", "yes"])
    answers, values, _ = evaluated(workspace, estimator="sklearn.svm.LinearSVC")
    assert answers.columns == ["actual", "prediction"]
    assert set(values) == {n for n in names("binary") if METRICS[n].needs == "labels"}
    assert tables.scored(answers, ("no", "yes"), "yes").probabilities is None


def test_the_answers_are_read_back_as_they_were_written(workspace: Any) -> None:
    workspace.prepare(labelled(["no", "yes"]), "y", "binary", ["no", "yes"])
    predictor = workspace.train(estimator="sklearn.linear_model.LogisticRegression")
    answers = evaluate.answered(predictor, workspace.test())
    scored = tables.scored(answers, ("no", "yes"), "no")
    given = predictor.predict(workspace.test())
    assert scored.prediction.tolist() == given.values.tolist()
    assert scored.probabilities is not None
    assert np.array_equal(scored.probabilities, given.probabilities)
    assert scored.positive == "no"


def test_the_plot_stays_small_and_keeps_to_the_answers(workspace: Any) -> None:
    workspace.prepare(table(20_000), "y", "regression")
    answers, _, out = evaluated(workspace, estimator="sklearn.linear_model.Ridge")
    plot = pl.read_csv(out / "plot.csv")
    assert answers.height == 5000
    assert plot.columns == ["actual", "prediction"]
    assert 1000 < plot.height <= 2000
    assert plot["prediction"][1] == pytest.approx(answers["prediction"][3])


def test_equal_inputs_give_equal_reports_byte_for_byte(workspace: Any) -> None:
    workspace.prepare(labelled(["no", "yes"]), "y", "binary", ["no", "yes"])
    kept = []
    for _ in range(2):
        *_, out = evaluated(workspace, estimator="sklearn.linear_model.LogisticRegression")
        files = (path for path in out.rglob("*") if path.is_file())
        kept.append({str(path.relative_to(out)): path.read_bytes() for path in files})
    plain = {name for name in kept[0] if not name.startswith("report/")}
    assert plain == {"predictions.parquet", "metrics.json", "plot.csv"}
    assert {"report/card.md", "report/report.json", "report/roc.svg"} <= set(kept[0])
    assert kept[0] == kept[1]


def test_a_bundle_that_was_tampered_with_is_not_evaluated(workspace: Any) -> None:
    workspace.prepare(table(), "y", "regression")
    workspace.train(estimator="sklearn.linear_model.Ridge")
    model = workspace.bundle() / "model.onnx"
    model.write_bytes(model.read_bytes()[:-1])
    with pytest.raises(TerminalError, match=r"model\.onnx"):
        evaluate.run(workspace.context(estimator="sklearn.linear_model.Ridge"))
    assert not (workspace.root / "reports").exists()


def test_evaluating_an_onnx_bundle_imports_no_scikit_learn(workspace: Any) -> None:
    workspace.prepare(table(), "y", "regression")
    workspace.train(estimator="sklearn.linear_model.Ridge")
    program = (
        "import sys; from pathlib import Path\n"
        "from reconciler.pipeline import evaluate\n"
        "from reconciler.bundle.predictor import open_bundle\n"
        "import polars as pl; root = Path(sys.argv[1])\n"
        "rows = pl.read_parquet(root / 'data/prepared/m/test.parquet')\n"
        "answers = evaluate.answered(open_bundle(root / 'models/m'), rows)\n"
        "assert answers.height == rows.height\n"
        "print(sorted({m.split('.')[0] for m in sys.modules} & {'sklearn', 'scipy', 'skops'}))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, str(workspace.root)],
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.strip() == "[]"
