"""Events in the status store: the last of each model, in a table that stays small."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime

from reconciler.core.told import Level, Told

#: So many are kept of each model, and of the daemon itself.
OF_EACH = 200
#: So many are kept in all: some 50 MB.
IN_ALL = 200_000

TABLE = """
CREATE TABLE IF NOT EXISTS events (
    id INTEGER PRIMARY KEY, model TEXT, at TEXT, level TEXT, event TEXT,
    reason TEXT, message TEXT, facts TEXT);
CREATE INDEX IF NOT EXISTS events_by_model ON events (model, id);
"""
_COLUMNS = "id, model, at, level, event, reason, message, facts"
_ADD = """
INSERT INTO events (model, at, level, event, reason, message, facts) VALUES (?, ?, ?, ?, ?, ?, ?)
"""
_TRIM_MODEL = """
DELETE FROM events WHERE model = ?1 AND id <=
    (SELECT id FROM events WHERE model = ?1 ORDER BY id DESC LIMIT 1 OFFSET ?2)
"""
_TRIM = "DELETE FROM events WHERE id <= (SELECT max(id) FROM events) - ?"


def add(db: sqlite3.Connection, told: Iterable[Told]) -> None:
    """Keep events, in their order; the oldest go where there are too many."""
    rows = [_row(item) for item in told]
    db.executemany(_ADD, rows)
    for model in {row[0] for row in rows}:
        db.execute(_TRIM_MODEL, (model, OF_EACH))
    db.execute(_TRIM, (IN_ALL,))


def read(
    db: sqlite3.Connection, model: str | None, after: int, most: int
) -> tuple[int, tuple[Told, ...]]:
    """Return the newest events, oldest first, and the number of the last one.

    Args:
        db: The status store.
        model: Of this model; None: of all, and of the daemon itself.
        after: Only those with a higher number; a new table, which counts anew, is read whole.
        most: At most so many.
    """
    (newest,) = db.execute("SELECT coalesce(max(id), 0) FROM events").fetchone()
    after = after if newest >= after else 0
    chosen = "id > ?1" if model is None else "model = ?3 AND id > ?1"
    query = f"SELECT {_COLUMNS} FROM events WHERE {chosen} ORDER BY id DESC LIMIT ?2"  # noqa: S608
    rows = db.execute(query, (after, most) if model is None else (after, most, model)).fetchall()
    return (rows[0][0] if rows else after), tuple(_told(row[1:]) for row in reversed(rows))


def _row(told: Told) -> tuple[str, ...]:
    at = told.at.astimezone(UTC).isoformat()
    plain = (told.model, at, told.level, told.event, told.reason, told.message)
    return (*map(_storable, plain), json.dumps(dict(told.facts)))


def _told(row: Sequence[str]) -> Told:
    model, at, level, event, reason, message, facts = row
    found = json.loads(facts)
    return Told(datetime.fromisoformat(at), Level(level), event, model, reason, message, found)


def _storable(text: str) -> str:
    """Return text that UTF-8 can hold: SQLite refuses half a character."""
    return text.encode("utf-8", "backslashreplace").decode("utf-8")
