"""Prepare: from a table to two splits, or to one clear error."""

from __future__ import annotations

import csv
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from reconciler.core.splits import Rule, held_out
from reconciler.errors import ReconcilerError, SpecError, TerminalError
from reconciler.pipeline.context import Context
from reconciler.pipeline.prepare import Prepared, prepare, report, run
from reconciler.pipeline.reading import Table, read
from reconciler.spec.model import DataSpec, ModelSpec
from reconciler.spec.params import Params

SHARED = Path(__file__).resolve().parents[3] / "shared" / "data"
ROWS = 300
needs_tables = pytest.mark.skipif(not SHARED.is_dir(), reason=f"{SHARED} is absent")


def section(**data: Any) -> DataSpec:
    return DataSpec.model_validate({"source": "t.csv", "target": "y", **data})


def columns(**more: Any) -> dict[str, Any]:
    rng = np.random.default_rng(0)
    y = np.where(rng.random(ROWS) < 0.4, "yes", "no")
    return {"a": rng.normal(size=ROWS), "c": rng.choice(["p", "q"], ROWS), "y": y, **more}


def prepared(values: dict[str, Any], *, typed: bool = True, **data: Any) -> Prepared:
    return prepare(Table(pl.DataFrame(values, strict=False), typed), section(**data))


def failure(values: dict[str, Any], **data: Any) -> ReconcilerError:
    with pytest.raises(ReconcilerError) as caught:
        prepared(values, **data)
    return caught.value


def context(root: Path, **data: Any) -> Context:
    spec = {
        "apiVersion": "reconciler/v1",
        "kind": "Model",
        "metadata": {"name": "m"},
        "spec": {
            "data": data,
            "training": {"estimator": "sklearn.linear_model.Ridge"},
            "acceptance": [{"metric": "r2", "min": 0.5}],
        },
    }
    return Context("m", root, ModelSpec.model_validate(spec), Params())


def test_the_files_hold_features_then_target_then_the_rest_in_their_types(tmp_path: Path) -> None:
    table = pl.DataFrame(
        {
            "y": ["no", "yes"] * 50,
            "when": [datetime(2011, 1, 1 + i % 28) for i in range(100)],
            "id": [f"i{i}" for i in range(100)],
            "ok": [True, None] * 50,
            "n": [0.1, 0.2] * 50,
            "i": [i * i for i in range(100)],
        }
    )
    table.write_parquet(tmp_path / "t.parquet")
    run(context(tmp_path, source="t.parquet", target="y", ignore=["id"]))
    left = tmp_path / "data" / "prepared" / "m"
    train, test = pl.read_parquet(left / "train.parquet"), pl.read_parquet(left / "test.parquet")
    wanted = {
        "when": pl.Datetime("us"),
        "ok": pl.Boolean,
        "n": pl.Float64,
        "i": pl.Int64,
        "y": pl.String,
        "id": pl.String,
    }
    assert dict(train.schema) == dict(test.schema) == wanted
    assert train.columns == list(wanted)
    assert set(train["n"]) == {float(np.float32(0.1)), float(np.float32(0.2))}


def test_double_precision_is_kept_where_it_is_asked_for() -> None:
    values = columns(a=[i / 10 for i in range(1, ROWS + 1)])
    assert prepared(values, precision="float64").frame["a"][0] == 0.1
    assert prepared(values).frame["a"][0] == float(np.float32(0.1))


