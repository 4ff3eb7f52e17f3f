"""The status store: how models are doing right now, kept beside git and never in it.

It can be lost at any time: the next pass writes it again. Several processes may share it.
"""

from __future__ import annotations

import contextlib
import json
import sqlite3
import threading
from datetime import UTC, datetime
from typing import TYPE_CHECKING, TypeVar

from reconciler.adapters import event_rows, tally_rows
from reconciler.core.conditions import Condition, ConditionType, Health, Sync, Truth, merged
from reconciler.errors import TransientError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from reconciler.core.tally import Tally
    from reconciler.core.told import Told

T = TypeVar("T")

SCHEMA = 1
_BUSY_S = 10.0
_HISTORY = 20

_TABLES = """
CREATE TABLE IF NOT EXISTS conditions (
    model TEXT, type TEXT, status TEXT, reason TEXT, message TEXT, since TEXT,
    PRIMARY KEY (model, type)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS models (
    model TEXT PRIMARY KEY, sync TEXT, health TEXT, detail TEXT, seen TEXT) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS durations (
    id INTEGER PRIMARY KEY, model TEXT, stage TEXT, seconds REAL, at TEXT);
CREATE INDEX IF NOT EXISTS durations_by_stage ON durations (model, stage, id);
CREATE TABLE IF NOT EXISTS parsed (
    kind TEXT, key TEXT, value TEXT, PRIMARY KEY (kind, key)) WITHOUT ROWID;
"""
_TABLES += event_rows.TABLE + tally_rows.TABLE

_TRIM = """
DELETE FROM durations WHERE model = ?1 AND stage = ?2 AND id NOT IN
    (SELECT id FROM durations WHERE model = ?1 AND stage = ?2 ORDER BY id DESC LIMIT ?3)
"""


