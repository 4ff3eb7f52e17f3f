"""The stock: the bundles that the records name, brought here, whole; and the table made of them.

A bundle that is not here yet, or cannot be had, leaves its model's former version in the table.
"""

from __future__ import annotations

from collections.abc import Callable, Container, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from reconciler.adapters.snapshot import Snapshot
from reconciler.core.record import Record, Version
from reconciler.errors import ReconcilerError
from reconciler.serving import unforeseen
from reconciler.serving.bringing import Bringing
from reconciler.serving.table import Entry, Route, Table

#: Returns a folder with a version's bundle, every byte verified, restored where it was damaged;
#: it tells what was wrong. It asks nobody: what is not on this machine raises `ABSENT`.
Fetch = Callable[[Version, Callable[[str], None]], Path]
#: Reason of an error: content is not on this machine.
ABSENT = "DataMissing"
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

    @property
    def told(self) -> str:
        """What clients are told: the message may name files of this machine."""
        return self.reason if self.version is None else f"version {self.version}: {self.reason}"


@dataclass(frozen=True, slots=True)
class Coming:
    """A version that is being fetched."""

    version: int
    since: datetime
    overdue: bool
    """Whether that has taken long."""

    def __str__(self) -> str:
        late = "; overdue" if self.overdue else ""
        since = f"since {self.since:%Y-%m-%d %H:%M:%S} UTC"
        return f"version {self.version} is being fetched ({since}{late})"


@dataclass(frozen=True, slots=True)
class _Absent:
    """A version whose bundle is not here."""

    model: str
    version: int
    digest: str
    new: bool
    """Whether it was not known yet, when this look began, if it can be had."""


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
        fetch: Where bundles come from that are on this machine.
        bringing: Who brings here what is not.
        tell: Told what is found damaged and what is restored.
    """

    def __init__(
        self,
        fetch: Fetch,
        bringing: Bringing,
        tell: Tell = lambda _reason, _message: None,
    ) -> None:
        self._fetch = fetch
        self._bringing = bringing
        self._tell = tell
        self._made: dict[str, tuple[Record, Route | None]] = {}
        self._absent: list[_Absent] = []
        """What the look that is being taken did not find here."""
        self._whole = False
        """Whether there was ever a table with all that can be had."""
        self.troubles: dict[str, Trouble] = {}
        """What is wrong, by model."""
        self.coming: dict[str, Coming] = {}
        """What is being fetched, by model; whether it could not be had before is in `troubles`."""
        self.upkeep: dict[str, Upkeep] = {}
        """Of the models of which some file was ever found damaged."""

    def table(self, snapshot: Snapshot, *, verify: bool = False, of: Container[str] = ()) -> Table:
        """Return what is to be served, as far as it is here; the rest is being fetched.

        Args:
            snapshot: The records at one commit.
            verify: Look at every byte again, of models too whose records are as they were.
            of: Models of which every byte is looked at in any case.
        """
        unsettled = self.troubles.keys() | self.coming.keys()
        changed = {
            name: record
            for name, record in snapshot.records.items()
            if verify or name in of or name in unsettled or self._record(name) != record
        }
        for name in self._made.keys() - snapshot.records.keys() - snapshot.quarantined.keys():
            del self._made[name]
            self.upkeep.pop(name, None)
        self.troubles = {n: t for n, t in self.troubles.items() if n in snapshot.records}
        self._absent = []
        for name, record in changed.items():
            self._made[name] = (record, self._route(name, record))
        for name, why in snapshot.quarantined.items():
            self.troubles[name] = Trouble(
                None, "RecordCorrupt", f"its record cannot be read: {why}"
            )
        self._send({one.digest for one in self._absent if verify or one.model in of})
        return self._tabled(snapshot.commit)

    def due_s(self) -> float | None:
        """Return the seconds until something that is being fetched is overdue; None: never."""
        return self._bringing.due_s()

    def end(self) -> None:
        """Have nothing fetched any more."""
        self._bringing.end()

    def _send(self, at_once: set[str]) -> None:
        """Have brought what is not here, and nothing else."""
        self._bringing.want({one.digest for one in self._absent}, at_once)
        coming: dict[str, Coming] = {}
        for one in self._absent:
            errand = self._bringing.errand(one.digest)
            if errand is not None and (one.new or errand.under_way):
                coming[one.model] = Coming(one.version, errand.since, errand.overdue)
        self.coming = coming

    def _tabled(self, commit: str | None) -> Table:
        routes = self._routes()
        away = {n: one for n, one in self.coming.items() if n not in routes}
        troubles = {n: t.told for n, t in self.troubles.items() if n not in routes}
        first = any(not one.overdue for n, one in away.items() if n not in troubles)
        self._whole = self._whole or not first
        lacking = {n: str(one) for n, one in away.items()} | troubles
        return Table(commit, routes, lacking, self._whole)

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
        """Return what serves a version; None, and its trouble or absence noted, where it cannot."""
        digest = version.bundle.md5 if version.bundle is not None else ""
        errand = self._bringing.errand(digest)  # before it is looked for: it may arrive any moment
        try:
            folder = self._found(name, version)
        except Exception as raised:  # noqa: BLE001  the one guard of a model: it stops no other
            error = unforeseen.known(raised)
            if error.reason == ABSENT:
                new = errand is None or errand.under_way
                self._absent.append(_Absent(name, version.number, digest, new))
                if errand is None or (errand.under_way and not errand.tried):
                    return None
                error = errand.error or error
            self.troubles[name] = Trouble(version.number, error.reason, error.message, since)
            return None
        return Entry(version.number, digest, str(folder))

    def _found(self, name: str, version: Version) -> Path:
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
