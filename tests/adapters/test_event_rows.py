"""Events are kept in the status store: the last of each model, whatever stands in them."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.adapters import event_rows
from reconciler.adapters.status import StatusStore
from reconciler.core.conditions import Health, Sync
from reconciler.core.told import Level, Told

NOON = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)


def event(model: str, number: int = 0) -> Told:
    at = NOON + timedelta(seconds=number)
    return Told(at, Level.INFO, "Decided", model, "Released", str(number), {"version": number})


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "status.db"


def numbers(told: Sequence[Told]) -> list[int]:
    return [int(item.message) for item in told]


def test_events_are_there_for_the_next_process_oldest_first(path: Path) -> None:
    StatusStore(path).add_events([event("wine", 1), event("iris", 2), event("wine", 3)])

    store = StatusStore(path)

    assert store.events("wine") == (3, (event("wine", 1), event("wine", 3)))
    assert numbers(store.events()[1]) == [1, 2, 3]
    assert numbers(store.events(most=2)[1]) == [2, 3]
    assert store.events("none") == (0, ())


def test_the_last_two_hundred_of_each_model_are_kept(path: Path) -> None:
    store = StatusStore(path)
    store.add_events([event("iris", 0)])
    for start in range(0, 500, 50):
        store.add_events([event("wine", start + n) for n in range(50)])

    assert numbers(store.events("wine")[1]) == list(range(300, 500))
    assert numbers(store.events("iris")[1]) == [0], "a noisy model takes nothing from a quiet one"


def test_a_fleet_keeps_so_many_in_all(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(event_rows, "IN_ALL", 100)
    store = StatusStore(path)
    for start in range(0, 250, 10):
        store.add_events([event(f"m{start + n}", start + n) for n in range(10)])
    assert numbers(store.events()[1]) == list(range(150, 250))


def test_only_what_is_new_is_asked_for(path: Path) -> None:
    store = StatusStore(path)
    store.add_events([event("wine", 1)])
    last, _ = store.events("wine")
    assert store.events("wine", after=last) == (last, ())
    store.add_events([event("iris", 2), event("wine", 3)])
    last, found = store.events("wine", after=last)
    assert numbers(found) == [3]
    assert store.events("wine", after=last) == (last, ())


def test_a_new_file_which_counts_anew_is_read_whole(path: Path) -> None:
    store = StatusStore(path)
    store.add_events([event("wine", n) for n in range(9)])
    last, _ = store.events()
    path.unlink()
    store.add_events([event("wine", 9)])
    assert numbers(store.events(after=last)[1]) == [9]


def test_a_store_of_before_there_were_events_gets_them_and_loses_nothing(path: Path) -> None:
    old = StatusStore(path)
    old.observe("wine", Sync.SYNCED, Health.HEALTHY, "", (), NOON)
    old.close()
    with sqlite3.connect(path) as db:
        db.execute("DROP TABLE events")
    db.close()

    store = StatusStore(path)
    store.add_events([event("wine", 1)])

    assert numbers(store.events("wine")[1]) == [1]
    assert set(store.observed()) == {"wine"}


texts = st.text(st.characters(codec="utf-8"))


@given(texts, texts, texts, st.dictionaries(texts, texts | st.integers() | st.booleans()))
def test_what_is_kept_is_what_was_told(
    model: str, reason: str, message: str, facts: dict[str, str | int]
) -> None:
    told = Told(NOON, Level.WARNING, "Warned", model, reason, message, facts)
    db = sqlite3.connect(":memory:")
    db.executescript(event_rows.TABLE)
    event_rows.add(db, [told])
    assert event_rows.read(db, model, 0, 1)[1] == (told,)
    db.close()


def test_half_a_character_is_kept_as_an_escape(path: Path) -> None:
    store = StatusStore(path)
    store.add_events([Told(NOON, Level.INFO, "Warned", "m", "", "file \udcff", {})])
    assert store.events("m")[1][0].message == r"file \udcff"


WRITER = """
import sys
from datetime import UTC, datetime
from pathlib import Path
from reconciler.adapters.status import StatusStore
from reconciler.core.told import Level, Told
store = StatusStore(Path(sys.argv[1]))
for number in range(100):
    told = Told(datetime.now(UTC), Level.INFO, "Decided", sys.argv[2], "", str(number), {})
    store.add_events([told])
"""


def test_several_processes_lose_no_event(path: Path) -> None:
    writers = [
        subprocess.Popen([sys.executable, "-c", WRITER, str(path), f"m{n}"]) for n in range(2)
    ]
    assert [writer.wait() for writer in writers] == [0, 0]
    for n in range(2):
        assert numbers(StatusStore(path).events(f"m{n}")[1]) == list(range(100))
