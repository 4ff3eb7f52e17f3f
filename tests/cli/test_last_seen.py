"""Whoever may not look at a server is told what the daemon here has seen of it, and takes nothing
of that away.
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path

import pytest

from reconciler.adapters.deployed import DeployedStore
from reconciler.adapters.git import Git
from reconciler.adapters.status import StatusStore
from reconciler.adapters.targets import VARIABLE
from reconciler.controller.checkup import Finding, Level, Patient, checkup
from reconciler.controller.last_seen import last_seen
from reconciler.controller.workspace import Workspace
from reconciler.core.conditions import Condition, ConditionType, Health, Sync, Truth
from reconciler.spec.params import Params
from tests.adapters.test_server_client import odd
from tests.cli.test_up import SPEC
from tests.conftest import BIN
from tests.serving.shelf import Shelf

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


class Place:
    """A repository with one model, and a server that wants a token."""

    def __init__(self, shelf: Shelf, endpoint: str) -> None:
        self.shelf, self.endpoint = shelf, endpoint
        self.workspace = Workspace(shelf.root)
        self.workspace.prepare()
        self.status = StatusStore(self.workspace.status)

    def seen(self, reason: str, message: str, health: Health, name: str = "m") -> None:
        """Note how a model is served, as a daemon does."""
        truth = Truth.TRUE if health is Health.HEALTHY else Truth.FALSE
        claim = Condition(ConditionType.RELEASED, truth, reason, message, NOON)
        self.status.observe(name, Sync.SYNCED, health, message, (claim,), NOON)

    def servers(self) -> Finding:
        """Return what `doctor` finds of the server."""
        git = Git.open(self.shelf.root)
        params = Params.model_validate(
            {"apiVersion": "reconciler/v1", "targets": {"local": {"endpoints": [self.endpoint]}}}
        )
        patient = Patient(git, self.workspace, DeployedStore(git), params, online=False)
        (found,) = (finding for finding in checkup(patient) if finding.subject == "servers")
        return found

    def steer(self, verb: str) -> str:
        """Have a person decide about the model, and return what they are told."""
        env = {**os.environ, VARIABLE: self.endpoint, "HOME": str(self.shelf.root.parent)}
        argv = [str(BIN / "reconciler"), verb, "m", "--reason", "x"]
        done = subprocess.run(
            argv, cwd=self.shelf.root, env=env, check=True, capture_output=True, text=True
        )
        return done.stdout

    def health(self) -> Health:
        return self.status.observed()["m"][1]


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    shelf = Shelf(tmp_path / "repo")
    shelf.release(shelf.version(1, 2.0))
    shelf.declare("m", SPEC)
    with odd(401, b'{"error": "this needs a token"}') as server:
        yield Place(shelf, server.endpoint)


def test_doctor_tells_what_the_daemon_has_seen_of_a_server_that_wants_a_token(
    place: Place,
) -> None:
    place.seen("Settled", "serves it", Health.HEALTHY)
    found = place.servers()
    assert (found.level, "token create" in found.hint) == (Level.WARN, True), "nobody is at work"
    with place.workspace.alone():
        found = place.servers()
        assert (found.level, found.hint) == (Level.OK, "")
        assert "wants a token" in found.what
        seen = "last wrote at 2026-03-01 12:00:00 UTC: nothing wrong with what is served"
        assert f"process {os.getpid()}, which is at work here, {seen}" in found.what
        place.seen("WrongVersion", "version 7 answers", Health.DEGRADED, "n")
        found = place.servers()
        assert found.level is Level.WARN
        assert found.what.endswith(": n: version 7 answers")


def test_nothing_is_told_of_what_nobody_has_seen(place: Place, tmp_path: Path) -> None:
    place.seen("TokenWanted", "it wants a token", Health.UNKNOWN)
    assert last_seen(place.workspace) == {}
    with place.workspace.alone():
        assert place.servers().level is Level.WARN
    assert last_seen(Workspace(tmp_path / "nowhere")) == {}


@pytest.mark.parametrize("busy", [True, False])
def test_who_steers_and_cannot_look_leaves_what_the_daemon_wrote(place: Place, busy: bool) -> None:
    place.seen("Settled", "serves it", Health.HEALTHY)
    with ExitStack() as stack:
        if busy:
            stack.enter_context(place.workspace.alone())
        place.steer("suspend")
    assert place.health() is (Health.HEALTHY if busy else Health.UNKNOWN)


def test_who_rolls_back_and_cannot_look_is_told_who_sees_to_it(place: Place) -> None:
    place.shelf.release(place.shelf.version(2, 3.0))
    with place.workspace.alone():
        said = place.steer("rollback")
    assert f"process {os.getpid()} is at work and sees to its target: the server at" in said
    assert "token create" not in said
