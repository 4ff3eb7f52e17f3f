"""What servers have counted for rollouts, in the status store: it outlives each of them.

One row for each boot, of the step that is on and of the one before it. A server's workers tell
what they have counted since a step began, so a look takes the place of the look before it; the
rows are there for boots that nobody tells of any more. Where the store is lost, so are they, and
no more: the servers that run tell everything of theirs again, and a step may last longer for it.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Mapping
from dataclasses import asdict
from functools import reduce
from operator import add

from reconciler.core.tally import NONE, Tally

TABLE = """
CREATE TABLE IF NOT EXISTS tallies (
    model TEXT, since TEXT, boot TEXT, digest TEXT, tally TEXT,
    PRIMARY KEY (model, since, boot, digest)) WITHOUT ROWID;
"""
#: Steps that are kept of each model.
_STEPS = 2
_TRIM = """
DELETE FROM tallies WHERE model = ?1 AND since NOT IN
    (SELECT DISTINCT since FROM tallies WHERE model = ?1 ORDER BY since DESC LIMIT ?2)
"""

#: By digest of a bundle.
Tallied = Mapping[str, Tally]
#: By id of a boot, then digest.
Boots = Mapping[str, Tallied]


def take_in(db: sqlite3.Connection, model: str, since: str, boots: Boots) -> None:
    """Keep what boots have counted in a step of a model's rollout; none of them goes back.

    Args:
        db: The status store.
        model: The model's name.
        since: When the step began, ISO 8601 in UTC: they sort by it.
        boots: What was seen; boots that are not among them stay as they were.
    """
    known = _read(db, model, since)
    rows = []
    for boot, tallied in boots.items():
        for digest, tally in tallied.items():
            before = known.get((boot, digest), NONE)
            if (later := before.or_later(tally)) != before:
                rows.append((model, since, boot, digest, json.dumps(asdict(later))))
    if rows:
        db.executemany("INSERT OR REPLACE INTO tallies VALUES (?, ?, ?, ?, ?)", rows)
        db.execute(_TRIM, (model, _STEPS))


def totals(db: sqlite3.Connection, model: str) -> dict[str, dict[str, Tally]]:
    """Return all boots together, by when a step began, then digest; the latest step last."""
    query = "SELECT DISTINCT since FROM tallies WHERE model = ? ORDER BY since"
    steps = [since for (since,) in db.execute(query, (model,)).fetchall()]
    return {since: _summed(_read(db, model, since).items()) for since in steps}


def models(db: sqlite3.Connection) -> set[str]:
    """Return the models that something is kept of."""
    return {model for (model,) in db.execute("SELECT DISTINCT model FROM tallies").fetchall()}


def forget(db: sqlite3.Connection, model: str) -> None:
    """Drop what was counted for a model: its rollout has ended."""
    db.execute("DELETE FROM tallies WHERE model = ?", (model,))


def _read(db: sqlite3.Connection, model: str, since: str) -> dict[tuple[str, str], Tally]:
    query = "SELECT boot, digest, tally FROM tallies WHERE model = ? AND since = ?"
    rows = db.execute(query, (model, since)).fetchall()
    return {(boot, digest): _tally(text) for boot, digest, text in rows}


def _tally(text: str) -> Tally:
    plain = json.loads(text)
    return Tally(**{**plain, "latency": tuple(plain["latency"])})


def _summed(found: Iterable[tuple[tuple[str, str], Tally]]) -> dict[str, Tally]:
    by_digest: dict[str, list[Tally]] = {}
    for (_, digest), tally in found:
        by_digest.setdefault(digest, []).append(tally)
    return {digest: reduce(add, tallies, NONE) for digest, tallies in by_digest.items()}
