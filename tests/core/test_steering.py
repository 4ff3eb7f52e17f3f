"""What a person may do to a record by hand, and what is refused with the way that is open."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from reconciler.core import steering
from reconciler.core.record import (
    Hold,
    Outcome,
    Pointer,
    Record,
    Version,
    empty,
    predecessor,
    promote,
    with_hold,
    with_version,
    withdraw,
)
from reconciler.core.stored import from_plain, to_plain
from reconciler.errors import UsageError

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)


def version(number: int, outcome: Outcome = Outcome.REJECTED) -> Version:
    failed = outcome is Outcome.FAILED
    return Version(
        number=number,
        outcome=outcome,
        fingerprint=f"f{number}",
        revision=f"r{number}",
        created=NOW,
        bundle=None if failed else Pointer(md5=f"{number:032x}.dir"),
        judged=None if failed else f"q{number}:-",
        message="r2 is 0.2, wanted at least 0.5",
    )


def tried(*outcomes: Outcome) -> Record:
    """Return a record in which versions came to these outcomes, in this order."""
    record = empty("wine")
    for number, outcome in enumerate(outcomes, 1):
        first = Outcome.INCONCLUSIVE if outcome is Outcome.RELEASED else outcome
        record = with_version(record, version(number, first))
        if outcome is Outcome.RELEASED:
            record = promote(record, number, f"r{number}")
    return record


def rolled_back(record: Record, number: int | None, declared: str | None) -> Record:
    target = steering.rollback_target(record, number, declared)
    hold = steering.rollback_hold(record, target, declared, "", "Ada", NOW)
    return steering.rolled_back(record, target.number, hold, "head")


THREE = (Outcome.RELEASED, Outcome.RELEASED, Outcome.RELEASED)


def test_a_rollback_goes_one_version_back_each_time_and_never_forward() -> None:
    record = rolled_back(tried(*THREE), None, "f3")
    assert record.champion is not None
    assert (record.champion.number, record.released, record.attempted) == (2, "r2", "head")
    record = rolled_back(record, None, "f3")
    assert record.champion is not None
    assert record.champion.number == 1
    with pytest.raises(UsageError, match="no earlier version"):
        steering.rollback_target(record, None, "f3")


def test_a_rollback_holds_what_it_took_out_by_fingerprint_bundle_and_declaration() -> None:
    (hold,) = rolled_back(tried(*THREE, Outcome.REJECTED), None, "f4").holds
    assert hold.against == ("f3", f"{3:032x}.dir", "f4")
    assert hold.reason == "rolled back from version 3 to 2"
    assert hold.stops("f3")
    assert not hold.stops("f5", "another bundle")


def test_choosing_a_held_version_by_number_ends_its_hold() -> None:
    record = rolled_back(tried(*THREE), None, "f4")
    record = rolled_back(record, 3, "f4")
    assert record.champion is not None
    assert record.champion.number == 3
    assert [hold.against for hold in record.holds] == [("f2", f"{2:032x}.dir", "f4")]


def test_a_freeze_outlives_a_rollback() -> None:
    freeze = Hold(reason="freeze", by="Bo", since=NOW)
    record = rolled_back(with_hold(tried(*THREE), freeze), None, "f3")
    assert freeze in record.holds


def test_what_is_declared_is_no_aim_of_a_rollback() -> None:
    record = rolled_back(tried(*THREE), None, "f3").model_copy(update={"holds": ()})
    target = steering.rollback_target(record, None, "f3")
    assert target.number == 1
    with pytest.raises(UsageError, match="what HEAD declares") as caught:
        steering.rollback_target(record, 3, "f3")
    assert "resume" in caught.value.hint


@pytest.mark.parametrize(
    ("outcome", "said"),
    [
        (Outcome.REJECTED, "was rejected: r2 is 0.2"),
        (Outcome.FAILED, "failed in training"),
        (Outcome.INCONCLUSIVE, "was inconclusive"),
    ],
)
def test_only_what_was_in_production_can_be_rolled_back_to(outcome: Outcome, said: str) -> None:
    record = tried(outcome, *THREE)
    with pytest.raises(UsageError, match=said) as caught:
        steering.rollback_target(record, 1, "f4")
    assert caught.value.hint == "in production before: 2, 3"


def test_a_number_that_is_not_kept_lists_those_that_are() -> None:
    with pytest.raises(UsageError, match="wine has no version 9") as caught:
        steering.rollback_target(tried(*THREE), 9, "f3")
    assert caught.value.hint == "kept are: 1, 2, 3"


def test_a_model_with_nothing_in_production_cannot_be_rolled_back() -> None:
    with pytest.raises(UsageError, match="no version in production"):
        steering.rollback_target(tried(Outcome.REJECTED), None, "f1")


def test_the_predecessor_is_not_what_was_rolled_back_from() -> None:
    former = predecessor(rolled_back(tried(*THREE), None, "f3"))
    assert former is not None
    assert former.number == 1


def test_an_undecided_version_is_promoted_with_name_reason_and_question() -> None:
    record = tried(Outcome.RELEASED, Outcome.INCONCLUSIVE)
    chosen = steering.promotable(record, None, "f2")
    record = steering.promoted(record, chosen.number, "Ada", "the shop agrees", NOW, "head")
    assert record.champion is not None
    assert (record.champion.number, record.released) == (2, "head")
    word = record.champion.promotion
    assert word is not None
    assert (word.by, word.reason, word.judged) == ("Ada", "the shop agrees", "q2:-")
    assert from_plain(to_plain(record)) == record


@pytest.mark.parametrize(
    ("outcome", "said", "instead"),
    [
        (Outcome.REJECTED, "was rejected: r2 is 0.2", "change its rule"),
        (Outcome.FAILED, "failed in training", "retry wine"),
    ],
)
def test_what_the_gate_turned_down_is_never_promoted(
    outcome: Outcome, said: str, instead: str
) -> None:
    with pytest.raises(UsageError, match=said) as caught:
        steering.promotable(tried(Outcome.RELEASED, outcome), 2, "f2")
    assert instead in caught.value.hint


def test_a_withdrawn_or_former_version_is_not_promoted_but_has_a_way_of_its_own() -> None:
    record = withdraw(tried(*THREE), 3, "TooSlow", "p99 is 9 ms")
    for number, instead in [(1, "rollback wine --to 1"), (3, "retry wine")]:
        with pytest.raises(UsageError) as caught:
            steering.promotable(record, number, f"f{number}")
        assert instead in caught.value.hint


def test_what_is_not_declared_any_more_is_not_promoted() -> None:
    with pytest.raises(UsageError, match="not what HEAD declares"):
        steering.promotable(tried(Outcome.RELEASED, Outcome.INCONCLUSIVE), 2, "f7")
    with pytest.raises(UsageError, match="no version of what HEAD declares"):
        steering.promotable(tried(Outcome.RELEASED), None, "f7")


def test_a_hold_stops_a_promotion() -> None:
    hold = Hold(reason="freeze", by="Bo", since=NOW)
    record = with_hold(tried(Outcome.INCONCLUSIVE), hold)
    with pytest.raises(UsageError, match="held by Bo"):
        steering.promotable(record, None, "f1")


def test_a_second_suspension_for_the_same_reason_changes_nothing() -> None:
    record = steering.suspended(empty("wine"), Hold(reason="audit", by="Ada", since=NOW))
    assert steering.suspended(record, Hold(reason="audit", by="Bo", since=NOW)) is record
    both = steering.suspended(record, Hold(reason="freeze", by="Bo", since=NOW))
    assert [hold.reason for hold in both.holds] == ["audit", "freeze"]


def test_only_failures_of_what_is_declared_stand_in_its_way() -> None:
    record = tried(Outcome.FAILED, Outcome.FAILED, Outcome.REJECTED)
    assert [v.number for v in steering.failures(record, "f2")] == [2]
    assert steering.failures(record, "f3") == ()
    assert steering.failures(None, "f1") == ()


def test_what_a_person_writes_becomes_one_line_that_no_terminal_acts_on() -> None:
    assert steering.said(" bad\n\x1b[31mscores\t\x00 ") == "bad [31mscores"
    assert steering.said(None) == ""
    assert len(steering.said("x" * 9_999)) == 500


def test_the_scope_of_a_hold_is_left_out_of_the_record_where_it_has_none() -> None:
    record = with_hold(empty("wine"), Hold(reason="audit", by="Ada", since=NOW))
    assert to_plain(record)["holds"] == [
        {"reason": "audit", "by": "Ada", "since": "2026-03-01T12:00:00Z"}
    ]
