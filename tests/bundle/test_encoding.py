"""One boundary for training and serving: the same row gives the same tensors, however it comes."""

from __future__ import annotations

import math
from datetime import UTC, date, datetime, timedelta, timezone
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reconciler.bundle import dates, quick, words
from reconciler.bundle.encoding import encode
from reconciler.bundle.signature import Column, Input, Signature, Tensor
from reconciler.errors import UsageError

PARTS = ("year", "month", "day", "weekday", "hour", "minute", "dayofyear", "epoch")


def signature(*, nullable: bool = True, precision: str = "float32") -> Signature:
    """One input of every type, packed as training packs them."""
    kinds = ("number", "integer", "boolean", "datetime", "category", "text")
    strings = ("category", "text")
    inputs = tuple(
        Input(
            name=kind,
            type=kind,
            nullable=nullable,
            null=("" if kind in strings else "NaN") if nullable else None,
        )
        for kind in kinds
    )
    numbers = (
        Column(name="number", input="number", rounded=precision == "float32"),
        Column(name="integer", input="integer"),
        Column(name="boolean", input="boolean"),
        *(Column(name=f"datetime.{part}", input="datetime", part=part) for part in PARTS),
    )
    return Signature(
        model="m",
        task="regression",
        form="onnx",
        precision=precision,
        inputs=inputs,
        tensors=(
            Tensor(name="numbers", dtype="float64", columns=numbers),
            Tensor(
                name="texts", dtype="string", columns=(Column(name="category", input="category"),)
            ),
            Tensor(
                name="words",
                dtype="string",
                columns=(Column(name="text", input="text"),),
                words=True,
            ),
        ),
        target="y",
    )


ROW: dict[str, Any] = {
    "number": 1.5,
    "integer": 3,
    "boolean": True,
    "datetime": datetime(2024, 2, 29, 13, 45),
    "category": "red",
    "text": "The quick fox",
}
values = {
    "number": st.floats(width=64) | st.integers(-(2**60), 2**60) | st.none(),
    "integer": st.integers(-(2**54), 2**54) | st.floats() | st.none(),
    "boolean": st.booleans() | st.sampled_from([0, 1, 2, None]),
    "datetime": st.datetimes(datetime(1, 1, 2), datetime(9999, 1, 1))
    | st.sampled_from([None, "2024-01-01", "2024-01-01T10:00:00+02:00", "soon"]),
    "category": st.text(max_size=3) | st.sampled_from([None, 3, True, 1.5]),
    "text": st.text(max_size=20) | st.none(),
}


def by_hand(sign: Signature, row: dict[str, Any]) -> dict[str, Any] | str:
    try:
        return encode(sign, {name: [value] for name, value in row.items()})
    except UsageError as error:
        return f"{error.reason}: {error.message}"


@given(row=st.fixed_dictionaries(values), nullable=st.booleans(), double=st.booleans())
@settings(deadline=None, max_examples=300)
def test_the_quick_path_answers_as_the_careful_one_or_not_at_all(
    row: dict[str, Any], nullable: bool, double: bool
) -> None:
    sign = signature(nullable=nullable, precision="float64" if double else "float32")
    with np.errstate(over="ignore"):
        fast = quick.encoder(sign)(row)
    careful = by_hand(sign, row)
    if fast is not None:
        assert isinstance(careful, dict), careful
        for name, array in careful.items():
            assert fast[name].dtype == array.dtype
            assert np.array_equal(fast[name], array), name


def test_a_plain_row_takes_the_quick_path() -> None:
    assert quick.encoder(signature())(ROW) is not None
    assert quick.encoder(signature())({**ROW, "datetime": "2024-02-29T13:45"}) is not None


@given(moment=st.datetimes(datetime(1, 1, 2), datetime(9999, 1, 1)))
@settings(deadline=None, max_examples=200)
def test_parts_of_one_date_are_the_parts_of_many(moment: datetime) -> None:
    moments = np.array([moment, None], dtype="datetime64[us]")
    for name in PARTS:
        both = dates.part(moments, name)
        assert both[0] == dates.part_of(moment, name)
        assert math.isnan(both[1])


