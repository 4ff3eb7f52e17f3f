import json
import math
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reconciler.core import tables
from reconciler.core.gate import (
    Case,
    Measurement,
    NoChampion,
    Outcome,
    Reported,
    Rival,
    Rivalry,
    Unscorable,
    judge,
)
from reconciler.core.metrics import FUNCTIONS, Scored, Vector
from reconciler.core.verdict import Verdict, conclude
from reconciler.spec.metrics import METRICS
from reconciler.spec.model import Rule

PASSED, FAILED, INCONCLUSIVE = Outcome.PASSED, Outcome.FAILED, Outcome.INCONCLUSIVE


def numbers(errors: Any) -> Scored:
    errors = np.asarray(errors, dtype=float)
    actual = np.linspace(1, 2, len(errors))
    return Scored(actual, actual + errors)


def labels(actual: Any, prediction: Any, probability: Any = None) -> Scored:
    chances = None
    if probability is not None:
        p = np.asarray(probability, dtype=float)
        chances = np.stack([1 - p, p], axis=1)
    return Scored(np.asarray(actual), np.asarray(prediction), chances, ("no", "yes"), "yes")


def asked(
    rule: dict[str, Any],
    scored: Scored,
    slices: dict[str, Any] | None = None,
    rival: Rival | None = None,
    measured: dict[str, Measurement] | None = None,
) -> Verdict:
    case = Case(scored, slices or {})
    return judge([Rule(**rule)], case, rival or NoChampion(), measured or {}, "seed")


def compared(
    challenger: Scored,
    champion: Scored,
    metric: str = "rmse",
    seed: str = "seed",
    slices: dict[str, Any] | None = None,
    **rule: Any,
) -> Verdict:
    rival = Rivalry(challenger, champion, slices or {})
    asks = [Rule(metric=metric, compare="champion", **rule)]
    return judge(asks, Case(challenger), rival, {}, seed)


def noisy(rows: int, scale: float = 1.0, seed: int = 0, share: float = 0.1) -> Vector:
    """Return errors that share most of their noise with those of another seed."""
    common = np.random.default_rng(99).normal(size=rows)
    own = np.random.default_rng(seed).normal(size=rows)
    return np.asarray(scale * (common + share * own))


def test_every_metric_that_a_rule_may_name_is_computed_or_measured() -> None:
    assert set(FUNCTIONS) == {name for name, m in METRICS.items() if m.needs != "system"}


# Absolute rules.


@pytest.mark.parametrize(
    ("rule", "outcome"),
    [
        ({"metric": "mae", "max": 0.5}, PASSED),
        ({"metric": "mae", "max": 0.49}, FAILED),
        ({"metric": "r2", "min": -1000}, PASSED),
        ({"metric": "r2", "min": 0.9}, FAILED),
        ({"metric": "mae", "min": 0.6, "max": 0.7}, FAILED),
    ],
)
def test_a_bound_itself_is_good_enough_and_beyond_it_fails(
    rule: dict[str, Any], outcome: Outcome
) -> None:
    verdict = asked(rule, numbers([0.5, -0.5, 0.5, -0.5]))
    assert verdict.outcome is outcome
    assert verdict.evidence[0].rows == 4


@settings(deadline=None, derandomize=True)
@given(
    st.sampled_from(sorted(n for n, m in METRICS.items() if m.needs == "numbers")),
    st.floats(-1e6, 1e6),
)
def test_a_prediction_that_is_no_number_fails_every_bound(metric: str, bound: float) -> None:
    scored = numbers([0.1, math.nan, 0.2])
    assert asked({"metric": metric, "min": bound}, scored).outcome is FAILED
    assert asked({"metric": metric, "max": bound}, scored).outcome is FAILED


def test_a_metric_that_the_answers_do_not_carry_is_inconclusive() -> None:
    verdict = asked({"metric": "log_loss", "max": 1.0}, labels(["no", "yes"], ["no", "yes"]))
    assert verdict.outcome is INCONCLUSIVE
    assert verdict.evidence[0].value is None


