"""Rollouts from their start to their end, as a daemon and an apply take them: no test sleeps."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

import pytest

from reconciler.controller.delivery import stopped
from reconciler.controller.events import Decided
from reconciler.controller.guards import UNGUARDED
from reconciler.controller.keys import release, rollout
from reconciler.controller.progress import progress
from reconciler.core.conditions import Health, Sync
from reconciler.core.plan import Desired
from reconciler.core.record import (
    Challenger,
    Hold,
    Outcome,
    Record,
    Version,
    forget,
    with_hold,
    without_hold,
)
from reconciler.core.tally import Tally
from reconciler.errors import TransientError
from reconciler.spec.params import Params
from tests.controller.servers import FakeServers, Server, tally
from tests.controller.test_looks import Watched
from tests.controller.world import World, declared, md5

CANARY = {"strategy": "canary", "steps": [10, 50], "hold": "10m", "min_requests": 100}
NOTHING = Tally()


@dataclass
class Stage:
    """A daemon, a world around it, and the servers of that world."""

    folder: Path
    servers: list[Server] = field(default_factory=list)
    revision: int = 1

    def __post_init__(self) -> None:
        self.world = World(self.folder)
        self.servers = [Server(self.world.store)]
        self.asked = self.world.servers = FakeServers(self.servers)
        self.watched = Watched(self.world)

    @property
    def server(self) -> Server:
        return self.servers[0]

    def declare(self, fingerprint: str, rollout: dict[str, object] | None = None) -> None:
        """Commit a model and have the daemon do what there is to do."""
        self.watched.commit(self.wish(fingerprint, rollout))
        self.watched.run()

    def wish(self, fingerprint: str, rollout: dict[str, object] | None = None) -> Desired:
        self.revision += 1
        return declared(
            fingerprint=fingerprint, rollout=rollout or CANARY, revision=f"r{self.revision}"
        )

    def roll_out(self, rollout: dict[str, object] | None = None) -> None:
        """Have version 1 released, and version 2 declared."""
        self.declare("fp1", rollout)
        self.declare("fp2", rollout)

    def pass_(self, **time: float) -> None:
        """Let time pass, by the daemon's poll as often as it fits, up to fifty times."""
        left = timedelta(**time)
        step = max(left / 50, timedelta(seconds=2))
        while left > timedelta():
            self.world.now += min(step, left)
            self.watched.later(min(step, left).total_seconds())
            left -= step

    def restart_daemon(self, wish: Desired) -> None:
        """Have another process go on with what is on record and in its status store."""
        self.watched = Watched(self.world)
        self.watched.commit(wish)
        self.watched.run()

    @property
    def challenger(self) -> Challenger | None:
        return self.world.record().challenger

    def version(self, number: int) -> Version:
        found = self.world.record().version(number)
        assert found is not None
        return found


@pytest.fixture
def stage(tmp_path: Path) -> Stage:
    return Stage(tmp_path)


def test_a_good_challenger_is_promoted_once_every_step_was_held(stage: Stage) -> None:
    stage.roll_out()
    assert stage.challenger is not None
    assert (stage.challenger.weight, stage.challenger.step) == (10, 0)
    stands = stage.watched.stands()
    assert (stands.health, stands.sync) == (Health.PROGRESSING, Sync.OUT_OF_SYNC)
    assert "version 2 gets 10 % of the traffic" in stands.message

    stage.server.answers(tally(900), tally(100))
    stage.pass_(minutes=9.9)
    assert stage.challenger.step == 0
    stage.pass_(minutes=0.1)
    assert stage.challenger is not None
    assert (stage.challenger.weight, stage.challenger.step) == (50, 1)
    assert stage.world.champion().number == 1

    stage.server.answers(tally(500), tally(500))
    stage.pass_(minutes=10)
    assert stage.challenger is None
    assert stage.world.champion().number == 2
    assert stage.watched.stands().as_declared
    assert stage.watched.told()[-3:] == ["RolloutStarted", "Shifted", "Released"]
    assert stage.world.now - stage.version(2).created == timedelta(minutes=20)


