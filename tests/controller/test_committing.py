"""Committing: decisions that come close together share a commit, and one spoils no other."""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence

from reconciler.adapters.snapshot import Snapshot
from reconciler.controller import decisions
from reconciler.controller.committing import Committer, Entry
from reconciler.controller.decisions import Overtaken
from reconciler.core.record import Hold, Record, empty, with_hold
from reconciler.errors import TransientError
from tests.controller.world import NOW, MemoryStore


class Writing:
    """A committer at work on a branch, and what it has told."""

    def __init__(self, window_s: float = 0.0) -> None:
        self.store = MemoryStore()
        self.told: list[tuple[tuple[str, ...], Snapshot | Exception]] = []
        self.committer = Committer(lambda: self.store, window_s)
        self.thread = threading.Thread(target=self.committer.run, args=(self.settled,))

    def settled(self, entries: Sequence[Entry], outcome: Snapshot | Exception) -> None:
        self.told.append((tuple(e.decision.model for e in entries), outcome))

    def submit(self, *models: str, seen: Record | None = None) -> None:
        for model in models:
            self.committer.submit(decisions.retire(model, "r1"), seen)

    def finish(self) -> None:
        if not self.thread.is_alive():
            self.thread.start()
        deadline = time.monotonic() + 5
        while not self.committer.at_rest() and time.monotonic() < deadline:
            time.sleep(0.001)
        self.committer.close()
        self.thread.join(5)


def test_what_waits_when_a_commit_is_made_goes_with_it() -> None:
    writing = Writing()
    writing.submit("a", "b", "c")
    writing.finish()
    assert writing.store.commits == [("a", "b", "c")]
    assert [models for models, _ in writing.told] == [("a", "b", "c")]


def test_a_lone_decision_waits_for_nobody_and_later_ones_for_the_window() -> None:
    writing = Writing(window_s=0.3)
    writing.thread.start()
    began = time.monotonic()
    writing.submit("a")
    while not writing.told:
        time.sleep(0.001)
    assert time.monotonic() - began < 0.3
    for model in "bcd":
        writing.submit(model)
        time.sleep(0.01)
    writing.finish()
    assert writing.store.commits == [("a",), ("b", "c", "d")]


def test_a_decision_that_cannot_be_written_spoils_no_other() -> None:
    writing = Writing()
    writing.store.refuses = {"b": ValueError("a bug")}
    writing.submit("a", "b", "c")
    writing.finish()
    assert writing.store.commits == [("a",), ("c",)]
    told = {models[0]: outcome for models, outcome in writing.told}
    assert isinstance(told["b"], ValueError)
    assert isinstance(told["c"], Snapshot)


def test_a_branch_that_cannot_be_written_now_is_told_to_all_of_them_at_once() -> None:
    writing = Writing()
    writing.store.refuses = {"b": TransientError("locked")}
    writing.submit("a", "b")
    writing.finish()
    assert writing.store.commits == []
    assert [models for models, _ in writing.told] == [("a", "b")]


def test_what_a_person_has_steered_meanwhile_is_not_overridden() -> None:
    writing = Writing()
    hold = Hold(by="Ada", reason="holiday", since=NOW)
    writing.store.commit({"a": lambda _: with_hold(empty("a"), hold)})
    writing.submit("a", seen=None)
    writing.finish()
    assert isinstance(writing.told[0][1], Overtaken)
    assert writing.store.snapshot.records["a"].holds == (hold,)


def test_what_somebody_else_has_decided_meanwhile_is_no_decision_of_ours() -> None:
    writing = Writing()
    writing.store.commit({"a": decisions.retire("a", "r1").change})
    writing.submit("a", seen=None)
    writing.finish()
    assert isinstance(writing.told[0][1], Overtaken)
    assert len(writing.store.commits) == 1


def test_nothing_is_written_once_it_is_closed() -> None:
    writing = Writing(window_s=30)
    writing.thread.start()
    writing.submit("a")
    while not writing.told:
        time.sleep(0.001)
    writing.submit("b")
    writing.committer.close()
    writing.thread.join(5)
    assert writing.store.commits == [("a",)]