def test_one_rule_that_fails_outweighs_any_that_cannot_tell() -> None:
    rules = [Rule(metric="mae", max=1), Rule(metric="size_mb", max=1), Rule(metric="r2", min=0.99)]
    verdict = judge(rules, Case(numbers([0.5, -0.5])), NoChampion(), {}, "seed")
    assert [item.outcome for item in verdict.evidence] == [PASSED, INCONCLUSIVE, FAILED]
    assert verdict.outcome is FAILED
    assert "r2" in verdict.message


def test_without_a_rule_nothing_is_shown() -> None:
    assert conclude(()).outcome is INCONCLUSIVE


def test_a_value_just_beyond_its_bound_is_told_apart_from_it() -> None:
    verdict = asked({"metric": "mae", "max": 0.5}, numbers([0.5000001, 0.5000001]))
    assert verdict.message == "mae is 0.5000001, wanted at most 0.5"


# Slices.


def test_a_slice_that_fails_fails_the_rule_and_is_named() -> None:
    errors = [0.1] * 40 + [5.0] * 40
    region = np.array(["north"] * 40 + ["south"] * 40, dtype=object)
    rule = {"metric": "mae", "max": 1.0, "slice": "region"}
    verdict = asked(rule, numbers(errors), {"region": region})
    assert verdict.outcome is FAILED
    assert {(e.slice_value, e.outcome, e.rows) for e in verdict.evidence} == {
        ("north", PASSED, 40),
        ("south", FAILED, 40),
    }
    assert "region is south" in verdict.message


def test_a_slice_without_support_is_left_out_and_counted() -> None:
    errors = [0.1] * 40 + [5.0] * 3
    region = np.array(["north"] * 40 + ["south"] * 3, dtype=object)
    rule = {"metric": "mae", "max": 1.0, "slice": "region"}
    verdict = asked(rule, numbers(errors), {"region": region})
    assert verdict.outcome is PASSED
    told = verdict.evidence[-1]
    assert told.rows == 3
    assert "south (3)" in told.message


@pytest.mark.parametrize(
    ("values", "said"),
    [
        (np.array([f"n{i}" for i in range(80)], dtype=object), "fewer than 30 rows"),
        (np.linspace(0, 1, 80), "too many values (80 > 50)"),
        (None, "no such column"),
    ],
)
def test_a_rule_by_a_column_that_gives_no_slice_is_inconclusive(values: Any, said: str) -> None:
    columns = {} if values is None else {"x": values}
    verdict = asked({"metric": "mae", "max": 1, "slice": "x"}, numbers([0.1] * 80), columns)
    assert verdict.outcome is INCONCLUSIVE
    assert said in verdict.message


def test_too_many_slices_with_support_are_refused() -> None:
    city = np.array([f"c{i % 51}" for i in range(51 * 2)], dtype=object)
    rule = {"metric": "mae", "max": 1, "slice": "city", "min_support": 2}
    verdict = asked(rule, numbers([0.1] * 102), {"city": city})
    assert verdict.outcome is INCONCLUSIVE
    assert "too many values (51 > 50)" in verdict.message


def test_a_slice_whose_truth_has_no_positive_row_cannot_be_asked_for_recall() -> None:
    actual = ["yes"] * 20 + ["no"] * 60
    region = np.array(["a"] * 40 + ["b"] * 40, dtype=object)
    rule = {"metric": "recall", "min": 0.9, "slice": "region"}
    verdict = asked(rule, labels(actual, actual), {"region": region})
    assert verdict.outcome is PASSED
    assert [e.slice_value for e in verdict.evidence if e.value is not None] == ["a"]


def test_slices_may_be_numbers_booleans_or_missing() -> None:
    frame = pl.DataFrame(
        {
            "bedrooms": [1.0, None] * 40,
            "sold": [True, False] * 40,
            "city": ["Ulm", None] * 40,
            "floor": [2, 3] * 40,
        }
    )
    columns = tables.slices(frame, ["bedrooms", "sold", "city", "floor", "nothing"])
    assert set(columns) == set(frame.columns)
    for name, expected in {
        "bedrooms": {"1", "(missing)"},
        "sold": {"true", "false"},
        "city": {"Ulm", "(missing)"},
        "floor": {"2", "3"},
    }.items():
        rule = {"metric": "mae", "max": 1, "slice": name}
        verdict = asked(rule, numbers([0.1] * 80), columns)
        assert {e.slice_value for e in verdict.evidence} == expected


