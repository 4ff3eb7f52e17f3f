"""Steering a real repository: each verb acts at once, says what it wrote, and stays in force."""

from __future__ import annotations

import json
import shutil
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest

from reconciler.core.recordtext import loads
from tests.conftest import BIN, Project, new, spec

pytestmark = pytest.mark.slow

RIDGE = "specs/ridge.yaml"
#: The target `local` where no server is.
NOBODY = '{local: {endpoints: ["http://127.0.0.1:9"]}}'
BROKEN = "def build():\n    raise ValueError('no such luck')\n"


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a repository with two released versions, and a model whose training fails."""
    place = tmp_path_factory.mktemp("steering")
    (place / "home").mkdir()
    project = Project(place / "repo", place / "home")
    new(project)
    project.git("config", "user.name", "Ada")
    project.git("config", "user.email", "ada@example.org")
    project.write(RIDGE, spec("ridge", hyperparameters={"alpha": 1.0}))
    project.reconciler("compile")
    project.commit("Declare ridge")
    project.reconciler("apply")
    project.edit(RIDGE, '"alpha": 1.0', '"alpha": 0.9')
    project.write("train.py", BROKEN)
    entry = spec("entry").replace(
        '"estimator": "sklearn.linear_model.Ridge", "hyperparameters": {}',
        '"entrypoint": "train.py:build", "task": "regression"',
    )
    project.write("specs/entry.yaml", entry)
    project.reconciler("compile")
    project.commit("Declare more")
    assert project.reconciler("apply", check=False).returncode == 1
    return place


@pytest.fixture
def project(prepared: Path, tmp_path: Path) -> Project:
    """Return a copy of the prepared repository."""
    shutil.copytree(prepared, tmp_path / "copy", symlinks=True)
    return Project(tmp_path / "copy" / "repo", tmp_path / "copy" / "home")


def served(project: Project, model: str = "ridge") -> str:
    """Return the digest that the target serves."""
    return (project.root / "releases" / model / "current").readlink().name.partition("~")[0]


def record(project: Project, model: str = "ridge") -> dict[str, Any]:
    return loads(project.git("show", f"deployed:{model}.yaml"))


def bundle(project: Project, number: int) -> str:
    found = record(project)
    versions = [*found.get("versions", ()), found["champion"]]
    return str(next(v for v in versions if v["number"] == number)["bundle"]["md5"])


def why(project: Project, model: str = "ridge") -> dict[str, Any]:
    out = project.reconciler("why", model, "--output", "json").stdout
    return dict(json.loads(out))


def refused(project: Project, *argv: str) -> str:
    """Return what a verb says when it does nothing and ends with 2."""
    before = project.git("rev-parse", "deployed")
    done = project.reconciler(*argv, check=False)
    assert done.returncode == 2, done.stdout + done.stderr
    assert project.git("rev-parse", "deployed") == before
    return done.stderr


def test_a_rollback_serves_the_earlier_version_at_once_until_something_else_is_declared(
    project: Project,
) -> None:
    done = project.reconciler("rollback", "ridge", "--reason", "bad scores")
    assert "wrote the record of ridge on `deployed`" in done.stdout
    assert "its target serves version 1 now" in done.stdout
    assert served(project) == bundle(project, 1)
    assert "Held" in project.reconciler("apply", "ridge", check=False).stdout
    assert served(project) == bundle(project, 1)
    assert "rolled back from version 2 to 1: bad scores" in why(project)["waits"]
    assert "bad scores" in project.reconciler("plan", "ridge").stdout
    assert "resume ridge" in refused(project, "rollback", "ridge", "--to", "2")

    project.edit(RIDGE, '"alpha": 0.9', '"alpha": 1.1')
    project.commit("Mend it")
    project.reconciler("apply", "ridge")
    assert served(project) == bundle(project, 3)

    project.git("revert", "--no-edit", "HEAD")
    assert project.reconciler("apply", "ridge", check=False).returncode == 1
    assert served(project) == bundle(project, 3)
    assert "ridge is no longer held by Ada" in project.reconciler("resume", "ridge").stdout
    project.reconciler("apply", "ridge")
    assert served(project) == bundle(project, 2)


def test_the_history_names_who_did_what_and_why(project: Project) -> None:
    project.reconciler("rollback", "ridge", "--reason", "bad scores")
    project.reconciler("suspend", "ridge", "-m", "audit")
    found = json.loads(project.reconciler("history", "ridge", "--output", "json").stdout)
    told = [(c["who"], c["what"], c["reason"]) for c in found["commits"]]
    assert told == [
        ("Ada", "Suspend ridge", "audit"),
        ("Ada", "Roll ridge back from 2 to 1", "bad scores"),
        ("reconciler", "Release ridge 2", None),
        ("reconciler", "Release ridge 1", None),
    ]
    assert [v["outcome"] for v in found["versions"]] == ["superseded", "released"]
    assert [hold["reason"] for hold in found["holds"]][1] == "audit"
    table = project.reconciler("history", "ridge").stdout
    assert "Roll ridge back from 2 to 1: bad scores" in table
    committer = project.git("log", "-1", "--format=%an|%cn", "deployed", "--")
    assert committer == "Ada|reconciler"


def test_a_suspension_is_idempotent_survives_passes_and_ends_with_resume(
    project: Project,
) -> None:
    said = project.reconciler("suspend", "ridge", "--reason", "audit").stdout
    assert "there is nothing to commit" in said
    before = project.git("rev-parse", "deployed")
    assert "suspended already: held by Ada" in project.reconciler("suspend", "ridge").stdout
    assert project.git("rev-parse", "deployed") == before
    assert project.reconciler("apply", "ridge").returncode == 0  # it is as declared meanwhile
    assert "audit" in project.reconciler("plan", "ridge").stdout
    state = project.status()["ridge"]
    assert (state["sync"], state["health"]) == ("Synced", "Suspended")
    project.edit(RIDGE, "min: 0.2", "min: 0.21")
    project.commit("Ask for more")
    shutil.rmtree(project.root / "releases" / "ridge")
    assert "audit" in project.reconciler("apply", "ridge", check=False).stdout
    assert served(project) == bundle(project, 2)  # healing goes on
    state = project.status()["ridge"]
    assert (state["sync"], state["health"]) == ("OutOfSync", "Suspended")
    assert "audit" in state["detail"]
    project.reconciler("resume", "ridge")
    assert "nothing to resume" in project.reconciler("resume", "ridge").stdout
    project.reconciler("apply", "ridge")
    assert record(project)["champion"]["verdict"]["evidence"][0]["threshold"] == {"min": 0.21}


def test_resume_names_each_hold_that_it_ends_and_what_follows(project: Project) -> None:
    project.reconciler("rollback", "ridge", "--reason", "bad scores")
    project.reconciler("suspend", "ridge", "--reason", "audit")
    lines = project.reconciler("resume", "ridge").stdout.splitlines()
    assert lines[0] == "ridge is no longer held: 2 holds have ended"
    assert lines[1].startswith("  rolled back from version 2 to 1: bad scores (by Ada <ada@")
    assert lines[2].startswith("  audit (by Ada <ada@")
    assert lines[3] == "the next pass goes on with what HEAD declares"
    project.edit(RIDGE, "alpha", "alhpa")
    project.commit("Mistype it")
    project.reconciler("suspend", "ridge")
    assert "HEAD declares waits all the same: " in project.reconciler("resume", "ridge").stdout


def test_what_failed_is_tried_again_after_retry_and_not_before(project: Project) -> None:
    log = project.root / ".reconciler" / "logs" / "entry.log"
    log.unlink()
    waits = why(project, "entry")
    assert "training failed (EntrypointFailed)" in waits["waits"]
    assert "reconciler retry entry" in waits["then"]
    assert "failed in training" in refused(project, "promote", "entry", "--reason", "I like it")
    project.reconciler("apply", "entry", check=False)
    assert not log.exists()
    assert "version 1 (EntrypointFailed) forgotten" in project.reconciler("retry", "entry").stdout
    project.reconciler("apply", "entry", check=False)
    assert log.exists()
    assert record(project, "entry")["versions"][0]["number"] == 2
    assert "nothing that HEAD declares of ridge has failed" in (
        project.reconciler("retry", "ridge").stdout
    )


def test_an_undecided_version_is_released_on_a_person_s_word_and_stays(project: Project) -> None:
    project.edit(RIDGE, '"alpha": 0.9', '"alpha": 1.4')
    project.edit(
        RIDGE, "{metric: r2, min: 0.2}", "{metric: mae, compare: champion, margin: 0.0001%}"
    )
    project.commit("Ask for more than the rows can tell")
    assert project.reconciler("apply", "ridge", check=False).returncode == 1
    assert "reconciler promote ridge 3" in why(project)["then"]
    assert "needs a reason" in refused(project, "promote", "ridge", "--reason", "  ")
    out = project.reconciler("promote", "ridge", "--reason", "the shop agrees").stdout
    assert "its target serves version 3 now" in out
    assert served(project) == bundle(project, 3)
    assert project.reconciler("apply", "ridge").returncode == 0
    assert "promoted by Ada <ada@example.org>: the shop agrees" in why(project)["waits"]
    assert "in production already" in (
        project.reconciler("promote", "ridge", "--reason", "again").stdout
    )


def test_two_versions_differ_in_spec_and_metrics_with_intervals(project: Project) -> None:
    found = json.loads(project.reconciler("diff", "ridge", "--output", "json").stdout)
    assert (found["from"]["number"], found["to"]["number"]) == (1, 2)
    assert found["declared"] == [
        {"field": "spec.training.hyperparameters.alpha", "old": 1.0, "new": 0.9}
    ]
    r2 = next(pair for pair in found["metrics"] if pair["metric"] == "r2")
    assert r2["low"] < r2["new"] - r2["old"] < r2["high"]
    assert r2["rows"] > 50
    text = project.reconciler("diff", "ridge", "2", "1").stdout
    assert "spec.training.hyperparameters.alpha: 0.9 → 1.0" in text
    assert "kept are: 1, 2" in refused(project, "diff", "ridge", "1", "7")


def test_retire_removes_the_spec_for_the_user_to_commit(project: Project) -> None:
    before = project.git("rev-parse", "deployed")
    project.edit(RIDGE, '"alpha": 0.9', '"alpha": 1.3')
    assert "in no commit" in refused(project, "retire", "ridge")
    project.git("restore", RIDGE)
    out = project.reconciler("retire", "ridge").stdout
    assert f"removed {RIDGE}" in out
    assert project.git("status", "--porcelain").split() == ["M", "params.yaml", "D", RIDGE]
    assert "removed already" in project.reconciler("retire", "ridge").stdout
    assert project.git("rev-parse", "deployed") == before
    project.commit("Retire ridge")
    project.reconciler("apply", "ridge")
    assert not (project.root / "releases" / "ridge" / "current").exists()
    assert "retired already" in project.reconciler("retire", "ridge").stdout
    assert "git revert" in refused(project, "rollback", "ridge")


def test_a_suspension_works_while_another_process_trains_the_model(project: Project) -> None:
    slow = "import time\nfrom sklearn.linear_model import Ridge\n"
    project.write("train.py", f"{slow}def build():\n    time.sleep(3)\n    return Ridge()\n")
    project.commit("Mend the entrypoint")
    pass_ = subprocess.Popen(
        [str(BIN / "reconciler"), "apply"], cwd=project.root, env=project.env,
        stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    try:
        deadline = time.monotonic() + 60
        while why(project, "entry")["reason"] != "Training" and time.monotonic() < deadline:
            time.sleep(0.1)
        assert "is being trained" in why(project, "entry")["waits"]
        project.reconciler("suspend", "entry", "--reason", "not today")
        project.reconciler("rollback", "ridge")
        out, _ = pass_.communicate(timeout=120)
    finally:
        pass_.kill()
    assert "not today" in out
    assert record(project, "entry")["champion"] is None
    assert served(project) == bundle(project, 1)


def test_names_and_states_that_are_none_are_told_with_the_nearest(project: Project) -> None:
    for verb in ("why", "rollback", "retire"):
        said = refused(project, verb, "rigde")
        assert "no model is called rigde" in said, verb
        assert "nearest: ridge" in said, verb
    project.write("specs/fresh.yaml", spec("fresh"))
    assert why(project, "fresh")["reason"] == "NotCommitted"
    project.write(RIDGE, "spec: [\n")
    project.commit("Break it")
    invalid = why(project)
    assert invalid["reason"] == "InvalidSpec"
    assert f"{RIDGE}:" in invalid["waits"]
    assert "version 2 stays in production" in invalid["then"]
    project.reconciler("rollback", "ridge")
    assert served(project) == bundle(project, 1)


def test_a_bundle_that_is_nowhere_to_be_had_leaves_everything_as_it_is(project: Project) -> None:
    shutil.rmtree(project.root / ".dvc" / "cache")
    shutil.rmtree(project.root / ".reconciler" / "bundles", ignore_errors=True)
    before = project.git("rev-parse", "deployed")
    done = project.reconciler("rollback", "ridge", check=False)
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    assert project.git("rev-parse", "deployed") == before
    assert served(project) == bundle(project, 2)


def test_a_record_that_cannot_be_read_is_not_decided_over(project: Project) -> None:
    broken = project.git("show", "deployed:ridge.yaml").replace("outcome: released", "outcome: odd")
    project.write("aside.yaml", broken)
    blob = project.git("hash-object", "-w", "aside.yaml")
    index = {**project.env, "GIT_INDEX_FILE": str(project.root / "aside.index")}
    script = (
        "git read-tree deployed &&"
        f" git update-index --cacheinfo 100644,{blob},ridge.yaml &&"
        " git update-ref refs/heads/deployed"
        " $(git commit-tree $(git write-tree) -p deployed -m Meddle)"
    )
    subprocess.run(["sh", "-c", script], cwd=project.root, env=index, check=True)
    before = project.git("rev-parse", "deployed")
    assert "mend ridge.yaml" in why(project)["then"]
    for verb in ("rollback", "suspend", "resume", "retry", "diff"):
        done = project.reconciler(verb, "ridge", check=False)
        assert done.returncode == 1, verb
        assert "the record of ridge cannot be read" in done.stderr, verb
    assert project.git("rev-parse", "deployed") == before
    told = json.loads(project.reconciler("history", "ridge", "--output", "json").stdout)
    assert told["commits"][0]["what"] == "Meddle"


def test_a_canary_begins_with_apply_is_withdrawn_by_hand_tried_again_and_promoted(
    project: Project,
) -> None:
    canary = {"strategy": "canary", "steps": [20, 60], "hold": "1h"}
    deployment = {"target": "local", "rollout": canary}
    project.edit("params.yaml", "defaults:", f"targets: {NOBODY}\ndefaults:")
    project.write(RIDGE, spec("ridge", hyperparameters={"alpha": 1.0}, deployment=deployment))
    project.commit("Go back to the first one, carefully")

    said = project.reconciler("apply", "ridge").stdout
    assert "rollout started (canary)" in said
    assert "version 1 gets 20 % of the traffic (canary, step 1 of 2)" in said
    assert "1 of 1 model is being rolled out" in said
    found = record(project)
    assert (found["champion"]["number"], found["challenger"]["version"]) == (2, 1)
    assert found["rollout"]["steps"] == [20, 60]
    row = project.plan("ridge")["ridge"]
    assert (row["kind"], row["reason"]) == ("unchanged", "RollingOut")

    said = project.reconciler("rollback", "ridge", "--reason", "odd answers").stdout
    assert "version 1 of ridge is withdrawn, and version 2 answers every request" in said
    done = project.reconciler("apply", "ridge", check=False)
    assert done.returncode == 1
    assert "rolled back by Ada <ada@example.org>: odd answers" in done.stdout
    assert record(project)["challenger"] is None

    project.reconciler("retry", "ridge")
    project.reconciler("apply", "ridge")
    assert record(project)["challenger"]["version"] == 1
    project.reconciler("promote", "ridge", "--reason", "it is urgent")
    found = record(project)
    assert (found["champion"]["number"], found["challenger"]) == (1, None)
    assert project.git("log", "-5", "--format=%s", "deployed", "--").splitlines() == [
        "Promote ridge 1",
        "Send 20 % to ridge 1",
        "Forget what failed of ridge",
        "Withdraw ridge 1",
        "Send 20 % to ridge 1",
    ]