class StatusStore:
    """SQLite in one file; a file that is corrupt or of another schema is set aside.

    Args:
        path: Such as `.reconciler/status.db`; its folder is made when missing.

    Raises:
        TransientError: `StatusUnavailable`: the folder cannot be written, the disk is full, or
            another process holds the lock for longer than ten seconds. Any method may raise it.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = threading.RLock()
        self._db: sqlite3.Connection | None = None
        self._file: tuple[int, int] | None = None
        self._run(lambda _: None)

    def close(self) -> None:
        """Close the file; the next call opens it again."""
        with self._lock:
            if self._db is not None:
                self._db.close()
            self._db = None

    def observe(
        self,
        model: str,
        sync: Sync,
        health: Health,
        detail: str,
        conditions: Sequence[Condition],
        seen: datetime,
    ) -> None:
        """Keep how `model` is doing, as seen at `seen` (aware), and exactly these conditions.

        Conditions that are as they were keep their time.
        """

        def work(db: sqlite3.Connection) -> None:
            row = (model, sync, health, detail, _text(seen))
            db.execute("INSERT OR REPLACE INTO models VALUES (?, ?, ?, ?, ?)", row)
            before = _conditions(db, model).get(model, {})
            now = merged(before, conditions)
            if now == before:
                return
            rows = [(model, c.type, c.status, c.reason, c.message, _text(c.since))
                    for c in now.values()]  # fmt: skip
            db.execute("DELETE FROM conditions WHERE model = ?", (model,))
            db.executemany("INSERT INTO conditions VALUES (?, ?, ?, ?, ?, ?)", rows)

        self._run(work)

    def observed(self) -> dict[str, tuple[Sync, Health, str, datetime]]:
        """Return sync, health, detail and the time of the look, by model."""
        query = "SELECT model, sync, health, detail, seen FROM models"
        rows = self._run(lambda db: db.execute(query).fetchall())
        return {m: (Sync(s), Health(h), d, datetime.fromisoformat(t)) for m, s, h, d, t in rows}

    def seen(self) -> dict[str, tuple[str, str, str]]:
        """Return sync, health and detail by model, as words."""
        query = "SELECT model, sync, health, detail FROM models"
        rows = self._run(lambda db: db.execute(query).fetchall())
        return {model: (sync, health, detail) for model, sync, health, detail in rows}

    def conditions(self, model: str | None = None) -> dict[str, dict[ConditionType, Condition]]:
        """Return the conditions by model and type: of one model, or of all when it is None."""
        return self._run(lambda db: _conditions(db, model))

    def add_durations(self, model: str, seconds: Mapping[str, float], at: datetime) -> None:
        """Keep how many seconds each stage of `model` ran; the last twenty of each count."""

        def work(db: sqlite3.Connection) -> None:
            for stage, duration in seconds.items():
                row = (model, stage, duration, _text(at))
                db.execute(
                    "INSERT INTO durations (model, stage, seconds, at) VALUES (?, ?, ?, ?)", row
                )
                db.execute(_TRIM, (model, stage, _HISTORY))

        self._run(work)

    def durations(self, models: Sequence[str]) -> dict[str, dict[str, tuple[float, ...]]]:
        """Return the seconds of the last runs, the latest last, by model and stage."""

        def work(db: sqlite3.Connection) -> dict[str, dict[str, tuple[float, ...]]]:
            query = "SELECT stage, seconds FROM durations WHERE model = ? ORDER BY id"
            found: dict[str, dict[str, tuple[float, ...]]] = {}
            for model in models:
                for stage, seconds in db.execute(query, (model,)):
                    own = found.setdefault(model, {})
                    own[stage] = (*own.get(stage, ()), seconds)
            return found

        return self._run(work)

    def add_events(self, told: Sequence[Told]) -> None:
        """Keep events, in their order; the oldest go where there are too many."""
        self._run(lambda db: event_rows.add(db, told))

    def events(
        self, model: str | None = None, after: int = 0, most: int = event_rows.IN_ALL
    ) -> tuple[int, tuple[Told, ...]]:
        """Return the newest events, oldest first, and the number of the last one.

        Args:
            model: Of this model; None: of all, and of the daemon itself.
            after: Only those with a higher number; a new file, which counts anew, is read whole.
            most: At most so many.
        """
        return self._run(lambda db: event_rows.read(db, model, after, most))

    def count(self, model: str, since: str, boots: tally_rows.Boots) -> dict[str, dict[str, Tally]]:
        """Keep what boots have counted in a step of a rollout, and return what is known by now.

        Args:
            model: The model's name.
            since: When the step began, ISO 8601 in UTC.
            boots: Tallies by id of a boot, then digest of a bundle.

        Returns:
            All boots together by step, as `counted`.
        """

        def work(db: sqlite3.Connection) -> dict[str, dict[str, Tally]]:
            tally_rows.take_in(db, model, since, boots)
            return tally_rows.totals(db, model)

        return self._run(work)

    def counted(self, model: str) -> dict[str, dict[str, Tally]]:
        """Return what the last two steps have counted: by when they began, then by digest."""
        return self._run(lambda db: tally_rows.totals(db, model))

    def counting(self) -> set[str]:
        """Return the models for which something was counted."""
        return self._run(tally_rows.models)

    def end_count(self, model: str) -> None:
        """Drop what was counted for a model: its rollout has ended."""
        self._run(lambda db: tally_rows.forget(db, model))

    def forget(self, model: str) -> None:
        """Forget how a model that is gone was doing; what happened to it is kept."""

        def work(db: sqlite3.Connection) -> None:
            for table in ("conditions", "models", "durations", "tallies"):
                db.execute(f"DELETE FROM {table} WHERE model = ?", (model,))  # noqa: S608

        self._run(work)

    def parsed(self, kind: str, keys: Sequence[str]) -> dict[str, object]:
        """Return the cached JSON values that there are for `keys`, content ids as a rule.

        Args:
            kind: What they are and by which version of the code, such as `spec/0.1.0`.
            keys: Any number of them.
        """

        def work(db: sqlite3.Connection) -> dict[str, object]:
            found: dict[str, object] = {}
            for start in range(0, len(keys), 500):
                some = keys[start : start + 500]
                marks = ",".join("?" * len(some))
                query = f"SELECT key, value FROM parsed WHERE kind = ? AND key IN ({marks})"  # noqa: S608
                found |= {k: json.loads(v) for k, v in db.execute(query, (kind, *some))}
            return found

        return self._run(work)

    def keep_parsed(self, kind: str, values: Mapping[str, object]) -> None:
        """Cache JSON values under their keys; what an earlier version of the code kept goes.

        `spec/0.1.0` drops what `spec/0.0.9` kept: nobody asks for it any more.
        """
        family = kind.partition("/")[0]
        rows = [(kind, key, json.dumps(value)) for key, value in values.items()]

        def work(db: sqlite3.Connection) -> None:
            stale = "DELETE FROM parsed WHERE kind != ?1 AND (kind = ?2 OR kind LIKE ?2 || '/%')"
            db.execute(stale, (kind, family))
            db.executemany("INSERT OR REPLACE INTO parsed VALUES (?, ?, ?)", rows)

        self._run(work)

    def _run(self, work: Callable[[sqlite3.Connection], T]) -> T:
        """Return what `work` gives in one transaction; again on a fresh file if it was corrupt."""
        with self._lock:
            try:
                return self._attempt(work)
            except sqlite3.DatabaseError as error:
                self.close()
                if not _corrupt(error):
                    raise self._unavailable(error) from error
            except OSError as error:
                raise self._unavailable(error) from error
            try:
                self._set_aside()
                return self._attempt(work)
            except (sqlite3.Error, OSError) as error:
                self.close()
                raise self._unavailable(error) from error

    def _attempt(self, work: Callable[[sqlite3.Connection], T]) -> T:
        db = self._opened()
        with db:
            db.execute("BEGIN IMMEDIATE")
            return work(db)

    def _opened(self) -> sqlite3.Connection:
        """Return the connection to the file that stands at the path now."""
        if self._db is not None and _identity(self._path) != self._file:
            self.close()  # another process set it aside
        if self._db is None:
            self._path.parent.mkdir(exist_ok=True)  # no parents: a repository may be moved away
            self._db = _open(self._path)
            self._file = _identity(self._path)
        return self._db

    def _unavailable(self, error: Exception) -> TransientError:
        return TransientError(f"{self._path}: {error}", reason="StatusUnavailable")

    def _set_aside(self) -> None:
        """Rename the file to `….corrupt`, in place of an earlier one; its journals go."""
        with contextlib.suppress(FileNotFoundError):
            self._path.replace(self._path.with_name(self._path.name + ".corrupt"))
        for suffix in ("-wal", "-shm"):
            self._path.with_name(self._path.name + suffix).unlink(missing_ok=True)


class _OtherSchemaError(sqlite3.DatabaseError):
    """The file is sound and of another version of this program."""


def _open(path: Path) -> sqlite3.Connection:
    db = sqlite3.connect(path, timeout=_BUSY_S, isolation_level=None, check_same_thread=False)
    try:
        db.execute("PRAGMA journal_mode = WAL")
        db.execute("PRAGMA synchronous = NORMAL")
        (schema,) = db.execute("PRAGMA user_version").fetchone()
        if schema not in (0, SCHEMA):
            raise _OtherSchemaError(f"schema {schema}, wanted {SCHEMA}")
        db.executescript(f"BEGIN IMMEDIATE; {_TABLES} PRAGMA user_version = {SCHEMA}; COMMIT;")
    except BaseException:
        db.close()
        raise
    return db


def _identity(path: Path) -> tuple[int, int] | None:
    with contextlib.suppress(FileNotFoundError):
        found = path.stat()
        return found.st_dev, found.st_ino
    return None


def _corrupt(error: Exception) -> bool:
    if isinstance(error, _OtherSchemaError):
        return True
    code = getattr(error, "sqlite_errorcode", 0) & 0xFF
    return code in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_ERROR)


def _conditions(
    db: sqlite3.Connection, model: str | None
) -> dict[str, dict[ConditionType, Condition]]:
    rows = db.execute(
        "SELECT model, type, status, reason, message, since FROM conditions"
        " WHERE ?1 IS NULL OR model = ?1",
        (model,),
    )
    found: dict[str, dict[ConditionType, Condition]] = {}
    for name, kind, status, reason, message, since in rows:
        type_ = ConditionType(kind)
        found.setdefault(name, {})[type_] = Condition(
            type_, Truth(status), reason, message, datetime.fromisoformat(since)
        )
    return found


def _text(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat()