def test_each_step_is_told_of_with_its_evidence(stage: Stage) -> None:
    stage.roll_out()
    stage.server.answers(tally(10_000), tally(1_204))
    stage.pass_(minutes=10)

    decided = [e for e in stage.world.events if isinstance(e, Decided)]
    said = [e.message for e in decided if e.reason == "Shifted"]

    assert len(said) == 1
    assert "version 2 gets 50 %" in said[0]
    assert "1,204 requests, 0 errors, p90 1 x the champion's" in said[0]


@pytest.mark.parametrize(
    ("bad", "reason"),
    [
        pytest.param(tally(1000, errors=50), "TooManyErrors", id="errors"),
        pytest.param(tally(1000, slower=10), "TooSlow", id="slow"),
    ],
)
def test_a_bad_challenger_is_withdrawn_at_its_first_step_and_not_tried_again(
    stage: Stage, bad: Tally, reason: str
) -> None:
    stage.roll_out()
    stage.server.answers(tally(9000), bad)
    stage.pass_(seconds=2)

    assert stage.challenger is None
    assert stage.world.champion().number == 1
    assert (stage.version(2).outcome, stage.version(2).reason) == (Outcome.WITHDRAWN, reason)
    stage.pass_(hours=1)
    stage.declare("fp2")
    assert stage.challenger is None, "another commit of the same is no reason to try again"
    assert stage.watched.stands().health is Health.HEALTHY


def test_a_challenger_that_no_server_can_load_is_withdrawn(stage: Stage) -> None:
    stage.declare("fp1")
    stage.world.bundles["fp2"] = "broken"
    stage.server.broken[_digest("broken")] = "BundleCorrupt"
    stage.declare("fp2")

    assert stage.challenger is None
    assert stage.version(2).reason == "BundleBroken"
    assert "its model.onnx is cut" in stage.version(2).message


def test_what_is_being_fetched_is_waited_for_and_told(stage: Stage) -> None:
    stage.declare("fp1")
    stage.world.bundles["fp2"] = "far"
    stage.server.fetching[_digest("far")] = "version 2 is being fetched"
    stage.declare("fp2")
    stage.server.answers(tally(900), tally(1000))
    stage.pass_(minutes=12)
    assert stage.challenger is not None
    assert stage.challenger.step == 0
    assert stage.watched.stands().message.endswith("; http://one: version 2 is being fetched")
    stage.server.fetching.clear()
    stage.pass_(seconds=4)
    assert stage.challenger.step == 1


def test_what_may_yet_be_had_is_waited_for_and_withdrawn_after_a_while(stage: Stage) -> None:
    stage.declare("fp1")
    stage.world.bundles["fp2"] = "late"
    stage.server.broken[_digest("late")] = "DataMissing"
    stage.declare("fp2")
    assert stage.challenger is not None
    assert "cannot load version 2" in stage.watched.stands().message
    stage.pass_(seconds=58)
    assert stage.challenger is not None
    stage.pass_(seconds=4)
    assert stage.challenger is None


def test_a_server_that_has_cut_a_challenger_off_is_believed(stage: Stage) -> None:
    stage.roll_out()
    stage.server.tripped = True
    stage.pass_(seconds=2)

    assert stage.version(2).reason == "BreakerTripped"


def test_no_restart_of_a_worker_a_server_or_the_daemon_loses_a_request(stage: Stage) -> None:
    stage.roll_out()
    stage.server.answers(tally(90), tally(30))
    stage.pass_(seconds=2)
    stage.server.lose_worker()
    stage.server.answers(tally(90), tally(30))
    stage.pass_(seconds=2)
    stage.server.restart()
    stage.server.answers(tally(90), tally(30))
    stage.restart_daemon(stage.wish("fp2"))
    stage.server.lose_worker()
    stage.server.answers(tally(90), tally(9))
    stage.pass_(minutes=10)
    assert stage.challenger is not None
    assert stage.challenger.step == 0, "99 of 100 requests"
    stage.server.answers(NOTHING, tally(1))
    stage.pass_(seconds=2)

    assert stage.challenger is not None
    assert stage.challenger.step == 1


