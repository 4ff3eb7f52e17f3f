"""Following: the value of the refs counts, hints and timers only say when to look."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence

import pytest

from reconciler.adapters.snapshot import Snapshot
from reconciler.controller import sweeping
from reconciler.controller.board import Board
from reconciler.controller.events import Event, Happened
from reconciler.controller.fleet import Fleet
from reconciler.controller.following import Follower
from reconciler.controller.views import View
from reconciler.core.plan import Plan
from reconciler.core.record import empty
from reconciler.errors import SpecError, TerminalError, TransientError
from reconciler.ports.source import Sighting
from reconciler.spec.params import Params
from tests.controller.world import World, declared


class Repository:
    """Refs that tests move, and views of what they declare."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.sighting: Sighting | Exception = Sighting("r1", None)
        self.tip: str | None = None
        """Where the records stand, if others have written since the last look."""
        self.broken: dict[str, Exception] = {}
        self.earlier: dict[str, tuple[str, ...]] = {}
        """The commits before one, the newest first."""
        self.names: tuple[str, ...] = ("a", "b", "c")
        self.settled: frozenset[str] = frozenset()
        self.recorded_here: tuple[str, ...] = ()
        self.permitted: str | None = None
        self.asked: list[str] = []
        self.remembered: list[dict[str, tuple[str, str] | None]] = []
        self.published = 0
        self.publishes: Callable[[], None] = lambda: None
        self.meanwhile: Callable[[], None] = lambda: None
        """What happens before a view that was read is worked with."""
        self.looks = 0

    def look(self) -> Sighting:
        self.looks += 1
        if isinstance(self.sighting, Exception):
            raise self.sighting
        return self.sighting

    def at(self, revision: str) -> View:
        self.asked.append(revision)
        view = self._at(revision)
        self.meanwhile()
        return view

    def _at(self, revision: str) -> View:
        if (error := self.broken.get(revision)) is not None:
            raise error
        return self._view(revision, [n for n in self.names if n not in self.settled], self.settled)

    def before(self, revision: str) -> tuple[str, ...]:
        return self.earlier.get(revision, ())

    def of(self, revision: str, names: Sequence[str]) -> View:
        return self._view(revision, names, frozenset(self.names) - set(names))

    def allowed(self) -> str | None:
        return self.permitted

    def recorded(self) -> tuple[str, ...]:
        return self.names

    def remember(self, view: View, plans: Mapping[str, tuple[str, str] | None]) -> None:
        self.remembered.append(dict(plans))
        self.settled |= {n for n, plan in plans.items() if plan and plan[0] == "Settled"}

    def publish(self) -> None:
        self.publishes()
        self.published += 1

    def _view(self, revision: str, names: Sequence[str], settled: frozenset[str]) -> View:
        models = {n: declared(n, f"fp of {n}", revision=revision) for n in names}
        fleet = Fleet(revision, {}, Params(), {}, models, (), {}, {})
        assert isinstance(self.sighting, Sighting)
        snapshot = Snapshot(
            self.tip or self.sighting.deployed, {n: empty(n) for n in self.recorded_here}
        )
        return View(fleet, snapshot, self.world.tools(self.world.trainer()), settled=settled)


class Followed:
    """A follower, and what it has asked for."""

    def __init__(self, repository: Repository) -> None:
        self.repository = repository
        self.board = Board()
        self.changed: list[set[str]] = []
        self.touched: list[tuple[str, ...]] = []
        self.events: list[Event] = []
        self.now = 0.0
        self.follower = Follower(
            repository, repository, self.board, self.changed.append, self.touched.append,
            self.events.append, 60.0, lambda: self.now,
        )  # fmt: skip

    def step(self, seconds: float = 0.0) -> None:
        """Let time pass, and go once around the loop."""
        self.now += seconds
        self.follower.step()

    def said(self) -> list[str]:
        return [e.reason for e in self.events if isinstance(e, Happened)]


@pytest.fixture
def followed(tmp_path_factory: pytest.TempPathFactory) -> Followed:
    return Followed(Repository(World(tmp_path_factory.mktemp("followed"))))


def test_what_a_ref_stands_at_decides_and_a_hint_without_a_change_costs_one_look(
    followed: Followed,
) -> None:
    followed.step()
    assert followed.changed == [{"a", "b", "c"}]
    followed.follower.wake()
    followed.step()
    assert (followed.repository.asked, followed.repository.looks) == (["r1"], 2)
    followed.repository.sighting = Sighting("r2", None)
    followed.step(1)
    assert followed.repository.looks == 2, "nobody has said that there is something to see"
    followed.follower.wake()
    followed.step()
    assert followed.repository.asked == ["r1", "r2"]
    assert followed.changed[1:] == [set()], "another commit of the same changes nothing"


