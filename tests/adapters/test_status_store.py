"""The status store: shared by processes, and never in the way when it is lost or damaged."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest

from reconciler.adapters.status import StatusStore
from reconciler.core.conditions import Condition, ConditionType, Health, Sync, Truth
from reconciler.errors import TransientError

if TYPE_CHECKING:
    from pathlib import Path

NOON = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
LATER = NOON + timedelta(minutes=5)


def ready(status: Truth, since: datetime) -> Condition:
    return Condition(ConditionType.READY, status, "Converged", "it is ready", since)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / ".reconciler" / "status.db"


def test_what_was_observed_is_there_for_the_next_process(path: Path) -> None:
    store = StatusStore(path)
    store.observe("wine", Sync.SYNCED, Health.HEALTHY, "as released", (), NOON)
    store.observe("wine", Sync.SYNCED, Health.DEGRADED, "a byte flipped", (), LATER)
    store.close()

    seen = StatusStore(path).observed()

    assert seen == {"wine": (Sync.SYNCED, Health.DEGRADED, "a byte flipped", LATER)}


def test_a_condition_keeps_the_time_of_its_last_transition(path: Path) -> None:
    store = StatusStore(path)
    store.observe("wine", Sync.SYNCED, Health.HEALTHY, "", [ready(Truth.TRUE, NOON)], NOON)
    store.observe("wine", Sync.SYNCED, Health.HEALTHY, "", [ready(Truth.TRUE, LATER)], NOON)
    store.observe("iris", Sync.SYNCED, Health.HEALTHY, "", [ready(Truth.FALSE, LATER)], NOON)

    assert store.conditions("wine") == {"wine": {ConditionType.READY: ready(Truth.TRUE, NOON)}}
    assert set(store.conditions()) == {"wine", "iris"}

    store.observe("wine", Sync.SYNCED, Health.HEALTHY, "", [ready(Truth.FALSE, LATER)], NOON)
    assert store.conditions("wine")["wine"][ConditionType.READY].since == LATER


def test_the_last_twenty_durations_of_each_stage_are_told(path: Path) -> None:
    store = StatusStore(path)
    for turn in range(50):
        store.add_durations("wine", {"train": float(turn), "prepare": 0.5}, NOON)
    store.add_durations("wine", {"train": 7.0}, LATER)

    told = store.durations(["wine", "iris"])
    assert told == {"wine": {"prepare": (0.5,) * 20, "train": (*map(float, range(31, 50)), 7.0)}}
    rows = sqlite3.connect(path).execute("SELECT count(*) FROM durations").fetchone()
    assert rows == (40,)


def test_a_model_that_is_gone_is_forgotten(path: Path) -> None:
    store = StatusStore(path)
    store.observe("wine", Sync.SYNCED, Health.HEALTHY, "", [ready(Truth.TRUE, NOON)], NOON)
    store.add_durations("wine", {"train": 1.0}, NOON)

    store.forget("wine")

    assert (store.observed(), store.conditions(), store.durations(["wine"])) == ({}, {}, {})


def test_parsed_values_are_kept_by_content_and_dropped_with_the_code_that_made_them(
    path: Path,
) -> None:
    store = StatusStore(path)
    store.keep_parsed("spec/1", {f"k{n}": {"n": n} for n in range(1200)})
    store.keep_parsed("record/1", {"k1": [1]})

    assert len(store.parsed("spec/1", [f"k{n}" for n in range(1300)])) == 1200
    assert store.parsed("spec/1", ["k7", "none"]) == {"k7": {"n": 7}}

    store.keep_parsed("spec/2", {"k1": 2})
    assert store.parsed("spec/1", ["k7"]) == {}
    assert store.parsed("record/1", ["k1"]) == {"k1": [1]}


@pytest.mark.parametrize(
    "damage", [b"not a database at all" * 100, b"", b"SQLite format 3\0" + b"\xff" * 4096]
)
def test_a_corrupt_file_is_set_aside_and_a_new_one_serves(path: Path, damage: bytes) -> None:
    path.parent.mkdir()
    path.write_bytes(damage)

    store = StatusStore(path)
    store.observe("wine", Sync.SYNCED, Health.HEALTHY, "", (), NOON)

    assert "wine" in StatusStore(path).observed()
    aside = path.with_name("status.db.corrupt")
    assert not damage or aside.read_bytes() == damage


def test_a_file_that_breaks_while_it_is_open_is_set_aside(path: Path) -> None:
    store = StatusStore(path)
    store.keep_parsed("spec/1", {f"k{n}": "x" * 500 for n in range(200)})
    store.close()
    content = bytearray(path.read_bytes())
    content[4096:] = b"\xee" * (len(content) - 4096)
    path.write_bytes(content)

    assert store.parsed("spec/1", ["k1"]) == {}
    store.observe("wine", Sync.SYNCED, Health.HEALTHY, "", (), NOON)
    assert "wine" in store.observed()
    assert path.with_name("status.db.corrupt").exists()


def test_a_file_of_a_newer_schema_is_set_aside(path: Path) -> None:
    StatusStore(path).close()
    with sqlite3.connect(path) as db:
        db.execute("PRAGMA user_version = 99")
    db.close()

    assert StatusStore(path).observed() == {}
    assert path.with_name("status.db.corrupt").exists()


def test_a_store_follows_when_another_process_starts_a_new_file(path: Path) -> None:
    first, second = StatusStore(path), StatusStore(path)
    path.rename(path.with_name("status.db.corrupt"))
    second.observe("wine", Sync.SYNCED, Health.HEALTHY, "", (), NOON)
    first.observe("iris", Sync.SYNCED, Health.HEALTHY, "", (), NOON)

    assert set(first.observed()) == set(second.observed()) == {"wine", "iris"}


WRITER = """
import sys
from datetime import datetime, UTC
from pathlib import Path
from reconciler.adapters.status import StatusStore
from reconciler.core.conditions import Health, Sync
store = StatusStore(Path(sys.argv[1]))
for turn in range(40):
    store.observe(f"m{sys.argv[2]}-{turn}", Sync.SYNCED, Health.HEALTHY, "", (), datetime.now(UTC))
"""


def test_several_processes_lose_nothing(path: Path) -> None:
    writers = [
        subprocess.Popen([sys.executable, "-c", WRITER, str(path), str(n)]) for n in range(4)
    ]

    assert [writer.wait() for writer in writers] == [0, 0, 0, 0]
    assert len(StatusStore(path).observed()) == 160


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_read_only_folder_is_a_stated_condition(path: Path) -> None:
    path.parent.mkdir(mode=0o500)

    with pytest.raises(TransientError) as caught:
        StatusStore(path)

    assert caught.value.reason == "StatusUnavailable"


def test_a_folder_in_the_way_is_a_stated_condition(path: Path) -> None:
    path.mkdir(parents=True)

    with pytest.raises(TransientError, match="status"):
        StatusStore(path)
