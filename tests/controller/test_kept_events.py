"""Kept events are written off the hot path, and their loss stops nothing."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from pathlib import Path

from reconciler.adapters.status import StatusStore
from reconciler.controller.events import Decided, Happened, Queued, StageEnded, StageStarted
from reconciler.controller.kept_events import KeptEvents
from reconciler.errors import TransientError

NOON = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)


def test_what_happened_is_kept_at_the_end_and_what_only_begins_is_not(tmp_path: Path) -> None:
    path = tmp_path / "status.db"
    with KeptEvents(lambda: StatusStore(path), lambda: NOON) as kept:
        for event in (
            Happened("Started", "follows main"),
            Queued("wine"),
            StageStarted("wine", "train"),
            StageEnded("wine", "train", cached=True, seconds=0.0),
            Decided("wine", "Released", "released: r2 0.9", good=True, version=3),
        ):
            kept(event)
        assert not path.exists(), "events wait for each other"

    found = StatusStore(path).events()[1]
    assert [told.event for told in found] == ["Happened", "StageEnded", "Decided"]
    assert found[2].facts == {"version": 3}
    assert [told.model for told in found] == ["", "wine", "wine"]


def test_a_full_batch_does_not_wait(tmp_path: Path) -> None:
    store = StatusStore(tmp_path / "status.db")
    with KeptEvents(lambda: store, lambda: NOON) as kept:
        for number in range(100):
            kept(Decided("wine", "Released", str(number), good=True))
        until = time.monotonic() + 0.9
        while not store.events()[1] and time.monotonic() < until:
            time.sleep(0.001)
        assert len(store.events()[1]) == 100


def test_where_nothing_can_be_kept_nothing_fails_and_it_is_tried_again(tmp_path: Path) -> None:
    tries = []

    def store() -> StatusStore:
        tries.append(1)
        if len(tries) == 1:
            raise TransientError("the disk is full")
        return StatusStore(tmp_path / "status.db")

    with KeptEvents(store, lambda: NOON) as kept:
        for number in range(100):
            kept(Decided("wine", "Released", str(number), good=True))
        until = time.monotonic() + 5
        while not tries and time.monotonic() < until:
            time.sleep(0.001)
        kept(Decided("wine", "Released", "last", good=True))

    found = StatusStore(tmp_path / "status.db").events()[1]
    assert [told.message for told in found] == ["last"]


def test_thousands_at_once_are_kept_in_their_order(tmp_path: Path) -> None:
    path = tmp_path / "status.db"
    with KeptEvents(lambda: StatusStore(path), lambda: NOON) as kept:
        for number in range(3000):
            kept(Decided(f"m{number}", "Released", str(number), good=True))
        until = time.monotonic() + 20
        while time.monotonic() < until:
            if path.exists() and len(StatusStore(path).events()[1]) == 3000:
                break
            time.sleep(0.05)
    found = [int(told.message) for told in StatusStore(path).events()[1]]
    assert found == list(range(3000))