def test_servers_add_up_and_one_that_is_away_withdraws_nothing(stage: Stage) -> None:
    other = Server(stage.world.store, "http://two")
    stage.servers.append(other)
    stage.roll_out()
    for server in stage.servers:
        server.answers(tally(450), tally(50))
    stage.pass_(seconds=2)
    other.away = "no server answers at http://two"
    stage.pass_(seconds=2)
    stands = stage.watched.stands()
    assert stands.health is Health.PROGRESSING
    assert "no server answers at http://two" in stands.message

    stage.pass_(minutes=10)

    assert stage.challenger is not None
    assert stage.challenger.step == 1


def test_where_no_server_answers_nothing_happens_and_the_model_says_so(stage: Stage) -> None:
    stage.server.away = "no server answers at http://one"
    stage.roll_out()
    stage.pass_(hours=5)

    assert stage.challenger is not None
    assert stage.challenger.step == 0
    assert "no server answers" in stage.watched.stands().message
    assert stage.watched.looks.rolling.states() == {"unseen": 1}


@pytest.mark.parametrize("on_deadline", ["hold", "promote", "withdraw"])
def test_a_deadline_without_enough_requests_ends_as_the_spec_says(
    stage: Stage, on_deadline: str
) -> None:
    stage.roll_out({**CANARY, "deadline": "1h", "on_deadline": on_deadline})
    stage.server.answers(tally(90), tally(10))
    stage.pass_(minutes=59)
    assert stage.challenger is not None
    stage.pass_(minutes=2)

    match on_deadline:
        case "hold":
            assert stage.challenger is not None
            assert stage.watched.stands().health is Health.SUSPENDED
            assert "inconclusive" in stage.watched.stands().message
        case "promote":
            assert stage.world.champion().number == 2
        case "withdraw":
            assert stage.version(2).reason == "TooFewRequests"
            stage.declare("fp2")
            assert stage.challenger is not None, "what was inconclusive is tried again"


def test_a_daemon_that_starts_in_the_middle_goes_on_and_loses_no_time(stage: Stage) -> None:
    stage.roll_out()
    stage.server.answers(tally(900), tally(100))
    stage.world.now += timedelta(minutes=30)  # nobody looks
    stage.restart_daemon(stage.wish("fp2"))
    stage.pass_(seconds=2)

    assert stage.challenger is not None
    assert stage.challenger.step == 1


def test_another_commit_ends_a_rollout_and_begins_another(stage: Stage) -> None:
    stage.roll_out()
    stage.server.answers(tally(900), tally(100))
    stage.pass_(minutes=9)
    stage.declare("fp3")

    assert stage.challenger is not None
    assert (stage.challenger.version, stage.challenger.step) == (3, 0)
    stage.pass_(minutes=11)
    assert stage.challenger.step == 0, "the requests of another version do not count"


def test_a_commit_that_takes_the_challenger_back_comes_before_its_promotion(stage: Stage) -> None:
    stage.roll_out({**CANARY, "steps": [50]})
    stage.server.answers(tally(900), tally(100))
    stage.world.now += timedelta(minutes=10)
    stage.watched.commit(stage.wish("fp1"))
    stage.watched.looks.look(rollout("m"))  # whichever key comes first
    stage.watched.later(600)

    assert stage.challenger is None
    assert stage.world.champion().number == 1


def test_a_hold_stops_a_rollout_and_never_its_withdrawal(stage: Stage) -> None:
    stage.roll_out()
    hold = Hold(reason="a fair", by="ann", since=stage.world.now)
    stage.world.store.commit({"m": lambda record: with_hold(_there(record), hold)})
    stage.declare("fp2")
    stage.server.answers(tally(900), tally(100))
    stage.pass_(minutes=11)
    assert stage.challenger is not None
    assert stage.challenger.step == 0
    assert "a fair" in stage.watched.stands().message

    stage.server.answers(tally(900), tally(900, errors=90))
    stage.pass_(seconds=2)
    assert stage.challenger is None
    stage.world.store.commit({"m": lambda record: without_hold(_there(record))})


