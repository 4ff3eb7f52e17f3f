"""Rollouts from the engine's side: one begins instead of a release, and ends as is declared."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from reconciler.controller import decisions
from reconciler.controller.decisions import Overtaken
from reconciler.core import steering
from reconciler.core.conditions import Health, Sync
from reconciler.core.plan import Desired
from reconciler.core.record import Hold, Outcome, forget, with_hold, without_hold
from reconciler.core.rollout import Promote, Shift, Withdraw
from reconciler.core.verdict import Outcome as Said
from reconciler.spec.params import Params
from tests.controller.world import NOW, World, above, declared, said

CANARY: dict[str, Any] = {"strategy": "canary", "steps": (10, 50)}
GONE = Withdraw("TooManyErrors", "9 of 100 of its requests failed", remembered=True)


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


def rolling(world: World, **rollout: Any) -> None:
    """Release one version and begin to roll out another."""
    world.apply(declared())
    world.apply(declared(fingerprint="fp2", rollout=CANARY | rollout))


def decide(world: World, decision: decisions.Decision) -> None:
    world.store.commit({decision.model: decision.change})


def withdrawn(world: World, move: Withdraw = GONE) -> None:
    decide(world, decisions.withdraw_challenger(world.record(), move, "r1"))


def challenger(world: World) -> tuple[int, int] | None:
    at = world.record().challenger
    return None if at is None else (at.version, at.weight)


def test_the_first_version_is_released_at_once_and_the_next_one_is_rolled_out(
    world: World,
) -> None:
    world.apply(declared(rollout=CANARY))
    assert world.outcomes() == [(1, "released")]

    stands = world.apply(declared(fingerprint="fp2", rollout=CANARY))["m"]

    assert world.outcomes() == [(1, "released"), (2, "accepted")]
    assert challenger(world) == (2, 10)
    assert world.told()[-1] == ("m", "RolloutStarted")
    assert (stands.reason, stands.sync, stands.health) == (
        "RollingOut", Sync.OUT_OF_SYNC, Health.PROGRESSING,
    )  # fmt: skip
    assert stands.rolling_out
    assert stands.message.startswith("version 2 gets 10 % of the traffic (canary, step 1 of 2)")


def test_a_rollout_that_goes_on_is_left_alone(world: World) -> None:
    rolling(world)
    commits, trained = len(world.store.commits), len(world.trained)
    decide(world, decisions.shift(world.record(), Shift(50, 1), NOW + timedelta(minutes=10)))
    for _ in range(2):
        stands = world.apply(declared(fingerprint="fp2", rollout=CANARY))["m"]
    assert "50 %" in stands.message
    assert (len(world.store.commits), len(world.trained)) == (commits + 1, trained)


def test_a_challenger_that_is_promoted_is_as_declared(world: World) -> None:
    rolling(world)
    move = Promote("RolledOut", "passed all steps")
    decide(world, decisions.promote_challenger(world.record(), move, "r1"))
    assert world.apply(declared(fingerprint="fp2", rollout=CANARY))["m"].as_declared
    assert world.outcomes() == [(1, "superseded"), (2, "released")]
    assert world.champion().reason == "RolledOut"


def test_what_was_withdrawn_rests_until_its_settings_change_or_a_person_says_so(
    world: World,
) -> None:
    rolling(world)
    withdrawn(world)
    for _ in range(2):
        stands = world.apply(declared(fingerprint="fp2", rollout=CANARY))["m"]
    assert (stands.reason, stands.health) == ("Withdrawn", Health.HEALTHY)
    assert "version 2 was withdrawn: 9 of 100 of its requests failed" in stands.message
    assert challenger(world) is None
    assert world.trained == ["fp1", "fp2"]

    world.apply(declared(fingerprint="fp2", rollout=CANARY | {"max_error_rate": 0.2}))
    assert challenger(world) == (2, 10)

    withdrawn(world)
    world.store.commit({"m": lambda record: forget(record or world.record(), "fp2")})
    world.apply(declared(fingerprint="fp2", rollout=CANARY | {"max_error_rate": 0.2}))
    assert challenger(world) == (2, 10)
    assert world.trained == ["fp1", "fp2"]


def test_what_was_withdrawn_as_inconclusive_is_tried_again_by_the_next_revision(
    world: World,
) -> None:
    rolling(world)
    withdrawn(world, Withdraw("TooFewRequests", "3 of 100 requests", remembered=False))
    assert world.apply(declared(fingerprint="fp2", rollout=CANARY))["m"].reason == "Withdrawn"
    world.apply(declared(fingerprint="fp2", rollout=CANARY, revision="r2"))
    assert challenger(world) == (2, 10)


def test_what_was_withdrawn_may_be_released_at_once_by_a_commit_that_says_so(world: World) -> None:
    rolling(world)
    withdrawn(world)
    assert world.apply(declared(fingerprint="fp2"))["m"].as_declared
    assert world.outcomes() == [(1, "superseded"), (2, "released")]
    assert world.champion().rollout is None


def test_what_was_withdrawn_and_is_judged_anew_stays_withdrawn(world: World) -> None:
    rolling(world)
    withdrawn(world)
    stands = world.apply(declared(fingerprint="fp2", rollout=CANARY, floor=0.4))["m"]
    assert stands.reason == "Withdrawn"
    assert world.outcomes() == [(1, "released"), (2, "withdrawn")]


def test_a_champion_out_of_policy_gives_way_although_a_challenger_was_withdrawn(
    world: World,
) -> None:
    world.gate = above({"fp1": 0.9, "fp2": 0.6, "fp3": 0.9})
    world.apply(declared())
    world.apply(declared(fingerprint="fp2"))
    world.apply(declared(fingerprint="fp3", rollout=CANARY))
    withdrawn(world)
    strict = declared(fingerprint="fp3", rollout=CANARY, floor=0.8, on_violation="rollback")
    stands = world.apply(strict)["m"]
    assert stands.reason == "Withdrawn"
    assert world.champion().fingerprint == "fp1"


def test_other_settings_begin_a_rollout_anew(world: World) -> None:
    rolling(world)
    decide(world, decisions.shift(world.record(), Shift(50, 1), NOW))
    world.apply(declared(fingerprint="fp2", rollout=CANARY | {"steps": (5, 50)}))
    assert challenger(world) == (2, 5)


def test_a_rollout_that_is_declared_no_more_is_abandoned(world: World) -> None:
    rolling(world)
    stands = world.apply(declared())["m"]
    assert stands.as_declared
    assert challenger(world) is None
    assert ("m", "Abandoned") in world.told()
    version = world.record().version(2)
    assert version is not None
    assert (version.outcome, version.reason) == (Outcome.ACCEPTED, "Abandoned")
    world.apply(declared(fingerprint="fp2", rollout=CANARY))
    assert challenger(world) == (2, 10)
    assert world.trained == ["fp1", "fp2"]


def test_a_newer_model_is_rolled_out_in_place_of_the_one_before(world: World) -> None:
    rolling(world)
    world.apply(declared(fingerprint="fp3", rollout=CANARY))
    assert challenger(world) == (3, 10)
    assert world.outcomes() == [(1, "released"), (2, "accepted"), (3, "accepted")]


def test_rules_that_change_and_still_pass_leave_a_rollout_where_it_is(world: World) -> None:
    rolling(world)
    decide(world, decisions.shift(world.record(), Shift(50, 1), NOW))
    world.apply(declared(fingerprint="fp2", rollout=CANARY, floor=0.4))
    assert challenger(world) == (2, 50)


def test_a_challenger_that_stricter_rules_reject_ends_its_rollout(world: World) -> None:
    world.gate = above({"fp1": 0.9, "fp2": 0.7})
    rolling(world)
    stands = world.apply(declared(fingerprint="fp2", rollout=CANARY, floor=0.8))["m"]
    assert (stands.reason, challenger(world)) == ("Rejected", None)
    assert world.outcomes() == [(1, "released"), (2, "rejected")]


def test_a_hold_keeps_a_rollout_from_beginning_and_not_from_being_abandoned(world: World) -> None:
    hold = Hold(reason="freeze", by="Bo", since=NOW)
    world.apply(declared())
    world.store.commit({"m": lambda record: with_hold(record or world.record(), hold)})
    assert world.apply(declared(fingerprint="fp2", rollout=CANARY))["m"].reason == "Held"
    assert challenger(world) is None

    world.store.commit({"m": lambda record: without_hold(record or world.record())})
    world.apply(declared(fingerprint="fp2", rollout=CANARY))
    world.store.commit({"m": lambda record: with_hold(record or world.record(), hold)})
    assert world.apply(declared(fingerprint="fp2", rollout=CANARY))["m"].reason == "Held"
    assert challenger(world) == (2, 10)
    world.apply(declared())
    assert challenger(world) is None


def test_stricter_rules_end_a_rollout_under_a_hold(world: World) -> None:
    world.gate = above({"fp1": 0.9, "fp2": 0.7})
    rolling(world)
    hold = Hold(reason="freeze", by="Bo", since=NOW)
    world.store.commit({"m": lambda record: with_hold(record or world.record(), hold)})
    world.apply(declared(fingerprint="fp2", rollout=CANARY, floor=0.6))
    assert challenger(world) == (2, 10)
    world.apply(declared(fingerprint="fp2", rollout=CANARY, floor=0.8))
    assert challenger(world) is None
    assert world.outcomes() == [(1, "released"), (2, "rejected")]


def test_a_freeze_stops_a_rollout_where_it_is(world: World) -> None:
    rolling(world)
    world.params = Params.model_validate(
        {"freeze": [{"kind": "deny", "cron": "0 0 * * *", "duration": "24h"}]}
    )
    world.now = datetime(2026, 1, 2, tzinfo=UTC)
    stands = world.apply(declared(fingerprint="fp2", rollout=CANARY))["m"]
    assert stands.reason == "Frozen"
    assert "version 2 gets 10 %" in stands.message
    world.apply(declared(fingerprint="fp3", rollout=CANARY))
    assert challenger(world) is None
    assert world.outcomes()[-1] == (3, "accepted")


def test_a_mass_change_ends_no_rollout_before_it_is_allowed(world: World) -> None:
    names = [f"m{n:02}" for n in range(12)]

    def fleet(generation: int, revision: str) -> list[Desired]:
        return [declared(n, f"{n} {generation}", revision=revision, rollout=CANARY) for n in names]

    world.apply(*fleet(1, "r1"))
    world.allowed = "r2"
    world.apply(*fleet(2, "r2"))
    before = world.store.snapshot
    assert all(record.challenger is not None for record in before.records.values())
    stands = world.apply(*fleet(3, "r3"))
    assert {s.reason for s in stands.values()} == {"MassChange"}
    assert world.store.snapshot == before


def test_a_rejected_model_is_never_rolled_out(world: World) -> None:
    world.apply(declared())
    world.gate = lambda d, v: said(Said.FAILED)
    world.apply(declared(fingerprint="fp2", rollout=CANARY))
    assert challenger(world) is None


def test_a_retired_model_ends_its_rollout(world: World) -> None:
    rolling(world)
    world.apply(names=("m",))
    assert (world.record().champion, world.record().challenger) == (None, None)


def test_a_decision_about_a_challenger_that_moved_on_is_made_again(world: World) -> None:
    rolling(world)
    seen = world.record()
    decide(world, decisions.shift(seen, Shift(50, 1), NOW))
    for late in (
        decisions.withdraw_challenger(seen, GONE, "r1"),
        decisions.promote_challenger(seen, Promote("RolledOut"), "r1"),
        decisions.abandon(seen, "another", "r1"),
        decisions.shift(seen, Shift(90, 2), NOW),
    ):
        with pytest.raises(Overtaken):
            decide(world, late)
    assert challenger(world) == (2, 50)


def test_a_rollback_withdraws_the_challenger_and_holds_nothing(world: World) -> None:
    rolling(world)
    assert steering.withdraws(world.record(), None)
    assert steering.withdraws(world.record(), 1)
    assert not steering.withdraws(world.record(), 2)
    world.store.commit(
        {"m": lambda r: steering.challenger_withdrawn(r or world.record(), "odd", "Ada")}
    )
    stands = world.apply(declared(fingerprint="fp2", rollout=CANARY))["m"]
    assert stands.reason == "Withdrawn"
    assert "rolled back by Ada: odd" in stands.message
    assert (world.record().holds, world.champion().number) == ((), 1)


def test_a_promotion_by_hand_ends_the_rollout_at_once(world: World) -> None:
    rolling(world)
    version = steering.promotable(world.record(), None, "fp2")
    assert version.number == 2
    record = steering.promoted(world.record(), 2, "Ada", "it is urgent", NOW, "r1")
    world.store.commit({"m": lambda _: record})
    assert world.apply(declared(fingerprint="fp2", rollout=CANARY))["m"].as_declared
    assert world.outcomes() == [(1, "superseded"), (2, "released")]