# The bundle as it is served.


@pytest.mark.parametrize(
    ("measurement", "outcome"),
    [
        (Measurement(3.0, 2.8, 3.3), PASSED),
        (Measurement(9.0, 8.0, 9.9), FAILED),
        (Measurement(4.9, 4.0, 6.0), INCONCLUSIVE),
        (Measurement(5.1, 4.0, 6.0), INCONCLUSIVE),
        (Measurement(math.nan, math.nan, math.nan), FAILED),
        (None, INCONCLUSIVE),
    ],
)
def test_a_latency_counts_when_its_noise_lies_on_one_side(
    measurement: Measurement | None, outcome: Outcome
) -> None:
    measured = {} if measurement is None else {"latency_p99_ms": measurement}
    verdict = asked({"metric": "latency_p99_ms", "max": 5}, numbers([0.1]), measured=measured)
    assert verdict.outcome is outcome


# Against the champion.


def test_a_clearly_better_challenger_passes() -> None:
    verdict = compared(numbers(noisy(2000, 0.9, 1)), numbers(noisy(2000, 1.0, 2)))
    assert verdict.outcome is PASSED
    assert (verdict.evidence[0].low or 0) > 0


def test_a_clearly_worse_challenger_fails() -> None:
    verdict = compared(numbers(noisy(2000, 1.1, 1)), numbers(noisy(2000, 1.0, 2)))
    assert verdict.outcome is FAILED
    assert (verdict.evidence[0].high or 0) < 0


def test_a_difference_that_the_rows_cannot_tell_says_how_many_could() -> None:
    verdict = compared(numbers(noisy(100, 1.0, 1)), numbers(noisy(100, 1.0, 2)))
    assert verdict.outcome is INCONCLUSIVE
    assert "rows would" in verdict.message


def test_the_rows_that_are_asked_for_settle_it() -> None:
    first, second = noisy(300, 1.0, 1, 0.3), noisy(300, 1.0, 2, 0.3)
    few = compared(numbers(first), numbers(second))
    assert few.outcome is INCONCLUSIVE
    needed = int(few.message.split("about ")[1].split(" rows")[0].replace(",", ""))
    times = math.ceil(1.2 * needed / 300)  # the very same estimate on more rows
    more = compared(numbers(np.tile(first, times)), numbers(np.tile(second, times)))
    assert more.outcome is not INCONCLUSIVE


def test_the_same_answers_pass_whatever_the_margin() -> None:
    scored = numbers(noisy(50))
    verdict = compared(scored, numbers(noisy(50)), margin=0)
    assert verdict.outcome is PASSED
    assert "same answers" in verdict.evidence[0].message


def test_equal_labels_with_other_probabilities_are_not_the_same_answers() -> None:
    actual = ["no", "yes"] * 20
    chance = np.linspace(0.1, 0.9, 40)
    first, second = labels(actual, actual, chance), labels(actual, actual, chance / 2)
    assert compared(first, second, "accuracy", margin=0).outcome is INCONCLUSIVE


def test_a_margin_of_zero_demands_a_better_model() -> None:
    better, champion = numbers(noisy(2000, 0.95, 1)), numbers(noisy(2000, 1.0, 2))
    twin = numbers(noisy(2000, 1.0, 3))
    assert compared(better, champion, margin=0).outcome is PASSED
    assert compared(twin, champion, margin=0).outcome is not PASSED


def test_a_margin_may_be_in_the_unit_of_the_metric() -> None:
    challenger, champion = numbers(noisy(2000, 1.05, 1)), numbers(noisy(2000, 1.0, 2))
    assert compared(challenger, champion, margin=0.2).outcome is PASSED
    assert compared(challenger, champion, margin=0.001).outcome is FAILED


def test_a_margin_of_a_negative_value_still_allows_the_worse_side() -> None:
    # Worse than the mean: r2 is below zero for both, and 20 % of it is a positive width.
    challenger, champion = numbers(noisy(2000, 1.01, 1)), numbers(noisy(2000, 1.0, 2))
    assert compared(challenger, champion, "r2", margin="20%").outcome is PASSED
    assert compared(champion, numbers(noisy(2000, 0.5, 1)), "r2", margin="20%").outcome is FAILED