def test_what_two_of_a_models_keys_decide_at_once_goes_on_record_one_by_one(stage: Stage) -> None:
    stage.roll_out()
    stage.server.answers(tally(900), tally(1000, errors=100))
    with stage.watched.board.turn:  # nothing is written meanwhile
        stage.watched.commit(stage.wish("fp3"))
        stage.watched.looks.look(rollout("m"))
        assert stage.watched.looks.look(release("m")), "it waits, and does not hold its key"
    stage.pass_(seconds=4)

    assert stage.version(2).outcome is Outcome.WITHDRAWN
    assert stage.challenger is not None
    assert stage.challenger.version == 3
    assert stage.watched.told()[-2:] == ["TooManyErrors", "RolloutStarted"]


def test_a_decision_that_could_not_be_written_is_made_again(stage: Stage) -> None:
    stage.roll_out()
    stage.server.answers(tally(900), tally(1000, errors=100))
    stage.world.store.refuses["m"] = TransientError("the ref is locked", reason="RefLocked")
    stage.pass_(seconds=2)
    assert stage.challenger is not None
    stage.world.store.refuses.clear()
    stage.pass_(seconds=30)

    assert stage.challenger is None
    assert stage.watched.told().count("RefLocked") == 1


def test_blue_green_waits_for_every_server_then_keeps_the_former_version_warm(
    stage: Stage,
) -> None:
    other = Server(stage.world.store, "http://two")
    stage.servers.append(other)
    stage.declare("fp1", {"strategy": "blue_green", "hold": "10m"})
    stage.world.bundles["fp2"] = "slow to come"
    other.broken[_digest("slow to come")] = "DiskFull"
    stage.declare("fp2", {"strategy": "blue_green", "hold": "10m"})
    stage.server.answers(tally(5000), NOTHING)
    stage.pass_(minutes=5)
    assert stage.challenger is not None
    assert stage.challenger.weight == 0

    other.broken.clear()
    stage.pass_(seconds=4)
    assert stage.challenger.weight == 100
    stage.server.answers(NOTHING, tally(2000, slower=10))
    stage.pass_(seconds=2)
    assert stage.challenger is None, "it is held against the champion's answers before the switch"
    assert stage.version(2).reason == "TooSlow"


def test_one_look_at_the_servers_is_enough_for_a_model_and_none_where_no_rollout_is(
    stage: Stage,
) -> None:
    stage.declare("fp1")
    assert stage.asked.looks == 0
    stage.declare("fp2")
    before = stage.asked.looks
    stage.pass_(seconds=20)
    assert stage.asked.looks - before == 10


def test_what_was_counted_is_dropped_with_the_rollout(stage: Stage) -> None:
    stage.roll_out()
    stage.server.answers(tally(900), tally(1000, errors=100))
    stage.pass_(seconds=4)

    assert stage.world.status.counting() == set()


def test_apply_takes_a_rollout_one_step_further_and_waits_for_none(tmp_path: Path) -> None:
    world = World(tmp_path)
    server = Server(world.store)
    world.servers = FakeServers([server])
    world.apply(declared(fingerprint="fp1", rollout=CANARY))
    stands = world.apply(declared(fingerprint="fp2", rollout=CANARY, revision="r2"))["m"]
    assert stands.health is Health.PROGRESSING
    server.answers(tally(900), tally(100))
    for weight in (10, 50):
        challenger = world.record().challenger
        assert challenger is not None
        assert challenger.weight == weight
        server.answers(tally(900), tally(100))
        world.now += timedelta(minutes=10)
        stands = world.apply(declared(fingerprint="fp2", rollout=CANARY, revision="r2"))["m"]

    assert world.champion().number == 2
    assert stands.as_declared


def test_apply_withdraws_what_is_bad_and_abandons_what_is_declared_no_more(tmp_path: Path) -> None:
    world = World(tmp_path)
    server = Server(world.store)
    world.servers = FakeServers([server])
    world.apply(declared(fingerprint="fp1", rollout=CANARY))
    world.apply(declared(fingerprint="fp2", rollout=CANARY, revision="r2"))
    server.answers(tally(900), tally(1000, errors=100))
    world.apply(declared(fingerprint="fp2", rollout=CANARY, revision="r2"))
    assert world.outcomes()[-1] == (2, "withdrawn")

    world.apply(declared(fingerprint="fp3", rollout=CANARY, revision="r3"))
    server.answers(tally(900), tally(1000))
    world.now += timedelta(hours=1)
    world.apply(declared(fingerprint="fp1", rollout=CANARY, revision="r4"))
    assert world.champion().number == 1
    assert world.record().challenger is None


