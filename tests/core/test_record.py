"""The release record: transitions keep their promises whatever the order they come in."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reconciler.core.record import (
    Hold,
    Outcome,
    Pointer,
    Record,
    Version,
    attempt,
    empty,
    forget,
    predecessor,
    promote,
    retire,
    with_hold,
    with_version,
    withdraw,
    without_hold,
)
from reconciler.core.rollouts import started
from reconciler.core.stored import from_plain, to_plain
from reconciler.errors import TerminalError
from reconciler.spec.model import Rollout

CANARY = Rollout(strategy="canary")
NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)


def version(number: int, fingerprint: str = "f", **changes: Any) -> Version:
    fields: dict[str, Any] = {
        "number": number,
        "outcome": Outcome.REJECTED,
        "fingerprint": fingerprint,
        "revision": "r1",
        "created": NOW,
        "bundle": Pointer(md5=f"{number:032x}.dir", size=10, nfiles=2),
    }
    return Version(**{**fields, **changes})


def tried(count: int, keep: int = 10) -> Record:
    record = empty("wine")
    for number in range(1, count + 1):
        record = with_version(record, version(number, f"f{number}"), keep)
    return record


STEPS = st.lists(
    st.tuples(
        st.sampled_from(["try", "fail", "promote", "withdraw", "challenge", "forget", "retire"]),
        st.integers(0, 12),
    ),
    max_size=40,
)


def step(record: Record, verb: str, pick: int, keep: int) -> Record:
    fingerprint = f"f{pick % 5}"
    if verb in ("try", "fail"):
        outcome = Outcome.REJECTED if verb == "try" else Outcome.FAILED
        bundle = None if verb == "fail" else Pointer(md5=f"{pick:032x}.dir")
        new = version(record.next_version, fingerprint, outcome=outcome, bundle=bundle)
        return with_version(record, new, keep)
    if verb == "forget":
        return forget(record, fingerprint)
    if verb == "retire":
        return retire(record, "r2")
    usable = [v.number for v in record.versions if v.bundle is not None]
    if not usable:
        return record
    number = usable[pick % len(usable)]
    if verb == "promote":
        return promote(record, number, f"r{pick}")
    if verb == "withdraw":
        return withdraw(record, number, "TooSlow", "it was too slow")
    if record.champion is None or record.champion.number == number:
        return record
    return started(record, number, CANARY, NOW)


@settings(deadline=None, derandomize=True, max_examples=150)
@given(STEPS, st.integers(1, 10))
def test_any_history_keeps_the_champion_and_the_last_versions_and_reuses_no_number(
    steps: list[tuple[str, int]], keep: int
) -> None:
    record, forgotten = empty("wine"), set[int]()
    given_out: list[int] = []
    for verb, pick in steps:
        before, record = record, step(record, verb, pick, keep)
        numbers = [v.number for v in record.versions]
        if verb in ("try", "fail"):
            given_out.append(before.next_version)
            recent = given_out[-keep:]
            assert set(recent) - forgotten <= set(numbers)
            assert len(numbers) <= keep + 3  # champion, challenger, predecessor
        if verb == "forget":
            forgotten |= {v.number for v in before.versions} - set(numbers)
        assert len(given_out) == len(set(given_out))
        assert record.champion is None or record.champion in record.versions
        if before.champion and verb not in ("withdraw", "retire", "promote"):
            assert record.champion is not None
            assert record.champion.number == before.champion.number
        assert from_plain(json.loads(json.dumps(to_plain(record)))) == record


def test_ten_versions_are_kept_and_an_older_champion_stays_beside_them() -> None:
    record = promote(tried(2), 1, "r1")
    for number in range(3, 20):
        record = with_version(record, version(number))

    assert [v.number for v in record.versions] == [1, *range(10, 20)]
    assert record.champion is not None
    assert record.champion.number == 1
    assert record.next_version == 20


def test_of_cancelled_versions_the_last_stays_so_they_push_one_out_at_most() -> None:
    record = tried(10)
    for number in range(11, 31):
        cut = version(number, "g", outcome=Outcome.CANCELLED, bundle=None)
        record = with_version(record, cut)

    assert [v.number for v in record.versions] == [*range(2, 11), 30]
    assert record.by_fingerprint("g") is None
    assert forget(record, "g") == record
    assert from_plain(json.loads(json.dumps(to_plain(record)))) == record


def test_the_version_to_roll_back_to_outlives_any_number_of_rejected_attempts() -> None:
    record = promote(promote(tried(2), 1, "r1"), 2, "r2")
    for number in range(3, 30):
        record = with_version(record, version(number))

    former = predecessor(record)

    assert former is not None
    assert former.number == 1


def test_promotion_supersedes_the_former_champion_and_a_revert_brings_it_back() -> None:
    record = promote(promote(tried(2), 1, "r1"), 2, "r2")
    assert [v.outcome for v in record.versions] == [Outcome.SUPERSEDED, Outcome.RELEASED]

    record = promote(record, 1, "r3")

    assert [v.outcome for v in record.versions] == [Outcome.RELEASED, Outcome.SUPERSEDED]
    assert (record.released, record.attempted, record.next_version) == ("r3", "r3", 3)


def test_promoting_the_challenger_ends_its_rollout() -> None:
    record = started(promote(tried(2), 1, "r1"), 2, CANARY, NOW)

    record = promote(record, 2, "r2")

    assert record.challenger is None
    assert record.rollout is None


def test_a_withdrawn_challenger_says_why_and_leaves_the_champion() -> None:
    record = started(promote(tried(2), 1, "r1"), 2, CANARY, NOW)

    record = withdraw(record, 2, "ErrorRate", "4 % of requests failed")

    assert record.challenger is None
    assert record.champion is not None
    gone = record.version(2)
    assert gone is not None
    assert (gone.outcome, gone.reason) == (Outcome.WITHDRAWN, "ErrorRate")


def test_a_version_without_a_bundle_is_never_promoted() -> None:
    record = with_version(empty("wine"), version(1, outcome=Outcome.FAILED, bundle=None))

    with pytest.raises(ValueError, match="no bundle"):
        promote(record, 1, "r1")


def test_a_number_that_was_used_is_refused_for_a_new_version() -> None:
    record = tried(12)

    with pytest.raises(ValueError, match="version 1 of wine"):
        with_version(record, version(1))


def test_a_new_verdict_replaces_the_version_it_is_about_champion_included() -> None:
    record = promote(tried(2), 2, "r1")
    judged = version(2, "f2", outcome=Outcome.RELEASED, judged="j2")

    record = with_version(record, judged)

    assert record.champion == judged
    assert record.next_version == 3


def test_forgetting_drops_failures_of_one_fingerprint_and_no_rejection() -> None:
    record = with_version(tried(1), version(2, "f1", outcome=Outcome.FAILED, bundle=None))

    record = forget(record, "f1")

    assert [v.number for v in record.versions] == [1]
    assert record.next_version == 3


def test_a_retired_model_keeps_its_history_and_its_numbers() -> None:
    record = retire(promote(tried(2), 2, "r1"), "r2")

    assert record.champion is None
    assert record.released is None
    assert record.next_version == 3


def test_holds_are_known_by_their_reason() -> None:
    record = with_hold(empty("wine"), Hold(reason="audit", by="ann", since=NOW))
    record = with_hold(record, Hold(reason="audit", by="bob", since=NOW))
    record = with_hold(record, Hold(reason="freeze", by="cy", since=NOW))

    assert [(h.reason, h.by) for h in record.holds] == [("audit", "bob"), ("freeze", "cy")]
    assert [h.reason for h in without_hold(record, "audit").holds] == ["freeze"]
    assert without_hold(record).holds == ()


def test_undefined_metrics_are_left_out_and_undefined_evidence_is_null() -> None:
    judged = version(1, metrics={"r2": float("nan"), "mae": 2.5}, verdict={"low": float("inf")})

    assert judged.metrics == {"mae": 2.5}
    assert judged.verdict == {"low": None}
    assert attempt(empty("wine"), "r9").attempted == "r9"


def test_the_stored_form_names_the_champion_first_and_only_once() -> None:
    plain = to_plain(promote(tried(3), 2, "r1"))

    assert list(plain)[:4] == ["apiVersion", "kind", "model", "champion"]
    versions = plain["versions"]
    assert isinstance(versions, list)
    assert [v["number"] for v in versions] == [1, 3]


@pytest.mark.parametrize(
    ("damage", "reason", "message"),
    [
        ({"apiVersion": "reconciler/record/v2"}, "RecordTooNew", "newer reconciler"),
        ({"apiVersion": "reconciler/record/v1x"}, "RecordCorrupt", "apiVersion"),
        ({"apiVersion": None}, "RecordCorrupt", "apiVersion"),
        ({"next_version": 2}, "RecordCorrupt", "next_version 2 was used"),
        ({"champion": "three"}, "RecordCorrupt", "champion"),
        ({"versions": 5}, "RecordCorrupt", "int"),
        ({"surprise": 1}, "RecordCorrupt", "surprise"),
        ({"model": None}, "RecordCorrupt", "model"),
    ],
)
def test_a_damaged_record_is_refused_with_what_is_wrong(
    damage: dict[str, object], reason: str, message: str
) -> None:
    plain = {**to_plain(promote(tried(3), 2, "r1")), **damage}

    with pytest.raises(TerminalError, match=message) as caught:
        from_plain(plain)

    assert caught.value.reason == reason


def test_two_versions_with_one_number_are_refused() -> None:
    plain = to_plain(tried(2))
    versions = plain["versions"]
    assert isinstance(versions, list)

    with pytest.raises(TerminalError, match="ascending"):
        from_plain({**plain, "versions": [versions[0], versions[0]]})
