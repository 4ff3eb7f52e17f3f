"""A whole daemon, with real threads, among commits, people and failures that come as they like."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest

from reconciler.adapters.deployed import Change
from reconciler.adapters.git import Person
from reconciler.adapters.snapshot import Snapshot
from reconciler.adapters.targets.memory import MemoryTarget
from reconciler.controller.backoff import Backoff
from reconciler.controller.board import Board
from reconciler.controller.committing import Committer
from reconciler.controller.daemon import Daemon
from reconciler.controller.fleet import Fleet
from reconciler.controller.following import Follower
from reconciler.controller.keys import Key, release, target, urgent
from reconciler.controller.looks import Looks
from reconciler.controller.queue import WorkQueue
from reconciler.controller.standings import Standings
from reconciler.controller.training import Job
from reconciler.controller.troubles import Troubles
from reconciler.controller.views import View
from reconciler.core.plan import Desired, Invalid
from reconciler.core.record import Hold, Record, empty, with_hold, without_hold
from reconciler.core.settled import LASTING
from reconciler.core.verdict import Outcome, Verdict
from reconciler.errors import TerminalError, TransientError
from reconciler.ports.source import Sighting
from reconciler.spec.params import Params
from tests.controller.world import NOW, MemoryStore, World, declared, said

NAMES = ("a", "b", "c", "d", "e", "f")


class Weather:
    """Whether things go wrong, and by chance; calm weather lets everything through."""

    def __init__(self, seed: int) -> None:
        self.chance = random.Random(seed)
        self.bad = True

    def strike(self, share: float = 0.1) -> None:
        """Take some time, and go wrong in some of the cases."""
        if self.bad:
            time.sleep(self.chance.choice((0, 0, 0, 0.001, 0.003)))
            if self.chance.random() < share:
                errors = (TransientError("away", reason="Away"), RuntimeError("a bug of ours"))
                raise self.chance.choice(errors)


class Branch(MemoryStore):
    """Records that people write too; a commit gives the records that it has touched alone."""

    def __init__(self, weather: Weather) -> None:
        super().__init__()
        self.weather = weather
        self.lock = threading.Lock()
        self.retired: dict[str, float] = {}
        """When each model was on record without a champion for the last time."""

    def commit(self, changes: Mapping[str, Change], author: Person | None = None) -> Snapshot:
        self.weather.strike()
        with self.lock:
            after = super().commit(changes, author)
            for name, record in after.records.items():
                if record.champion is None:
                    self.retired[name] = time.monotonic()
        self.weather.strike(0)
        touched = {name: after.records[name] for name in changes}
        return Snapshot(after.commit, touched, {}, after.parent)

    def lose(self) -> None:
        """Delete the branch."""
        with self.lock:
            self.snapshot = Snapshot(None)


class Shelf(MemoryTarget):
    """A target that takes nothing out of production but what a record has retired."""

    def __init__(self, branch: Branch) -> None:
        super().__init__(lambda _: branch.weather.strike())
        self.branch = branch
        self.wrong: list[str] = []

    def withdraw(self, model: str) -> None:
        if time.monotonic() - self.branch.retired.get(model, 0) > 1:
            self.wrong.append(model)
        super().withdraw(model)


class Ground:
    """Refs and views of a repository, with a memo of the models that are settled."""

    def __init__(self, world: World, branch: Branch) -> None:
        self.world = world
        self.branch = branch
        self.weather = branch.weather
        self.revisions: dict[str, dict[str, Desired | Invalid]] = {"r0": {}}
        self.head = "r0"
        self.memo: dict[str, tuple[object, Record | None]] = {}
        self.shown: Snapshot | None = None

    def look(self) -> Sighting:
        self.weather.strike()
        return Sighting(self.head, self.branch.snapshot.commit)

    def at(self, revision: str) -> View:
        snapshot, models = self.branch.snapshot, self.revisions[revision]
        self.weather.strike()
        busy = self.daemon.trainer.models()
        settled = frozenset(
            name
            for name, known in self.memo.items()
            if known == (wish(models.get(name)), snapshot.records.get(name)) and name not in busy
        )
        return self._view(revision, snapshot, {*models, *snapshot.records} - settled, settled)

    def before(self, revision: str) -> tuple[str, ...]:
        earlier = list(self.revisions)
        return tuple(reversed(earlier[: earlier.index(revision)]))

    def of(self, revision: str, names: Sequence[str]) -> View:
        snapshot = self.branch.snapshot
        self.weather.strike()
        others = {*NAMES} - {*names}
        return self._view(revision, snapshot, set(names), frozenset(others))

    def allowed(self) -> str | None:
        return None

    def recorded(self) -> tuple[str, ...]:
        return tuple(sorted(self.branch.snapshot.records))

    def remember(self, view: View, plans: Mapping[str, tuple[str, str] | None]) -> None:
        self.weather.strike()
        snapshot, models = self.branch.snapshot, self.revisions[view.fleet.revision]
        if snapshot.commit == view.snapshot.commit:
            lasting = (name for name, plan in plans.items() if plan and plan[0] in LASTING)
            known = {n: (wish(models.get(n)), snapshot.records.get(n)) for n in lasting}
            self.memo = {**self.memo, **known}

    def publish(self) -> None:
        self.weather.strike()
        self.shown = self.branch.snapshot

    def _view(
        self, revision: str, snapshot: Snapshot, names: set[str], settled: frozenset[str]
    ) -> View:
        models = {n: m for n, m in self.revisions[revision].items() if n in names}
        fleet = Fleet(revision, {}, Params(), {}, models, (), {}, {})
        records = {n: r for n, r in snapshot.records.items() if n in names}
        tools = self.world.tools(self.daemon.trainer)
        return View(fleet, Snapshot(snapshot.commit, records), tools, settled=settled)

    daemon: Running


def wish(model: Desired | Invalid | None) -> object:
    return (model.spec, model.fingerprint) if isinstance(model, Desired) else model


class Running:
    """A daemon at work, and the people around it."""

    def __init__(self, folder: Path, seed: int) -> None:
        self.weather = weather = Weather(seed)
        self.chance = random.Random(seed)
        self.branch = Branch(weather)
        self.world = world = World(
            folder, store=self.branch, jobs=3, work=self.train, gate=self.judge
        )
        self.stuck = threading.Event()
        self.stuck.set()
        self.shelf = world.target = Shelf(self.branch)
        self.ground = ground = Ground(world, self.branch)
        ground.daemon = self
        self.queue: WorkQueue[Key] = WorkQueue(urgent=urgent)
        self.trainer = world.trainer(lambda model: self.queue.add(release(model)))
        self.board = board = Board()
        committer = Committer(lambda: self.branch, 0.0, turn=board.turn)
        self.standings = Standings(world.status, world.events.append, lambda: NOW)
        told = world.events.append
        self.troubles = Troubles(self.queue, told, backoff=Backoff(0.01, 0.3))
        self.looks = Looks(
            board, self.queue, committer.submit, self.standings, self.troubles, told,
            wake=lambda: self.follower.wake(), missed=lambda name: self.follower.missed(name),
        )  # fmt: skip
        self.follower = Follower(
            ground, ground, board, self.looks.changed,
            lambda names: self.queue.add(*map(target, names)), world.events.append, 0.2,
        )  # fmt: skip
        self.daemon = Daemon(self.queue, self.follower, self.looks, committer, self.trainer, 4)

    def train(self, job: Job) -> None:
        if job.cancelled.wait(self.chance.choice((0, 0.001, 0.01, 0.05))):
            raise TransientError("it was cancelled", reason="Cancelled")
        self.weather.strike()
        if job.desired.fingerprint.endswith("fails"):
            raise TerminalError("it diverges", reason="TrainingFailed")

    def judge(self, wanted: Desired, _version: object) -> Verdict:
        self.stuck.wait(10)
        return said(Outcome.FAILED if wanted.fingerprint.endswith("bad") else Outcome.PASSED)

    def storm(self, seconds: float) -> None:
        """Commit, steer, and lose things for a while."""
        self.weather.bad = True
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            acts = (self.declare, self.declare, self.declare, self.steer, self.damage)
            self.chance.choice(acts)()
            if self.chance.random() < 0.01:
                self.branch.lose()
            self.follower.wake()
            time.sleep(self.chance.choice((0, 0.001, 0.01, 0.03)))
        self.weather.bad = False

    def declare(self) -> None:
        head = f"r{len(self.ground.revisions)}"
        models = dict(self.ground.revisions[self.ground.head])
        name = self.chance.choice(NAMES)
        match self.chance.randrange(8):
            case 0:
                models.pop(name, None)
            case 1:
                models[name] = Invalid("InvalidSpec", f"specs/{name}.yaml:7: no")
            case 2:  # as it was some time ago
                models = dict(self.ground.revisions[self.chance.choice([*self.ground.revisions])])
            case n:
                ending = ("good", "good", "bad", "fails", "other")[n - 3]
                floor = self.chance.choice((0.1, 0.2))
                models[name] = declared(name, f"{name} {ending}", revision=head, floor=floor)
        self.ground.revisions[head] = models
        self.ground.head = head

    def steer(self) -> None:
        name = self.chance.choice(NAMES)
        hold = Hold(by="Ada", reason="holiday", since=NOW)
        held = self.chance.random() < 0.3

        def change(record: Record | None) -> Record:
            before = record or empty(name)
            return with_hold(before, hold) if held else without_hold(before)

        try:
            self.branch.commit({name: change})
        except (TransientError, RuntimeError):
            return

    def damage(self) -> None:
        name = self.chance.choice(NAMES)
        with self.branch.lock:
            record = self.branch.snapshot.records.get(name)
        if record and record.champion:
            self.world.lost.add(str(record.champion.bundle_digest))
        self.shelf.damage(name, TransientError("a flipped byte"))

    def settle(self) -> None:
        """Wait until nothing is left to do, for the time being and for later."""
        for name in self.branch.snapshot.records:  # all holds end
            self.branch.commit({name: lambda record: without_hold(record or empty("a"))})
        self.follower.wake()
        deadline, rounds, still = time.monotonic() + 10, self.follower._sweep.rounds + 2, 0
        while still < 4 or self.follower._sweep.rounds < rounds:
            assert time.monotonic() < deadline, self.left()
            later = {key.model for key in self.queue._due} | self.board._samples.keys()
            still = still + 1 if self.daemon.at_rest() and later <= self.gone() else 0
            time.sleep(0.005)

    def gone(self) -> set[str]:
        """Return the models whose champion is nowhere to be had: that is asked again and again."""
        found = {n: r.champion for n, r in self.branch.snapshot.records.items()}
        return {n for n, c in found.items() if c and c.bundle_digest in self.world.lost}

    def intact(self, name: str) -> bool:
        found = self.shelf.observe(name)
        return found is not None and found.intact

    def left(self) -> object:
        """Return what a daemon that comes to no rest is still at."""
        return {
            "settling": self.follower.settling, "waiting": self.queue.waiting(),
            "processing": self.queue._processing, "due": self.queue._due,
            "training": self.trainer.models(), "soon": self.looks._soon,
            "said": self.follower.trouble, "stuck": self.troubles._stuck,
        }  # fmt: skip

    def expect(self) -> None:
        """Check that the world is as declared."""
        assert self.daemon.lifeless() == ()
        assert self.shelf.wrong == [], "withdrawn, and nothing on record had retired them"
        models, records = self.ground.revisions[self.ground.head], self.branch.snapshot.records
        for name, record in records.items():
            champion, found = record.champion, self.shelf.observe(name)
            wanted = models.get(name)
            if champion is None or champion.bundle_digest not in self.world.lost:
                assert (found and found.digest) == (champion and champion.bundle_digest), name
                assert found is None or found.intact, name
            if wanted is None:
                assert champion is None, f"{name} is not declared"
            elif isinstance(wanted, Desired) and wanted.fingerprint.endswith(("good", "other")):
                assert champion is not None, name
                assert champion.fingerprint == wanted.fingerprint
                assert champion.bundle_digest not in self.world.lost, "it is trained again"
        assert {n for n, m in models.items() if isinstance(m, Desired)} <= records.keys()
        assert self.ground.shown is self.branch.snapshot, "people see the records as they are"


@contextmanager
def running(folder: Path, seed: int) -> Iterator[Running]:
    made = Running(folder, seed)
    made.daemon.start()
    try:
        yield made
    finally:
        made.weather.bad = False
        assert made.daemon.stop(5)


@pytest.mark.parametrize("seed", range(2))
def test_whatever_comes_the_world_ends_as_declared(tmp_path: Path, seed: int) -> None:
    with running(tmp_path, seed) as made:
        for _ in range(2):
            made.storm(0.3)
            made.settle()
            made.expect()


def test_a_gate_that_is_stuck_on_every_worker_keeps_nothing_from_being_healed(
    tmp_path: Path,
) -> None:
    with running(tmp_path, 0) as made:
        made.weather.bad = False
        made.ground.revisions["r1"] = {"a": declared("a", "a good", revision="r1")}
        made.ground.head = "r1"
        made.settle()
        made.stuck.clear()
        names = [f"slow{n}" for n in range(6)]
        more = {name: declared(name, name, revision="r2") for name in names}
        made.ground.revisions["r2"] = {**made.ground.revisions["r1"], **more}
        made.ground.head = "r2"
        made.follower.wake()
        eventually(lambda: len(made.world.judged) >= 5)
        made.shelf.damage("a", TransientError("a flipped byte"))
        made.queue.add(target("a"))
        eventually(lambda: made.intact("a"))
        made.stuck.set()


def eventually(claim: Callable[[], bool], seconds: float = 5) -> None:
    deadline = time.monotonic() + seconds
    while not claim():
        assert time.monotonic() < deadline
        time.sleep(0.005)
