"""The contract: types, declared and inferred, and what is said when a column breaks them."""

from __future__ import annotations

from datetime import date, datetime
from typing import Any

import polars as pl
import pytest

from reconciler.errors import SpecError, TerminalError
from reconciler.pipeline import contract
from reconciler.pipeline.casting import Cast, cast
from reconciler.spec import yaml
from reconciler.spec.model import Column

MOMENT = datetime(2011, 1, 2, 3, 4, 5)


def of(values: list[Any], *, typed: bool = False, **declared: Any) -> Cast:
    column = pl.Series("x", values, strict=False)
    return cast(column, Column.model_validate(declared), ("",), typed=typed)


def broken(values: list[Any], **declared: Any) -> list[str]:
    """Return what is said about a column of a CSV file."""
    found = of(values, **declared)
    if found.problem:
        return [str(found.problem)]
    column = Column.model_validate(declared)
    return [str(item) for item in contract.check(found.column, found.type, column)]


@pytest.mark.parametrize(
    ("values", "kind"),
    [
        (["1", "-2", "+3", ""], "integer"),
        (["1", "2.5", "1e3", ".5"], "number"),
        (["41.0", "2.0"], "number"),
        (["true", "False", ""], "boolean"),
        (["yes", "no"], "category"),
        (["2011-01-02", "2011-01-03"], "datetime"),
        (["2011-01-02T03:04:05Z", "2011-01-02 03:04", ""], "datetime"),
        (["01/02/2011", "03/04/2011"], "category"),
        (["007", "012"], "category"),
        (["12345678901234567890", "12345678901234567891"], "category"),
        (["red", "green", "red"], "category"),
        ([f"a longer text, number {i}" for i in range(9)], "text"),
        (["Bank transfer (automatic)", "Credit card (automatic)"] * 9, "category"),
        (["1", "2", "crew", "3"], "category"),
        (["", ""], "category"),
    ],
)
def test_the_type_of_a_column_of_texts_is_inferred(values: list[str], kind: str) -> None:
    found = of(values)
    assert (found.type, found.inferred, found.problem) == (kind, True, None)


@pytest.mark.parametrize("word", ["NA", " ", "n/a", "NaN", "?", "-", "null"])
def test_numbers_among_words_for_nothing_are_an_error_until_these_are_declared(word: str) -> None:
    values = ["1.5", word, word, word]
    (told,) = broken(values)
    assert told.startswith(f"3 of 4 rows of x are '{word}', which is not a number")
    assert of(values, nulls=[word]).column.to_list() == [1.5, None, None, None]
    assert of(values, type="category").problem is None
    assert "4 of 4 rows" in broken([word] * 4)[0]


@pytest.mark.parametrize(
    ("values", "kind"),
    [
        ([1, None], "integer"),
        ([1.0, float("nan")], "number"),
        (["1", "2"], "category"),
        ([True, None], "boolean"),
        ([date(2011, 1, 2)], "datetime"),
        ([MOMENT], "datetime"),
        ([2**60], "category"),
    ],
)
def test_the_types_of_a_typed_source_are_kept(values: list[Any], kind: str) -> None:
    assert of(values, typed=True).type == kind


def test_every_spelling_of_a_value_is_read() -> None:
    moments = ["2011-01-02 03:04:05", "2011-01-02T03:04:05Z", "2011-01-02 05:04:05+02:00"]
    assert of(moments).column.to_list() == [MOMENT] * 3
    assert of([" 1.5", "1e1"], type="number").column.to_list() == [1.5, 10.0]
    assert of(["3.0", "4"], type="integer").column.to_list() == [3, 4]
    assert of(["Yes", "n", "1", "FALSE"], type="boolean").column.to_list() == [1, 0, 1, 0]
    assert of(["1", "01"], type="category").column.to_list() == ["1", "01"]
    assert of([1, 0], typed=True, type="boolean").column.to_list() == [True, False]


def test_a_time_zone_becomes_utc() -> None:
    zoned = pl.Series("x", [MOMENT]).dt.replace_time_zone("Asia/Tokyo")
    found = cast(zoned, None, (), typed=True)
    assert found.column.to_list() == [datetime(2011, 1, 1, 18, 4, 5)]


def test_nulls_of_the_reader_and_of_the_column_are_missing_values() -> None:
    found = of(["1", "", " ", "n/a"], nulls=[" ", "n/a"])
    assert (found.type, found.column.to_list()) == ("integer", [1, None, None, None])
    assert of([1, -999], typed=True, nulls=["-999"]).column.to_list() == [1, None]


def test_blanks_among_numbers_are_an_error_that_says_what_to_write() -> None:
    values = [str(i) for i in range(700)] + [" "] * 11
    column = pl.Series("Total (Rs.)", values)
    found = cast(column, None, ("",), typed=False)
    assert str(found.problem) == (
        "11 of 711 rows of Total (Rs.) are ' ', which is not a number (rows 701, 702, 703, …): "
        "declare it null, columns: {Total (Rs.): {type: number, nulls: [' ']}}; "
        "or keep the column as it is, columns: {Total (Rs.): {type: category}}"
    )


