"""Serving: targets brought to what the record says, by as few acts as that takes."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from reconciler.adapters.cache import Cache
from reconciler.adapters.targets.local import LocalTarget
from reconciler.adapters.targets.memory import MemoryTarget
from reconciler.controller import telling
from reconciler.controller.artifacts import Artifacts
from reconciler.controller.events import Event, Served
from reconciler.controller.serving import Acted, Serving
from reconciler.core import record as records
from reconciler.core.record import Outcome, Pointer, Record, Version
from reconciler.core.target_plan import Fault
from reconciler.errors import TerminalError
from reconciler.ports.servers import Answering
from reconciler.ports.targets import Served as Sight
from tests.serving.fake import FakeServer, FakeServers

NOW = datetime(2026, 1, 1, tzinfo=UTC)


class Counting(MemoryTarget):
    """A target that counts what it is asked to do."""

    def __init__(self) -> None:
        super().__init__(lambda _: None)
        self.acts: list[str] = []

    def converge(self, model: str, bundle: Path, digest: str) -> None:
        self.acts.append("converge")
        super().converge(model, bundle, digest)

    def withdraw(self, model: str) -> None:
        self.acts.append("withdraw")
        super().withdraw(model)


def released(digit: str = "0") -> Record:
    version = Version(
        number=1,
        outcome=Outcome.RELEASED,
        fingerprint="fp1",
        revision="r1",
        created=NOW,
        bundle=Pointer(md5=digit * 32 + ".dir"),
    )
    return records.promote(records.with_version(records.empty("m"), version), 1, "r1")


@pytest.fixture
def target() -> Counting:
    return Counting()


@pytest.fixture
def serving(target: Counting, tmp_path: Path) -> Serving:
    return Serving({"directory": target}, lambda _: tmp_path)


def test_what_is_served_as_recorded_is_left_alone(serving: Serving, target: Counting) -> None:
    assert serving.converge("m", "directory", released()).reason == "Settled"
    assert serving.converge("m", "directory", released()).reason == "Settled"
    assert target.acts == ["converge"]


def test_damage_is_healed_and_a_new_champion_rolled_out(serving: Serving, target: Counting) -> None:
    serving.converge("m", "directory", released("0"))
    target.damage("m", TerminalError("a flipped byte"))
    assert serving.converge("m", "directory", released("0")).reason == "Settled"
    assert serving.converge("m", "directory", released("1")).reason == "Settled"
    assert target.acts == ["converge"] * 3


def test_what_nothing_releases_is_withdrawn_once(serving: Serving, target: Counting) -> None:
    serving.converge("m", "directory", released())
    retired = records.retire(released(), "r2")
    assert serving.converge("m", None, retired).reason == "NotReleased"
    assert serving.converge("m", None, retired).reason == "NotReleased"
    assert target.acts == ["converge", "withdraw"]


def test_where_nobody_can_read_the_target_it_is_kept_where_it_is_and_nowhere_else(
    serving: Serving, target: Counting
) -> None:
    assert serving.converge("m", None, released()).reason == "Unknown"
    assert target.acts == []
    serving.converge("m", "directory", released())
    target.damage("m", TerminalError("a flipped byte"))
    assert serving.converge("m", None, released()).reason == "Settled"
    assert target.acts == ["converge"] * 2


def test_what_has_no_record_is_never_withdrawn(serving: Serving, target: Counting) -> None:
    assert serving.converge("m", None, None).reason == "NotReleased"
    serving.converge("m", "directory", released())
    assert serving.converge("m", None, None).reason == "NotRecorded"
    assert serving.converge("m", "directory", None).reason == "NotRecorded"
    assert target.acts == ["converge"]


def test_a_bundle_that_is_nowhere_leaves_what_is_served(target: Counting, tmp_path: Path) -> None:
    def fetch(_: Record) -> Path:
        raise TerminalError("it is gone", reason="DataMissing")

    Serving({"directory": target}, lambda _: tmp_path).converge("m", "directory", released("0"))
    with pytest.raises(TerminalError):
        Serving({"directory": target}, fetch).converge("m", "directory", released("1"))
    served = target.observe("m")
    assert served is not None
    assert served.digest == "0" * 32 + ".dir"


def test_bundles_that_are_wanted_together_are_fetched_in_one_go(
    target: Counting, tmp_path: Path
) -> None:
    asked: list[tuple[str, ...]] = []
    cache = Cache(tmp_path / "cache", lambda *md5s: asked.append(md5s))
    artifacts = Artifacts(cache, tmp_path / "bundles", {})
    fleet = {digit: released(digit) for digit in "012"}
    (tmp_path / "bundles" / ("2" * 32)).mkdir(parents=True)
    serving = Serving({"directory": target}, lambda _: tmp_path, artifacts.gather)
    serving.expect(tuple(fleet.values()))
    assert asked == []
    for name, record in fleet.items():
        serving.converge(name, "directory", record)
    assert asked == [("0" * 32 + ".dir", "1" * 32 + ".dir")]


def test_what_was_done_at_a_target_is_told_once_it_has_helped(
    target: Counting, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[Event] = []
    serving = Serving({"directory": target}, lambda _: tmp_path, acted=telling.serving(told.append))
    serving.converge("m", "directory", released("0"))
    serving.converge("m", "directory", released("0"))
    target.damage("m", TerminalError("a flipped byte"))
    serving.converge("m", "directory", released("0"))
    serving.converge("m", None, records.retire(released("0"), "r2"))
    assert [(e.reason, e.target) for e in told if isinstance(e, Served)] == [
        ("RolledOut", target.name), ("Healed", target.name), ("Withdrawn", target.name),
    ]  # fmt: skip
    assert isinstance(told[1], Served)
    assert "a flipped byte" in told[1].message

    serving.converge("m", "directory", released("0"))
    told.clear()
    target.damage("m", TerminalError("a flipped byte"))
    monkeypatch.setattr(target, "converge", lambda *_: None)
    assert serving.converge("m", "directory", released("0")).reason == "BundleDamaged"
    assert told == [], "a target that stays damaged is not healed"


def test_whether_something_was_done_is_known_and_makes_no_other_plan(
    serving: Serving,
) -> None:
    first, second = (serving.converge("m", "directory", released()) for _ in range(2))
    assert (first.acted, second.acted) == (True, False)
    assert first == second


class Tracked:
    """Servers as a target has them: what `mend` is to help with is given."""

    name = "local"
    honours: frozenset[str] = frozenset()

    def __init__(self, *sights: Sight) -> None:
        self.sights = list(sights)
        self.mended: list[str] = []

    def observe(self, model: str, wanted: str) -> Sight:
        return self.sights.pop(0) if len(self.sights) > 1 else self.sights[0]

    def mend(self, model: str, wanted: str) -> None:
        self.mended.append(wanted)

    def forget(self, model: str) -> None:
        self.mended.clear()


ONE = "0" * 32 + ".dir"
WELL = Sight(ONE, intact=True)


def followed(
    local: Tracked, target: Counting, acted: Acted = lambda _model, _target, _plan: None
) -> Serving:
    def fetch(_: Record) -> Path:
        raise AssertionError("servers read the record themselves")

    return Serving({"directory": target}, fetch, acted=acted, followed={"local": local})


def test_a_fault_of_servers_is_mended_once_and_told_with_its_cause(target: Counting) -> None:
    told: list[Event] = []
    wrong = Sight("other", intact=False, detail="version 7 answers", fault=Fault.WRONG_VERSION)
    local = Tracked(wrong, WELL)
    plan = followed(local, target, telling.serving(told.append)).converge("m", "local", released())
    assert (plan.reason, plan.acted, local.mended) == ("Settled", True, [ONE])
    assert told == [Served("m", "local", "Healed", "healed: version 7 answers", "WrongVersion")]
    assert target.acts == []


def test_what_mending_does_not_help_is_told_by_nobody_and_stays_to_be_done(
    target: Counting,
) -> None:
    told: list[Event] = []
    local = Tracked(Sight(ONE, intact=False, detail="3 for 2", fault=Fault.WRONG_ANSWER))
    plan = followed(local, target, telling.serving(told.append)).converge("m", "local", released())
    assert (plan.reason, plan.heals, told, len(local.mended)) == ("WrongAnswer", True, [], 1)


def test_servers_that_are_away_or_loading_are_asked_for_nothing(target: Counting) -> None:
    for fault in (Fault.NOT_SERVED, Fault.SERVER_DOWN, Fault.LOADING):
        local = Tracked(Sight(None, intact=False, fault=fault))
        assert followed(local, target).converge("m", "local", released()).reason == fault
        assert local.mended == []


def test_models_of_other_targets_ask_no_server_and_retired_ones_neither(target: Counting) -> None:
    local = Tracked()
    serving = Serving({"directory": target}, lambda _: Path(), followed={"local": local})
    assert serving.converge("m", "directory", released()).reason == "Settled"
    assert serving.look("m", "directory", released()).reason == "Settled"
    retired = records.retire(released(), "r2")
    for own in (None, "local"):
        assert serving.converge("m", own, retired).reason == "NotReleased"
        assert serving.look("m", own, retired).reason == "NotReleased"


@pytest.mark.parametrize("elsewhere", ["retired", "directory"])
def test_what_comes_back_to_servers_is_released_there_again_and_not_healed(
    target: Counting, elsewhere: str
) -> None:
    told: list[Event] = []
    server = FakeServer()
    local = LocalTarget(FakeServers(a=server))
    serving = Serving(
        {"directory": target}, lambda _: Path(), acted=telling.serving(told.append),
        followed={"local": local},
    )  # fmt: skip
    for _ in range(2):
        server.wanted["m"] = Answering(1, ONE)
        assert serving.converge("m", "local", released()).reason == "Settled"
        server.serves.clear()
        if elsewhere == "retired":
            serving.converge("m", None, records.retire(released(), "r2"))
        else:
            serving.converge("m", "directory", released())
    reasons = [e.reason for e in told if isinstance(e, Served) and e.target == "local"]
    assert reasons == ["RolledOut", "RolledOut"]


def test_a_model_that_moves_to_servers_is_withdrawn_where_it_was_once_they_answer(
    target: Counting,
) -> None:
    local = Tracked(Sight(None, intact=False, fault=Fault.NOT_SERVED), WELL)
    serving = Serving({"directory": target}, lambda _: Path(), followed={"local": local})
    serving.converge("m", "directory", released())
    assert serving.converge("m", "local", released()).reason == "NotServed"
    assert target.acts == ["converge"]
    assert serving.converge("m", "local", released()).reason == "Settled"
    assert target.acts == ["converge", "withdraw"]
