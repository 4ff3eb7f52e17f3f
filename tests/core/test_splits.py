"""Splits: which side a row is on, and that it stays there."""

from __future__ import annotations

import json
from datetime import datetime, timedelta
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reconciler.core.splits import Rule, held_out, pin, row_hashes
from reconciler.errors import SpecError, TerminalError
from reconciler.spec.model import Split

NUMBERS = st.none() | st.floats(allow_nan=False, allow_infinity=False, width=32)
TEXTS = st.none() | st.text(max_size=4)
ROWS = st.lists(
    st.tuples(NUMBERS, TEXTS, st.booleans(), st.sampled_from("abc")), min_size=2, max_size=60
)
SCHEMA = {"x": pl.Float64, "t": pl.String, "b": pl.Boolean, "y": pl.String}
FEATURES = ("x", "t", "b")


def frame(rows: list[tuple[Any, ...]]) -> pl.DataFrame:
    return pl.DataFrame(rows, schema=SCHEMA, orient="row")


def numbered(rows: int, classes: int = 2) -> pl.DataFrame:
    return pl.DataFrame(
        {"x": np.arange(rows, dtype=float), "y": [f"c{i % classes}" for i in range(rows)]}
    )


def sides(rule: Rule, table: pl.DataFrame) -> dict[tuple[Any, ...], set[bool]]:
    """Return the sides on which rows with equal features lie."""
    found: dict[tuple[Any, ...], set[bool]] = {}
    for row, held in zip(table.select(FEATURES).rows(), held_out(rule, table), strict=True):
        found.setdefault(row, set()).add(bool(held))
    return found


@settings(deadline=None)
@given(ROWS, ROWS, st.integers(0, 3))
def test_a_row_of_a_random_split_keeps_its_side_as_the_table_grows(
    rows: list[tuple[Any, ...]], more: list[tuple[Any, ...]], seed: int
) -> None:
    split = Split(method="random", test=0.4, seed=seed)
    small, large = frame(rows), frame(more + rows)
    before = held_out(pin(split, FEATURES, "y", small), small)
    after = held_out(pin(split, FEATURES, "y", large), large)
    assert (after[len(more) :] == before).all()


@settings(deadline=None)
@given(ROWS, st.sampled_from(["random", "stratified"]))
def test_equal_rows_never_straddle_the_split_whatever_their_labels(
    rows: list[tuple[Any, ...]], method: Any
) -> None:
    table = frame(rows + [(x, t, b, "c") for x, t, b, _ in rows])
    rule = pin(Split(method=method, test=0.5), FEATURES, "y", table)
    assert all(len(found) == 1 for found in sides(rule, table).values())


@settings(deadline=None)
@given(ROWS, st.sampled_from(["random", "stratified", "group", "time"]))
def test_a_rule_survives_its_own_json(rows: list[tuple[Any, ...]], method: Any) -> None:
    table = frame([(0.0 if x is None else x, t, b, y) for x, t, b, y in rows])
    column = "x" if method in ("group", "time") else None
    rule = pin(Split(method=method, column=column), FEATURES, "y", table)
    read = Rule.from_json(json.loads(json.dumps(rule.to_json())))
    assert read == rule
    assert (held_out(read, table) == held_out(rule, table)).all()


def test_the_side_of_known_rows_is_the_same_on_every_machine_and_version() -> None:
    table = pl.DataFrame({"x": [0.0, 1.5, None], "t": ["a", None, "ü"], "b": [True, False, None]})
    kinds = (("b", "boolean"), ("t", "text"), ("x", "number"))
    assert [f"{h:016x}" for h in row_hashes(table, kinds, seed=7)] == [
        "f7cd636acc013ac6",
        "f0d7f32cdb99da68",
        "68296d0cb8712989",
    ]


def test_a_random_split_holds_out_its_share_of_many_rows() -> None:
    table = numbered(20_000)
    held = held_out(pin(Split(test=0.25), ("x",), "y", table), table)
    assert abs(held.mean() - 0.25) < 0.01


def test_another_seed_holds_out_other_rows() -> None:
    table = numbered(2_000)
    one, two = (held_out(pin(Split(seed=s), ("x",), "y", table), table) for s in (0, 1))
    assert (one & two).sum() < 0.3 * one.sum()


def test_a_column_of_whole_numbers_that_becomes_one_of_fractions_moves_no_row() -> None:
    whole = pl.DataFrame({"x": list(range(300)), "y": ["a"] * 300})
    mixed = pl.concat([whole.cast({"x": pl.Float64}), pl.DataFrame({"x": [1.5], "y": ["a"]})])
    split = Split(test=0.5)
    before = held_out(pin(split, ("x",), "y", whole), whole)
    after = held_out(pin(split, ("x",), "y", mixed), mixed)
    assert (after[:300] == before).all()


def test_the_order_of_the_columns_moves_no_row() -> None:
    table = numbered(300).with_columns(z=pl.col("x") * 2)
    one = held_out(pin(Split(), ("x", "z"), "y", table), table)
    two = held_out(pin(Split(), ("z", "x"), "y", table), table)
    assert (one == two).all()


