"""The rollout: fine challengers go through on time, bad ones are withdrawn, and few requests
prove nothing.
"""

from __future__ import annotations

import random
from bisect import bisect_left
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.core.latency import LATENCY_BUCKETS
from reconciler.core.record import Challenger
from reconciler.core.rollout import (
    Counts,
    Move,
    Promote,
    Shift,
    Wait,
    Withdraw,
    judge_rollout,
    slower,
)
from reconciler.core.rollout_rules import (
    RolloutRules,
    in_force,
    rules_of,
    settings,
    settings_digest,
)
from reconciler.core.tally import Tally
from reconciler.errors import TerminalError
from reconciler.spec.model import Rollout

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
HOLD = timedelta(minutes=10)
LATER = NOW + HOLD


def at(step: int, rules: RolloutRules) -> Challenger:
    return Challenger(version=2, weight=rules.steps[step], step=step, since=NOW)


def took(*times: float) -> tuple[int, ...]:
    counts = [0] * (len(LATENCY_BUCKETS) + 1)
    for time in times:
        counts[bisect_left(LATENCY_BUCKETS, time)] += 1
    return tuple(counts)


def judged(challenger: Tally, now: datetime = LATER, *, step: int = 0, **changes: Any) -> Move:
    rules = RolloutRules(**changes)
    return judge_rollout(rules, at(step, rules), Counts(challenger=challenger), now)


def reason(move: Move) -> str:
    assert isinstance(move, Withdraw)
    return move.reason


SHARES = st.floats(0, 0.99) | st.none()
RULES = st.builds(
    RolloutRules,
    strategy=st.just("canary"),
    steps=st.lists(st.integers(1, 100), min_size=1, max_size=4, unique=True).map(
        lambda steps: tuple(sorted(steps))
    ),
    min_requests=st.integers(0, 50),
    max_error_rate=SHARES,
    max_latency_ratio=st.floats(1, 50) | st.none(),
    max_disagreement=SHARES,
)


@st.composite
def tallies(draw: st.DrawFn, most: int = 400) -> Tally:
    requests = draw(st.integers(0, most))
    errors, compared = (draw(st.integers(0, requests)) for _ in range(2))
    center = draw(st.integers(0, len(LATENCY_BUCKETS)))
    latency = [0] * (len(LATENCY_BUCKETS) + 1)
    latency[center] = requests - errors
    return Tally(requests, errors, tuple(latency), compared, draw(st.integers(0, compared)))


COUNTS = st.builds(Counts, tallies(), tallies(), st.booleans(), st.booleans())


@given(RULES, COUNTS, st.floats(0, 3))
def test_every_rollout_in_any_state_gets_one_answer(
    rules: RolloutRules, counts: Counts, hours: float
) -> None:
    rules = replace(rules, deadline=timedelta(hours=1), on_deadline="withdraw")
    move = judge_rollout(rules, at(0, rules), counts, NOW + timedelta(hours=hours))
    assert not (isinstance(move, Wait) and hours >= 1)
    if isinstance(move, Wait):
        assert move.until is not None
        assert move.until > NOW + timedelta(hours=hours)


@given(RULES, st.floats(0, 3))
def test_a_challenger_without_a_fault_is_never_withdrawn(rules: RolloutRules, hours: float) -> None:
    fine = Tally(400, 0, took(*[0.001] * 400), 400, 0)
    move = judge_rollout(rules, at(0, rules), Counts(fine, fine), NOW + timedelta(hours=hours))
    assert not isinstance(move, Withdraw)


@given(RULES, st.integers(0, 1000))
def test_a_fine_challenger_is_promoted_on_time(rules: RolloutRules, late: int) -> None:
    fine = Tally(400, 0, took(*[0.001] * 400), 400, 0)
    challenger, now, moves = at(0, rules), NOW, 0
    while True:
        now += rules.hold + timedelta(milliseconds=late)
        move = judge_rollout(rules, challenger, Counts(fine, fine), now)
        moves += 1
        if isinstance(move, Promote):
            break
        assert isinstance(move, Shift)
        assert move.weight > challenger.weight
        challenger = Challenger(version=2, weight=move.weight, step=move.step, since=now)
    assert moves == len(rules.steps)