def test_parts_of_a_date_are_the_calendars() -> None:
    moments = np.array(["2024-02-29T13:45:10"], dtype="datetime64[us]")
    found = {name: float(dates.part(moments, name)[0]) for name in PARTS}
    assert found == {
        "year": 2024,
        "month": 2,
        "day": 29,
        "weekday": 4,
        "hour": 13,
        "minute": 45,
        "dayofyear": 60,
        "epoch": datetime(2024, 2, 29, 13, 45, 10, tzinfo=UTC).timestamp(),
    }


@pytest.mark.parametrize(
    "moment",
    [
        datetime(2024, 1, 1, 10),
        datetime(2024, 1, 1, 12, tzinfo=timezone(timedelta(hours=2))),
        "2024-01-01T10:00:00",
        "2024-01-01T12:00:00+02:00",
        np.datetime64("2024-01-01T10:00"),
    ],
    ids=str,
)
def test_one_moment_may_be_spelled_in_many_ways(moment: Any) -> None:
    assert dates.moment(moment) == datetime(2024, 1, 1, 10)
    assert dates.moment(date(2024, 1, 1)) == datetime(2024, 1, 1)


def test_a_table_may_come_as_lists_arrays_or_a_frame() -> None:
    rows = [ROW, {**ROW, "number": 0.1, "datetime": datetime(1969, 12, 31, 23, 59)}]
    frame = pl.DataFrame(rows)
    lists = {name: [row[name] for row in rows] for name in ROW}
    arrays = {name: np.array(column) for name, column in lists.items()}
    singles = frame.with_columns(pl.col("number").cast(pl.Float32))
    expected = encode(signature(), lists)
    for table in (frame, arrays, singles):
        found = encode(signature(), table)
        assert all(np.array_equal(found[name], expected[name]) for name in expected)


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("number", "1.5", "number: '1.5' is not a number"),
        ("number", True, "number: True is not a number"),
        ("number", math.inf, "number: a number is infinite"),
        ("number", 1e300, "number: a number is beyond the range of float32"),
        ("number", 10**400, "is not a number"),
        ("integer", 1.5, "integer: .*1.5.* is not an integer"),
        ("integer", 2**53 + 2, "is not an integer below"),
        ("boolean", "yes", "boolean: 'yes' is not true or false"),
        ("boolean", 2, "boolean: 2 is not true or false"),
        ("category", 1.5, "category: 1.5 is not a text"),
        ("text", 3, "text: 3 is not a text"),
        ("datetime", "soon", "datetime: Invalid isoformat string: 'soon'"),
        ("datetime", 3, "datetime: int is not a datetime"),
        ("number", None, "number: 1 missing, and the field is not nullable"),
        ("category", None, "category: 1 missing, and the field is not nullable"),
        ("datetime", None, "datetime: 1 missing, and the field is not nullable"),
    ],
)
def test_what_does_not_fit_is_refused_by_the_name_of_its_field(
    field: str, value: Any, message: str
) -> None:
    with pytest.raises(UsageError, match=message) as caught:
        encode(signature(nullable=False), {name: [v] for name, v in {**ROW, field: value}.items()})
    assert caught.value.reason == "BadInput"


def test_columns_of_unequal_length_are_refused() -> None:
    with pytest.raises(UsageError, match="number 2, integer 1"):
        encode(signature(), {**{k: [v] for k, v in ROW.items()}, "number": [1.0, 2.0]})


def test_a_text_in_place_of_a_column_is_refused() -> None:
    with pytest.raises(UsageError, match="not a sequence"):
        encode(signature(), {**{k: [v] for k, v in ROW.items()}, "category": "r"})


def test_a_table_without_any_input_is_refused() -> None:
    with pytest.raises(UsageError, match="no input is there"):
        encode(signature(), {"other": [1]})


@given(texts=st.lists(st.text(), max_size=5))
@settings(deadline=None)
def test_words_are_those_of_scikit_learn(texts: list[str]) -> None:
    from sklearn.feature_extraction.text import TfidfVectorizer

    analyse = TfidfVectorizer().build_analyzer()
    table = words.split(texts)
    assert table.shape[0] == len(texts)
    assert [[w for w in row if w != words.PADDING] for row in table] == [analyse(t) for t in texts]
