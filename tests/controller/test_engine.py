"""The engine over many models, with stand-ins for everything outside of it."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import pytest

from reconciler.adapters.snapshot import Snapshot
from reconciler.controller import decisions
from reconciler.controller import engine as engines
from reconciler.controller.events import Decided, Warned
from reconciler.controller.training import Job, Trainer
from reconciler.core import steering
from reconciler.core.actions import Train
from reconciler.core.conditions import Health, Sync
from reconciler.core.plan import Desired, Invalid
from reconciler.core.record import (
    Hold,
    Version,
    empty,
    with_hold,
)
from reconciler.core.runtime import Mismatch
from reconciler.core.verdict import Outcome as Said
from reconciler.core.verdict import Verdict
from reconciler.errors import TerminalError, TransientError
from tests.controller.world import (
    NOW,
    World,
    above,
    declared,
    passed,
    said,
    until,
)


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


def test_what_is_declared_is_trained_judged_released_and_served(world: World) -> None:
    stands = world.apply(declared())["m"]
    assert stands.as_declared
    assert world.champion().number == 1
    served = world.target.observe("m")
    assert served is not None
    assert served.digest == world.champion().bundle_digest
    commits = len(world.store.commits)
    assert world.apply(declared())["m"].as_declared
    assert (world.trained, len(world.store.commits)) == (["fp1"], commits)


def test_the_exception_of_one_model_stops_no_other_wherever_it_is_raised(world: World) -> None:
    def gate(desired: Desired, version: Version) -> Verdict:
        if desired.spec.name == "in-gate":
            raise RuntimeError("a bug")
        return passed()

    world.gate = gate
    world.broken = {"in-training": RuntimeError("a bug")}
    world.undrafted = {"in-draft": KeyError("reports/m/metrics.json")}
    world.store.refuses = {"in-commit": ValueError("a bug")}
    names = ["good", "in-training", "in-draft", "in-gate", "in-commit"]
    stands = world.apply(*(declared(name, name) for name in names))
    assert {n for n, s in stands.items() if s.as_declared} == {"good"}
    assert {stands[n].reason for n in names[1:]} == {"InternalError"}
    told = [model for model, reason in world.told() if reason == "InternalError"]
    assert sorted(told) == sorted(names[1:])
    assert set(world.store.snapshot.records) == {"good"}


def test_a_target_that_raises_what_nobody_expects_stops_no_other_model(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    def observe(model: str) -> None:
        raise RuntimeError(f"no answer about {model}")

    world.apply(declared())
    monkeypatch.setattr(world.target, "observe", observe)
    stands = world.apply(declared(), declared("other", "fo"))
    assert stands["m"].health is Health.DEGRADED
    assert world.champion("other").number == 1


def test_decisions_that_are_ready_together_share_a_commit(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engines, "GROUP_S", 10.0)
    barrier = threading.Barrier(2)

    def work(job: Job) -> None:
        barrier.wait(5)

    world.work = work
    world.apply(declared("a", "fa"), declared("b", "fb"))
    assert world.store.commits == [("a", "b")]


def test_a_training_of_more_than_an_hour_is_awaited(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`take` comes back with nothing when the hour is over."""
    take, hours = Trainer.take, iter([True, True])

    def impatient(self: Trainer, timeout_s: float) -> Any:
        return None if next(hours, False) else take(self, timeout_s)

    monkeypatch.setattr(Trainer, "take", impatient)
    assert world.apply(declared())["m"].as_declared


def test_a_transient_failure_is_told_once_and_not_recorded(world: World) -> None:
    world.broken = {"fp1": TransientError("the disk is full", reason="DiskFull")}
    stands = world.apply(declared(), declared("other", "fo"))["m"]
    assert (stands.reason, stands.sync) == ("DiskFull", Sync.OUT_OF_SYNC)
    assert world.told().count(("m", "DiskFull")) == 1
    assert set(world.store.snapshot.records) == {"other"}
    world.broken.clear()
    assert world.apply(declared(), declared("other", "fo"))["m"].as_declared


def test_an_error_of_the_gate_is_told_once_and_is_what_the_model_stands_at(world: World) -> None:
    released = threading.Event()
    world.work = until(released, model="slow")

    def gate(desired: Desired, version: Version) -> Verdict:
        if desired.spec.name == "slow":
            return passed()
        released.set()
        raise TransientError("the remote does not answer", reason="RemoteFailed")

    world.gate = gate
    stands = world.apply(declared("m"), declared("slow", "fp2"))
    assert stands["m"].reason == "RemoteFailed"
    assert world.told().count(("m", "RemoteFailed")) == 1
    assert stands["slow"].as_declared


