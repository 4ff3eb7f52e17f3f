"""Steering beside others: what is decided by hand fits the record as it is found."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest

from reconciler.adapters.deployed import DeployedStore
from reconciler.adapters.git import Git, Person
from reconciler.controller.steering import Steering
from reconciler.core.plan import Desired
from reconciler.core.record import (
    Hold,
    Outcome,
    Pointer,
    Record,
    Version,
    empty,
    with_hold,
    with_version,
)
from reconciler.core.record import promote as promoted
from reconciler.errors import TerminalError, UsageError
from reconciler.spec.model import ModelSpec

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)


@pytest.fixture
def store(tmp_path: Path) -> DeployedStore:
    """Return a store with a record of two released versions."""
    subprocess.run(["git", "init", "-q", tmp_path], check=True)
    made = DeployedStore(Git.open(tmp_path), window_s=0)
    made.change("wine", lambda _: release(release(empty("wine"))))
    return made


def tried(record: Record | None) -> Record:
    record = record or empty("wine")
    number = record.next_version
    version = Version(
        number=number,
        outcome=Outcome.INCONCLUSIVE,
        fingerprint=f"f{number}",
        revision=f"r{number}",
        created=NOW,
        bundle=Pointer(md5=f"{number:032x}.dir"),
        judged="q:-",
    )
    return with_version(record, version)


def release(record: Record | None) -> Record:
    record = tried(record)
    return promoted(record, record.next_version - 1, "r")


def declares(fingerprint: str) -> Desired:
    spec = ModelSpec.model_validate(
        {
            "apiVersion": "reconciler/v1",
            "kind": "Model",
            "metadata": {"name": "wine"},
            "spec": {
                "data": {"source": "data/x.csv", "target": "y"},
                "training": {"estimator": "sklearn.linear_model.Ridge"},
                "acceptance": [{"metric": "r2", "min": 0.5}],
            },
        }
    )
    return Desired(spec, fingerprint, "head")


def ada(store: DeployedStore, desired: Desired | None = None) -> Steering:
    person = Person("Ada", "ada@example.org")
    return Steering("wine", store, desired, "head", person, lambda: NOW)


def meanwhile(
    store: DeployedStore, change: Callable[[Record | None], Record]
) -> Callable[[Version], object]:
    """Return a fetch during which another process changes the record."""
    return lambda _: store.change("wine", change)


def champion(store: DeployedStore) -> int | None:
    record = store.read().records["wine"]
    return record.champion.number if record.champion else None


def test_a_rollback_that_a_release_overtakes_changes_nothing_and_says_so(
    store: DeployedStore,
) -> None:
    with pytest.raises(UsageError, match="went into production meanwhile"):
        ada(store).rollback(None, "", meanwhile(store, release))
    assert champion(store) == 3
    assert store.read().records["wine"].holds == ()


def test_a_rollback_keeps_a_hold_that_came_meanwhile(store: DeployedStore) -> None:
    freeze = Hold(reason="freeze", by="Bo", since=NOW)
    fetch = meanwhile(store, lambda record: with_hold(record or empty("wine"), freeze))
    done = ada(store).rollback(None, "bad", fetch)
    assert (done.changed, done.released, champion(store)) == (True, True, 1)
    assert [hold.by for hold in done.after.holds] == ["Bo", "Ada <ada@example.org>"]


def test_a_bundle_that_cannot_be_had_changes_nothing(store: DeployedStore) -> None:
    def fetch(version: Version) -> None:
        raise TerminalError(f"version {version.number} is gone", reason="DataMissing")

    before = store.read()
    with pytest.raises(TerminalError, match="version 1 is gone"):
        ada(store).rollback(None, "", fetch)
    assert store.read() == before


def test_a_promotion_beside_a_new_hold_is_refused(store: DeployedStore) -> None:
    store.change("wine", tried)
    freeze = Hold(reason="freeze", by="Bo", since=NOW)
    steering = ada(store, declares("f3"))
    fetch = meanwhile(store, lambda record: with_hold(record or empty("wine"), freeze))
    with pytest.raises(UsageError, match="held by Bo"):
        steering.promote(None, "fine", fetch)
    assert champion(store) == 2


def test_a_model_without_a_record_can_be_suspended_and_nothing_else(store: DeployedStore) -> None:
    other = Steering("iris", store, None, None, Person("Ada", "a@e"), lambda: NOW)
    for verb in (other.resume, other.retry, lambda: other.rollback(None, "", print)):
        with pytest.raises(UsageError, match="nothing of iris is on record"):
            verb()
    assert other.suspend("").after.holds[0].reason == "suspended"
    again = other.suspend("")
    assert (again.changed, again.released) == (False, False)


def test_resume_ends_every_hold(store: DeployedStore) -> None:
    steering = ada(store)
    steering.suspend("audit")
    steering.rollback(None, "bad", lambda _: None)
    assert len(store.read().records["wine"].holds) == 2
    assert steering.resume().after.holds == ()