def test_more_confidence_turns_a_pass_into_not_knowing() -> None:
    challenger, champion = numbers(noisy(1000, 1.0, 1)), numbers(noisy(1000, 1.0, 2))
    sure = [compared(challenger, champion, confidence=c).outcome for c in (0.6, 0.9999)]
    assert sure == [PASSED, INCONCLUSIVE]


def test_a_verdict_repeats_with_its_seed_whatever_rules_stand_beside_it() -> None:
    challenger, champion = numbers(noisy(200, 1.0, 1)), numbers(noisy(200, 1.0, 2))
    rival, rule = Rivalry(challenger, champion), Rule(metric="mae", compare="champion")
    alone = judge([rule], Case(challenger), rival, {}, "seed")
    beside = judge(
        [Rule(metric="rmse", compare="champion"), rule], Case(challenger), rival, {}, "seed"
    )
    assert alone.evidence[0] == beside.evidence[1]
    assert compared(challenger, champion, "mae", seed="other").evidence[0] != alone.evidence[0]


@pytest.mark.parametrize(
    ("rival", "outcome", "said"),
    [
        (NoChampion(), PASSED, "no champion"),
        (Unscorable("its classes differ"), INCONCLUSIVE, "its classes differ"),
        (Rivalry(numbers(noisy(29)), numbers(noisy(29))), INCONCLUSIVE, "only 29 rows"),
        (Rivalry(numbers([]), numbers([])), INCONCLUSIVE, "only 0 rows"),
    ],
)
def test_without_a_comparison_the_evidence_says_why(
    rival: Rival, outcome: Outcome, said: str
) -> None:
    verdict = asked({"metric": "rmse", "compare": "champion"}, numbers(noisy(40)), rival=rival)
    assert verdict.outcome is outcome
    assert said in verdict.evidence[0].message


def test_what_was_released_before_re_enters_on_the_absolute_rules_alone() -> None:
    worse, champion = numbers(noisy(2000, 2.0, 1)), numbers(noisy(2000, 1.0, 2))
    rules = [Rule(metric="rmse", compare="champion"), Rule(metric="rmse", max=0.1)]
    for before, outcomes in ((True, [PASSED, FAILED]), (False, [FAILED, FAILED])):
        verdict = judge(rules, Case(worse), Rivalry(worse, champion), {}, "seed", before)
        assert [item.outcome for item in verdict.evidence] == outcomes


def test_a_challenger_without_a_number_fails_and_a_champion_without_one_cannot_tell() -> None:
    good, bad = numbers(noisy(100)), numbers([math.nan, *noisy(99)])
    assert compared(bad, good).outcome is FAILED
    assert compared(good, bad).outcome is INCONCLUSIVE


def test_a_champion_without_probabilities_cannot_be_compared_by_them() -> None:
    actual = ["no", "yes"] * 40
    with_, without = labels(actual, actual, [0.2, 0.7] * 40), labels(actual, actual)
    verdict = compared(with_, without, "log_loss")
    assert verdict.outcome is INCONCLUSIVE
    assert "champion" in verdict.message


def test_a_largest_error_has_no_interval() -> None:
    challenger, champion = numbers(noisy(100, 1.0, 1)), numbers(noisy(100, 1.0, 2))
    assert compared(challenger, champion, "max_error").outcome is INCONCLUSIVE


def test_a_ranking_needs_members_of_both_classes() -> None:
    actual = np.array(["yes"] * 9 + ["no"] * 191)
    first, second = np.random.default_rng(0).random((2, 200))
    verdict = compared(labels(actual, actual, first), labels(actual, actual, second), "roc_auc")
    assert verdict.outcome is INCONCLUSIVE
    assert "only 9 rows" in verdict.message


def test_a_hundred_rows_without_disagreement_do_not_prove_one_per_cent() -> None:
    actual = np.array(["no", "yes"] * 50)
    first = labels(actual, actual, np.linspace(0.3, 0.7, 100))
    second = labels(actual, actual, np.linspace(0.2, 0.8, 100))
    assert compared(first, second, "accuracy").outcome is INCONCLUSIVE
    assert compared(first, second, "accuracy", margin="5%").outcome is PASSED


