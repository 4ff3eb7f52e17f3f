"""Commit messages of records: what a person did has a word of its own, and is read back."""

from __future__ import annotations

from datetime import UTC, datetime

from hypothesis import given
from hypothesis import strategies as st

from reconciler.core import steering
from reconciler.core.notes import Note, describe, message, noted
from reconciler.core.record import (
    Hold,
    Outcome,
    Pointer,
    Record,
    Version,
    empty,
    forget,
    promote,
    with_hold,
    with_version,
    without_hold,
)

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
NAMES = st.lists(
    st.from_regex(r"[a-z0-9]([a-z0-9-]{0,20}[a-z0-9])?", fullmatch=True),
    min_size=1,
    max_size=5,
    unique=True,
)
WORDS = st.text(max_size=80).map(lambda text: steering.said(text) or "said nothing")


def tried(record: Record, outcome: Outcome) -> Record:
    number = record.next_version
    version = Version(
        number=number,
        outcome=outcome,
        reason=outcome.title(),
        fingerprint=f"f{number}",
        revision=f"r{number}",
        created=NOW,
        bundle=None if outcome is Outcome.FAILED else Pointer(md5=f"{number:032x}.dir"),
        judged="q:-",
    )
    return with_version(record, version)


def two_released() -> Record:
    record = empty("wine")
    for number in (1, 2):
        record = promote(tried(record, Outcome.INCONCLUSIVE), number, f"r{number}")
    return record


def told(before: Record | None, after: Record) -> tuple[str, str | None]:
    note = describe("wine", before, after)
    return note.subject, dict(note.trailers).get("Reason")


def test_each_thing_that_a_person_does_has_a_sentence_and_a_reason() -> None:
    record = two_released()
    target = steering.rollback_target(record, None, "f2")
    hold = steering.rollback_hold(record, target, "f2", "bad scores", "Ada", NOW)
    back = steering.rolled_back(record, 1, hold, "head")
    assert told(record, back) == ("Roll wine back from 2 to 1", "bad scores")
    audit = with_hold(record, Hold(reason="audit", by="Ada", since=NOW))
    assert told(record, audit) == ("Suspend wine", "audit")
    assert told(audit, without_hold(audit)) == ("Resume wine", None)
    undecided = tried(record, Outcome.INCONCLUSIVE)
    promoted = steering.promoted(undecided, 3, "Ada", "the shop agrees", NOW, "head")
    assert told(undecided, promoted) == ("Promote wine 3", "the shop agrees")
    failed = tried(record, Outcome.FAILED)
    assert told(failed, forget(failed, "f3")) == ("Forget what failed of wine", None)


def test_releasing_a_promoted_version_again_is_no_new_promotion() -> None:
    undecided = tried(two_released(), Outcome.INCONCLUSIVE)
    promoted = steering.promoted(undecided, 3, "Ada", "the shop agrees", NOW, "head")
    former = promote(promoted, 1, "r1")
    assert told(former, promote(former, 3, "r3")) == ("Release wine 3", None)


@given(NAMES, WORDS, st.data())
def test_every_note_of_a_commit_is_read_back(
    names: list[str], reason: str, data: st.DataObject
) -> None:
    notes = []
    for name in names:
        before = empty(name)
        if data.draw(st.booleans()):
            after = with_hold(before, Hold(reason=reason, by="Ada", since=NOW))
        else:
            after = tried(before, Outcome.REJECTED)
        notes.append(describe(name, before, after))
    text = message(notes).rstrip()
    assert [noted(text, name) for name in names] == notes


def test_a_commit_that_somebody_made_by_hand_has_no_note() -> None:
    assert noted("Mend the record of wine\n\nModel: iris\n", "wine") is None
    assert noted("Merge: fix", "wine") is None
    single = Note("wine", "Remove wine", (("Model", "wine"),))
    assert noted(message([single]), "wine") == single
