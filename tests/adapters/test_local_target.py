"""The local target: what servers may have done to a model, each told apart, and mended."""

from __future__ import annotations

import pytest

from reconciler.adapters.targets.local import GRACE_S, LocalTarget
from reconciler.bundle.golden import Examples
from reconciler.core.target_plan import Fault, Seen, plan_target
from reconciler.errors import TerminalError
from reconciler.ports.servers import (
    BARRED,
    BUSY,
    FOREIGN,
    REFUSED,
    Answering,
    Row,
    State,
    Trying,
    Unloaded,
)
from reconciler.ports.targets import Served
from tests.serving.fake import FakeServer, FakeServers, changed

EXAMPLES = Examples(({"a": 1.0}, {"a": 2.0}), (2.0, 4.0), None)
A, B = "http://a", "http://b"


def double(row: Row) -> float:
    return float(row["a"]) * 2


class World:
    """A target of two servers, and a clock."""

    def __init__(self) -> None:
        self.now = 0.0
        self.a, self.b = FakeServer(), FakeServer()
        self.servers = FakeServers(a=self.a, b=self.b)
        self.target = LocalTarget(self.servers, lambda _: EXAMPLES, lambda: self.now)

    def release(self, digest: str, version: int = 1) -> None:
        for server in (self.a, self.b):
            server.release("wine", version, digest, double)

    def seen(self, wanted: str = "one") -> Served:
        return self.target.observe("wine", wanted)

    def reason(self, wanted: str = "one") -> str:
        seen = self.seen(wanted)
        return plan_target(wanted, Seen(seen.digest, seen.intact, seen.detail, seen.fault)).reason


@pytest.fixture
def world() -> World:
    made = World()
    made.release("one")
    return made


def test_a_model_that_every_server_serves_and_answers_right_is_settled(world: World) -> None:
    assert world.seen() == Served("one", intact=True)
    assert world.servers.probed == [(A, "wine"), (B, "wine")]
    world.target.mend("wine", "one")
    assert world.servers.reloaded == []


def test_no_server_was_ever_there_or_all_are_gone_or_one_is(world: World) -> None:
    world.a.down = world.b.down = True
    never = world.seen()
    assert (never.fault, never.digest) == (Fault.NOT_SERVED, None)
    assert never.detail.startswith("nobody serves it yet: no server answers at http://a; ")
    world.a.down = world.b.down = False
    world.seen()
    world.a.down = world.b.down = True
    assert world.seen().fault is Fault.SERVER_DOWN
    world.a.down = False
    one = world.seen()
    assert (one.fault, one.digest, one.detail) == (
        Fault.SERVER_DOWN, "one", "no server answers at http://b",
    )  # fmt: skip


def test_a_server_that_wants_a_token_is_there_and_no_other_fault_is_seen_of_it(
    world: World,
) -> None:
    world.a.denies = world.b.denies = True
    seen = world.seen()
    assert (seen.fault, seen.digest) == (Fault.DENIED, None)
    assert seen.detail == "http://a wants a token; http://b wants a token"
    world.target.mend("wine", "one")
    assert world.servers.reloaded == []
    world.b.denies = False
    assert (world.seen().fault, world.seen().digest) == (Fault.DENIED, "one")
    world.a.denies, world.a.down, world.b.down = False, True, True
    assert world.seen().fault is Fault.SERVER_DOWN, "it was there before"


def test_a_server_that_refuses_and_a_program_that_is_none_are_told_from_one_that_is_away(
    world: World,
) -> None:
    world.a.why, world.b.down = FOREIGN, True
    assert (world.seen().fault, world.seen().detail) == (
        Fault.FOREIGN, "http://a says NotOurs; no server answers at http://b",
    )  # fmt: skip
    world.a.why, world.a.down = "", True
    assert world.seen().fault is Fault.NOT_SERVED, "none of ours was ever there"
    world.a.down = False
    for why in (BARRED, BUSY, REFUSED):
        world.a.why = why
        assert world.seen().fault is Fault.REFUSES
        world.target.mend("wine", "one")
    assert world.servers.reloaded == []
    world.b.down = False
    assert (world.seen().fault, world.seen().digest) == (Fault.REFUSES, "one")
    world.a.why, world.a.down, world.b.why = "", True, FOREIGN
    assert world.seen().fault is Fault.FOREIGN
    world.b.why = ""
    assert world.seen().fault is Fault.SERVER_DOWN


def test_a_wrong_version_after_it_was_right_is_drift_and_that_server_is_mended(
    world: World,
) -> None:
    world.seen()
    changed(world.b, "wine", champion=Answering(7, "other"))
    seen = world.seen()
    assert (seen.fault, seen.digest) == (Fault.WRONG_VERSION, "other")
    assert seen.detail.startswith("http://b: version 7 answers")
    world.target.mend("wine", "one")
    assert world.servers.reloaded == [(B, "wine", "one")]
    assert world.seen().fault is None


def test_a_missing_model_is_told_from_one_that_a_new_server_has_not_come_to(world: World) -> None:
    world.seen()
    del world.a.serves["wine"]
    assert world.seen().fault is Fault.MODEL_MISSING
    world.a.ready = False
    assert world.seen().fault is Fault.LOADING


