"""A kept plan is carried out as it is, or refused with the reason."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.core.actions import Action, Confirm, Fail, Judge, Reject, Release, Retire, Train
from reconciler.core.changes import Change
from reconciler.core.estimate import makespan, spoken, typical
from reconciler.core.outlook import Kind, Outlook, Result, Row, Stage
from reconciler.core.plan_file import KeptPlan, Planned, Present, moved, parse
from reconciler.core.trainings import Broken
from reconciler.errors import UsageError

ROWS = (
    Row("a", Kind.CREATE, "NotTrained", "", stages=(Stage("train", Result.NONE),), declared="da"),
    Row("b", Kind.RETIRE, "NotDeclared", "", recorded="rb"),
    Row("c", Kind.UNCHANGED, "Settled", "as declared"),
    Row("d", Kind.BLOCKED, "InvalidSpec", "no"),
)
ACTIONS: tuple[Action, ...] = (
    Train("f"),
    Fail(Broken("f", "Error", "")),
    Judge("b", "q"),
    Release("b"),
    Confirm("b"),
    Reject("b"),
    Retire(),
)


def outlook(*rows: Row, **more: Any) -> Outlook:
    given: dict[str, Any] = {"rev": "main", "version": "1", "runtime": {"numpy": "2"}}
    return Outlook("c" * 40, rows=rows or ROWS, deployed="d1", **{**given, **more})


def text(found: Outlook) -> str:
    return json.dumps(found.plain(), indent=2)


def present(**more: Any) -> Present:
    given = {"version": "1", "runtime": {"numpy": "2"}}
    recorded = {"a": None, "b": "rb"}
    return Present(**{**given, "declared": {"a": "da", "b": None}, "recorded": recorded, **more})


def test_what_is_kept_is_read_again_without_what_is_left_as_it_is() -> None:
    found = parse(text(outlook()), "p.json")
    assert found.models == {
        "a": Planned(Kind.CREATE, "da", None),
        "b": Planned(Kind.RETIRE, None, "rb"),
    }
    assert (found.rev, found.revision, found.id) == ("main", "c" * 40, outlook().id)


def test_the_id_follows_from_all_that_the_plan_rests_on_and_says() -> None:
    first = outlook()
    assert first.id == outlook().id
    others = [
        outlook(rev="other"),
        outlook(runtime={"numpy": "3"}),
        outlook(version="2"),
        outlook(chosen=("a",)),
        outlook(*ROWS[:3]),
        outlook(replace(ROWS[0], declared="other"), *ROWS[1:]),
        outlook(replace(ROWS[0], changes=(Change("x", 1, 2),)), *ROWS[1:]),
        replace(first, deployed="d2"),
        replace(first, revision="e" * 40),
    ]
    assert len({first.id, *(other.id for other in others)}) == 10


@pytest.mark.parametrize(
    ("broken", "said"),
    [
        (text(outlook())[:-40], "cut short"),
        ("", "cut short"),
        ("[" * 100_000, "cut short"),
        ("{}", "no plan of this program"),
        ('["reconciler/plan/v1"]', "no plan of this program"),
        (json.dumps({"format": "reconciler/plan/v2"}), "this program reads reconciler/plan/v1"),
        (text(outlook()).replace('"create"', '"retire"'), "was changed"),
        (text(outlook()).replace('"id": "', '"id": "0'), "was changed"),
        (text(outlook()).replace('"jobs": 1', '"jobs": NaN'), "was changed"),
        (text(outlook(base="b" * 40)), "for reading"),
        (text(outlook(uncommitted=True)), "for reading"),
    ],
    ids=str,
)
def test_a_file_that_is_no_plan_to_carry_out_is_refused(broken: str, said: str) -> None:
    with pytest.raises(UsageError, match=said):
        parse(broken, "p.json")


@given(st.integers(min_value=0), st.characters(exclude_categories=["Cs"]))
def test_no_change_of_one_character_goes_unnoticed(place: int, char: str) -> None:
    whole = json.dumps(outlook().plain())
    at = place % len(whole)
    changed = f"{whole[:at]}{char}{whole[at + 1 :]}"
    try:
        found = parse(changed, "p.json")
    except UsageError:
        return
    assert found == parse(whole, "p.json")  # such as a space more


def test_a_plan_holds_while_nothing_has_moved_on() -> None:
    assert moved(parse(text(outlook()), "p"), present()) == ()


@pytest.mark.parametrize(
    ("now", "said"),
    [
        ({"version": "2"}, "made by reconciler 1, this is 2"),
        ({"runtime": {"numpy": "3"}}, "runtime in params.yaml has moved on: numpy"),
        ({"runtime": {"numpy": "2", "scipy": "1"}}, "moved on: scipy"),
        ({"declared": {"a": "other", "b": None}}, "main declares otherwise: a"),
        ({"declared": {"a": "da", "b": "back"}}, "main declares otherwise: b"),
        ({"recorded": {"a": "ra", "b": "rb"}}, "records have moved on: a"),
        ({"recorded": {"a": None, "b": None}}, "records have moved on: b"),
    ],
    ids=str,
)
def test_what_has_moved_on_is_told(now: dict[str, Any], said: str) -> None:
    (found,) = moved(parse(text(outlook()), "p"), present(**now))
    assert said in found


def test_everything_that_has_moved_on_is_told_at_once_and_long_lists_are_cut() -> None:
    rows = {f"m{n}": Planned(Kind.CREATE, "d", None) for n in range(9)}
    plan = KeptPlan("i", "main", "c", "1", {}, rows)
    found = moved(plan, Present("2", {"numpy": "2"}, {}, dict.fromkeys(rows, "r")))
    assert len(found) == 4
    assert found[2].endswith("m0, m1, m2, m3, m4 and 4 more")


@pytest.mark.parametrize(
    ("kind", "allowed"),
    [
        (Kind.CREATE, {Train, Fail, Judge, Release, Confirm, Reject}),
        (Kind.RETRAIN, {Train, Fail, Judge, Release, Confirm, Reject}),
        (Kind.REJUDGE, {Judge, Release, Confirm, Reject}),
        (Kind.RELEASE, {Judge, Release, Confirm, Reject}),
        (Kind.RETIRE, {Retire}),
        (Kind.SERVE, set()),
    ],
)
def test_a_plan_allows_what_it_holds_and_nothing_else(
    kind: Kind, allowed: set[type[Action]]
) -> None:
    plan = KeptPlan("i", "main", "c", "1", {}, {"m": Planned(kind, None, None)})
    assert {type(action) for action in ACTIONS if plan.allows("m", action)} == allowed
    assert not any(plan.allows("other", action) for action in ACTIONS)


def test_parts_start_when_a_place_is_free() -> None:
    assert makespan([], 2) == 0
    assert makespan([3, 1, 1, 1], 2) == 3
    assert makespan([1, 1, 3], 2) == 4
    assert makespan([1, 2, 3], 1) == 6


@given(st.lists(st.floats(0, 1e6)), st.integers(1, 20))
def test_a_run_takes_no_longer_than_one_place_and_no_less_than_a_fair_share(
    parts: list[float], jobs: int
) -> None:
    found = makespan(parts, jobs)
    assert max([*parts, sum(parts) / jobs]) - 1e-6 <= found * (1 + 1e-9) + 1e-6
    assert found <= sum(parts) * (1 + 1e-9)


def test_one_slow_run_does_not_move_what_is_typical() -> None:
    assert typical([]) is None
    assert typical([2, 900, 3]) == 3


@pytest.mark.parametrize(
    ("seconds", "said"),
    [(0.04, "0.0 s"), (9.94, "9.9 s"), (9.96, "10 s"), (59.7, "1 min"), (65, "1 min 5 s"),
     (3599.6, "1 h"), (7800, "2 h 10 min"), (7259, "2 h 1 min")],
)  # fmt: skip
def test_times_are_spoken(seconds: float, said: str) -> None:
    assert spoken(seconds) == said
