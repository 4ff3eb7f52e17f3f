"""Freezes and the guard against mass changes, over many models and with a clock of the test's."""

from __future__ import annotations

import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from reconciler.controller.guards import fate
from reconciler.core.conditions import Health
from reconciler.core.mass_change import Fate
from reconciler.core.plan import Desired, Invalid
from reconciler.core.verdict import Outcome as Said
from reconciler.spec.params import Params
from tests.controller.world import World, above, declared, said

#: A Friday, an hour before the weekend's freeze.
FRIDAY = datetime(2026, 11, 20, 16, tzinfo=UTC)
WEEKEND = Params.model_validate(
    {"freeze": [{"kind": "deny", "cron": "0 17 * * FRI", "duration": "60h"}]}
)


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path, now=FRIDAY)


def fleet(count: int, generation: int = 1, revision: str = "r1") -> list[Desired]:
    names = [f"m{n:02}" for n in range(count)]
    return [declared(n, f"{n} {generation}", revision=revision) for n in names]


def test_a_new_version_is_trained_and_judged_in_a_freeze_and_released_after_it(
    world: World,
) -> None:
    world.params = WEEKEND
    assert world.apply(declared())["m"].as_declared
    world.now += timedelta(hours=1)
    stands = world.apply(declared(fingerprint="fp2"))["m"]
    assert (stands.reason, stands.health, stands.as_declared) == ("Frozen", Health.HEALTHY, False)
    assert stands.message.startswith("releases wait until 2026-11-23 05:00+00:00: deny window")
    assert world.outcomes() == [(1, "released"), (2, "accepted")]
    trained, judged = len(world.trained), len(world.judged)
    world.now = datetime(2026, 11, 23, 5, tzinfo=UTC)
    assert world.apply(declared(fingerprint="fp2"))["m"].as_declared
    assert world.outcomes() == [(1, "superseded"), (2, "released")]
    assert (len(world.trained), len(world.judged)) == (trained, judged)


def test_a_clock_that_jumps_back_into_the_freeze_takes_nothing_out_of_production(
    world: World,
) -> None:
    world.params = WEEKEND
    world.apply(declared())
    world.now += timedelta(hours=30)
    assert world.apply(declared())["m"].as_declared
    assert world.apply(declared(fingerprint="fp2"))["m"].reason == "Frozen"
    world.now += timedelta(days=3)
    assert world.apply(declared(fingerprint="fp2"))["m"].as_declared
    world.now -= timedelta(days=3)
    assert world.apply(declared(fingerprint="fp2"))["m"].as_declared


def test_the_first_version_and_a_retirement_wait_as_well(world: World) -> None:
    world.params = WEEKEND
    world.apply(declared("old"))
    world.now += timedelta(hours=2)
    stands = world.apply(declared("new"))
    assert {name: s.reason for name, s in stands.items()} == {"old": "Frozen", "new": "Frozen"}
    assert (stands["old"].health, stands["new"].health) == (Health.HEALTHY, Health.PROGRESSING)
    assert world.champion("old").number == 1


def test_a_champion_out_of_policy_gives_way_in_a_freeze(world: World) -> None:
    world.params = WEEKEND
    world.gate = above({"fp1": 0.9, "fp2": 0.6})
    world.apply(declared())
    world.apply(declared(fingerprint="fp2"))
    world.now += timedelta(hours=2)
    world.apply(declared(fingerprint="fp2", floor=0.8, on_violation="rollback"))
    assert world.champion().fingerprint == "fp1"


def test_damage_is_healed_in_a_freeze(world: World) -> None:
    world.params = WEEKEND
    world.apply(declared())
    world.target.withdraw("m")
    world.now += timedelta(hours=2)
    assert world.apply(declared())["m"].as_declared


def test_a_commit_that_would_replace_most_of_the_fleet_changes_none_of_it(world: World) -> None:
    world.apply(*fleet(14))
    commits = len(world.store.commits)
    twelve = [*fleet(12, 2, "abc12345"), *fleet(14)[12:], declared("new", "new 1")]
    stands = world.apply(*twelve)
    assert {n for n, s in stands.items() if s.reason == "MassChange"} == set(list(stands)[:12])
    assert "commit abc1234 would replace 12 of 14 models in production" in stands["m00"].message
    assert stands["m00"].health is Health.HEALTHY
    assert stands["m13"].as_declared
    assert stands["new"].as_declared
    assert len(world.store.commits) == commits + 1
    assert all(world.champion(f"m{n:02}").fingerprint == f"m{n:02} 1" for n in range(14))
    world.allowed = "another commit"
    assert world.apply(*twelve)["m00"].reason == "MassChange"
    world.allowed = "abc12345"
    assert all(s.as_declared for s in world.apply(*twelve).values())


def test_a_mass_change_that_is_reverted_leaves_no_trace(world: World) -> None:
    world.apply(*fleet(14))
    before, trained = world.store.snapshot, len(world.trained)
    assert world.apply(names=tuple(before.records))["m00"].reason == "MassChange"
    assert world.store.snapshot == before
    assert all(s.as_declared for s in world.apply(*fleet(14)).values())
    assert len(world.trained) == trained


def test_limits_are_those_of_the_settings(world: World) -> None:
    world.apply(*fleet(3))
    world.params = Params.model_validate({"guard": {"share": 0.5, "count": 1}})
    assert world.apply(*fleet(2, 2), *fleet(3)[2:])["m00"].reason == "MassChange"
    world.params = Params.model_validate({"guard": {"share": 1, "count": 0}})
    assert world.apply(*fleet(3, 2))["m00"].as_declared


def test_a_spec_that_cannot_be_followed_is_no_change(world: World) -> None:
    world.apply(declared())
    record = world.store.snapshot.records["m"]
    assert fate(Invalid("InvalidSpec", "wrong"), record, lambda _: False, FRIDAY) is Fate.LEAVE
    assert fate(None, record, lambda _: False, FRIDAY) is Fate.RETIRE
    assert fate(None, record, lambda _: True, FRIDAY) is None
    assert fate(declared(fingerprint="fp2"), record, lambda _: False, FRIDAY) is Fate.REPLACE
    assert fate(declared(), record, lambda _: False, FRIDAY) is Fate.LEAVE


def test_a_model_whose_new_version_was_tried_and_stays_out_counts_as_left(world: World) -> None:
    world.apply(declared())
    world.gate = lambda _, version: said(
        Said.INCONCLUSIVE if version.fingerprint == "noisy" else Said.FAILED, "latency_p99_ms"
    )
    for fingerprint in ("noisy", "bad"):
        world.apply(declared(fingerprint=fingerprint, metric="latency_p99_ms"))
        want = declared(fingerprint=fingerprint, metric="latency_p99_ms")
        assert fate(want, world.record(), lambda _: False, FRIDAY) is Fate.LEAVE


def test_cron_and_zones_are_imported_where_there_are_windows_alone() -> None:
    code = """
import sys
import reconciler.cli.apply, reconciler.cli.outlook, reconciler.cli.status, reconciler.cli.why
from reconciler.controller.guards import Guards
from reconciler.spec.reading import read_params
params = read_params(b"freeze: []\\n").params
assert Guards(params.freeze).frozen("m", None) is None
assert "cronsim" not in sys.modules
"""
    subprocess.run([sys.executable, "-c", code], check=True)
