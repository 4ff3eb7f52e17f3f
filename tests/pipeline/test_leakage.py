"""Leakage: what gives the target away is found, and what only helps is not."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from reconciler.pipeline.leakage import Finding
from reconciler.pipeline.prepare import prepare
from reconciler.pipeline.reading import Table, read
from reconciler.spec.model import DataSpec

SHARED = Path(__file__).resolve().parents[3] / "shared" / "data"
ROWS = 2_000
needs_tables = pytest.mark.skipif(not SHARED.is_dir(), reason=f"{SHARED} is absent")


def noise(seed: int, rows: int = ROWS) -> np.ndarray[Any, np.dtype[np.float64]]:
    return np.random.default_rng(seed).normal(size=rows)


def found(columns: dict[str, Any], **data: Any) -> tuple[Finding, ...]:
    section = {"source": "x", "target": "y", **data}
    table = Table(pl.DataFrame(columns), typed=True)
    return prepare(table, DataSpec.model_validate(section)).warnings


def leaks(columns: dict[str, Any], **data: Any) -> list[tuple[str, ...]]:
    return [item.columns for item in found(columns, **data) if item.reason == "Leakage"]


@pytest.mark.parametrize(
    "spelling",
    [
        lambda y: 3 * y + 1,
        lambda y: -y,
        np.exp,
        lambda y: y**3,
        lambda y: np.round(y, 3),
        lambda y: np.where(np.arange(ROWS) % 4 == 0, np.nan, y),
    ],
    ids=["scaled", "negated", "exponential", "cubed", "rounded", "partly missing"],
)
def test_a_column_that_is_the_target_in_another_spelling_gives_it_away(spelling: Any) -> None:
    y = noise(0)
    assert leaks({"a": noise(1), "leak": spelling(y), "y": y}) == [("leak",)]


def test_a_strong_feature_is_no_leak() -> None:
    y = noise(0)
    assert leaks({"a": y + 0.1 * noise(1), "b": y**2, "y": y}) == []


def test_a_column_that_separates_two_classes_gives_them_away() -> None:
    y = np.where(noise(0) > 0, "yes", "no")
    columns = {
        "score": np.where(y == "yes", 1.0, 0.0) + 0.1 * noise(1),
        "code": np.where(y == "yes", "A", "B"),
        "flag": y == "no",
        "when_it_happened": np.where(y == "yes", noise(2), np.nan),
        "honest": np.where(y == "yes", 1.0, 0.0) + noise(3),
    }
    alone = [("score",), ("code",), ("flag",), ("when_it_happened",)]
    assert leaks({**columns, "y": y}) == alone


def test_a_code_in_no_order_gives_several_classes_away() -> None:
    y = np.random.default_rng(0).integers(0, 5, ROWS)
    code = np.array([7, 2, 9, 1, 4])[y]
    assert leaks({"a": noise(1), "code": code, "y": y}) == [("code",)]


def test_categories_that_only_training_rows_share_are_no_leak() -> None:
    y = np.where(noise(0) > 0, "yes", "no")
    name = [f"n{i // 2}" for i in range(ROWS)]  # a memory for two rows, no rule for others
    assert leaks({"name": name, "a": noise(1), "y": y}) == []


def test_the_message_says_how_strong_it_is_and_what_to_do() -> None:
    y = noise(0)
    (item,) = found({"a": noise(1), "leak": 2 * y, "y": y})
    strength, advice = item.message.split(": ", 1)
    assert re.fullmatch(r"leak alone gives y away \(R² (0\.999\d|1\.0000)\)", strength)
    assert advice == "unless known before y is, list it under data.ignore: [leak]"


def test_two_columns_that_sum_to_the_target_are_found() -> None:
    a, b = noise(0), noise(1)
    assert leaks({"a": a, "b": b, "c": noise(2), "y": a + b}) == [("a", "b")]


def test_a_difference_counts_as_a_sum() -> None:
    gross, tax = 100 + 10 * noise(0), 30 + 5 * noise(1)
    (item,) = found({"gross": gross, "tax": tax, "y": gross - tax})
    assert item.columns == ("gross", "tax")
    assert item.message.startswith("gross - tax is y in 100 % of the rows")


def test_many_columns_that_sum_to_the_target_are_found_among_others() -> None:
    parts = {f"p{i}": 10.0**i * noise(i) for i in range(5)}
    others = {f"o{i}": noise(50 + i) for i in range(5)}
    y = np.sum(list(parts.values()), axis=0)
    assert leaks({**others, **parts, "y": y}) == [tuple(parts)]


def test_a_sum_is_found_when_one_row_in_a_thousand_differs() -> None:
    a, b, c = (noise(i, 5_000) for i in range(3))
    y = a + b + c
    y[::1_250] += 50
    assert leaks({"a": a, "b": b, "c": c, "d": noise(4, 5_000), "y": y}) == [("a", "b", "c")]
    y[::100] += 50
    assert leaks({"a": a, "b": b, "c": c, "d": noise(4, 5_000), "y": y}) == []


def test_a_sum_with_noise_is_a_model_and_no_leak() -> None:
    a, b = noise(0), noise(1)
    assert leaks({"a": a, "b": b, "y": a + b + 0.01 * noise(2)}) == []


def test_ids_and_constants_are_named_together() -> None:
    y = noise(0)
    columns = {
        "row": list(range(ROWS)),
        "who": [f"{i:05d}-x" for i in range(ROWS)],
        "measured": [i * i for i in range(ROWS)],
        "a": noise(1),
        "same": [1] * ROWS,
        "also": ["x"] * ROWS,
    }
    constant, ids = found({**columns, "y": y})
    assert (constant.reason, constant.columns) == ("ConstantColumn", ("same", "also"))
    assert (ids.reason, ids.columns) == ("IdColumn", ("row", "who"))
    assert "who (2,000 values in 2,000 rows)" in ids.message


def test_a_key_or_group_that_is_a_feature_is_an_id() -> None:
    columns = {"g": np.arange(ROWS) % 50, "a": noise(1), "y": noise(0)}
    (item,) = found(columns, split={"method": "group", "column": "g"})
    assert (item.reason, item.columns) == ("IdColumn", ("g",))
    assert found(columns, split={"method": "group", "column": "g"}, ignore=["g"]) == ()


@needs_tables
def test_the_leak_and_the_counter_of_the_bike_table_are_reported() -> None:
    data = DataSpec.model_validate({"source": "bike_hour.csv", "target": "cnt"})
    ids, leak = prepare(read(SHARED, data), data).warnings
    assert (ids.reason, ids.columns) == ("IdColumn", ("instant",))
    assert leak.message.startswith("casual + registered is cnt in 100 % of the rows")


@needs_tables
@pytest.mark.parametrize(
    "data",
    [
        {"source": "housing.csv", "target": "median_house_value"},
        {"source": "telco_churn.csv", "target": "Churn", "ignore": ["customerID"]},
        {"source": "bike_hour.csv", "target": "cnt", "ignore": ["instant", "casual"]},
        {
            "source": "sms_spam.tsv",
            "target": "column_1",
            "reader": {"header": False, "quote": None},
        },
        {"source": "sklearn:breast_cancer", "target": "target"},
        {"source": "sklearn:diabetes", "target": "target"},
        {"source": "sklearn:wine", "target": "target"},
    ],
    ids=lambda data: data["source"],
)
def test_honest_tables_raise_no_alarm(data: dict[str, Any]) -> None:
    spec = DataSpec.model_validate(data)
    assert prepare(read(SHARED, spec), spec).warnings == ()