def test_who_asks_is_told_what_was_counted_and_what_is_still_needed(stage: Stage) -> None:
    stage.roll_out()
    stage.server.answers(tally(900), tally(37, errors=1))
    stage.pass_(minutes=4)

    found = progress(stage.world.record(), stage.world.status.counted("m"), stage.world.now)

    assert found is not None
    assert found.figures.startswith("37 requests, 1 error")
    assert "37 of 100 requests" in found.needs
    assert found.until == stage.world.now + timedelta(minutes=6)
    assert progress(stage.world.record(), {}, stage.world.now) is not None, "nobody looked yet"


def test_who_asks_for_a_rollout_that_is_held_is_told_that_it_goes_no_further(
    stage: Stage,
) -> None:
    stage.roll_out()
    hold = Hold(reason="a fair", by="ann", since=stage.world.now)
    held = f", but it goes no further: {hold}"
    stage.world.store.commit({"m": lambda record: with_hold(_there(record), hold)})

    def said() -> str:
        record, now = stage.world.record(), stage.world.now
        why = stopped(record, UNGUARDED, now)
        return str(progress(record, stage.world.status.counted("m"), now, why))

    stage.server.answers(tally(900), tally(37))
    stage.pass_(minutes=4)
    assert "still open: 6 min more; 37 of 100 requests" in said()
    assert said().endswith(held)

    stage.server.answers(tally(900), tally(1000))
    stage.pass_(minutes=10)
    assert said().endswith(f"; nothing is open{held}")


def test_what_a_server_said_of_the_first_try_does_not_end_the_second(stage: Stage) -> None:
    stage.declare("fp1")
    stage.world.bundles["fp2"] = "mended"
    stage.server.broken[_digest("mended")] = "BundleCorrupt"
    stage.declare("fp2")
    assert stage.version(2).reason == "BundleBroken"

    stage.world.now += timedelta(minutes=1)
    stage.server.behind = stage.server.report()  # it has not heard of the second try yet
    stage.world.store.commit({"m": lambda r: forget(_there(r), "fp2")})
    stage.declare("fp2")
    stage.pass_(seconds=4)
    assert stage.challenger is not None
    stage.server.behind = None
    stage.server.broken.clear()
    stage.server.answers(tally(900), tally(100))
    stage.pass_(minutes=10)
    assert stage.challenger.step == 1


def test_without_a_status_store_a_bad_challenger_is_withdrawn_all_the_same(stage: Stage) -> None:
    stage.roll_out()
    stage.world.status.close()
    (stage.folder / "status.db").unlink()
    for left in stage.folder.glob("status.db-*"):
        left.unlink()
    (stage.folder / "status.db").mkdir()
    stage.server.answers(tally(9000), tally(1000, errors=50))
    stage.pass_(seconds=2)

    assert stage.version(2).reason == "TooManyErrors"


def test_a_freeze_stops_a_rollout_and_never_its_withdrawal(tmp_path: Path) -> None:
    world = World(tmp_path)
    server = Server(world.store)
    world.servers = FakeServers([server])
    world.apply(declared(fingerprint="fp1", rollout=CANARY))
    world.apply(declared(fingerprint="fp2", rollout=CANARY, revision="r2"))
    always = {"kind": "deny", "cron": "0 0 * * *", "duration": "24h"}
    world.params = Params.model_validate({"freeze": [always]})
    server.answers(tally(900), tally(100))
    world.now += timedelta(minutes=10)
    stands = world.apply(declared(fingerprint="fp2", rollout=CANARY, revision="r2"))["m"]
    assert stands.reason == "Frozen"
    challenger = world.record().challenger
    assert challenger is not None
    assert challenger.step == 0

    server.answers(tally(900), tally(900, errors=90))
    world.apply(declared(fingerprint="fp2", rollout=CANARY, revision="r2"))
    assert world.record().challenger is None


def _digest(bundle: str) -> str:
    return md5(bundle) + ".dir"


def _there(record: Record | None) -> Record:
    assert record is not None
    return record
