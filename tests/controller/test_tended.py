"""A daemon and an apply whose model is served by servers that come, go, and go wrong."""

from __future__ import annotations

from pathlib import Path

import pytest

from reconciler.adapters.targets.local import GRACE_S, LocalTarget
from reconciler.controller.events import Served
from reconciler.controller.keys import target
from reconciler.core.conditions import Health, Sync
from reconciler.ports.servers import BARRED, FOREIGN, Answering
from tests.controller.test_looks import Watched
from tests.controller.world import World, declared
from tests.serving.fake import FakeServer, FakeServers, changed

MODEL = declared(target="local")


class Tended(Watched):
    """A daemon and one server."""

    def __init__(self, folder: Path) -> None:
        super().__init__(World(folder))
        self.server = FakeServer()
        self.servers = FakeServers(a=self.server)
        local = LocalTarget(self.servers, clock=lambda: self.now)
        self.world.followed = {"local": local}

    def released(self) -> None:
        """Release the model, which a server has loaded by the next look."""
        self.server.down = True
        self.commit(MODEL)
        self.run()
        digest = str(self.world.champion().bundle_digest)
        self.server.down = False
        self.server.release("m", 1, digest, lambda _: 1.0)

    def healed(self) -> list[str | None]:
        served = (e for e in self.world.events if isinstance(e, Served))
        return [e.cause for e in served if e.reason == "Healed"]


@pytest.fixture
def tended(tmp_path: Path) -> Tended:
    return Tended(tmp_path)


def test_a_release_that_nobody_serves_is_one_and_is_well_once_a_server_has_come(
    tended: Tended,
) -> None:
    tended.server.down = True
    tended.commit(MODEL)
    tended.run()
    stands = tended.stands()
    assert (stands.sync, stands.health, stands.reason) == (
        Sync.SYNCED, Health.MISSING, "NotServed",
    )  # fmt: skip
    assert stands.as_declared
    assert stands.unserved.startswith("nobody serves it yet")
    tended.released()
    tended.later(1.1)
    assert (tended.stands().health, tended.stands().unserved) == (Health.HEALTHY, "")
    assert tended.healed() == []
    assert tended.told() == ["Released"]


def test_a_server_that_is_gone_is_asked_again_and_its_return_is_counted(tended: Tended) -> None:
    tended.released()
    tended.later(1.1)
    tended.server.down = True
    tended.queue.add(*tended.looked[:1])
    tended.later(0)
    assert (tended.stands().health, tended.stands().reason) == (Health.MISSING, "ServerDown")
    assert not tended.stands().as_declared
    looks = tended.servers.looks
    tended.later(1.1)
    tended.later(2.1)
    assert tended.servers.looks == looks + 2
    assert tended.told().count("ServerDown") == 1
    tended.server.down = False
    tended.later(4.1)
    assert tended.stands().health is Health.HEALTHY
    assert tended.healed() == ["ServerDown"]


def test_a_server_that_wants_a_token_is_not_taken_for_dead(tended: Tended) -> None:
    tended.released()
    tended.server.denies = True
    tended.later(1.1)
    stands = tended.stands()
    assert (stands.health, stands.reason) == (Health.UNKNOWN, "TokenWanted")
    assert stands.as_declared
    assert "reconciler token create" in stands.unserved
    assert "reconciler serve" not in stands.unserved
    assert tended.told().count("TokenWanted") == 1
    tended.server.denies = False
    tended.later(2.1)
    assert (tended.stands().health, tended.stands().unserved) == (Health.HEALTHY, "")


@pytest.mark.parametrize(
    ("why", "reason", "health", "then"),
    [
        (BARRED, "ServerRefuses", Health.UNKNOWN, "`reconciler doctor` asks it again"),
        (FOREIGN, "NotOurs", Health.MISSING, "`reconciler serve --port N`"),
    ],
)
def test_who_answers_and_tells_nothing_is_not_taken_for_nobody(
    tended: Tended, why: str, reason: str, health: Health, then: str
) -> None:
    tended.released()
    tended.server.why = why
    tended.later(1.1)
    stands = tended.stands()
    assert (stands.health, stands.reason) == (health, reason)
    assert stands.as_declared
    assert stands.unserved.startswith(f"http://a says {why}; ")
    assert then in stands.unserved
    tended.server.why = ""
    tended.later(2.1)
    assert (tended.stands().health, tended.stands().unserved) == (Health.HEALTHY, "")


def test_a_version_that_a_server_is_slow_to_load_is_on_its_way_and_then_a_fault(
    tended: Tended,
) -> None:
    tended.released()
    changed(tended.server, "m", champion=Answering(9, "other"))
    tended.server.stuck = True
    tended.later(1.1)
    assert (tended.stands().health, tended.stands().reason) == (Health.PROGRESSING, "Loading")
    assert not tended.stands().as_declared
    tended.later(1.1)
    assert tended.stands().health is Health.PROGRESSING
    tended.later(GRACE_S)
    assert (tended.stands().health, tended.stands().reason) == (Health.DEGRADED, "WrongVersion")
    tended.server.stuck = False
    tended.later(1.1)
    assert tended.stands().health is Health.HEALTHY
    assert tended.told().count("WrongVersion") == 1


@pytest.mark.parametrize("down", [True, False], ids=["away", "loading"])
def test_a_server_that_is_not_ready_when_the_daemon_forgets_the_model_is_looked_at_again(
    tended: Tended, down: bool
) -> None:
    tended.released()
    tended.server.down, tended.server.stuck = down, True
    changed(tended.server, "m", champion=Answering(9, "other"))
    tended.later(1.1)
    assert tended.stands().health is not Health.HEALTHY
    full = tended.board.view
    assert full is not None
    tended.commit(declared("n", "fpn", revision="r2"), settled=frozenset({"m"}))
    tended.server.down, tended.server.stuck = False, False
    tended.later(2.1)
    assert tended.missed == ["m"]
    tended.board.sample(full)
    tended.queue.add(target("m"))
    for _ in range(3):
        tended.later(1.1)
    assert tended.stands().health is Health.HEALTHY
    assert tended.board.begin("m") is None, "it is forgotten again"


def test_an_apply_without_a_server_releases_and_has_nothing_left_to_do(tended: Tended) -> None:
    tended.server.down = True
    stands = tended.world.apply(MODEL)["m"]
    assert stands.as_declared
    assert stands.unserved.startswith("nobody serves it yet: no server answers at http://a; ")
    assert "`reconciler serve` starts a server" in stands.unserved
    assert tended.world.target.observe("m") is None
