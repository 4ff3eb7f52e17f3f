"""Sharing: what was recorded before there was a DVC remote, or while it was another, goes there."""

from __future__ import annotations

from reconciler.adapters.cache import Cache
from reconciler.adapters.deployed import DeployedStore
from reconciler.adapters.dvc_remote import Remote
from reconciler.adapters.snapshot import Snapshot
from reconciler.core.record import Version


def share(store: DeployedStore, remote: Remote, cache: Cache) -> int | None:
    """Push every kept version to a remote that the records do not name yet, and name it there.

    What is not in this cache is left out: whoever has it pushes it.

    Returns:
        How many versions were pushed; None where the records name the remotes as they are.

    Raises:
        TransientError: The remote cannot be reached; the records go on naming the former one.
    """
    if store.names_remotes():
        return None
    versions = _kept(store.read()) if remote.configured else []
    at_hand = [[md5 for md5 in _contents(v) if cache.has(md5)] for v in versions]
    remote.push(*dict.fromkeys(md5 for found in at_hand for md5 in found))
    store.name_remotes()
    return sum(bool(found) for found in at_hand)


def _kept(snapshot: Snapshot) -> list[Version]:
    return [version for record in snapshot.records.values() for version in record.versions]


def _contents(version: Version) -> list[str]:
    """Return what a version points to, and what its stages have left besides."""
    pointers = (version.bundle, version.predictions, version.prepared, version.report)
    outs = (out for block in version.lock.values() for out in block.get("outs", ()))
    return [p.md5 for p in pointers if p is not None] + [str(out["md5"]) for out in outs]