def test_a_failure_is_recorded_by_its_cause_and_a_longer_timeout_tries_again(world: World) -> None:
    world.broken = {"fp1": TerminalError("too slow", reason="Timeout")}
    world.apply(declared(timeout="1m"))
    assert world.apply(declared(timeout="1m"))["m"].reason == "Timeout"
    assert world.trained == ["fp1"]
    world.broken.clear()
    assert world.apply(declared(timeout="2m", revision="r2"))["m"].as_declared
    assert world.outcomes() == [(1, "failed"), (2, "released")]
    assert world.apply(declared(timeout="1m", revision="r3"))["m"].as_declared
    assert world.trained == ["fp1", "fp1"]


def test_data_that_is_not_at_hand_is_not_held_against_what_is_declared(world: World) -> None:
    world.broken = {"fp1": TerminalError("run `dvc pull`", reason="DataMissing")}
    assert world.apply(declared())["m"].reason == "DataMissing"
    assert not world.store.snapshot.records
    world.broken.clear()
    assert world.apply(declared())["m"].as_declared


def test_a_lost_artifact_is_trained_again_when_it_must_be_judged(world: World) -> None:
    world.apply(declared())
    world.lost = {str(world.champion().bundle_digest)}
    assert world.apply(declared(floor=0.6, revision="r2"))["m"].as_declared
    assert world.trained == ["fp1", "fp1"]
    assert world.outcomes() == [(1, "released")]


def test_a_lost_champion_is_trained_again_when_its_target_needs_it(world: World) -> None:
    world.apply(declared())
    world.lost = {str(world.champion().bundle_digest)}
    world.target.withdraw("m")
    assert world.apply(declared())["m"].as_declared
    assert world.trained == ["fp1", "fp1"]
    assert world.outcomes() == [(1, "released")]
    assert world.target.observe("m") is not None


def test_what_is_not_permitted_is_left_alone_and_told(world: World) -> None:
    world.apply(declared())
    world.lost = {str(world.champion().bundle_digest)}
    commits = len(world.store.commits)
    stands = world.apply(
        declared(floor=0.6), permit=lambda model, action: not isinstance(action, Train)
    )
    assert (stands["m"].reason, stands["m"].as_declared) == ("NotPlanned", False)
    assert (world.trained, len(world.store.commits)) == (["fp1"], commits)


def test_an_artifact_that_stays_lost_is_trained_again_once_and_no_more(world: World) -> None:
    world.apply(declared())
    world.gone = {str(world.champion().bundle_digest)}
    world.target.withdraw("m")
    stands = world.apply(declared(floor=0.6, revision="r2"))["m"]
    assert world.trained == ["fp1", "fp1"]
    assert (stands.reason, stands.health) == ("DataMissing", Health.DEGRADED)


def test_a_noisy_measurement_waits_until_no_training_runs(world: World) -> None:
    released = threading.Event()
    world.work = until(released, model="slow")
    judgements: list[str] = []

    def gate(desired: Desired, version: Version) -> Verdict:
        if desired.spec.name == "slow":
            return passed()
        judgements.append("busy" if not judgements else "idle")
        released.set()
        busy = judgements[-1] == "busy"
        return said(Said.FAILED if busy else Said.PASSED, "latency_p99_ms")

    world.gate = gate
    stands = world.apply(declared("m"), declared("slow", "fp2"))
    assert judgements == ["busy", "idle"]
    assert stands["m"].as_declared
    assert world.outcomes("m") == [(1, "released")]


def test_a_record_that_cannot_be_read_leaves_what_is_served(world: World) -> None:
    world.apply(declared())
    world.store.snapshot = Snapshot("c9", {}, {"m": "it is not YAML"})
    stands = world.apply(declared())["m"]
    assert world.target.observe("m") is not None
    assert (stands.reason, stands.health) == ("RecordCorrupt", Health.UNKNOWN)


def test_a_champion_is_healed_before_a_long_training_ends(world: World) -> None:
    world.apply(declared())
    world.target.withdraw("m")
    healed: list[bool] = []

    def work(job: Job) -> None:
        for _ in range(200):
            if world.target.observe("m") is not None:
                break
            threading.Event().wait(0.01)
        healed.append(world.target.observe("m") is not None)

    world.work = work
    world.apply(declared(fingerprint="fp2", revision="r2"))
    assert healed == [True]


