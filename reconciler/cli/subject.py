"""The subject: the one model that a verb is about, and everything that is known of it."""

from __future__ import annotations

import re
import sys
from dataclasses import dataclass
from datetime import UTC, datetime

from reconciler.adapters.counterpart import apart
from reconciler.adapters.deployed import DeployedStore
from reconciler.adapters.log import identity
from reconciler.adapters.runtime import installed
from reconciler.adapters.snapshot import Snapshot
from reconciler.cli.unknown import unknown
from reconciler.cli.wiring import Site, open_site
from reconciler.controller.fleet import Fleet
from reconciler.controller.steering import Done, Steering, settled
from reconciler.core import compilation
from reconciler.core.plan import Desired, Invalid
from reconciler.core.record import Record, Version
from reconciler.core.runtime import LIBRARIES, Mismatch, mismatches
from reconciler.core.target_plan import TargetPlan
from reconciler.errors import ReconcilerError, SpecError, TerminalError, TransientError

_NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,62}")


@dataclass(frozen=True)
class Subject:
    """One model, in its repository."""

    name: str
    site: Site
    fleet: Fleet | None
    """What HEAD declares; None: that cannot be followed, for `trouble`."""
    trouble: SpecError | None
    store: DeployedStore
    """The release records, narrowed to this model."""
    snapshot: Snapshot

    @property
    def record(self) -> Record | None:
        """Its release record."""
        return self.snapshot.records.get(self.name)

    @property
    def desired(self) -> Desired | Invalid | None:
        """What HEAD declares of it; None: nothing."""
        if (why := self.snapshot.quarantined.get(self.name)) is not None:
            return Invalid.recorded(why)
        if self.trouble is not None:
            return Invalid(self.trouble.reason, str(self.trouble))
        return self.fleet.wish(self.name) if self.fleet else None

    @property
    def mismatches(self) -> tuple[Mismatch, ...]:
        """The libraries here that differ from the declared ones."""
        declared = self.fleet.params.runtime if self.fleet else {}
        return mismatches(declared, installed(tuple({*LIBRARIES, *declared})))

    def check_readable(self) -> None:
        """Refuse a record that nobody can read: nothing is decided over it.

        Raises:
            TerminalError: `RecordCorrupt`.
        """
        if (why := self.snapshot.quarantined.get(self.name)) is not None:
            raise TerminalError(
                f"the record of {self.name} cannot be read: {why}",
                reason="RecordCorrupt",
                hint=f"mend {self.name}.yaml on the branch `deployed`, or revert what broke it",
            )

    def steering(self) -> Steering:
        """Return what decides about it in the user's name; say so when others decided elsewhere."""
        self.check_readable()
        if (far := apart(self.site.git)).what:
            sys.stderr.write(f"note: {far.what}; steer where the reconciler runs, or: {far.hint}\n")
        revision = self.fleet.revision if self.fleet else None
        author = identity(self.site.git)
        return Steering(
            self.name, self.store, self.desired, revision, author, lambda: datetime.now(UTC)
        )

    def fetch(self, version: Version) -> None:
        """Bring a version's bundle here, every byte verified."""
        self.site.workspace.prepare()
        self.site.artifacts.bundle(version)

    def settle(self, done: Done) -> TargetPlan:
        """Bring its target to its new champion, and the export to the branch."""
        self.site.workspace.prepare()
        self.site.export()
        if self.fleet is None:
            assert self.trouble is not None
            return TargetPlan(self.trouble.reason, str(self.trouble))
        try:
            status = self.site.status
        except TransientError:
            status = None
        serving = self.site.serving(self.fleet)
        now = datetime.now(UTC)
        busy = self.site.workspace.holder() is not None
        return settled(
            self.name, self.fleet, done, serving, status, self.mismatches, now, busy=busy
        )


def subject(name: str) -> Subject:
    """Return what is known of a model.

    Raises:
        UsageError: None is called so; the nearest names stand in the hint.
    """
    site = open_site()
    store = site.records(only=name)
    snapshot = store.read()
    fleet, trouble = _fleet(site, name)
    found = Subject(name, site, fleet, trouble, store, snapshot)
    on_record = name in snapshot.records or name in snapshot.quarantined
    if on_record or (_NAME.fullmatch(name) and _specified(found)):
        return found
    raise unknown(name, {*_declared(site), *store.names()})


def _fleet(site: Site, name: str) -> tuple[Fleet | None, SpecError | None]:
    """Return what HEAD declares of one model; of all where none has its file."""
    try:
        fleet = site.fleet("HEAD", only=name)
        if fleet.wish(name) is None:  # a spec in another file may still name it
            fleet = site.fleet("HEAD")
    except SpecError as error:
        return None, error
    return fleet, None


def _specified(found: Subject) -> bool:
    declared = found.fleet is not None and found.fleet.wish(found.name) is not None
    return declared or found.site.on_disk(compilation.spec_path(found.name))


def _declared(site: Site) -> set[str]:
    """Return the names of the specs at HEAD, without reading any."""
    try:
        entries = site.git.level(f"HEAD:{compilation.SPECS}")
    except ReconcilerError:
        return set()
    return {path.removesuffix(".yaml") for path in entries if path.endswith(".yaml")}