def test_the_advised_line_is_yaml_and_mends_the_column() -> None:
    for name, null in (("Total (Rs.)", " "), ("a: b, 'c'", "n/a, 'x'"), ("no", "\t"), ("1", "?")):
        column = pl.Series(name, [str(i) for i in range(99)] + [null])
        found = cast(column, None, ("",), typed=False)
        assert found.problem is not None
        advice = found.problem.advice.split("declare it null, ")[1].split("; or keep")[0]
        written: Any = yaml.load(advice, "spec.yaml").data
        declared = Column.model_validate(written["columns"][name])
        mended = cast(column, declared, ("",), typed=False)
        assert (mended.problem, mended.column.null_count()) == (None, 1)


def test_numbers_with_more_than_a_few_strangers_are_an_error_too() -> None:
    values = [str(i) for i in range(100)] + [f"unknown {i}" for i in range(50)]
    (said,) = broken(values)
    assert "50 of 150 rows of x are 'unknown 0', 'unknown 1', 'unknown 2', …" in said
    assert "columns: {x: {type: category}}" in said


@pytest.mark.parametrize(
    ("values", "kind", "said"),
    [
        (["1", "x"], "number", "1 of 2 rows of x are 'x', which is not a number (row 2)"),
        (["1", "inf"], "number", "1 of 2 rows of x are 'inf', which is not a number"),
        (["1", "1.5"], "integer", "1 of 2 rows of x are '1.5', which is not an integer"),
        (["yes", "so"], "boolean", "1 of 2 rows of x are 'so', which is not true or false"),
        (["2011-02-30"], "datetime", "1 of 1 rows of x are '2011-02-30', which is not an ISO"),
    ],
)
def test_a_value_that_is_not_of_the_declared_type_is_counted(
    values: list[str], kind: str, said: str
) -> None:
    (found,) = broken(values, type=kind)
    assert found.startswith(said)


def test_nulls_where_none_may_be_are_counted() -> None:
    (said,) = broken(["1", "", "3", ""], nullable=False)
    assert said == (
        "2 of 4 rows of x are empty, which is declared impossible (rows 2, 4): "
        "fill them, or declare columns: {x: {nullable: true}}"
    )
    assert broken(["1", ""], nullable=True) == []


def test_limits_are_checked_with_examples() -> None:
    low, high = broken(["-1", "5", "99", "0"], min=0, max=10)
    assert low == "1 of 4 rows of x are below 0 (-1) (row 1): mend them, or declare another min"
    assert high.startswith("1 of 4 rows of x are above 10 (99) (row 3)")
    assert broken(["0", "10", ""], min=0, max=10) == []
    (early,) = broken(["2011-01-01", "2012-01-01"], min="2011-06-01")
    assert "below '2011-06-01' (2011-01-01T00:00:00)" in early


def test_values_outside_the_allowed_ones_are_named() -> None:
    (said,) = broken(["INLAND", "ISLE", "INLAND", "ISLE"], allowed=["INLAND", "<1H OCEAN"])
    assert said == (
        "2 of 4 rows of x are 'ISLE', which is not allowed (rows 2, 4): "
        "mend them, or add to columns: {x: {allowed: [INLAND, '<1H OCEAN']}}"
    )
    assert broken(["1", "2", ""], allowed=[1, 2]) == []
    assert broken(["1", "2"], type="category", allowed=[1, 2]) == []
    assert len(broken(["1.5", "2"], allowed=[1.5])) == 1


def test_repeated_values_are_counted() -> None:
    (said,) = broken(["a", "b", "a", "", ""], unique=True)
    assert said.startswith("1 of 5 rows of x repeat a value ('a') (row 3)")


@pytest.mark.parametrize(
    ("values", "declared"),
    [
        (["red"], {"min": 1}),
        (["1"], {"min": "2011-01-01"}),
        (["2011-01-01"], {"max": 3}),
        (["2011-01-01"], {"max": "soon"}),
        (["1"], {"allowed": ["one"]}),
        (["true"], {"allowed": ["yes"]}),
    ],
)
def test_a_contract_that_does_not_fit_the_type_waits_for_a_commit(
    values: list[str], declared: dict[str, Any]
) -> None:
    with pytest.raises(SpecError, match=r"data\.columns\.x") as caught:
        broken(values, **declared)
    assert caught.value.reason == "WrongContract"


def test_all_broken_columns_are_reported_in_one_line() -> None:
    violations = [contract.Violation(f"c{i}", 1, 9, "are odd", "mend them", (1,)) for i in range(7)]
    with pytest.raises(TerminalError) as caught:
        contract.require(violations)
    assert caught.value.reason == "ContractBroken"
    assert caught.value.message.count("1 of 9 rows of c") == 5
    assert caught.value.message.endswith("; and 2 more columns")
    assert "\n" not in caught.value.message


def test_columns_of_lists_and_objects_are_refused() -> None:
    with pytest.raises(SpecError, match=r"x holds List") as caught:
        of([[1, 2]], typed=True)
    assert caught.value.reason == "NestedColumn"
    assert "data.ignore: [x]" in caught.value.hint
