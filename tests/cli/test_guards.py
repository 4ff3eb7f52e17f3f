"""Mass changes and freezes, as a user meets them: a fleet of fourteen, of which one was trained."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from reconciler.adapters.git import Git
from reconciler.adapters.memo import Memo
from reconciler.cli.wiring import Site
from reconciler.controller.workspace import Workspace
from reconciler.core.record import Record
from tests.conftest import Project, new, spec

pytestmark = pytest.mark.slow

NAMES = tuple(f"m{number:02}" for number in range(14))
ALWAYS = '{kind: deny, cron: "* * * * *", duration: 2h, models: [m0*]}'


def declare(project: Project, name: str, alpha: int) -> None:
    rules = "[{metric: r2, min: 0.1}]"
    project.write(
        f"specs/{name}.yaml", spec(name, hyperparameters={"alpha": alpha}, acceptance=rules)
    )


def settle(project: Project, message: str) -> str:
    project.reconciler("compile")
    return project.commit(message)


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a repository with a fleet in production, each with an earlier version on record."""
    base = tmp_path_factory.mktemp("guards")
    (base / "home").mkdir()
    made = Project(base / "repo", base / "home")
    new(made)
    for alpha in (1, 2):
        declare(made, "m00", alpha)
        settle(made, f"Declare m00 with {alpha}")
        made.reconciler("apply")
    for name in NAMES[1:]:
        declare(made, name, 2)
    settle(made, "Declare thirteen alike")
    store = Site(Git.open(made.root), Workspace(made.root)).store
    record = store.read().records["m00"]

    def like(name: str) -> Callable[[Record | None], Record]:
        return lambda _: record.model_copy(update={"model": name})

    store.commit({name: like(name) for name in NAMES[1:]})
    assert "14 models are as declared" in made.reconciler("apply").stdout
    return base


@pytest.fixture
def fleet(template: Path, tmp_path: Path) -> Project:
    place = tmp_path / "base"
    subprocess.run(["cp", "-a", template, place], check=True)
    return Project(place / "repo", place / "home")


def champions(project: Project) -> dict[str, int | None]:
    """Return the number of the version in production, by model on record."""
    records = ((name, state["record"]) for name, state in project.status().items())
    found = {name: record["champion"] for name, record in records if record}
    return {name: champion and champion["number"] for name, champion in found.items()}


def in_production(project: Project, *names: str) -> list[int | None]:
    found = champions(project)
    return [found[name] for name in names]


def exits(done: subprocess.CompletedProcess[str], code: int) -> str:
    assert done.returncode == code, done.stdout + done.stderr
    assert "Traceback" not in done.stderr
    return done.stdout


def test_an_emptied_specs_folder_retires_nothing_until_that_is_allowed(fleet: Project) -> None:
    before = champions(fleet)
    shutil.rmtree(fleet.root / "specs")
    commit = settle(fleet, "Empty specs by mistake")
    told = f"commit {commit[:7]} declares no model and would retire 14 of 14 models in production"
    planned = exits(fleet.reconciler("plan", "--detailed-exitcode", check=False), 1)
    assert planned.count(told) == 1
    assert "14 blocked" in planned
    assert told in fleet.reconciler("plan", "--output", "markdown").stdout
    applied = exits(fleet.reconciler("apply", check=False), 1)
    assert applied.count(told) == 1
    assert champions(fleet) == before
    assert told in fleet.reconciler("status").stdout
    why = fleet.reconciler("why", "m03").stdout
    assert why.startswith(f"m03 waits for a person: {told}")
    assert "revert it, or allow it with `reconciler apply --allow-mass-change`" in why
    fleet.git("revert", "--no-edit", "HEAD")
    assert "14 models are as declared" in exits(fleet.reconciler("apply"), 0)
    assert champions(fleet) == before

    fleet.git("revert", "--no-edit", "HEAD")
    exits(fleet.reconciler("apply", "--allow-mass-change"), 0)
    assert set(champions(fleet).values()) == {None}
    assert not list((fleet.root / "releases").glob("*/current"))


def test_most_of_a_fleet_is_replaced_only_once_that_commit_is_allowed(fleet: Project) -> None:
    for name in NAMES[:12]:
        declare(fleet, name, 1)
    declare(fleet, "broken", 1)
    fleet.edit("specs/broken.yaml", "min: 0.1", "least: 0.1")
    fleet.reconciler("compile", check=False)
    commit = fleet.commit("Replace twelve, and declare one that is wrong")
    rows = fleet.plan()
    assert [name for name in NAMES if rows[name]["reason"] == "MassChange"] == list(NAMES[:12])
    assert rows["m12"]["kind"] == rows["m13"]["kind"] == "unchanged"
    told = f"commit {commit[:7]} would replace 12 of 14 models in production (m00, m01"
    assert told in exits(fleet.reconciler("apply", check=False), 1)
    assert told in fleet.reconciler("plan", "--from", "HEAD~1").stdout
    assert fleet.reconciler("plan", "--allow-mass-change").stdout.count("> release ") == 12

    (fleet.root / "specs" / "broken.yaml").unlink()
    settle(fleet, "Remove what is wrong")
    exits(fleet.reconciler("apply", "m05", "--allow-mass-change"), 0)
    assert champions(fleet)["m05"] == 1
    assert "14 models are as declared" in exits(fleet.reconciler("apply"), 0)
    assert in_production(fleet, *NAMES) == [1] * 12 + [2] * 2


