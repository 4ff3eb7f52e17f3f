"""The stock: the bundles that the records name, brought here, whole; and the table made of them.

A bundle that cannot be had leaves its model's former version in the table.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Container, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from reconciler.adapters.snapshot import Snapshot
from reconciler.core.record import Record, Version
from reconciler.errors import ReconcilerError
from reconciler.serving import unforeseen
from reconciler.serving.table import Entry, Route, Table

#: Returns a folder with a version's bundle, every byte verified, restored where it was damaged;
#: it tells what was wrong.
Fetch = Callable[[Version, Callable[[str], None]], Path]
#: Brings the bundles of several records nearer at once, as far as they can be had.
Gather = Callable[[Sequence[Record]], None]
#: Told what happened: a CamelCase word and a sentence.
Tell = Callable[[str, str], None]


@dataclass(frozen=True, slots=True)
class Trouble:
    """Why a model is not served as its record says."""

    version: int | None
    reason: str
    message: str
    since: str = ""
    """Of the rollout that wanted it, see `Route`."""


@dataclass(slots=True)
class Upkeep:
    """How the files of one model have fared."""

    damaged: str = ""
    """What is wrong with them now, as a sentence; empty: nothing is."""
    healed: int = 0
    """How often they were restored."""


class Stock:
    """Makes tables; one thread asks.

    Args:
        fetch: Where bundles come from.
        gather: Where those of many come from.
        tell: Told what is found damaged and what is restored.
    """

    def __init__(
        self,
        fetch: Fetch,
        gather: Gather = lambda _: None,
        tell: Tell = lambda _reason, _message: None,
    ) -> None:
        self._fetch = fetch
        self._tell = tell
        self._gather = gather
        self._made: dict[str, tuple[Record, Route | None]] = {}
        self.troubles: dict[str, Trouble] = {}
        """What is wrong, by model."""
        self.upkeep: dict[str, Upkeep] = {}
        """Of the models of which some file was ever found damaged."""

    def table(self, snapshot: Snapshot, *, verify: bool = False, of: Container[str] = ()) -> Table:
        """Return what is to be served.

        Args:
            snapshot: The records at one commit.
            verify: Look at every byte again, of models too whose records are as they were.
            of: Models of which every byte is looked at in any case.
        """
        changed = {
            name: record
            for name, record in snapshot.records.items()
            if verify or name in of or name in self.troubles or self._record(name) != record
        }
        self._gather([record for name, record in changed.items() if name not in self._made])
        for name in self._made.keys() - snapshot.records.keys() - snapshot.quarantined.keys():
            del self._made[name]
            self.upkeep.pop(name, None)
        self.troubles = {n: t for n, t in self.troubles.items() if n in snapshot.records}
        for name, record in changed.items():
            self._made[name] = (record, self._route(name, record))
        for name, why in snapshot.quarantined.items():
            self.troubles[name] = Trouble(
                None, "RecordCorrupt", f"its record cannot be read: {why}"
            )
        routes = self._routes()
        lacking = {n: t.message for n, t in self.troubles.items() if n not in routes}
        return Table(snapshot.commit, routes, lacking)

    def _routes(self) -> dict[str, Route]:
        return {n: route for n, (_, route) in sorted(self._made.items()) if route is not None}

    def _record(self, name: str) -> Record | None:
        return self._made[name][0] if name in self._made else None

    def _route(self, name: str, record: Record) -> Route | None:
        """Return who answers for a model; the former route where a bundle cannot be had."""
        self.troubles.pop(name, None)
        if record.champion is None:
            return None
        former = self._made[name][1] if name in self._made else None
        champion = self._entry(name, record.champion)
        if champion is None:
            return former
        return _routed(name, record, champion, self._challenger(name, record))

    def _challenger(self, name: str, record: Record) -> Entry | None:
        version = record.version(record.challenger.version) if record.challenger else None
        return None if version is None else self._entry(name, version, _since(record))

    def _entry(self, name: str, version: Version, since: str = "") -> Entry | None:
        try:
            folder = self._whole(name, version)
        except Exception as error:  # noqa: BLE001  the one guard of a model: it stops no other
            why = unforeseen.known(error)
            self.troubles[name] = Trouble(version.number, why.reason, why.message, since)
            return None
        assert version.bundle is not None
        return Entry(version.number, version.bundle.md5, str(folder))

    def _whole(self, name: str, version: Version) -> Path:
        """Return the folder of a version's bundle, and tell if it had to be restored."""
        found: list[str] = []
        if (gone := self._gone(name, version)) is not None:
            found.append(f"{gone} is gone")
        try:
            folder = self._fetch(version, found.append)
        except ReconcilerError:
            if found:
                self._damaged(name, version, found[0])
            raise
        if found:
            self._damaged(name, version, found[0])
            kept = self.upkeep[name]
            kept.damaged, kept.healed = "", kept.healed + 1
            self._tell("BundleRestored", f"{name}: version {version.number} is whole again")
        return folder

    def _damaged(self, name: str, version: Version, what: str) -> None:
        """Tell of damage, once for as long as it lasts."""
        kept = self.upkeep.setdefault(name, Upkeep())
        if kept.damaged != what:
            kept.damaged = what
            self._tell("BundleDamaged", f"{name}: version {version.number} on disk: {what}")

    def _gone(self, name: str, version: Version) -> Path | None:
        """Return where the bundle of a version that is served was, if it is not there any more."""
        route = self._made[name][1] if name in self._made else None
        entries = (route.champion, route.challenger) if route else ()
        digest = version.bundle.md5 if version.bundle else None
        places = (Path(e.folder) for e in entries if e is not None and e.digest == digest)
        return next((place for place in places if not place.is_dir()), None)


def _routed(name: str, record: Record, champion: Entry, challenger: Entry | None) -> Route:
    asked = record.challenger
    if asked is None or challenger is None:
        return Route(name, champion)
    rollout: Mapping[str, object] = record.rollout or {}
    shadow = rollout.get("strategy") == "shadow"
    mirrored = shadow or rollout.get("max_disagreement") is not None
    return Route(name, champion, challenger, asked.weight, mirrored, _since(record))


def _since(record: Record) -> str:
    return record.challenger.since.isoformat() if record.challenger else ""


def digests(table: Table) -> Collection[str]:
    """Return the digests of all bundles that a table names."""
    entries = (e for r in table.routes.values() for e in (r.champion, r.challenger))
    return {entry.digest for entry in entries if entry is not None}