@given(RULES, tallies(), st.integers(1, 50))
def test_one_more_failure_never_saves_a_challenger(
    rules: RolloutRules, tally: Tally, more: int
) -> None:
    worse = replace(tally, requests=tally.requests + more, errors=tally.errors + more)
    before, after = (
        judge_rollout(rules, at(0, rules), Counts(challenger=found), LATER)
        for found in (tally, worse)
    )
    assert isinstance(after, Withdraw) or not isinstance(before, Withdraw)


@given(st.integers(0, 60), st.sampled_from([0.05, 0.1, 0.3]))
def test_a_few_failures_withdraw_nothing(requests: int, bound: float) -> None:
    errors = 1 if requests else 0
    move = judged(Tally(requests, errors), max_error_rate=bound, min_requests=10_000)
    assert isinstance(move, Wait)


def test_hardly_any_challenger_below_its_bound_is_withdrawn_however_often_it_is_looked_at() -> None:
    draw, withdrawn = random.Random(7), 0
    rules = RolloutRules(max_error_rate=0.02, max_latency_ratio=None)
    for _ in range(400):
        # An answer makes nothing worse, so the looks that matter are those after a failure.
        failed = [n for n in range(1, 501) if draw.random() < 0.005]
        looks = (Tally(requests, errors) for errors, requests in enumerate(failed, 1))
        withdrawn += any(
            isinstance(judge_rollout(rules, at(0, rules), Counts(challenger=look), NOW), Withdraw)
            for look in looks
        )
    assert withdrawn <= 4


def test_one_that_raises_on_a_twentieth_of_its_requests_does_not_leave_the_first_step() -> None:
    for seed in range(20):
        draw, errors, move = random.Random(seed), 0, None
        for requests in range(1, 3000):
            errors += draw.random() < 0.05
            move = judged(Tally(requests, errors))
            if not isinstance(move, Wait):
                break
        assert isinstance(move, Withdraw), seed
        assert move.reason == "TooManyErrors"
        assert "1.00% is allowed" in move.message


def test_what_only_looks_bad_waits_until_more_requests_have_told() -> None:
    move = judged(Tally(100, 3))
    assert isinstance(move, Wait)
    assert "in doubt: 3 of 100 of its requests failed" in move.message
    assert isinstance(judged(Tally(400, 3)), Shift)


def test_where_no_error_is_allowed_the_first_one_is_enough() -> None:
    move = judged(Tally(1000, 1), max_error_rate=0.0)
    assert reason(move) == "TooManyErrors"
    assert isinstance(judged(Tally(1000, 1), max_error_rate=None), Shift)


def test_one_ten_times_as_slow_is_withdrawn_after_a_few_requests() -> None:
    champion = Tally(200, 0, took(*[0.001] * 200))
    counts = Counts(champion, Tally(5, 0, took(*[0.01] * 5)))
    rules = RolloutRules()
    move = judge_rollout(rules, at(0, rules), counts, NOW)
    assert reason(move) == "TooSlow"
    assert "more than 3 times as long" in str(move)


@given(st.lists(st.floats(1e-6, 20), min_size=1, max_size=80), st.floats(1, 20))
def test_no_answer_counts_as_slow_that_is_not(times: list[float], ratio: float) -> None:
    champion = [0.001] * 60
    slow = slower(took(*champion), took(*times), ratio)
    assert slow is not None
    assert slow <= sum(time > ratio * 0.001 for time in times)
    assert slow >= sum(time > ratio * 0.001 * 1.6 for time in times if time < 10)


def test_a_champion_of_few_requests_is_no_measure_of_latency() -> None:
    slow = took(*[5.0] * 100)
    assert slower(took(*[0.001] * 43), slow, 3) is None
    assert slower(took(*[0.001] * 44), slow, 3) == 100
    assert slower((), slow, 3) is None
    assert slower(took(*[50.0] * 100), slow, 3) is None  # it is beyond what is measured


