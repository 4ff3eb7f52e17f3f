"""A table that grows by the same process: the retrained model is compared fairly and accepted."""

from __future__ import annotations

import json
from io import StringIO
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from tests.conftest import Project, Specify

pytestmark = pytest.mark.slow

ROWS = 3_000
GROWN = 3_300
TABLE = "data/yield.csv"
SPEC = "specs/yield.yaml"


def table(rows: int) -> str:
    """Return the first rows of one endless table: two measures, a place, an amount, a grade."""
    chance = np.random.default_rng(11)
    heat, rain = chance.normal(size=(2, GROWN))
    place = chance.choice(["hill", "plain", "shore"], size=GROWN)
    amount = 5 * heat - 3 * rain + 4 * (place == "hill") + chance.normal(scale=3, size=GROWN)
    grade = np.where(amount + chance.normal(scale=2, size=GROWN) > 6, "high", "low")
    frame = pl.DataFrame(
        {"heat": heat, "rain": rain, "place": place, "amount": amount, "grade": grade}
    )
    text = StringIO()
    frame.head(rows).write_csv(text)
    return text.getvalue()


REGRESSION = {
    "target": "amount",
    "acceptance": "[{metric: r2, min: 0.7}, {metric: rmse, compare: champion}]",
    "data": {"ignore": ["grade"]},
}
CLASSIFICATION = {
    "target": "grade",
    "estimator": "sklearn.linear_model.LogisticRegression",
    "acceptance": "[{metric: roc_auc, min: 0.9}, {metric: accuracy, compare: champion}]",
    "data": {"ignore": ["amount"], "split": {"method": "stratified"}},
}


@pytest.mark.parametrize("kind", [REGRESSION, CLASSIFICATION], ids=["random", "stratified"])
def test_a_table_that_grows_by_a_tenth_is_retrained_and_accepted_on_rows_new_to_both(
    project: Project, specify: Specify, kind: dict[str, Any]
) -> None:
    project.write(TABLE, table(ROWS))
    project.write(SPEC, specify("yield", source=TABLE, **kind))
    project.reconciler("compile")
    project.commit("Declare yield")
    project.reconciler("apply")
    first = project.champion("yield")
    project.write(TABLE, table(GROWN))
    project.commit("A tenth more rows")
    assert project.plan()["yield"]["kind"] == "retrain"
    project.reconciler("apply")
    second = project.champion("yield")
    assert (first["number"], second["number"]) == (1, 2)
    compared = rivalry(second)
    assert compared["outcome"] == "passed"
    assert compared["rows"] == unseen_rows(project, first, second)
    assert compared["rows"] > 0.95 * len(prepared(project, second, "test"))


def test_another_seed_leaves_only_the_rows_that_both_splits_hold_out(
    project: Project, specify: Specify
) -> None:
    project.write(TABLE, table(ROWS))
    project.write(SPEC, specify("yield", source=TABLE, **REGRESSION))
    project.reconciler("compile")
    project.commit("Declare yield")
    project.reconciler("apply")
    first = project.champion("yield")
    project.write(TABLE, table(GROWN))
    project.edit(SPEC, '"ignore"', '"split": {"seed": 7}, "ignore"')
    project.reconciler("compile")
    project.commit("More rows, split anew")
    project.reconciler("apply")
    second = project.champion("yield")
    assert second["number"] == 2
    test = prepared(project, second, "test")
    held_by_both = len(test & prepared(project, first, "test"))
    assert held_by_both <= rivalry(second)["rows"] <= unseen_rows(project, first, second)
    assert 0.1 * len(test) < held_by_both < 0.3 * len(test)


def rivalry(version: dict[str, Any]) -> dict[str, Any]:
    """Return the evidence of the comparison with the champion."""
    (found,) = [e for e in version["verdict"]["evidence"] if "compare" in e["threshold"]]
    return dict(found)


def unseen_rows(project: Project, first: dict[str, Any], second: dict[str, Any]) -> int:
    """Count the rows of the second's test split that were in nobody's training."""
    trained = prepared(project, first, "train") | prepared(project, second, "train")
    return len(prepared(project, second, "test") - trained)


def prepared(project: Project, version: dict[str, Any], side: str) -> set[tuple[object, ...]]:
    """Return one side of a version's split as it lies in the cache."""
    listing = json.loads(cached(project, version["prepared"]["md5"]).read_text())
    (md5,) = [item["md5"] for item in listing if item["relpath"] == f"{side}.parquet"]
    return set(pl.read_parquet(cached(project, md5)).rows())


def cached(project: Project, md5: str) -> Path:
    return project.root / ".dvc" / "cache" / "files" / "md5" / md5[:2] / md5[2:]
