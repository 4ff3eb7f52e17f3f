"""Garbage: what nothing needs any more, found by what everything that is kept names."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from reconciler.adapters import inventory
from reconciler.adapters.deployed import Change, DeployedStore
from reconciler.adapters.dvc_remote import Remote
from reconciler.adapters.git import Git
from reconciler.adapters.git_refs import read_refs, unfetched
from reconciler.adapters.references import recorded, recorded_elsewhere, references
from reconciler.adapters.slots import SlotPool
from reconciler.adapters.snapshot import Snapshot
from reconciler.controller.fleet import Fleet
from reconciler.controller.workspace import Workspace
from reconciler.core import record as records
from reconciler.core.record import KEEP, Record
from reconciler.core.retention import Stored, closure, named, spare, surplus
from reconciler.core.stored import to_plain
from reconciler.errors import UsageError


@dataclass(frozen=True, slots=True)
class Heap:
    """Garbage of one kind."""

    kind: str
    why: str
    items: tuple[Stored, ...]

    @property
    def size(self) -> int:
        """Bytes that go with it."""
        return sum(item.size for item in self.items)


@dataclass(frozen=True, slots=True)
class Garbage:
    """What may go, and what stays."""

    heaps: tuple[Heap, ...]
    versions: Mapping[str, tuple[int, ...]]
    """Numbers of the versions that go, by model."""
    retired: tuple[str, ...]
    """Models whose whole record goes: nothing declares them, and they are out of production."""
    kept: frozenset[str]
    """Names of all content that stays."""
    absent: tuple[str, ...]
    """Folders that are kept and not in this cache: their files cannot be told."""
    remote: int | None
    """Objects that go from the DVC remote; None: it is left alone."""


@dataclass(frozen=True)
class Collector:
    """Finds and deletes garbage in one repository.

    Args:
        git: The repository.
        store: The records.
        fleet: What HEAD declares, for how many versions each model keeps.
        workspace: Our own folder.
        slots: The slots in it.
        cache: DVC's cache; None: it is shared with other repositories, and left alone.
        before: Seconds since the epoch: what has changed since then stays.
        retired: Drop the records of retired models.
        remote: The DVC remote; None: it is left alone.
    """

    git: Git
    store: DeployedStore
    fleet: Fleet
    workspace: Workspace
    slots: SlotPool
    cache: Path | None
    before: float
    retired: bool
    remote: Remote | None = None

    def scan(self) -> Garbage:
        """Return what may go; nothing is written."""
        snapshot = self.store.read()
        versions = {n: tuple(surplus(r, self._keep(n))) for n, r in snapshot.records.items()}
        versions = {name: numbers for name, numbers in versions.items() if numbers}
        gone = tuple(n for n, r in snapshot.records.items() if self.retired and self._is_gone(n, r))
        names = self._named(snapshot, gone)
        kept, absent = self._closed(names)
        old = partial(spare, before=self.before)
        heaps = [
            Heap("bundles", "copies of bundles that are not kept", old(self._bundles(), kept)),
            Heap("reports", "copies of reports that are not kept", old(self._reports(), kept)),
            Heap("scored", "answers that are computed again when asked", old(self._scored(), kept)),
            Heap("slots", "folders that nobody works in", old(self.slots.idle(), kept)),
            Heap("logs", "logs of former trainings", old(self._logs(), kept)),
        ]
        if self.cache is not None:
            results = old(inventory.runs(self.cache), kept)
            contents = old(inventory.contents(self.cache), kept)
            heaps.insert(0, Heap("run-cache", "results whose outputs are not kept", results))
            heaps.insert(1, Heap("cache", "content that nothing names", contents))
        far = None if self.remote is None else self._sweep(self.remote, kept, dry=True)
        return Garbage(tuple(heaps), versions, gone, frozenset(kept), absent, far)

    def delete(self, garbage: Garbage) -> None:
        """Delete what a scan has found: records first, results before what they lead to.

        Raises:
            TransientError: Something may not be deleted; what went before is gone.
        """
        changes: dict[str, Change] = {n: self._pruned(n) for n in garbage.versions}
        changes |= dict.fromkeys(garbage.retired, _dropped)
        if changes:
            self.store.commit(changes)
        if self.remote is not None:
            self._sweep(self.remote, garbage.kept, dry=False)
        for heap in garbage.heaps:
            remove = self.slots.discard if heap.kind == "slots" else inventory.remove
            for item in heap.items:
                remove(item.path)

    def _sweep(self, remote: Remote, kept: Iterable[str], *, dry: bool) -> int:
        if unknown := unfetched(self.git.place):
            listed = ", ".join(sorted(unknown)[:3])
            raise UsageError(
                f"{len(unknown)} branches or tags are not known here: {listed}",
                reason="NotFetched",
                hint="`git fetch --all --tags` first: what they name must be kept",
            )
        return remote.sweep(kept, dry=dry)

    def _named(self, snapshot: Snapshot, gone: Iterable[str]) -> set[str]:
        refs = read_refs(self.git.place)
        found = references(self.git, refs) | recorded_elsewhere(self.git, refs)
        if snapshot.quarantined and snapshot.commit is not None:
            found |= recorded(self.git, snapshot.commit)  # what cannot be read may name anything
        for name in snapshot.records.keys() - set(gone):
            rest = records.pruned(snapshot.records[name], self._keep(name))
            found |= named(json.dumps(to_plain(rest)).encode())
        return found

    def _closed(self, names: set[str]) -> tuple[set[str], tuple[str, ...]]:
        if self.cache is None:
            return names, ()
        lists = {n: inventory.listing(self.cache, n) for n in names if n.endswith(".dir")}
        absent = tuple(sorted(name for name, files in lists.items() if files is None))
        return closure(names, lists.get), absent

    def _keep(self, name: str) -> int:
        spec = self.fleet.spec(name)
        return KEEP if spec is None else spec.spec.deployment.keep

    def _is_gone(self, name: str, record: Record) -> bool:
        return record.champion is None and self.fleet.wish(name) is None

    def _pruned(self, name: str) -> Change:
        keep = self._keep(name)
        return lambda record: None if record is None else records.pruned(record, keep)

    def _bundles(self) -> Iterable[Stored]:
        return _copies(self.workspace.bundles)

    def _reports(self) -> Iterable[Stored]:
        return _copies(self.workspace.reports)

    def _scored(self) -> Iterable[Stored]:
        return inventory.folders(self.workspace.scored)

    def _logs(self) -> Iterable[Stored]:
        return inventory.folders(self.workspace.logs)


def _copies(folder: Path) -> Iterable[Stored]:
    """Give copies of content, each in a folder that bears its name."""
    for one in inventory.folders(folder):
        yield Stored(frozenset({f"{one.path.name}.dir"}), one.path, one.size, one.changed)


def _dropped(_: Record | None) -> None:
    return None