def test_a_kept_plan_holds_a_mass_change_where_it_was_made_with_leave(fleet: Project) -> None:
    for name in NAMES[2:]:
        (fleet.root / "specs" / f"{name}.yaml").unlink()
    settle(fleet, "Remove twelve")
    fleet.reconciler("plan", "--out", "held.json")
    exits(fleet.reconciler("apply", "--plan", "held.json"), 0)
    assert champions(fleet)["m13"] == 2
    refused = fleet.reconciler("apply", "--plan", "held.json", "--allow-mass-change", check=False)
    assert refused.returncode == 2
    assert "reconciler plan --allow-mass-change --out FILE" in refused.stderr
    fleet.reconciler("plan", "--allow-mass-change", "--out", "let.json")
    exits(fleet.reconciler("apply", "--plan", "let.json"), 0)
    assert in_production(fleet, *NAMES) == [2] * 2 + [None] * 12


def test_a_commit_is_allowed_for_whoever_is_at_work(fleet: Project) -> None:
    workspace = Workspace(fleet.root)
    head = fleet.git("rev-parse", "HEAD")
    with workspace.alone():
        done = fleet.reconciler("apply", "--allow-mass-change", check=False)
    said = exits(done, 1)
    assert f"commit {head[:7]} is allowed: process " in said
    assert workspace.allowed() == head


def test_in_a_freeze_models_are_trained_and_releases_wait(fleet: Project) -> None:
    declare(fleet, "m00", 3)
    declare(fleet, "m01", 1)
    declare(fleet, "m10", 1)
    (fleet.root / "specs" / "m02.yaml").unlink()
    fleet.edit("params.yaml", "defaults: {}", f"defaults: {{}}\nfreeze:\n  - {ALWAYS}")
    settle(fleet, "Change four, in a freeze of ten")
    waits = "releases wait, with no end in sight: deny window `* * * * *` for 2h, UTC"
    assert f"note: m00: {waits}" in fleet.reconciler("plan").stdout
    rows = fleet.plan()
    assert {n: rows[n]["kind"] for n in ("m00", "m01", "m02", "m03", "m10")} == {
        "m00": "retrain", "m01": "blocked", "m02": "blocked", "m03": "unchanged", "m10": "release",
    }  # fmt: skip
    applied = exits(fleet.reconciler("apply", check=False), 1)
    assert f"m00, m01, m02: {waits}" in fleet.reconciler("status").stdout
    assert "✓ m00: accepted, its release waits" in applied
    assert f"… m00, m01, m02: Frozen: {waits}" in applied
    assert in_production(fleet, "m00", "m01", "m02", "m10") == [2, 2, 2, 1]
    state = fleet.status()["m00"]
    assert (state["sync"], state["health"], state["reason"]) == ("OutOfSync", "Healthy", "Frozen")
    assert [v["outcome"] for v in state["record"]["versions"]][-1] == "accepted"
    known = (Memo(fleet.root / ".reconciler" / "settled.json").read() or {})["models"]
    assert "m03" in known
    assert not {"m00", "m01", "m02"} & set(known)  # what waits for time is asked about each time
    assert fleet.reconciler("why", "m00").stdout.startswith(f"m00 waits for time: {waits}")
    history = json.loads(fleet.reconciler("history", "m00", "-o", "json").stdout)
    assert history["commits"][0]["what"] == "Accept m00 3"
    exits(fleet.reconciler("rollback", "m00"), 0)
    assert champions(fleet)["m00"] == 1
    exits(fleet.reconciler("resume", "m00"), 0)

    fleet.edit("params.yaml", f"freeze:\n  - {ALWAYS}", "freeze: []")
    settle(fleet, "End the freeze")
    applied = exits(fleet.reconciler("apply"), 0)
    assert "train" not in applied
    assert in_production(fleet, "m00", "m01", "m02") == [3, 1, None]


def test_a_wrong_window_is_told_with_its_line_and_changes_nothing(fleet: Project) -> None:
    fleet.edit("params.yaml", "defaults: {}", "defaults: {}\nfreeze:\n  - {kind: deny, cron: x}")
    fleet.commit("Freeze badly")
    done = fleet.reconciler("apply", check=False)
    assert done.returncode == 1
    assert "params.yaml:4:24: freeze[0].cron: found 'x', wanted cron of five fields" in done.stderr
    assert "params.yaml:4:5: freeze[0].duration: is missing" in done.stderr