def test_a_spec_that_becomes_valid_is_followed_and_until_then_the_champion_stays(
    world: World,
) -> None:
    world.apply(declared())
    stands = world.apply(Invalid("InvalidSpec", "specs/m.yaml:1:1"))["m"]
    assert (stands.reason, stands.health) == ("InvalidSpec", Health.HEALTHY)
    assert world.champion().number == 1
    assert world.apply(declared(fingerprint="fp2", revision="r3"))["m"].as_declared
    assert world.champion().number == 2


def test_libraries_that_differ_leave_the_champion_and_train_nothing(world: World) -> None:
    world.apply(declared())
    world.mismatches = (Mismatch("scikit-learn", "1.8", "1.9.1"),)
    stands = world.apply(declared(fingerprint="fp2", revision="r2"))["m"]
    assert (stands.reason, stands.health) == ("RuntimeMismatch", Health.HEALTHY)
    assert world.trained == ["fp1"]


def test_rejected_then_reverted_then_released(world: World) -> None:
    world.gate = above({"fp1": 0.7, "fp2": 0.3, "fp3": 0.8})
    world.apply(declared())
    assert world.apply(declared(fingerprint="fp2", revision="r2"))["m"].reason == "Rejected"
    assert world.apply(declared(revision="r3"))["m"].as_declared
    assert world.apply(declared(fingerprint="fp3", revision="r4"))["m"].as_declared
    assert world.outcomes() == [(1, "superseded"), (2, "rejected"), (3, "released")]
    assert world.apply(declared(revision="r5"))["m"].as_declared
    assert world.outcomes() == [(1, "released"), (2, "rejected"), (3, "superseded")]
    assert world.trained == ["fp1", "fp2", "fp3"]


def test_equal_bytes_under_a_new_fingerprint_make_no_new_version(world: World) -> None:
    world.bundles = {"fp1": "same", "fp2": "same"}
    world.apply(declared())
    assert world.apply(declared(fingerprint="fp2", revision="r2"))["m"].as_declared
    assert world.outcomes() == [(1, "released")]
    assert (world.champion().fingerprint, world.record().released) == ("fp2", "r2")


def test_a_champion_that_its_rules_refuse_does_not_satisfy_their_revision(world: World) -> None:
    world.gate = above({"fp1": 0.7})
    world.apply(declared())
    stands = world.apply(declared(floor=0.9, revision="r2"))["m"]
    assert (stands.reason, stands.health) == ("OutOfPolicy", Health.DEGRADED)
    assert (world.record().attempted, world.record().released) == ("r2", "r1")


def test_a_roll_back_is_recorded_as_one_and_rests(world: World) -> None:
    world.gate = above({"fp1": 0.9, "fp2": 0.7})
    world.apply(declared())
    world.apply(declared(fingerprint="fp2", revision="r2"))
    strict = declared(fingerprint="fp2", floor=0.8, revision="r3", on_violation="rollback")
    stands = world.apply(strict)["m"]
    assert (stands.sync, stands.reason) == (Sync.OUT_OF_SYNC, "Rejected")
    assert ("m", "RolledBack") in world.told()
    assert world.outcomes() == [(1, "released"), (2, "superseded")]
    assert (world.record().attempted, world.record().released) == ("r3", "r1")
    commits, judged = len(world.store.commits), len(world.judged)
    world.apply(strict)
    assert (len(world.store.commits), len(world.judged)) == (commits, judged)
    relaxed = declared(fingerprint="fp2", floor=0.5, revision="r4", on_violation="rollback")
    assert world.apply(relaxed)["m"].as_declared
    assert world.champion().number == 2


def test_the_verdict_on_a_champion_that_is_not_declared_is_not_asked_twice(world: World) -> None:
    world.gate = above({"fp1": 0.9, "fp2": 0.3})
    world.apply(declared())
    worse = declared(fingerprint="fp2", floor=0.8, revision="r2", on_violation="rollback")
    world.apply(worse)
    judged = len(world.judged)
    world.apply(worse)
    assert len(world.judged) == judged
    assert world.champion().number == 1


def test_a_retired_model_is_withdrawn_and_returns_without_training(world: World) -> None:
    world.apply(declared())
    assert world.apply()["m"].as_declared
    assert world.target.observe("m") is None
    assert world.record().champion is None
    assert world.apply(declared(revision="r3"))["m"].as_declared
    assert world.trained == ["fp1"]
    assert world.target.observe("m") is not None