def test_without_any_hint_the_timer_looks(followed: Followed) -> None:
    followed.step()
    followed.repository.sighting = Sighting("r2", None)
    followed.step(50)
    assert followed.repository.asked == ["r1"]
    followed.step(20)
    assert followed.repository.asked == ["r1", "r2"]


def test_a_permission_that_came_while_nothing_could_be_read_is_followed_later(
    followed: Followed,
) -> None:
    followed.step()
    followed.repository.permitted = "r1"
    followed.repository.broken = {"r1": TransientError("away", reason="Away")}
    followed.step(2)
    followed.repository.broken.clear()
    followed.step(70)
    assert followed.repository.asked == ["r1"] * 3


@pytest.mark.parametrize("revision", [None, "bad"])
def test_decisions_of_people_are_followed_though_what_is_declared_cannot_be(
    followed: Followed, revision: str | None
) -> None:
    followed.repository.broken = {"bad": SpecError("params.yaml:3: no", reason="InvalidParams")}
    followed.step()
    for deployed in ("c1", "c2"):
        followed.repository.sighting = Sighting(revision, deployed)
        followed.step(70)
        view = followed.board.view
        assert view is not None
        assert (view.fleet.revision, view.snapshot.commit) == ("r1", deployed)
    asked = len(followed.repository.asked)
    followed.step(70)
    assert len(followed.repository.asked) == asked


@pytest.mark.parametrize("seen", [True, False])
def test_the_last_good_commit_is_in_force_whichever_was_seen_before(
    followed: Followed, seen: bool
) -> None:
    """Otherwise two daemons that have seen different ones take back each other's releases."""
    wrong = SpecError("params.yaml:3: no", reason="InvalidParams")
    followed.repository.broken = {"bad": wrong, "worse": wrong}
    followed.repository.earlier = {"worse": ("bad", "r3", "r2", "r1")}
    if seen:
        followed.step()
    followed.repository.sighting = Sighting("worse", "c3")
    followed.step(70)
    view = followed.board.view
    assert view is not None
    assert (view.fleet.revision, view.snapshot.commit) == ("r3", "c3")
    assert followed.follower.trouble is not None


def test_a_view_that_is_older_than_a_decision_never_comes_after_it(followed: Followed) -> None:
    followed.step()

    def decide() -> None:
        if "a" not in followed.repository.recorded_here:
            followed.repository.recorded_here = ("a",)
            followed.board.recorded(Snapshot("c1", {"a": empty("a")}))

    followed.repository.meanwhile = decide
    followed.repository.sighting = Sighting("r2", None)
    followed.step(70)
    view = followed.board.view
    assert view is not None
    assert view.snapshot.records.keys() == {"a"}


def test_a_commit_of_our_own_is_no_reason_to_look_at_models(followed: Followed) -> None:
    followed.step()
    followed.board.recorded(Snapshot("c1"))
    followed.repository.sighting = Sighting("r1", "c1")
    followed.follower.wake()
    followed.step()
    assert followed.repository.asked == ["r1"]
    followed.repository.sighting = Sighting("r1", "by a person")
    followed.follower.wake()
    followed.step()
    assert followed.repository.asked == ["r1", "r1"]


def test_records_that_others_have_committed_before_a_commit_of_our_own_are_read(
    followed: Followed,
) -> None:
    followed.step()
    followed.board.recorded(Snapshot("c2", parent="c1 of another daemon"))
    followed.repository.sighting = Sighting("r1", "c2")
    followed.step()
    assert followed.repository.asked == ["r1", "r1"]
    followed.board.recorded(Snapshot("c3", parent="c2"))
    followed.step()
    assert followed.repository.asked == ["r1", "r1"]


def test_nothing_is_remembered_by_records_that_others_have_changed(followed: Followed) -> None:
    followed.step()
    followed.repository.sighting = Sighting("r1", "c2")
    looked = followed.board.begin("a")
    assert looked is not None
    followed.board.note(looked, Plan("Settled", "released"))
    followed.follower.drained()
    followed.board.recorded(Snapshot("c2", parent="c1 of another daemon"))
    followed.step()
    assert followed.repository.asked[:2] == ["r1", "r1"], "what they have changed is read first"
    assert followed.repository.remembered == [{"a": ("Settled", "released"), "b": None, "c": None}]