def test_the_report_pins_what_was_found() -> None:
    values = columns(n=[None, *range(1, ROWS)], s=["x", "z"] * (ROWS // 2))
    declared = {"a": {"type": "number", "nullable": True, "min": -9}, "s": {"allowed": ["x", "z"]}}
    data = section(columns=declared, ignore=["c"], split={"method": "stratified"})
    found = prepare(Table(pl.DataFrame(values), typed=True), data)
    said = report(found, data)
    assert said["task"] == "binary"
    assert said["target"] == {
        "name": "y",
        "type": "category",
        "classes": ["no", "yes"],
        "positive": "yes",
    }
    assert [f["name"] for f in said["features"]] == ["a", "n", "s"]
    assert said["features"][0] == {
        "name": "a",
        "type": "number",
        "nullable": True,
        "inferred": False,
        "min": -9.0,
        "max": None,
        "allowed": None,
        "unique": False,
    }
    assert (said["features"][1]["nullable"], said["features"][2]["nullable"]) == (True, False)
    assert said["features"][2]["allowed"] == ["x", "z"]
    assert said["auxiliary"] == ["c"]
    assert said["rows"]["train"] + said["rows"]["test"] == ROWS
    rule = Rule.from_json(said["split"])
    assert (held_out(rule, found.frame) == found.held).all()


@pytest.mark.parametrize(
    ("target", "task", "classes"),
    [
        (["no", "yes"], "binary", ("no", "yes")),
        ([True, False], "binary", (False, True)),
        ([0, 1], "binary", (0, 1)),
        ([1, 2, 3], "multiclass", (1, 2, 3)),
        ([0, 10, 40], "regression", None),
        ([0.0, 1.0], "regression", None),
        (["a", "b", "c"], "multiclass", ("a", "b", "c")),
    ],
)
def test_the_values_of_the_target_say_what_the_task_is(
    target: list[Any], task: str, classes: Any
) -> None:
    found = prepared(columns(y=target * (ROWS // len(target)))).target
    assert (found.task, found.classes) == (task, classes)


def test_a_declared_type_of_the_target_decides_the_task() -> None:
    numbers = columns(y=[1, 2, 3] * 100)
    as_number = prepared(numbers, columns={"y": {"type": "integer"}}).target
    as_class = prepared(numbers, columns={"y": {"type": "category"}}).target
    assert as_number.task == "regression"
    assert (as_class.task, as_class.classes) == ("multiclass", ("1", "2", "3"))


def test_the_positive_class_is_declared_or_the_last() -> None:
    assert prepared(columns()).target.positive == "yes"
    assert prepared(columns(), positive="no").target.positive == "no"
    assert prepared(columns(y=[3, 7] * 150), positive=3).target.classes == (3, 7)
    for wrong in ("maybe", 1, True):
        error = failure(columns(), positive=wrong)
        assert (type(error), error.reason) == (SpecError, "WrongPositive")
        assert error.hint == "there are 'no', 'yes'"


def test_rows_without_a_target_are_refused_or_left_out_when_declared() -> None:
    values = columns(y=[None, *(["no", "yes"] * 150)][:ROWS])
    error = failure(values)
    assert (type(error), error.reason) == (TerminalError, "TargetNull")
    assert error.message == "1 of 300 rows have no y"
    assert "columns: {y: {nullable: true}}" in error.hint
    found = prepared(values, columns={"y": {"nullable": True}})
    assert found.frame.height == ROWS - 1
    assert found.warnings[0].reason == "UnlabelledRows"


@pytest.mark.parametrize(
    ("values", "reason", "said"),
    [
        ({"y": ["yes"] * ROWS}, "OneClass", "all 300 rows have y = 'yes'"),
        ({"y": [None] * ROWS}, "TargetNull", "300 of 300 rows have no y"),
        ({"y": [2.5] * ROWS}, "ConstantTarget", "all rows have y = 2.5"),
        ({"y": [f"v{i}" for i in range(ROWS)]}, "TooManyClasses", "y has 300 different values"),
        ({"a": [float("nan")] * ROWS}, "ContractBroken", "300 of 300 rows of a are empty"),
        ({"a": [1e300] * ROWS}, "ContractBroken", "300 of 300 rows of a are beyond the range"),
        (
            {"y": ["rare"] + ["no", "yes"] * 149 + ["no"], "k": [3] + [1] * 299},
            "ClassOnlyInTest",
            "classes of y have all their rows on the test side: rare (1)",
        ),
    ],
)
def test_data_that_cannot_be_learned_from_waits_for_a_person(
    values: dict[str, Any], reason: str, said: str
) -> None:
    split = {"method": "time", "column": "k", "test": 0.01} if "k" in values else {}
    error = failure(columns(**values), split=split)
    assert (type(error), error.reason) == (TerminalError, reason)
    assert said in error.message


def test_a_missing_target_is_named_with_what_there_is() -> None:
    error = failure(columns(), target="Y2")
    assert (type(error), error.reason) == (TerminalError, "TargetMissing")
    assert error.message == "data.target: the table has no column 'Y2'"


@pytest.mark.parametrize(
    "data",
    [
        {"ignore": ["aa"]},
        {"columns": {"aa": {"type": "number"}}},
        {"split": {"key": ["aa"]}},
        {"split": {"method": "group", "column": "aa"}},
    ],
)
def test_columns_of_the_spec_that_are_not_there_wait_for_a_commit(data: dict[str, Any]) -> None:
    error = failure(columns(), **data)
    assert (type(error), error.reason) == (SpecError, "ColumnMissing")
    assert "'aa'" in error.message
    assert error.hint == "there is a"


def test_a_split_with_an_empty_side_is_refused() -> None:
    error = failure(columns(a=[1.0] * ROWS, c=["p"] * ROWS))
    assert (type(error), error.reason) == (TerminalError, "SplitEmpty")


def test_numbers_have_no_strata() -> None:
    error = failure(columns(y=list(np.arange(ROWS) * 1.5)), split={"method": "stratified"})
    assert (type(error), error.reason) == (SpecError, "WrongSplit")


def test_a_target_of_dates_is_refused() -> None:
    error = failure(columns(y=[datetime(2011, 1, 1)] * ROWS))
    assert (type(error), error.reason) == (SpecError, "WrongTarget")


def test_a_table_of_nothing_but_its_target_is_refused() -> None:
    assert failure(columns(), ignore=["a", "c"]).reason == "NoFeatures"


def test_every_broken_column_is_reported_at_once() -> None:
    error = failure(
        columns(),
        columns={"a": {"min": 0}, "c": {"allowed": ["p"]}, "y": {"allowed": ["yes"]}},
    )
    assert error.reason == "ContractBroken"
    for name in ("a", "c", "y"):
        assert f"of 300 rows of {name} are" in error.message


def test_what_is_ignored_keeps_no_contract_but_its_own() -> None:
    dirty = [str(i) for i in range(ROWS - 1)] + ["x"]
    found = prepared(columns(d=dirty, l=[[1]] * ROWS), typed=False, ignore=["d", "l"])
    assert (found.auxiliary, found.frame["d"].to_list()) == (("d",), dirty)
    error = failure(columns(d=dirty), ignore=["d"], columns={"d": {"type": "integer"}})
    assert error.reason == "ContractBroken"


@pytest.mark.parametrize(
    ("values", "reason"),
    [
        ({"leak": [float(i) for i in range(ROWS)], "y": list(range(0, 2 * ROWS, 2))}, "Leakage"),
        ({"id": [f"i{i}" for i in range(ROWS)]}, "IdColumn"),
        ({"same": [1] * ROWS}, "ConstantColumn"),
    ],
)
def test_leaks_ids_and_constants_are_refused_where_the_spec_says_so(
    values: dict[str, Any], reason: str
) -> None:
    assert reason in [item.reason for item in prepared(columns(**values)).warnings]
    error = failure(columns(**values), leakage="refuse")
    assert type(error) is TerminalError
    assert error.reason in ("Leakage", "IdColumn", "ConstantColumn")


@needs_tables
def test_blanks_in_the_charges_of_the_churn_table_are_mended_by_one_line(tmp_path: Path) -> None:
    name, rows = "TotalCharges(Rs.)", list(csv.reader((SHARED / "telco_churn.csv").open()))
    place, tenure = rows[0].index(name), rows[0].index("tenure(months)")
    for row in rows[1:]:
        if row[tenure] == "0":  # customers of the first month: blank where the table is published
            row[place] = " "
    with (tmp_path / "churn.csv").open("w", newline="") as file:
        csv.writer(file).writerows(rows)
    plain = section(source="churn.csv", target="Churn")
    with pytest.raises(TerminalError) as caught:
        prepare(read(tmp_path, plain), plain)
    assert caught.value.reason == "ContractBroken"
    assert caught.value.message.startswith(
        "11 of 7,043 rows of TotalCharges(Rs.) are ' ', which is not a number (rows 489, "
    )
    assert "columns: {TotalCharges(Rs.): {type: number, nulls: [' ']}}" in caught.value.message
    mended = section(
        source="churn.csv", target="Churn", columns={name: {"type": "number", "nulls": [" "]}}
    )
    assert prepare(read(tmp_path, mended), mended).frame[name].null_count() == 11


@needs_tables
def test_a_bike_table_split_by_time_tests_on_the_latest_days() -> None:
    data = section(
        source="bike_hour.csv",
        target="cnt",
        ignore=["instant", "casual", "registered"],
        split={"method": "time", "column": "dteday"},
    )
    found = prepare(read(SHARED, data), data)
    train, test = found.frame.filter(~found.held), found.frame.filter(found.held)
    assert train["dteday"].max() < test["dteday"].min()  # type: ignore[operator]
    assert 0.18 < test.height / found.frame.height < 0.22


@needs_tables
def test_empty_cells_of_the_housing_table_are_ordinary_nulls() -> None:
    data = section(source="housing.csv", target="median_house_value")
    found = prepare(read(SHARED, data), data)
    assert found.frame["total_bedrooms"].null_count() == 207
    kinds = {cast.column.name: cast.type for cast in found.features}
    assert (kinds["ocean_proximity"], kinds["total_bedrooms"]) == ("category", "number")