def test_a_retired_model_that_is_still_served_is_not_as_declared(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    def withdraw(model: str) -> None:
        raise TransientError("read-only", reason="ReadOnly")

    world.apply(declared())
    monkeypatch.setattr(world.target, "withdraw", withdraw)
    stands = world.apply()["m"]
    assert not stands.as_declared
    assert stands.reason == "ReadOnly"


def test_only_the_chosen_models_are_touched(world: World) -> None:
    world.apply(declared("a", "fa"), declared("b", "fb"), names=("a",))
    assert set(world.store.snapshot.records) == {"a"}


def test_a_branch_that_is_deleted_is_written_anew(world: World) -> None:
    world.apply(declared())
    world.store.snapshot = Snapshot(None)
    assert world.apply(declared())["m"].as_declared
    assert world.outcomes() == [(1, "released")]


def test_a_branch_that_cannot_be_written_is_told_of_every_model(world: World) -> None:
    world.store.refuses = {"a": TransientError("the disk is full", reason="DiskFull")}
    stands = world.apply(declared("a", "fa"), declared("b", "fb"))
    assert stands["a"].reason == "DiskFull"
    assert not stands["a"].as_declared


def test_a_status_store_that_is_lost_is_told_once_and_stops_nothing(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    def locked(*_: object) -> None:
        raise TransientError("database is locked", reason="StatusUnavailable")

    for method in ("add_durations", "observe"):
        monkeypatch.setattr(world.status, method, locked)
    stands = world.apply(declared("a", "fa"), declared("b", "fb"))
    assert all(s.as_declared for s in stands.values())
    assert sum(isinstance(event, Warned) for event in world.events) == 1


def test_a_verdict_on_record_that_makes_no_sense_is_asked_again(world: World) -> None:
    world.apply(declared())
    record = world.record()
    assert record.champion is not None
    odd = record.champion.model_copy(update={"verdict": {"outcome": "splendid"}, "judged": None})
    spoiled = record.model_copy(update={"champion": odd, "versions": (odd,)})
    world.store.snapshot = Snapshot("c9", {"m": spoiled})
    assert world.apply(declared())["m"].as_declared
    verdict = world.champion().verdict
    assert verdict is not None
    assert verdict["outcome"] == "passed"


def test_eleven_versions_keep_ten_and_the_champion(world: World) -> None:
    world.gate = above({"fp0": 0.9} | {f"fp{n}": 0.1 for n in range(1, 12)})
    world.apply(declared(fingerprint="fp0"))
    for number in range(1, 12):
        world.apply(declared(fingerprint=f"fp{number}", revision=f"r{number}"))
    numbers = [number for number, _ in world.outcomes()]
    assert numbers == [1, *range(3, 13)]
    assert world.apply(declared(fingerprint="fp0", revision="r99"))["m"].as_declared


def test_decisions_share_a_commit_for_a_bounded_time(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A steady trickle of trainings does not keep the first of them from being released."""
    monkeypatch.setattr(engines, "GROUP_S", 0.05)
    world.jobs = 1
    world.work = until(threading.Event(), seconds=0.03)
    world.apply(*(declared(f"m{n}", f"f{n}") for n in range(8)))
    assert len(world.store.commits) > 1


def test_a_hold_that_comes_while_its_model_trains_is_honoured(world: World) -> None:
    hold = Hold(reason="audit", by="Ada", since=NOW)

    def suspend(job: Job) -> None:
        world.store.commit({"m": lambda r: with_hold(r or empty("m"), hold)})

    world.work = suspend
    stands = world.apply(declared())["m"]
    assert (stands.reason, stands.health) == ("Held", Health.SUSPENDED)
    assert (world.trained, world.judged) == (["fp1"], [])
    assert world.record().versions == ()


def test_a_hold_that_comes_before_a_decision_is_committed_overtakes_it(world: World) -> None:
    world.apply(declared())
    hold = Hold(reason="audit", by="Ada", since=NOW)

    def gate(desired: Desired, version: Version) -> Verdict:
        world.store.commit({"m": lambda r: with_hold(r or empty("m"), hold)})
        return passed()

    world.gate = gate
    stands = world.apply(declared(fingerprint="fp2", revision="r2"), declared("other", "fo"))
    assert stands["m"].reason == "Held"
    assert stands["other"].as_declared
    assert world.outcomes() == [(1, "released")]
    assert ("m", "Released") not in world.told()[1:]


def test_a_promoted_version_that_is_measured_again_stays_as_declared(world: World) -> None:
    world.apply(declared(compare=True))
    world.gate = lambda desired, version: said(Said.INCONCLUSIVE, "latency_p99_ms")
    new = declared(fingerprint="fp2", revision="r2", compare=True)
    assert world.apply(new)["m"].reason == "Inconclusive"
    promoted = steering.promoted(world.record(), 2, "Ada", "fine", NOW, "r2")
    world.store.commit({"m": lambda _: promoted})
    stands = world.apply(new)["m"]
    assert stands.as_declared
    assert stands.message == "as declared; promoted by Ada: fine"
    renewed = [e for e in world.events if isinstance(e, Decided) and e.reason == "Judged"]
    assert [event.good for event in renewed] == [True]
    assert world.champion().promotion is not None


def test_a_word_for_a_version_outlives_its_training_again(world: World) -> None:
    world.gate = lambda desired, version: said(Said.INCONCLUSIVE)
    world.apply(declared())
    undecided = world.record()
    promoted = steering.promoted(undecided, 1, "Ada", "fine", NOW, "r1")
    decision = decisions.confirm("m", undecided.versions[0], "r2", 10)
    kept = decision.change(promoted).champion
    assert kept is not None
    assert kept.promotion == promoted.versions[0].promotion is not None


def test_a_word_for_a_version_ends_with_the_rules_it_was_given_for(world: World) -> None:
    world.gate = lambda desired, version: said(Said.INCONCLUSIVE)
    world.apply(declared())
    promoted = steering.promoted(world.record(), 1, "Ada", "fine", NOW, "r1")
    world.store.commit({"m": lambda _: promoted})
    assert world.apply(declared())["m"].as_declared
    stands = world.apply(declared(floor=0.6, revision="r2"))["m"]
    assert stands.reason == "Inconclusive"
    assert world.champion().number == 1


def test_a_training_of_an_earlier_revision_is_cut_short_recorded_and_trained_after_a_revert(
    world: World,
) -> None:
    def work(job: Job) -> None:
        if job.desired.fingerprint == "fp1" and job.cancelled.wait(5):
            raise TransientError("the run was cancelled", reason="Cancelled")

    world.work, world.jobs = work, 1
    earlier = declared(fingerprint="fp1", revision="r1")
    stands = world.apply(declared(fingerprint="fp2", revision="r2"), before=earlier)["m"]
    assert stands.as_declared
    assert world.outcomes() == [(1, "cancelled"), (2, "released")]
    cut = world.record().versions[0]
    assert (cut.fingerprint, cut.revision, cut.reason) == ("fp1", "r1", "Superseded")
    assert "revision r2 declares another model" in cut.message
    assert [reason for _, reason in world.told()] == ["Superseded", "Released"]

    world.work = lambda job: None
    assert world.apply(declared(fingerprint="fp1", revision="r3"))["m"].as_declared
    assert world.trained == ["fp1", "fp2", "fp1"]


def test_a_training_of_an_earlier_revision_that_is_declared_still_goes_on(world: World) -> None:
    earlier = declared(revision="r1", floor=0.9)
    assert world.apply(declared(revision="r2"), before=earlier)["m"].as_declared
    assert (world.trained, world.outcomes()) == (["fp1"], [(1, "released")])


def test_what_is_decided_is_told_with_its_version_and_what_it_follows(world: World) -> None:
    def told() -> list[tuple[str, str | None, str | None, int | None]]:
        found = [event for event in world.events if isinstance(event, Decided)]
        world.events.clear()
        return [(e.reason, e.revision, e.fingerprint, e.version) for e in found]

    world.gate = above({"fp1": 0.6, "fp2": 0.1})
    world.apply(declared())
    assert told() == [("Released", "r1", "fp1", 1)]
    world.apply(declared(fingerprint="fp2", revision="r2"))
    assert told() == [("Rejected", "r2", "fp2", 2)]
    world.broken = {"fp3": TerminalError("no rows", reason="EmptyData")}
    world.apply(declared(fingerprint="fp3", revision="r3"))
    assert told() == [("EmptyData", "r3", "fp3", 3)]
    world.apply(declared(revision="r4", floor=0.55))
    assert told() == [("Judged", "r4", "fp1", 1)]
    world.apply(names=("m",))
    assert told() == [("Retired", "r9", None, None)]


def test_what_lacked_memory_is_on_record_with_the_bound_and_tried_again_under_a_wider_one(
    world: World,
) -> None:
    world.memory = 4 * 10**9
    world.broken["fp1"] = TerminalError("train@m took 5.0 GB", reason="OutOfMemory")
    assert world.apply(declared())["m"].reason == "OutOfMemory"
    assert world.record().versions[0].memory == 4 * 10**9
    world.broken.clear()
    assert world.apply(declared())["m"].reason == "OutOfMemory"
    assert world.trained == ["fp1"]
    world.memory = 8 * 10**9
    assert world.apply(declared())["m"].as_declared
    assert world.outcomes() == [(1, "failed"), (2, "released")]
