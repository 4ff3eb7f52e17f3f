"""What a daemon does with its keys, step by step: no thread looks, and no test sleeps."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass, field

import pytest

from reconciler.adapters.deployed import DeployedStore
from reconciler.adapters.snapshot import Snapshot
from reconciler.controller.backoff import Backoff
from reconciler.controller.board import Board
from reconciler.controller.committing import Committer
from reconciler.controller.events import Decided, Moved
from reconciler.controller.fleet import Fleet
from reconciler.controller.keys import Key, Kind, release, target
from reconciler.controller.leasing import Leasing
from reconciler.controller.looks import Looks
from reconciler.controller.queue import WorkQueue
from reconciler.controller.standings import Standings
from reconciler.controller.training import Job
from reconciler.controller.troubles import Troubles
from reconciler.controller.views import View
from reconciler.core.conditions import Health, Sync
from reconciler.core.plan import Desired, Invalid
from reconciler.core.record import Hold, Version, empty, with_hold, without_hold
from reconciler.core.standing import Standing
from reconciler.core.verdict import Outcome as Said
from reconciler.core.verdict import Verdict
from reconciler.errors import SpecError, TerminalError, TransientError
from reconciler.spec.params import Params
from tests.controller.world import NOW, World, declared, passed, said, until


@dataclass
class Leased:
    """Leases of which some are another daemon's."""

    others: dict[str, str] = field(default_factory=dict)
    held: set[str] = field(default_factory=set)

    def take(self, fingerprint: str) -> str | None:
        if (holder := self.others.get(fingerprint)) is None:
            self.held.add(fingerprint)
        return holder

    def give_back(self, fingerprint: str) -> None:
        self.held.discard(fingerprint)