def test_one_that_disagrees_is_withdrawn_and_must_be_compared_to_go_on() -> None:
    assert reason(judged(Tally(500, compared=100, disagreed=30), max_disagreement=0.1)) == (
        "Disagrees"
    )
    few = judged(Tally(500, compared=99), max_disagreement=0.1)
    assert isinstance(few, Wait)
    assert "99 of 100 requests answered by both" in few.message


def test_a_broken_bundle_and_a_tripped_breaker_withdraw_at_once() -> None:
    rules = RolloutRules()
    broken = Counts(ready=False, failed="model.onnx is cut short")
    move = judge_rollout(rules, at(0, rules), broken, NOW)
    assert move == Withdraw(
        "BundleBroken", "servers cannot load it: model.onnx is cut short", remembered=True
    )
    tripped = Counts(challenger=Tally(5, 5), tripped=True)
    assert reason(judge_rollout(rules, at(0, rules), tripped, NOW)) == "BreakerTripped"


def test_a_step_waits_for_its_time_its_requests_and_every_server() -> None:
    early = judged(Tally(500), NOW + timedelta(minutes=4))
    assert early == Wait(LATER, "6 min more")
    few = judged(Tally(40))
    assert few == Wait(None, "40 of 100 requests")
    rules = RolloutRules()
    unready = judge_rollout(rules, at(0, rules), Counts(Tally(), Tally(500), ready=False), LATER)
    assert unready == Wait(None, "not loaded by every server yet")
    assert judged(Tally(500)) == Shift(50, 1)
    assert isinstance(judged(Tally(500), step=1), Promote)


@pytest.mark.parametrize(
    ("then", "wanted"), [("hold", Wait), ("promote", Promote), ("withdraw", Withdraw)]
)
def test_a_deadline_without_enough_requests_proves_nothing(then: Any, wanted: type[Any]) -> None:
    hours = timedelta(hours=2)
    before = judged(Tally(40), NOW + timedelta(hours=1), deadline=hours, on_deadline=then)
    assert before == Wait(NOW + hours, "40 of 100 requests")
    move = judged(Tally(40), NOW + hours, deadline=hours, on_deadline=then)
    assert isinstance(move, wanted)
    if isinstance(move, Withdraw):
        assert not move.remembered
    if isinstance(move, Wait):
        assert move.overdue


def test_what_is_in_doubt_is_not_promoted_by_its_deadline() -> None:
    move = judged(Tally(100, 3), deadline=HOLD, on_deadline="promote")
    assert isinstance(move, Wait)
    assert move.overdue


def test_blue_green_switches_once_every_server_is_warm_and_keeps_the_former_for_a_while() -> None:
    rules = rules_of(Rollout(strategy="blue_green", min_requests=0))
    cold = judge_rollout(rules, at(0, rules), Counts(ready=False), LATER)
    assert cold == Wait(None, "not loaded by every server yet")
    assert judge_rollout(rules, at(0, rules), Counts(), NOW) == Shift(100, 1)
    assert judge_rollout(rules, at(1, rules), Counts(), NOW) == Wait(LATER, "10 min more")
    assert isinstance(judge_rollout(rules, at(1, rules), Counts(), LATER), Promote)


def test_a_shadow_is_promoted_from_where_it_gets_no_traffic() -> None:
    rules = rules_of(Rollout(strategy="shadow"))
    assert rules.steps == (0,)
    fine = Counts(Tally(), Tally(100))
    assert isinstance(judge_rollout(rules, at(0, rules), fine, LATER), Promote)


def test_a_record_keeps_the_settings_and_tells_those_apart_that_decide_otherwise() -> None:
    spec = Rollout(strategy="canary", hold="60m", max_latency_ratio=None)
    kept = settings(spec)
    assert kept["steps"] == [10, 50]
    assert in_force(kept) == rules_of(spec)
    same = Rollout(strategy="canary", hold="1h", steps=(10, 50), max_latency_ratio=None)
    digests = [settings_digest(rules_of(one)) for one in (spec, same, Rollout(strategy="canary"))]
    assert digests[0] == digests[1] != digests[2]
    assert settings_digest(rules_of(spec), "r1") not in digests


def test_settings_of_another_version_of_the_program_are_said_to_be() -> None:
    with pytest.raises(TerminalError, match="does not know"):
        in_force({"strategy": "dance"})