def test_a_key_decides_alone_even_when_the_features_change() -> None:
    table = numbered(300).with_columns(id=pl.int_range(300))
    split = Split(key=("id",))
    before = held_out(pin(split, ("x",), "y", table), table)
    after = held_out(pin(split, ("x",), "y", table), table.with_columns(x=pl.col("x") + 1))
    assert (after == before).all()


def test_a_stratified_split_is_exact_to_a_row_in_every_class() -> None:
    table = pl.DataFrame({"x": np.arange(1000.0), "y": ["a"] * 900 + ["b"] * 90 + ["c"] * 10})
    held = held_out(pin(Split(method="stratified", test=0.3), ("x",), "y", table), table)
    counts = table.filter(pl.Series(held))["y"].value_counts()
    assert dict(counts.iter_rows()) == {"a": 270, "b": 27, "c": 3}


def test_a_stratified_split_keeps_one_row_of_a_small_class_on_each_side() -> None:
    table = pl.DataFrame({"x": np.arange(104.0), "y": ["a"] * 100 + ["b"] * 2 + ["c", "d"]})
    held = held_out(pin(Split(method="stratified", test=0.1), ("x",), "y", table), table)
    tested = table.filter(pl.Series(held))["y"].to_list()
    assert tested.count("b") == 1
    assert not {"c", "d"} & set(tested)


def test_few_rows_of_a_stratified_split_move_when_the_table_grows_by_a_tenth() -> None:
    large, split = numbered(11_000), Split(method="stratified")
    small = large[:10_000]
    before = held_out(pin(split, ("x",), "y", small), small)
    after = held_out(pin(split, ("x",), "y", large), large)[:10_000]
    assert (before != after).mean() < 0.01


def test_a_pinned_stratified_rule_answers_for_classes_it_never_saw() -> None:
    table = numbered(2_000)
    rule = pin(Split(method="stratified", test=0.2), ("x",), "y", table)
    held = held_out(rule, table.with_columns(y=pl.lit("new")))
    assert 0.15 < held.mean() < 0.25


def test_groups_stay_together_as_the_table_grows() -> None:
    table = pl.DataFrame({"x": np.arange(4000.0), "g": [f"g{i % 200}" for i in range(4000)]})
    split = Split(method="group", column="g", test=0.3)
    rule = pin(split, ("x",), "y", table)
    held = table.with_columns(held=pl.Series(held_out(rule, table)))
    assert held.group_by("g").agg(pl.col("held").n_unique())["held"].max() == 1
    assert 0.2 < held["held"].mean() < 0.4  # type: ignore[operator]
    assert (held_out(pin(split, ("x",), "y", table[:77]), table) == held["held"].to_numpy()).all()


def test_a_time_split_holds_out_the_latest_rows_and_keeps_equal_times_together() -> None:
    start = datetime(2011, 1, 1)
    days = [start + timedelta(days=i // 24) for i in range(24 * 50)]
    table = pl.DataFrame({"t": days}, schema={"t": pl.Datetime("us")}).sample(
        fraction=1, shuffle=True, seed=1
    )
    rule = pin(Split(method="time", column="t", test=0.2), (), "y", table)
    held = table.filter(pl.Series(held_out(rule, table)))
    assert held.height == 240
    assert held["t"].min() == start + timedelta(days=40)
    assert rule.cutoff == "2011-02-09T00:00:00"


def test_a_time_split_comes_as_close_to_its_share_as_equal_times_allow() -> None:
    table = pl.DataFrame({"t": [1.0] * 50 + [2.0] * 35 + [3.0] * 15})
    rule = pin(Split(method="time", column="t", test=0.2), (), "y", table)
    assert held_out(rule, table).sum() == 15


def test_one_single_time_leaves_nothing_to_hold_out() -> None:
    table = pl.DataFrame({"t": [1.0] * 5})
    rule = pin(Split(method="time", column="t"), (), "y", table)
    assert not held_out(rule, table).any()


def test_rows_without_a_time_or_group_are_counted_and_refused() -> None:
    table = pl.DataFrame({"t": [1.0, None, 2.0, None]})
    for method in ("time", "group"):
        split = Split(method=method, column="t")
        with pytest.raises(TerminalError, match="2 of 4 rows have no") as caught:
            pin(split, (), "y", table)
        assert caught.value.reason == "SplitColumnMissing"


def test_texts_are_no_times() -> None:
    with pytest.raises(SpecError, match="t holds texts"):
        pin(Split(method="time", column="t"), (), "y", pl.DataFrame({"t": ["a", "b"]}))


def test_a_rule_refuses_a_table_without_its_columns_or_with_other_kinds() -> None:
    table = numbered(10)
    rule = pin(Split(), ("x",), "y", table)
    for other in (table.drop("x"), table.cast({"x": pl.String})):
        with pytest.raises(TerminalError, match=r"x \((missing|text), was number\)") as caught:
            held_out(rule, other)
        assert caught.value.reason == "SplitMismatch"


def test_a_grown_table_has_rows_that_neither_of_two_models_trained_on() -> None:
    large = numbered(11_000)
    old = pin(Split(), ("x",), "y", large[:10_000])
    new = pin(Split(), ("x",), "y", large)
    test = large.filter(pl.Series(held_out(new, large)))
    common = held_out(old, test)
    assert common.all()  # a random split never moves a row, so the whole test split is common
