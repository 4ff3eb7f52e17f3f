"""The report of `evaluate`: its pictures, what they cost, and that they repeat."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
import polars as pl
import pytest

from reconciler.bundle.predictor import open_bundle
from reconciler.pipeline import evaluate
from reconciler.pipeline.importance import budget, measure


def table(rows: int = 800) -> pl.DataFrame:
    random = np.random.default_rng(4)
    strong, weak, idle = random.normal(size=(3, rows))
    return pl.DataFrame({"strong": strong, "weak": weak, "idle": idle, "y": 5 * strong + weak})


def reported(workspace: Any, **training: Any) -> tuple[dict[str, Any], Path]:
    """Train and evaluate; return `report.json` and its folder, every picture of which parses."""
    workspace.train(**training)
    evaluate.run(workspace.context(**training))
    folder = workspace.root / "reports" / "m" / "report"
    plain = json.loads((folder / "report.json").read_text())
    assert {p.stem for p in folder.glob("*.svg")} == {p["name"] for p in plain["pictures"]}
    for path in folder.glob("*.svg"):
        ElementTree.parse(path)
    return plain, folder


def picture(plain: dict[str, Any], name: str) -> dict[str, Any]:
    return next(p for p in plain["pictures"] if p["name"] == name)


def test_an_importance_is_the_rise_that_shuffling_the_column_itself_gives(workspace: Any) -> None:
    workspace.prepare(table(), "y", "regression")
    predictor = workspace.train(estimator="sklearn.linear_model.Ridge")
    test = workspace.test()
    found = {effect.name: effect for effect in measure(predictor, test).effects}
    places = sorted(np.random.default_rng(0).permutation(test.height).tolist())
    sample, truth = test[places], test[places]["y"].to_numpy()

    def error(rows: pl.DataFrame) -> Any:
        return np.mean((predictor.predict(rows).values - truth) ** 2)

    for name in ("strong", "weak"):
        orders = [np.random.default_rng([0, n]).permutation(test.height) for n in range(3)]
        shuffled = [sample.with_columns(sample[name][order.tolist()]) for order in orders]
        expected = np.sqrt(np.mean([error(s) for s in shuffled])) - np.sqrt(error(sample))
        assert found[name].rise == pytest.approx(expected, rel=1e-9)
    assert found["strong"].low > found["weak"].high > found["idle"].high


def test_of_very_many_inputs_those_that_count_are_shuffled_and_the_rest_together(
    workspace: Any,
) -> None:
    random = np.random.default_rng(5)
    values = random.normal(size=(400, 1_000))
    frame = pl.DataFrame({f"x{n}": values[:, n] for n in range(1_000)})
    frame = frame.with_columns(pl.Series("y", 3 * values[:, 700] - 2 * values[:, 41]))
    workspace.prepare(frame, "y", "regression")
    plain, folder = reported(
        workspace, estimator="sklearn.linear_model.Lasso", hyperparameters={"alpha": 0.1}
    )
    rows = picture(plain, "importance")["rows"]
    assert [row[0] for row in rows[:2]] == ["x700", "x41"]
    assert rows[-1][0] == "(936 other inputs)"
    assert len(rows) == 65
    assert (folder / "importance.svg").read_text().count("<rect") == 21


def test_the_word_that_decides_is_found_and_moves_the_answer_as_leaving_it_out_does(
    workspace: Any,
) -> None:
    random = np.random.default_rng(7)
    common = ["alpha", "beta", "gamma", "delta"]
    lines = [" ".join(random.permutation(common)[:3]) for _ in range(400)]
    good = random.random(400) < 0.5
    texts = [f"{line} Marvel{'' if n % 3 else ', marvel'}" if g else line
             for n, (line, g) in enumerate(zip(lines, good, strict=True))]  # fmt: skip
    frame = pl.DataFrame({"said": texts, "y": ["yes" if g else "no" for g in good]})
    workspace.prepare(frame, "y", "binary", ["no", "yes"], types={"said": "text"})
    plain, _ = reported(workspace, estimator="sklearn.linear_model.LogisticRegression")
    word, rows, change, low, high = picture(plain, "words")["rows"][0]
    assert word == "marvel"
    test = workspace.test().filter(pl.col("said").str.contains("Marvel"))
    without = test.with_columns(pl.col("said").str.replace_all(r",? [Mm]arvel", ""))
    predictor = open_bundle(workspace.bundle())
    pair = [np.array(predictor.predict(some).probabilities) for some in (test, without)]
    assert rows == test.height
    assert change == pytest.approx(float((pair[0] - pair[1])[:, 1].mean()), rel=1e-5)
    assert 0 < low <= change <= high


def test_what_importance_costs_is_bounded_whatever_the_table() -> None:
    for rows in (1, 2, 54, 10_000, 10_000_000):
        for inputs in (1, 9, 64, 1_000, 100_000):
            sample, repeats = budget(rows, inputs, inputs, 20_000)
            assert 1 <= sample <= min(rows, 1_000)
            assert 1 <= repeats <= 3
            tried = min(inputs, 64)
            assert sample * repeats * tried <= 20_000
            assert sample * tried * inputs <= 20_000_000 or sample <= 25


def test_a_thousand_classes_are_drawn(workspace: Any) -> None:
    random = np.random.default_rng(6)
    label = np.arange(8_000) // 4 % 1_000
    frame = pl.DataFrame(
        {"a": label % 32 + random.normal(0, 0.1, 8_000), "b": label // 32 * 1.0, "y": label}
    )
    workspace.prepare(frame, "y", "multiclass", list(range(1_000)))
    plain, folder = reported(workspace, estimator="sklearn.naive_bayes.GaussianNB")
    assert len(picture(plain, "confusion")["rows"]) == 30
    assert len(picture(plain, "roc")["rows"]) <= 30
    assert sum(path.stat().st_size for path in folder.iterdir()) < 1_000_000


@pytest.mark.parametrize("rows", [6, 9])
def test_two_held_out_rows_of_a_constant_target_are_drawn(workspace: Any, rows: int) -> None:
    frame = table(rows).with_columns(pl.lit(3.0).alias("y"))
    workspace.prepare(frame, "y", "regression")
    plain, _ = reported(workspace, estimator="sklearn.linear_model.Ridge")
    names = [p["name"] for p in plain["pictures"]]
    assert names == ["actual", "residuals", "learning", "importance"]


def test_a_classifier_without_probabilities_has_no_curve(workspace: Any) -> None:
    frame = table().with_columns((pl.col("y") > 0).replace_strict({True: "b", False: "a"}))
    workspace.prepare(frame, "y", "binary", ["a", "b"])
    plain, _ = reported(workspace, estimator="sklearn.svm.LinearSVC")
    names = [p["name"] for p in plain["pictures"]]
    assert names == ["confusion", "learning", "importance"]


def test_without_the_training_rows_nothing_is_said_of_them(workspace: Any) -> None:
    workspace.prepare(table(), "y", "regression")
    plain, _ = reported(workspace, estimator="sklearn.linear_model.Ridge")
    assert picture(plain, "learning")["rows"][-1][0] == "training"
    (workspace.root / "data/prepared/m/train.parquet").unlink()
    evaluate.run(workspace.context(estimator="sklearn.linear_model.Ridge"))
    plain = json.loads((workspace.root / "reports/m/report/report.json").read_text())
    assert picture(plain, "learning")["rows"][-1][0] != "training"


def test_the_card_holds_the_bundles_card_and_every_picture(workspace: Any) -> None:
    frame = table().rename({"weak": "a|b `c` <img src=x>"})
    workspace.prepare(frame, "y", "regression")
    plain, folder = reported(workspace, estimator="sklearn.linear_model.Ridge")
    card = (folder / "card.md").read_text()
    assert card.startswith("# m\n")
    assert card.count("## On the held-out rows") == 1
    for drawn in plain["pictures"]:
        assert f"![{drawn['title']}]({drawn['name']}.svg)" in card
    assert "| `` a\\|b `c` <img src=x> `` | number |" in card


def test_equal_inputs_give_equal_bytes_whatever_the_number_of_threads(workspace: Any) -> None:
    frame = table().with_columns((pl.col("y") > 0).replace_strict({True: "b", False: "a"}))
    workspace.prepare(frame, "y", "binary", ["a", "b"])
    workspace.train(estimator="sklearn.linear_model.LogisticRegression")
    program = (
        "import sys; from pathlib import Path; import polars as pl\n"
        "from reconciler.bundle.predictor import open_bundle\n"
        "from reconciler.pipeline import evaluate, report\n"
        "root, out = map(Path, sys.argv[1:3]); data = root / 'data/prepared/m'\n"
        "predictor = open_bundle(root / 'models/m', int(sys.argv[3]))\n"
        "test = pl.read_parquet(data / 'test.parquet')\n"
        "answers = evaluate.answered(predictor, test)\n"
        "report.write(out, predictor, test, answers, data / 'train.parquet', '# m')\n"
        "print(sorted({m.split('.')[0] for m in sys.modules} & {'sklearn', 'matplotlib'}))\n"
    )
    made = []
    for threads in ("1", "4"):
        out = workspace.root / threads
        names = ("OMP", "OPENBLAS", "MKL", "POLARS_MAX")
        env = os.environ | {f"{name}_NUM_THREADS": threads for name in names}
        env |= {"POLARS_MAX_THREADS": threads, "PYTHONHASHSEED": threads}
        argv = [sys.executable, "-c", program, str(workspace.root), str(out), threads]
        done = subprocess.run(argv, env=env, capture_output=True, text=True, check=True)
        assert done.stdout.strip() == "[]"
        made.append({path.name: path.read_bytes() for path in out.iterdir()})
    assert made[0] == made[1]
    assert len(made[0]) == 7