def test_records_that_others_have_written_by_a_later_commit_are_not_read_with_an_earlier_one(
    followed: Followed,
) -> None:
    """A lease brings records here between two looks; what they rest on would be taken back."""
    followed.step()
    followed.repository.tip = "c1, by r2"
    followed.follower.drained()
    followed.step()
    view = followed.board.view
    assert view is not None
    assert (view.fleet.revision, view.snapshot.commit) == ("r1", None)
    assert followed.follower.settling, "the refs are to be looked at"
    followed.repository.sighting = Sighting("r2", "c1, by r2")
    followed.step()
    view = followed.board.view
    assert view is not None
    assert (view.fleet.revision, view.snapshot.commit) == ("r2", "c1, by r2")


def test_others_that_are_always_faster_keep_no_commit_from_being_followed(
    followed: Followed,
) -> None:
    followed.repository.tip = "always another"
    for _ in range(4):
        assert followed.board.view is None
        followed.step()
    assert followed.board.view is not None


def test_commits_of_our_own_that_somebody_takes_back_are_taken_back_here(
    followed: Followed,
) -> None:
    followed.step()
    followed.board.recorded(Snapshot("c1", parent=None))
    followed.step(70)
    followed.repository.sighting = Sighting("r1", "c1")
    followed.step(70)
    assert followed.repository.asked == ["r1"], "it had been written since the look"
    followed.repository.sighting = Sighting("r1", None)
    followed.step(70)
    followed.step()
    assert followed.repository.asked == ["r1"] * 2
    view = followed.board.view
    assert view is not None
    assert view.snapshot.commit is None


def test_a_branch_that_is_gone_leaves_what_it_declared_in_force(followed: Followed) -> None:
    followed.step()
    followed.repository.sighting = Sighting(None, None)
    followed.step(70)
    followed.step(70)
    assert followed.said() == ["Synced", "BranchGone"]
    view = followed.board.view
    assert view is not None
    assert view.fleet.revision == "r1"
    followed.repository.sighting = Sighting("r2", None)
    followed.step(70)
    assert followed.said()[-1] == "Synced"


def test_settings_that_cannot_be_followed_wait_for_a_commit_and_the_last_good_ones_hold(
    followed: Followed,
) -> None:
    followed.step()
    followed.repository.broken = {"r2": SpecError("params.yaml:3: no", reason="InvalidParams")}
    followed.repository.sighting = Sighting("r2", None)
    followed.step(70)
    followed.step(70)
    assert followed.repository.asked == ["r1", "r2"], "the same commit is not tried again"
    assert followed.said() == ["Synced", "InvalidParams"]
    view = followed.board.view
    assert view is not None
    assert view.fleet.revision == "r1"
    followed.repository.sighting = Sighting("r3", None)
    followed.step(70)
    assert followed.said()[-1] == "Synced"


def test_what_the_machine_lacks_is_no_fault_of_the_commit(followed: Followed) -> None:
    followed.step()
    followed.repository.broken = {"r2": TerminalError("no folder", reason="FolderMissing")}
    followed.repository.sighting = Sighting("r2", None)
    followed.step(70)
    followed.step(70)
    assert followed.said() == ["Synced", "FolderMissing"]
    followed.repository.broken.clear()
    followed.step(70)
    assert followed.said()[-1] == "Synced"


def test_troubles_that_take_turns_are_each_complained_of_once(followed: Followed) -> None:
    def fail() -> None:
        raise TransientError("the disk is full", reason="DiskFull")

    followed.repository.publishes = fail
    followed.step()
    followed.follower.drained()
    followed.step()
    followed.repository.sighting = TransientError("away", reason="Away")
    for _ in range(3):
        followed.step(70)
        followed.follower.drained()
        followed.step()
    assert followed.said() == ["Synced", "DiskFull", "Away"]


def test_records_are_followed_also_where_the_commit_cannot_be(followed: Followed) -> None:
    followed.step()
    followed.repository.broken = {"r2": SpecError("params.yaml:3: no", reason="InvalidParams")}
    followed.repository.sighting = Sighting("r2", "c1 of a person")
    followed.step(70)
    view = followed.board.view
    assert view is not None
    assert (view.fleet.revision, view.snapshot.commit) == ("r1", "c1 of a person")
    assert followed.follower.trouble == "params.yaml:3: no"