def test_a_wrong_answer_is_found_by_asking_and_loaded_anew_in_any_case(world: World) -> None:
    world.a.models["wine"] = lambda _: 3.0
    seen = world.seen()
    assert seen.fault is Fault.WRONG_ANSWER
    assert "example 1: 3.0 instead of 2.0" in seen.detail
    world.target.mend("wine", "one")
    assert world.servers.reloaded == [(A, "wine", None)]


def test_a_server_that_refuses_its_own_examples_answers_wrong_and_a_busy_one_does_not(
    world: World,
) -> None:
    world.a.busy = True
    assert world.seen().fault is None
    world.a.busy, world.a.models = False, {}
    seen = world.seen()
    assert seen.fault is Fault.WRONG_ANSWER
    assert "refuses" in seen.detail


def test_an_answer_that_is_no_number_comes_as_null_and_is_right_where_it_was_none(
    world: World,
) -> None:
    examples = Examples(({"a": 1.0}, {"a": 2.0}), (float("nan"), 4.0), None)
    target = LocalTarget(world.servers, lambda _: examples)
    for server in (world.a, world.b):
        server.models["wine"] = lambda row: None if row["a"] == 1 else 4.0
    assert target.observe("wine", "one").fault is None
    world.b.models["wine"] = lambda _: None
    assert target.observe("wine", "one").fault is Fault.WRONG_ANSWER


def test_the_answer_of_a_challenger_is_not_compared(world: World) -> None:
    changed(world.a, "wine", challenger=Trying(2, "two", 100))
    world.a.models["wine"] = lambda _: 3.0
    world.a.answers = "2"
    assert world.seen().fault is None
    assert world.servers.probed[0] == (A, "wine")


def test_what_cannot_be_loaded_and_what_is_damaged_on_disk_are_told_apart(world: World) -> None:
    failed = Unloaded(1, "one", "BundleCorrupt", "model.onnx is not right")
    changed(world.a, "wine", state=State.FAILED, champion=Answering(9, "old"), failed=failed)
    seen = world.seen()
    assert (seen.fault, seen.digest) == (Fault.NOT_LOADED, "old")
    assert "BundleCorrupt: model.onnx is not right" in seen.detail
    changed(world.a, "wine", champion=Answering(1, "one"))
    assert world.seen().fault is Fault.BUNDLE_DAMAGED
    assert "answers from memory" in world.seen().detail
    changed(world.a, "wine", state=State.READY, failed=None, damaged="model.onnx is not right")
    assert world.seen().fault is Fault.BUNDLE_DAMAGED


def test_a_challenger_that_could_not_be_loaded_is_no_fault_of_the_champion(world: World) -> None:
    for digest in ("two", None):
        failed = Unloaded(2, digest, "BundleCorrupt", "broken", since="2026-01-01")
        changed(world.a, "wine", state=State.FAILED, failed=failed)
        assert world.seen().fault is None


def test_what_was_just_released_is_rolled_out_then_loading_then_wrong(world: World) -> None:
    world.seen()
    for server in (world.a, world.b):
        server.stuck = True
    world.release("two", 2)
    assert world.reason("two") == "RollOut"
    world.target.mend("wine", "two")
    assert world.servers.reloaded == [(A, "wine", "two"), (B, "wine", "two")]
    assert world.reason("two") == "Loading"
    world.now += GRACE_S - 0.1
    assert world.reason("two") == "Loading"
    world.now += 0.2
    assert world.reason("two") == "WrongVersion"
    world.a.load("wine")
    assert world.reason("two") == "WrongVersion"
    world.b.load("wine")
    assert world.reason("two") == "Settled"


def test_half_a_fleet_of_servers_that_lacks_a_new_model_is_not_settled(world: World) -> None:
    del world.b.serves["wine"]
    assert world.reason() == "RollOut"


def test_what_can_be_healed_comes_before_what_can_only_be_waited_for(world: World) -> None:
    world.seen()
    world.a.down = True
    changed(world.b, "wine", champion=Answering(7, "other"))
    assert world.seen().fault is Fault.WRONG_VERSION
    world.target.mend("wine", "one")
    assert world.seen().fault is Fault.SERVER_DOWN


def test_examples_that_are_not_to_be_had_are_not_asked(world: World) -> None:
    def gone(_: str) -> Examples:
        raise TerminalError("it is gone", reason="DataMissing")

    target = LocalTarget(world.servers, gone)
    assert target.observe("wine", "one") == Served("one", intact=True)
    assert world.servers.probed == []


def test_a_server_that_does_not_follow_the_records_says_so_where_it_is_late(world: World) -> None:
    world.seen()
    world.a.behind = "InternalError: a bug"
    changed(world.a, "wine", champion=Answering(7, "other"))
    assert world.seen().detail.endswith("follow the records at the moment: InternalError: a bug")


def test_a_server_that_fetches_a_version_is_not_wrong_and_what_it_says_is_told(
    world: World,
) -> None:
    world.seen()
    detail = "version 8 is being fetched"
    late = Answering(7, "other")
    changed(world.b, "wine", champion=late, state=State.LOADING, detail=detail)
    seen = world.seen()
    assert (seen.fault, seen.detail) == (Fault.LOADING, f"{B}: {detail}")