class Watched:
    """A daemon's parts around a world; whoever calls `run` is its worker, and owns the clock."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.now = 0.0
        self.leases = Leased()
        self.most = 100
        self.leasing: Leasing | None = None
        self.queue: WorkQueue[Key] = WorkQueue(lambda: self.now)
        self.board = Board()
        self.trainer = world.trainer(lambda model: self.queue.add(release(model)))
        self.standings = Standings(world.status, world.events.append, lambda: NOW)
        self.committer = Committer(self._store, 0.0, turn=self.board.turn)
        told, clock = world.events.append, lambda: self.now
        troubles = Troubles(self.queue, told, clock, Backoff(chance=lambda: 0.0))
        self.looks = Looks(
            self.board, self.queue, self.committer.submit, self.standings, troubles, told,
            wake=lambda: self.woken.append(self.now), missed=lambda name: self.missed.append(name),
            clock=clock,
        )  # fmt: skip
        self.looked: list[Key] = []
        self.missed: list[str] = []
        self.woken: list[float] = []
        """When the refs were asked to be looked at."""
        threading.Thread(
            target=self.committer.run, args=(self.looks.committed,), daemon=True
        ).start()

    def _leasing(self) -> Leasing:
        if self.leasing is None:
            self.leasing = Leasing(self.leases, self.most)
        return self.leasing

    def _store(self) -> DeployedStore:
        return self.world.store

    def commit(self, *models: Desired | Invalid, settled: frozenset[str] = frozenset()) -> None:
        """Follow a revision that declares these; an Invalid is called `m`."""
        by_name = {m.spec.name if isinstance(m, Desired) else "m": m for m in models}
        revision = next((m.revision for m in models if isinstance(m, Desired)), "r9")
        fleet = Fleet(revision, {}, Params(), {}, by_name, (), {}, {})
        tools = self.world.tools(self.trainer, self._leasing())
        view = View(fleet, self.world.store.read(), tools, settled=settled)
        self.looks.changed(self.board.replace(view))

    def run(self) -> None:
        """Look at all keys until nothing is left to do at this time."""
        deadline = time.monotonic() + 20
        while time.monotonic() < deadline:
            self.look()
            if self.queue.at_rest() and self.committer.at_rest() and not self.trainer.models():
                return
            time.sleep(0.001)  # a training or a commit is under way
        raise AssertionError("it comes to no rest")

    def look(self) -> None:
        """Look at the keys that wait now."""
        while (key := self.queue.take(0)) is not None:
            self.looked.append(key)
            if self.looks.look(key):
                self.queue.done(key)

    def later(self, seconds: float) -> None:
        """Let time pass, and do what is due by then."""
        self.now += seconds
        self.run()

    def stands(self, name: str = "m") -> Standing:
        return self.standings.latest()[name]

    def told(self, name: str = "m") -> list[str]:
        return [e.reason for e in self.world.events if isinstance(e, Decided) and e.model == name]


@pytest.fixture
def watched(tmp_path_factory: pytest.TempPathFactory) -> Watched:
    return Watched(World(tmp_path_factory.mktemp("watched")))


def served(watched: Watched, name: str = "m") -> str | None:
    found = watched.world.target.observe(name)
    return found.digest if found else None


def test_a_commit_is_trained_released_served_and_told_once(watched: Watched) -> None:
    watched.commit(declared())
    watched.run()
    assert watched.stands().as_declared
    assert served(watched) == watched.world.champion().bundle_digest
    assert watched.told() == ["Released"]
    moves = [e for e in watched.world.events if isinstance(e, Moved)]
    assert [(m.sync, m.health) for m in moves][-1] == (Sync.SYNCED, Health.HEALTHY)
    looks = len(watched.looked)
    watched.commit(declared(revision="r2"))
    watched.run()
    assert len(watched.looked) == looks, "another commit of the same is no reason to look"


def test_what_fails_for_the_time_being_is_tried_again_later_and_later(watched: Watched) -> None:
    watched.world.broken = {"fp1": TransientError("the disk is full", reason="DiskFull")}
    watched.commit(declared())
    watched.run()
    assert watched.stands().reason == "DiskFull"
    assert watched.world.trained == ["fp1"]
    assert watched.told() == ["DiskFull"]
    for pause, tries in ((0.9, 1), (0.2, 2), (1.8, 2), (0.3, 3), (3.8, 3), (0.3, 4)):
        watched.later(pause)
        assert len(watched.world.trained) == tries
    assert watched.told() == ["DiskFull"], "what goes on being wrong is said once"
    watched.world.broken.clear()
    watched.later(8.1)
    assert watched.stands().as_declared
    watched.world.broken = {"fp2": TransientError("again")}
    watched.commit(declared(fingerprint="fp2", revision="r2"))
    watched.run()
    watched.later(1.1)
    assert watched.world.trained[-2:] == ["fp2", "fp2"], "success has forgotten the failures before"


def test_a_look_that_comes_before_a_pause_is_over_does_not_end_it_nor_lose_it(
    watched: Watched,
) -> None:
    watched.world.broken = {"fp1": TransientError("the disk is full", reason="DiskFull")}
    watched.commit(declared())
    watched.queue.add_after(release("m"), 0.5)  # something else had asked for it
    watched.run()
    watched.later(0.6)
    assert watched.world.trained == ["fp1"]
    watched.later(0.6)
    assert watched.world.trained == ["fp1", "fp1"]


def test_what_fails_for_good_waits_for_a_change_and_for_nothing_else(watched: Watched) -> None:
    watched.world.undrafted = {"fp1": TerminalError("no such file", reason="Odd")}
    watched.commit(declared())
    watched.run()
    watched.later(10_000)
    assert watched.stands().reason == "Odd"
    assert watched.world.trained == ["fp1"]
    watched.world.undrafted.clear()
    watched.commit(declared(revision="r2", floor=0.4))
    watched.run()
    assert watched.stands().as_declared


def test_what_the_machine_lacks_is_tried_again_without_a_commit(watched: Watched) -> None:
    watched.world.undrafted = {"fp1": TerminalError("git is gone", reason="ProgramMissing")}
    watched.commit(declared())
    watched.run()
    assert watched.stands().reason == "ProgramMissing"
    watched.world.undrafted.clear()
    watched.later(1.1)
    assert watched.stands().as_declared


def test_the_exception_of_one_model_stops_no_other(watched: Watched) -> None:
    world = watched.world
    world.broken = {"in-training": RuntimeError("a bug"), "failing": SpecError("bad")}
    world.undrafted = {"in-draft": KeyError("metrics")}
    world.store.refuses = {"in-commit": ValueError("a bug")}
    names = ["good", "in-training", "failing", "in-draft", "in-commit"]
    watched.commit(*(declared(name, name) for name in names))
    watched.run()
    latest = watched.standings.latest()
    assert {name for name, stands in latest.items() if stands.as_declared} == {"good"}
    assert {latest[n].reason for n in ("in-training", "in-draft", "in-commit")} == {"InternalError"}
    assert set(world.store.snapshot.records) == {"good", "failing"}
    world.broken.clear()
    world.undrafted.clear()
    world.store.refuses.clear()
    watched.later(2)
    assert {n for n, s in watched.standings.latest().items() if s.as_declared} == {
        "good", "in-training", "in-draft", "in-commit",
    }  # fmt: skip


def test_a_newer_revision_cuts_short_what_is_wanted_no_more_and_a_revert_trains_nothing(
    watched: Watched,
) -> None:
    watched.commit(declared())
    watched.run()
    begun, hold = threading.Event(), threading.Event()

    def work(job: Job) -> None:
        begun.set()
        while not hold.is_set() and not job.cancelled.wait(0.001):
            pass
        if job.cancelled.is_set():
            raise TransientError("it was cancelled", reason="Cancelled")

    watched.world.work = work
    watched.commit(declared(fingerprint="fp2", revision="r2"))
    watched.look()
    assert begun.wait(5)
    watched.commit(declared(revision="r3"))
    watched.run()
    assert watched.world.outcomes() == [(1, "released"), (2, "cancelled")]
    assert watched.stands().as_declared
    hold.set()
    watched.commit(declared(fingerprint="fp2", revision="r4"))
    watched.run()
    assert watched.world.champion().fingerprint == "fp2", "what was cut short is held against none"


def test_what_was_cut_short_is_recorded_though_its_first_commit_fails(watched: Watched) -> None:
    begun = threading.Event()

    def work(job: Job) -> None:
        begun.set()
        if job.desired.fingerprint == "fp1" and job.cancelled.wait(5):
            raise TransientError("it was cancelled", reason="Cancelled")

    watched.world.work = work
    watched.commit(declared())
    watched.look()
    assert begun.wait(5)
    watched.world.store.refuses = {"m": TransientError("the disk is full", reason="DiskFull")}
    watched.commit(declared(fingerprint="fp2", revision="r2"))
    watched.run()
    assert watched.stands().reason == "DiskFull"
    watched.world.store.refuses.clear()
    watched.commit(declared(fingerprint="fp2", revision="r3", floor=0.4))
    watched.run()
    assert watched.world.outcomes() == [(1, "cancelled"), (2, "released")]
    assert watched.world.record().versions[0].revision == "r1"


def test_an_invalid_spec_leaves_what_is_served_and_names_what_is_wrong(watched: Watched) -> None:
    watched.commit(declared())
    watched.run()
    before = served(watched)
    watched.commit(Invalid("InvalidSpec", "specs/m.yaml:7: no such estimator"))
    watched.run()
    assert (watched.stands().reason, served(watched)) == ("InvalidSpec", before)
    assert "specs/m.yaml:7" in watched.stands().message
    watched.commit(declared(revision="r3"))
    watched.run()
    assert watched.stands().as_declared
    assert watched.world.trained == ["fp1"]


def test_a_target_that_is_away_is_tried_again_and_holds_up_nobody(
    watched: Watched, monkeypatch: pytest.MonkeyPatch
) -> None:
    def away(*_: object) -> None:
        raise TransientError("the folder cannot be written", reason="NotWritable")

    with monkeypatch.context() as patch:
        patch.setattr(watched.world.target, "converge", away)
        watched.commit(declared())
        watched.run()
        assert watched.stands().reason == "NotWritable"
        assert watched.world.champion().number == 1, "the record does not wait for the target"
        assert watched.told().count("NotWritable") == 1
        watched.later(1.1)
        assert watched.told().count("NotWritable") == 1, "it is said once"
    watched.later(2.1)
    assert watched.stands().as_declared


def test_a_champion_that_is_gone_everywhere_is_trained_again(watched: Watched) -> None:
    watched.commit(declared())
    watched.run()
    watched.world.lost.add(str(watched.world.champion().bundle_digest))
    watched.world.target.withdraw("m")
    watched.queue.add(target("m"))
    watched.run()
    assert watched.world.trained == ["fp1", "fp1"]
    assert watched.stands().as_declared


def test_a_champion_that_is_lost_twice_in_a_long_life_is_trained_again_twice(
    watched: Watched,
) -> None:
    watched.commit(declared())
    for _ in range(2):
        watched.run()
        watched.world.lost.add(str(watched.world.champion().bundle_digest))
        watched.world.target.withdraw("m")
        watched.queue.add(target("m"))
    watched.run()
    assert watched.world.trained == ["fp1"] * 3
    assert watched.stands().as_declared


def test_the_target_of_a_settled_model_that_is_away_is_tried_again(
    watched: Watched, monkeypatch: pytest.MonkeyPatch
) -> None:
    def away(*_: object) -> None:
        raise TransientError("the folder cannot be written", reason="NotWritable")

    watched.commit(declared())
    watched.run()
    full = watched.board.view
    assert full is not None
    watched.commit(declared("n", "fpn", revision="r2"), settled=frozenset({"m"}))
    watched.run()
    watched.world.target.withdraw("m")
    with monkeypatch.context() as patch:
        patch.setattr(watched.world.target, "converge", away)
        watched.board.sample(full)
        watched.queue.add(target("m"))
        watched.run()
    watched.later(1.1)
    assert served(watched) == watched.world.champion().bundle_digest
    assert watched.board.begin("m") is None, "it is forgotten again"


def test_a_settled_model_whose_bundle_is_gone_everywhere_is_trained_and_served_again(
    watched: Watched,
) -> None:
    watched.commit(declared())
    watched.run()
    full = watched.board.view
    assert full is not None
    watched.commit(declared("n", "fpn", revision="r2"), settled=frozenset({"m"}))
    watched.run()
    watched.world.lost.add(str(watched.world.champion().bundle_digest))
    watched.world.target.withdraw("m")
    watched.board.sample(full)
    watched.queue.add(target("m"))
    watched.run()
    assert watched.world.trained == ["fp1", "fpn", "fp1"]
    assert served(watched) == watched.world.champion().bundle_digest
    assert watched.missed == []


def test_a_training_whose_model_no_view_tells_of_any_more_is_asked_for(watched: Watched) -> None:
    watched.commit(declared())
    watched.run()
    go_on = threading.Event()
    watched.world.work = until(go_on)
    watched.commit(declared(fingerprint="fp2", revision="r2"))
    watched.look()
    full = watched.board.view
    watched.commit(declared("n", "fpn", revision="r3"), settled=frozenset({"m"}))
    go_on.set()
    while not watched.missed:
        watched.look()
    assert full is not None
    watched.board.sample(full)
    watched.queue.add(target("m"))
    watched.run()
    assert watched.world.champion().fingerprint == "fp2", "what it left behind is taken in"


def test_an_error_of_a_revision_that_was_overtaken_holds_up_none_of_the_next(
    watched: Watched,
) -> None:
    def judge(_wish: Desired, _version: Version) -> Verdict:
        watched.world.gate = lambda _wish, _version: passed()
        watched.commit(declared(revision="r2", floor=0.4))
        raise TerminalError("a rule of the first revision", reason="Odd")

    watched.world.gate = judge
    watched.commit(declared())
    watched.run()
    assert watched.stands().as_declared


def test_what_trainings_disturb_is_judged_once_they_have_ended_and_not_before(
    watched: Watched,
) -> None:
    asked: list[str] = []

    def gate(wish: Desired, _version: Version) -> Verdict:
        asked.append(wish.spec.name)
        noisy = wish.spec.name == "m" and watched.trainer.busy()
        return said(Said.FAILED if noisy else Said.PASSED, "latency_p99_ms")

    go_on = threading.Event()
    watched.world.gate, watched.world.work = gate, until(go_on, model="n")
    watched.commit(declared(), declared("n", "fpn"))
    while not asked:
        watched.look()
    for _ in range(5):
        watched.now += 10
        watched.look()
    assert (asked, watched.looks.at_rest()) == (["m"], False)
    go_on.set()
    watched.run()
    assert watched.looks.at_rest(), "nobody waits for the timer"
    assert watched.stands().as_declared


def test_nothing_is_concluded_about_a_model_that_the_view_does_not_tell_of(
    watched: Watched,
) -> None:
    watched.commit(declared())
    watched.run()
    before = served(watched)
    watched.commit(declared("n", "fpn", revision="r2"), settled=frozenset({"m"}))
    watched.queue.add(release("m"), target("m"))
    watched.run()
    assert served(watched) == before
    assert watched.stands("m").as_declared


def test_a_sample_of_a_settled_model_is_healed_and_then_forgotten(watched: Watched) -> None:
    watched.commit(declared())
    watched.run()
    full = watched.board.view
    assert full is not None
    watched.commit(declared("n", "fpn", revision="r2"), settled=frozenset({"m"}))
    watched.run()
    watched.world.target.withdraw("m")
    watched.board.sample(full)
    watched.queue.add(target("m"))
    watched.run()
    assert served(watched) == watched.world.champion().bundle_digest
    assert watched.board.begin("m") is None


def test_what_another_daemon_trains_is_waited_for_and_leases_are_given_back(
    watched: Watched,
) -> None:
    watched.leases.others = {"fp1": "the daemon on elsewhere, process 7, has its lease"}
    watched.commit(declared())
    watched.run()
    assert watched.stands().reason == "TrainedElsewhere"
    assert watched.world.trained == []
    watched.leases.others.clear()
    watched.later(10.1)
    assert watched.world.trained == ["fp1"]
    assert watched.leases.held == set()


def test_the_lease_of_a_result_that_waits_to_be_judged_is_kept(watched: Watched) -> None:
    released, judged = threading.Event(), threading.Event()
    watched.world.work = until(released, model="slow")

    def gate(desired: Desired, version: Version) -> Verdict:
        if desired.spec.name == "slow":
            return passed()
        judged.set()
        return said(Said.PASSED if released.is_set() else Said.FAILED, "latency_p99_ms")

    watched.world.gate = gate
    watched.commit(declared(), declared("slow", "fp2"))
    deadline = time.monotonic() + 20
    while not judged.is_set() and time.monotonic() < deadline:
        watched.look()
        time.sleep(0.001)
    assert watched.leases.held == {"fp1", "fp2"}
    released.set()
    watched.run()  # the other training comes to its end first
    watched.later(2.1)
    assert watched.told("m") == ["Released"]
    assert watched.leases.held == set()


def test_a_model_that_is_gone_before_anything_was_put_on_record_is_forgotten(
    watched: Watched,
) -> None:
    watched.leases.others = {"fp1": "the daemon on elsewhere, process 7, has its lease"}
    watched.commit(declared())
    watched.run()
    assert "m" in watched.world.status.seen()
    watched.commit(declared("n", "fp2"))
    watched.run()
    assert watched.standings.latest().keys() == {"n"}
    assert watched.standings.counts().total() == 1
    assert watched.world.status.seen().keys() == {"n"}


def test_a_decision_that_another_one_overtook_has_the_refs_looked_at_and_is_planned_again(
    watched: Watched,
) -> None:
    watched.commit(declared())
    hold = Hold(by="Ada", reason="holiday", since=NOW)
    watched.world.store.commit({"m": lambda _: with_hold(empty("m"), hold)})
    watched.run()
    assert watched.woken == [0.0]
    assert watched.told() == []
    watched.world.store.commit({"m": lambda record: empty("m")})
    watched.commit(declared())
    watched.later(1.1)
    assert watched.told() == ["Released"]


def test_no_more_leases_are_taken_than_can_be_trained_soon(watched: Watched) -> None:
    watched.most = 2
    hold = threading.Event()
    watched.world.work = until(hold)
    watched.commit(*(declared(f"m{n}", f"fp{n}") for n in range(5)))
    watched.look()
    assert len(watched.leases.held) == 2
    hold.set()
    for _ in range(5):
        watched.later(10.1)
    assert all(stands.as_declared for stands in watched.standings.latest().values())
    assert sorted(watched.world.trained) == [f"fp{n}" for n in range(5)]


def test_a_hold_keeps_training_back_and_its_end_lets_it_go(watched: Watched) -> None:
    hold = Hold(by="Ada", reason="holiday", since=NOW)
    store = watched.world.store
    store.commit({"m": lambda record: with_hold(record or empty("m"), hold)})
    watched.commit(declared())
    watched.run()
    assert (watched.stands().reason, watched.world.trained) == ("Held", [])
    store.commit({"m": lambda record: without_hold(record or empty("m"))})
    watched.commit(declared())
    watched.run()
    assert watched.stands().as_declared


def test_records_that_are_gone_take_nothing_out_of_production(
    watched: Watched, monkeypatch: pytest.MonkeyPatch
) -> None:
    watched.commit(declared(), declared("n", "fpn"))
    watched.run()
    monkeypatch.setattr(watched.world.target, "withdraw", pytest.fail)
    watched.world.store.snapshot = Snapshot(None)
    watched.commit(declared(revision="r2"))
    watched.run()
    assert watched.stands().as_declared, "its record is made anew"
    assert served(watched, "n") is not None, "nothing on record has retired it"


def test_keys_of_release_and_target_are_looked_at_apart(watched: Watched) -> None:
    watched.commit(declared())
    watched.run()
    assert {key.kind for key in watched.looked} == {Kind.RELEASE, Kind.TARGET}
