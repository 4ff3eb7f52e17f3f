"""Tallies: what workers count for rollouts."""

from __future__ import annotations

from reconciler.serving.tallies import Tallies


def test_a_step_of_a_rollout_is_counted_from_nought() -> None:
    tallies = Tallies()
    tallies.of("m", "old").failed(rows=1)
    tallies.begin("m", "2026-01-01T00:00:00+00:00")
    tallies.of("m", "old").answered(0.001, rows=3)

    found = tallies.plain()["m"]["old"]

    assert (found["requests"], found["errors"], found["rows"]) == (1, 0, 3)
    assert found["since"] == "2026-01-01T00:00:00+00:00"


def test_a_table_that_comes_again_ends_no_step_and_concerns_no_other_model() -> None:
    tallies = Tallies()
    tallies.begin("m", "then")
    tallies.of("m", "new").answered(0.001, rows=1)
    tallies.of("n", "other").answered(0.001, rows=1)
    tallies.begin("m", "then")

    assert tallies.plain()["m"]["new"]["requests"] == 1
    assert tallies.plain()["n"]["other"]["requests"] == 1
    assert tallies.plain()["n"]["other"]["since"] == ""