@pytest.mark.parametrize("error", [TransientError("away", reason="Away"), RuntimeError("a bug")])
def test_refs_that_cannot_be_read_are_complained_of_once_and_read_again(
    followed: Followed, error: Exception
) -> None:
    followed.repository.sighting = error
    for _ in range(3):
        followed.step(70)
    assert len(followed.said()) == 1
    assert followed.follower.synced_at is None
    followed.repository.sighting = Sighting("r1", None)
    followed.step(70)
    assert followed.changed == [{"a", "b", "c"}]
    assert followed.follower.synced_at is not None


def test_a_permission_is_noticed_without_a_ref_that_moves(followed: Followed) -> None:
    followed.step()
    followed.repository.permitted = "r1"
    followed.step(2)
    assert followed.repository.asked == ["r1", "r1"]
    followed.step(2)
    assert followed.repository.asked == ["r1", "r1"]


def test_what_is_at_rest_is_remembered_shown_and_put_out_of_mind(followed: Followed) -> None:
    followed.step()
    for name, reason in (("a", "Settled"), ("b", "Rejected")):
        looked = followed.board.begin(name)
        assert looked is not None
        followed.board.note(looked, Plan(reason))
    followed.follower.drained()
    followed.step()
    assert followed.repository.remembered == [
        {"a": ("Settled", ""), "b": ("Rejected", ""), "c": None}
    ]
    view = followed.board.view
    assert view is not None
    assert view.names() == {"b", "c"}
    assert followed.repository.published == 1
    followed.follower.drained()
    followed.step()
    assert len(followed.repository.remembered) == 1, "nothing new has come to rest"


def test_what_comes_to_rest_while_rest_is_remembered_is_remembered_after_that(
    followed: Followed,
) -> None:
    followed.step()

    def decide() -> None:
        followed.repository.publishes = lambda: None
        followed.board.recorded(Snapshot("c1", {"a": empty("a")}))
        followed.repository.tip = "c1"
        followed.follower.drained()

    followed.repository.publishes = decide
    followed.follower.drained()
    followed.step()
    assert followed.follower.settling
    followed.step()
    assert (followed.repository.published, followed.follower.settling) == (2, False)


def test_records_that_cannot_be_shown_are_shown_by_the_timer_later(followed: Followed) -> None:
    def fail() -> None:
        raise TransientError("the disk is full", reason="DiskFull")

    followed.repository.publishes = fail
    followed.step()
    followed.follower.drained()
    followed.step()
    assert followed.said() == ["Synced", "DiskFull"]
    assert not followed.follower.settling, "nobody waits for the disk"
    followed.repository.publishes = lambda: None
    followed.step(70)
    assert followed.repository.published == 1
    followed.step(70)
    assert followed.repository.published == 1


def test_a_model_that_was_taken_for_settled_is_looked_at_where_something_came_up(
    followed: Followed,
) -> None:
    followed.repository.settled = frozenset({"b"})
    followed.step()
    assert followed.board.begin("b") is None or followed.touched
    followed.touched.clear()
    followed.board.rests("b")
    followed.follower.missed("b")
    assert followed.follower.settling
    followed.step()
    assert followed.touched == [("b",)]
    assert followed.board.begin("b") is not None


def test_a_look_at_what_has_changed_meanwhile_is_not_remembered(followed: Followed) -> None:
    followed.step()
    looked = followed.board.begin("a")
    assert looked is not None
    followed.repository.sighting = Sighting("r2", None)
    followed.step(70)
    followed.board.note(looked, Plan("Settled"))
    followed.follower.drained()
    followed.step()
    assert followed.repository.remembered[-1]["a"] is None


def test_targets_of_all_models_are_looked_at_in_turn_the_settled_ones_too(
    followed: Followed, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sweeping, "SWEEP", 2)
    followed.repository.settled = frozenset({"b"})
    for _ in range(3):
        followed.step(70)
    assert followed.touched == [("a", "b"), ("c",), ("a", "b")]
    assert followed.board.begin("b") is not None, "a settled model is looked at by a sample"


def test_the_first_round_does_not_wait_for_the_timer(
    followed: Followed, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sweeping, "SWEEP", 1)
    followed.step()
    for _ in range(3):
        assert followed.follower.settling == (len(followed.touched) < 3)
        followed.follower.drained()
        followed.step()
    assert followed.touched == [("a",), ("b",), ("c",)]


def test_the_thread_ends_when_it_is_told_to(followed: Followed) -> None:
    thread = threading.Thread(target=followed.follower.run)
    thread.start()
    followed.follower.stop()
    thread.join(5)
    assert not thread.is_alive()
