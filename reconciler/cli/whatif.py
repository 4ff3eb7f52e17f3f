"""What if: plans between two commits, and of the working tree; for reading, not to be applied."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace

from reconciler.adapters import dvc_config, tree_memory
from reconciler.adapters.cache import Cache
from reconciler.adapters.hashing import Contents
from reconciler.adapters.working_copy import WorkingCopy, working_copy
from reconciler.cli.outlook import libraries, outlook, planned
from reconciler.cli.request import Request
from reconciler.cli.wiring import Site, named
from reconciler.controller import fleet as fleets
from reconciler.controller.edited import Edited, edited, tracked
from reconciler.controller.fleet import Fleet
from reconciler.core.outlook import Outlook


class _Shared:
    """Remembers what specs say while two commits are read that share most of them."""

    def __init__(self) -> None:
        self._kept: dict[tuple[str, str], object] = {}

    def parsed(self, kind: str, keys: Sequence[str]) -> dict[str, object]:
        """Return what is remembered, by key."""
        return {key: self._kept[kind, key] for key in keys if (kind, key) in self._kept}

    def keep_parsed(self, kind: str, values: Mapping[str, object]) -> None:
        """Remember values by key."""
        self._kept.update({(kind, key): value for key, value in values.items()})


def what_if(site: Site, request: Request) -> Outlook:
    """Return what would follow if the commit or the working tree were what is followed.

    Raises:
        UsageError: A revision or a model is not known.
        SpecError: What every model rests on cannot be followed.
    """
    memory = _Shared()
    with _subject(site, request, memory) as (place, fleet, said):

        def load(revision: str) -> Fleet:
            return fleets.load(place.git, revision, place.catalogue, memory)

        base = None if request.base is None else load(place.git.resolve(request.base))
        snapshot = place.store.read()
        rows = planned(place, request, fleet, snapshot, base)
        notes = (*said, *(_notes(fleet) if base else ()))
        return outlook(place, request, fleet, snapshot, rows, base=base, notes=notes)


@contextmanager
def _subject(
    site: Site, request: Request, memory: _Shared
) -> Iterator[tuple[Site, Fleet, tuple[str, ...]]]:
    """Give the fleet that is planned, the repository in which it can be read, and notes."""
    if not request.uncommitted:
        commit = site.git.resolve(request.rev)
        yield site, fleets.load(site.git, commit, site.catalogue, memory), ()
        return
    with working_copy(site.git) as git:
        place = replace(site, git=git)
        fleet = fleets.load(git, git.capture(), site.catalogue, memory)
        found = _edited(site, git, fleet)
        if found.pointers:
            commit = git.amended(found.pointers)
            fleet = fleets.load(git, commit, site.catalogue, memory)
        yield place, fleet, found.notes


def _edited(site: Site, git: WorkingCopy, fleet: Fleet) -> Edited:
    """Return the `.dvc` files of data that is edited on disk."""
    adopted = (path for one in fleet.adoptions.values() for path in one.pointers)
    paths = {*tracked(named(fleet), fleet.tree), *adopted}
    if not paths:
        return Edited({}, ())
    blobs = git.blobs([fleet.tree[path].oid for path in paths])
    pointers = {path: blobs[fleet.tree[path].oid] for path in paths}
    memory = tree_memory.load(site.workspace.tree / "memory.json")
    cache = Cache(dvc_config.cache_dir(site.root))
    return edited(pointers, Contents(site.git.root, memory.contents), cache)


def _notes(fleet: Fleet) -> tuple[str, ...]:
    differ = ", ".join(str(item) for item in libraries(fleet))
    said = (
        f"the libraries of this machine are not the declared ones, so it could not train: {differ}"
    )
    return (said,) if differ else ()
