"""What if: plans between two commits, and of the working tree; for reading, not to be applied."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace

from reconciler.adapters.working_copy import working_copy
from reconciler.cli.outlook import libraries, outlook, planned
from reconciler.cli.request import Request
from reconciler.cli.wiring import Site
from reconciler.controller import fleet as fleets
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
    with _subject(site, request) as (place, commit):
        memory = _Shared()

        def load(revision: str) -> Fleet:
            return fleets.load(place.git, revision, place.catalogue, memory)

        base = None if request.base is None else load(place.git.resolve(request.base))
        fleet, snapshot = load(commit), place.store.read()
        rows = planned(place, request, fleet, snapshot, base)
        notes = _notes(fleet) if base else ()
        return outlook(place, request, fleet, snapshot, rows, base=base, notes=notes)


@contextmanager
def _subject(site: Site, request: Request) -> Iterator[tuple[Site, str]]:
    """Give the commit that is planned, and the repository in which it can be read."""
    if not request.uncommitted:
        yield site, site.git.resolve(request.rev)
        return
    with working_copy(site.git) as git:
        yield replace(site, git=git), git.capture()


def _notes(fleet: Fleet) -> tuple[str, ...]:
    differ = ", ".join(str(item) for item in libraries(fleet))
    said = (
        f"the libraries of this machine are not the declared ones, so it could not train: {differ}"
    )
    return (said,) if differ else ()
