"""Rollouts on record: they start, go on and end, and the record says what they have come to."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from reconciler.core import rollouts
from reconciler.core.notes import describe
from reconciler.core.record import (
    Outcome,
    Pointer,
    Record,
    Version,
    empty,
    forget,
    predecessor,
    promote,
    retire,
    with_version,
)
from reconciler.core.recordtext import dumps, loads
from reconciler.core.rollout_rules import in_force, rules_of, settings_digest
from reconciler.core.stored import from_plain, to_plain
from reconciler.spec.model import Rollout

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
CANARY = Rollout(strategy="canary", max_error_rate=0.02)


def tried(count: int) -> Record:
    record = empty("wine")
    for number in range(1, count + 1):
        version = Version(
            number=number,
            outcome=Outcome.ACCEPTED,
            fingerprint=f"f{number}",
            revision="r1",
            created=NOW,
            bundle=Pointer(md5=f"{number:032x}.dir"),
        )
        record = with_version(record, version)
    return promote(record, 1, "r1")


def rolling(rollout: Rollout = CANARY) -> Record:
    return rollouts.started(tried(2), 2, rollout, NOW)


def outcome(record: Record, number: int) -> tuple[Outcome, str, str | None]:
    version = record.version(number)
    assert version is not None
    return version.outcome, version.reason, version.rollout


def test_a_rollout_starts_at_the_first_step_and_keeps_the_settings_in_force() -> None:
    record = rolling()

    assert record.challenger is not None
    assert (record.challenger.version, record.challenger.weight, record.challenger.step) == (
        2, 10, 0,
    )  # fmt: skip
    assert in_force(record.rollout) == rules_of(CANARY)
    assert record.champion is not None
    assert record.champion.number == 1
    assert rollouts.said(record) == (
        "version 2 gets 10 % of the traffic (canary, step 1 of 2) since 2026-03-01 12:00 UTC"
    )


def test_the_record_of_a_rollout_survives_its_text_and_an_older_one_is_still_read() -> None:
    record = rollouts.withdrawn(rollouts.started(rolling(), 2, CANARY, NOW), "TooSlow", "slow")
    for one in (rolling(), record):
        text = dumps(to_plain(one))
        assert from_plain(loads(text), canonical=True) == one
    plain: Any = json.loads(json.dumps(to_plain(tried(2))))
    assert all("rollout" not in version for version in plain["versions"])
    del plain["rollout"], plain["challenger"]
    assert from_plain(plain) == tried(2)


def test_a_shift_changes_weight_step_and_time_alone() -> None:
    before, later = rolling(), NOW + timedelta(minutes=10)

    after = rollouts.shifted(before, 50, 1, later)

    assert after.challenger is not None
    assert (after.challenger.weight, after.challenger.step) == (50, 1)
    assert after.challenger.since == later
    assert (after.versions, after.champion, after.rollout) == (
        before.versions, before.champion, before.rollout,
    )  # fmt: skip


def test_a_promoted_challenger_is_the_champion_and_says_how() -> None:
    record = rollouts.promoted(rolling(), "r2", "RolledOut", "passed all steps")

    assert (record.challenger, record.rollout, record.released) == (None, None, "r2")
    assert outcome(record, 2) == (Outcome.RELEASED, "RolledOut", None)
    assert outcome(record, 1)[0] is Outcome.SUPERSEDED


def test_a_withdrawal_is_remembered_by_its_settings_and_forgotten_by_a_retry() -> None:
    record = rollouts.withdrawn(rolling(), "TooManyErrors", "9 of 100 failed")

    known = settings_digest(rules_of(CANARY))
    assert outcome(record, 2) == (Outcome.WITHDRAWN, "TooManyErrors", known)
    assert (record.challenger, record.rollout) == (None, None)
    assert record.champion == tried(2).champion

    again = forget(record, "f2")
    assert outcome(again, 2) == (Outcome.ACCEPTED, "", None)
    assert describe("wine", record, again).subject == "Forget what failed of wine"


def test_what_was_inconclusive_is_remembered_for_one_revision() -> None:
    record = rollouts.withdrawn(rolling(), "TooFewRequests", "3 of 100", "r7")
    assert outcome(record, 2)[2] == settings_digest(rules_of(CANARY), "r7")


def test_a_newer_challenger_takes_the_place_of_the_one_before() -> None:
    record = rollouts.started(rollouts.started(tried(3), 2, CANARY, NOW), 3, CANARY, NOW)

    assert record.challenger is not None
    assert record.challenger.version == 3
    assert outcome(record, 2) == (Outcome.ACCEPTED, "Abandoned", None)


@pytest.mark.parametrize("number", [1, 3])
def test_whoever_else_is_promoted_ends_the_rollout(number: int) -> None:
    record = promote(rollouts.started(tried(3), 2, CANARY, NOW), number, "r3")
    assert (record.challenger, record.rollout) == (None, None)


def test_a_retired_model_has_no_rollout() -> None:
    assert retire(rolling(), "r3").challenger is None


def test_an_abandoned_challenger_is_no_version_to_roll_back_to() -> None:
    record = rollouts.abandoned(rolling(), "another is declared")
    assert outcome(record, 2) == (Outcome.ACCEPTED, "Abandoned", None)
    assert predecessor(record) is None


def test_a_champion_is_not_challenged_by_itself_nor_by_what_is_not_there() -> None:
    for number in (1, 3):
        with pytest.raises(ValueError, match="version"):
            rollouts.started(tried(2), number, CANARY, NOW)
    with pytest.raises(ValueError, match="no champion"):
        rollouts.started(retire(tried(2), "r2"), 2, CANARY, NOW)


@pytest.mark.parametrize(
    ("rollout", "words", "subject"),
    [
        (CANARY, "gets 10 % of the traffic", "Send 10 % to wine 2"),
        (Rollout(strategy="shadow"), "a copy of every request", "Mirror requests to wine 2"),
        (Rollout(strategy="blue_green"), "warms up beside version 1", "Warm up wine 2"),
    ],
)
def test_every_strategy_says_what_it_does(rollout: Rollout, words: str, subject: str) -> None:
    record = rolling(rollout)
    assert words in rollouts.said(record)
    assert describe("wine", tried(2), record).subject == subject


def test_the_history_says_what_became_of_a_rollout() -> None:
    record = rolling()
    after = {
        "Send 50 % to wine 2": rollouts.shifted(record, 50, 1, NOW),
        "Withdraw wine 2": rollouts.withdrawn(record, "TooSlow", "slow"),
        "Release wine 2": rollouts.promoted(record, "r2", "RolledOut", ""),
        "Abandon the rollout of wine 2": rollouts.abandoned(record, "another is declared"),
        "Retire wine": retire(record, "r2"),
    }
    assert {describe("wine", record, one).subject for one in after.values()} == set(after)


def test_settings_that_cannot_be_read_are_equal_to_none_and_said() -> None:
    record = rolling().model_copy(update={"rollout": {"strategy": "dance"}})
    found = rollouts.challenging(record)
    assert found is not None
    assert found.settings == "unreadable"
    assert "does not know" in found.said