def test_each_slice_is_compared_by_itself() -> None:
    rows = 2000
    champion = noisy(rows, 1.0, 2)
    challenger = noisy(rows, 1.0, 2, 0.11)
    challenger[rows // 2 :] *= 1.3
    region = np.array(["a"] * (rows // 2) + ["b"] * (rows // 2), dtype=object)
    verdict = compared(
        numbers(challenger), numbers(champion), margin="5%", slice="region",
        slices={"region": region},
    )  # fmt: skip
    assert {e.slice_value: e.outcome for e in verdict.evidence} == {"a": PASSED, "b": FAILED}


@pytest.mark.parametrize("metric", sorted(n for n, m in METRICS.items() if m.needs != "system"))
def test_every_metric_tells_better_from_worse(metric: str) -> None:
    rng = np.random.default_rng(4)
    if METRICS[metric].needs == "numbers":
        good, bad = numbers(noisy(600, 0.5, 1)), numbers(noisy(600, 1.0, 2))
    else:
        truth = rng.random(600) < 0.4
        score = [1 / (1 + np.exp(-(6 * truth - 3 + s * rng.normal(size=600)))) for s in (1, 4)]
        actual = np.where(truth, "yes", "no")
        good, bad = (labels(actual, np.where(s > 0.5, "yes", "no"), s) for s in score)
    if metric == "max_error":
        return
    assert compared(good, bad, metric).outcome is PASSED
    assert compared(bad, good, metric).outcome is FAILED


# The verdict itself.


def test_a_verdict_survives_json() -> None:
    rules = [
        Rule(metric="rmse", compare="champion"),
        Rule(metric="mae", max=1 / 3, slice="region"),
        Rule(metric="size_mb", max=1),
        Rule(metric="r2", min=0.5),
    ]
    challenger, champion = numbers(noisy(90, 1.0, 1)), numbers([math.nan, *noisy(89)])
    region = np.array(["a", "b"] * 45, dtype=object)
    verdict = judge(
        rules, Case(challenger, {"region": region}), Rivalry(challenger, champion), {}, "s"
    )
    plain = json.loads(json.dumps(verdict.to_json(), allow_nan=False))
    assert Verdict.from_json(plain).to_json() == plain
    assert [item.message for item in Verdict.from_json(plain).evidence] == [
        item.message for item in verdict.evidence
    ]


def test_self_reported_metrics_are_judged_by_name_and_said_to_be_so() -> None:
    case = Reported({"r2": 0.8, "train.f1": 1.0, "test.f1": 0.5, "test.f1x": 2.0})
    rules = [
        Rule(metric="r2", min=0.7),
        Rule(metric="test.f1", min=0.6),
        Rule(metric="f1", min=0.1),
        Rule(metric="rmse", max=1.0),
        Rule(metric="r2", min=0.7, slice="city"),
    ]
    said = judge(rules, case, NoChampion(), {}, "seed")
    outcomes = [item.outcome for item in said.evidence]
    assert outcomes == [PASSED, FAILED, INCONCLUSIVE, INCONCLUSIVE, INCONCLUSIVE]
    assert "several have that name: train.f1, test.f1" in said.evidence[2].message
    assert all(item.self_reported for item in said.evidence)
    assert "self-reported" in said.message
    assert Verdict.from_json(said.to_json()) == said


def test_what_is_computed_here_is_kept_as_it_was() -> None:
    said = asked({"metric": "rmse", "max": 1.0}, numbers([0.1] * 40))
    assert "self_reported" not in said.to_json()["evidence"][0]


def test_rows_are_found_in_another_table_by_all_of_its_columns() -> None:
    frame = pl.DataFrame(
        {"a": [1.0, 2.0, None, 2.0], "b": ["x", "y", None, "z"], "c": [1, 2, 3, 4]}
    )
    other = pl.DataFrame({"b": ["y", None, "x"], "a": [2.0, None, 9.0]})
    assert tables.among(frame, other).tolist() == [False, True, True, False]
    assert not tables.among(frame, other.rename({"a": "gone"})).any()
    assert not tables.among(frame, other.cast({"a": pl.Int64})).any()
