"""Plans between commits, of the working tree, to a file and back: as their user meets them."""

from __future__ import annotations

import contextlib
import io
import json
import shutil
import sys
from pathlib import Path
from typing import Any
from unittest import mock

import pytest

from reconciler.cli import main
from reconciler.cli.wiring import open_site
from reconciler.core import record as records
from tests.conftest import Project, new, spec

pytestmark = pytest.mark.slow

TABLE = "".join(f"{n % 7},{n % 5},{n}\n" for n in range(60))


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """Return a repository of three models on branch `main`, and changes on branch `pr`."""
    folder = tmp_path_factory.mktemp("plans")
    (folder / "home").mkdir()
    made = Project(folder / "repo", folder / "home")
    new(made)
    made.write("data/x.csv", f"a,b,y\n{TABLE}")
    made.call("dvc", "add", "-q", "data/x.csv")
    for name in ("kept", "gone", "tuned", "strict", "named"):
        made.write(f"specs/{name}.yaml", spec(name, hyperparameters={"alpha": 1.0}))
    made.write("specs/table.yaml", spec("table", source="data/x.csv", target="y"))
    made.reconciler("compile")
    made.commit("Declare")
    made.git("checkout", "-q", "-b", "pr")
    made.edit("specs/tuned.yaml", '"alpha": 1.0', '"alpha": 0.5')
    made.edit("specs/strict.yaml", "min: 0.2", "min: 0.3")
    made.edit("specs/named.yaml", "{name: named}", "{name: named, labels: {team: a}}")
    made.write("specs/fresh.yaml", spec("fresh"))
    made.git("rm", "-q", "specs/gone.yaml")
    made.commit("Change")
    made.git("checkout", "-q", "main")
    return made


@pytest.fixture
def fleet(template: Project, tmp_path: Path) -> Project:
    shutil.copytree(template.root.parent, tmp_path, symlinks=True, dirs_exist_ok=True)
    return Project(tmp_path / "repo", tmp_path / "home")


def run(project: Project, *argv: str) -> tuple[int, str, str]:
    """Run a verb in this process, which is quicker; return code, output and errors."""
    out, err = io.StringIO(), io.StringIO()
    with (
        contextlib.chdir(project.root),
        mock.patch.object(sys, "argv", ["reconciler", *argv]),
        contextlib.redirect_stdout(out),
        contextlib.redirect_stderr(err),
    ):
        code = main._run()
    assert code != 3, err.getvalue()
    return code, out.getvalue(), err.getvalue()


def shown(project: Project, *argv: str) -> str:
    code, out, err = run(project, "plan", *argv)
    assert code == 0, err
    return out


def planned(project: Project, *argv: str) -> dict[str, Any]:
    return dict(json.loads(shown(project, *argv, "-o", "json")))


def kinds(project: Project, *argv: str) -> dict[str, str]:
    return {row["model"]: row["kind"] for row in planned(project, *argv)["models"]}


def code(project: Project, *argv: str) -> int:
    return run(project, "plan", *argv, "--detailed-exitcode")[0]


def everything(project: Project) -> dict[str, bytes | None]:
    """Return every file of the repository, git's and DVC's own included."""
    found = sorted(project.root.rglob("*"))
    return {
        str(p.relative_to(project.root)): p.read_bytes() if p.is_file() else None for p in found
    }


PR = {
    "fresh": "create",
    "gone": "retire",
    "kept": "unchanged",
    "named": "unchanged",
    "strict": "re-judge",
    "table": "unchanged",
    "tuned": "retrain",
}


def test_a_pull_request_is_planned_as_if_what_it_starts_from_were_released(
    fleet: Project,
) -> None:
    assert set(kinds(fleet).values()) == {"create"}  # nothing is released yet
    found = planned(fleet, "--from", "main", "--to", "pr")
    assert {row["model"]: row["kind"] for row in found["models"]} == PR
    rows = {row["model"]: row for row in found["models"]}
    assert [change["field"] for change in rows["tuned"]["changes"]] == [
        "spec.training.hyperparameters.alpha"
    ]
    assert rows["strict"]["gate"].startswith("unknown: ")
    assert rows["named"]["changes"][0]["field"] == "metadata.labels.team"
    assert kinds(fleet, "--from", "pr", "--to", "main") == {
        **PR,
        "fresh": "unchanged",  # main has never declared it: apply there leaves it alone
        "gone": "create",
    }
    assert set(kinds(fleet, "--from", "pr", "--rev", "pr").values()) == {"unchanged"}
    text = shown(fleet, "--from", "main", "--to", "pr")
    assert "alpha: 1.0 → 0.5" in text
    assert "1 create, 1 retrain, 1 re-judge, 1 retire, 3 unchanged" in text


def test_the_exit_code_tells_nothing_changes_and_errors_apart_in_every_mode(
    fleet: Project,
) -> None:
    assert code(fleet, "--from", "main", "--to", "main") == 0
    assert code(fleet, "--from", "main", "--to", "pr") == 2
    assert code(fleet, "--from", "main", "--uncommitted") == 0
    assert code(fleet, "--uncommitted") == code(fleet) == 2
    fleet.edit("specs/kept.yaml", "kind: Model", "kind: Mistake")
    for output in ("text", "json", "markdown"):
        assert code(fleet, "--from", "main", "--uncommitted", "-o", output) == 1
    assert code(fleet, "--uncommitted") == 1
    assert code(fleet, "tuned", "--uncommitted") == 2
    fleet.commit("Break")
    assert code(fleet) == code(fleet, "--from", "pr") == 1
    assert code(fleet, "--from", "HEAD", "--to", "HEAD") == 0  # this request has not broken it
    fleet.write("params.yaml", "apiVersion: nothing\n")
    failed, out, _ = run(fleet, "plan", "--uncommitted", "-o", "markdown")
    assert (failed, out.splitlines()[1]) == (1, "### No plan")
    for argv in (["--from", "nowhere"], ["--uncommitted", "--to", "main"], ["nobody"]):
        assert code(fleet, *argv) == 2  # as any wrong usage


def test_an_invalid_spec_is_listed_with_its_place(fleet: Project) -> None:
    fleet.edit("specs/kept.yaml", '"target": "target"', '"target": 1, "nonsense": 2')
    made = shown(fleet, "--from", "main", "--uncommitted", "-o", "markdown")
    assert "specs/kept.yaml&#58;5&#58;" in made
    told = planned(fleet, "--from", "main", "--uncommitted")["problems"]
    assert {problem["path"] for problem in told} == {"specs/kept.yaml"}
    assert planned(fleet, "tuned", "--uncommitted")["problems"] == []


def test_the_working_tree_is_planned_and_left_as_it_is(fleet: Project) -> None:
    fleet.edit("specs/tuned.yaml", '"alpha": 1.0', '"alpha": 0.5')
    fleet.write("specs/fresh.yaml", spec("fresh"))
    fleet.edit("specs/strict.yaml", "min: 0.2", "min: 0.3")
    fleet.git("add", "specs/strict.yaml")
    fleet.git("rm", "-q", "--cached", "specs/gone.yaml")
    (fleet.root / "specs" / "gone.yaml").unlink()
    fleet.write("data/x.csv", f"a,b,y\n{TABLE}1,1,1\n")
    before = everything(fleet)
    found = planned(fleet, "--from", "HEAD", "--uncommitted")
    changed = {row["model"]: row["kind"] for row in found["models"] if row["kind"] != "unchanged"}
    assert changed == {
        "fresh": "create",
        "gone": "retire",
        "strict": "re-judge",
        "table": "retrain",
        "tuned": "retrain",
    }
    assert found["uncommitted"] is True
    assert planned(fleet, "--from", "HEAD", "--uncommitted")["id"] == found["id"]
    assert "the working tree" in shown(fleet, "--uncommitted")
    assert everything(fleet) == before


def test_data_that_is_only_behind_its_pointer_is_no_edit(fleet: Project) -> None:
    old = (fleet.root / "data" / "x.csv").read_bytes()
    fleet.write("data/x.csv", f"a,b,y\n{TABLE}1,1,1\n")
    fleet.call("dvc", "add", "-q", "data/x.csv")
    fleet.commit("More data")
    (fleet.root / "data" / "x.csv").unlink()
    assert "notes" in planned(fleet, "--from", "HEAD", "--uncommitted")
    assert kinds(fleet, "--from", "HEAD", "--uncommitted")["table"] == "unchanged"
    fleet.write("data/x.csv", old)
    found = planned(fleet, "--from", "HEAD", "--uncommitted")
    assert {row["kind"] for row in found["models"]} == {"unchanged"}
    assert "another version" in found["notes"][0]


def test_a_merge_that_is_not_resolved_is_told(fleet: Project) -> None:
    fleet.edit("specs/tuned.yaml", '"alpha": 1.0', '"alpha": 2.0')
    fleet.commit("Tune")
    fleet.call("git", "-c", "user.name=A", "-c", "user.email=a@b", "merge", "pr", check=False)
    failed, _, said = run(fleet, "plan", "--uncommitted")
    assert (failed, "specs/tuned.yaml has a merge conflict" in said) == (2, True)


def test_a_plan_writes_nothing_in_a_fresh_clone(fleet: Project, tmp_path: Path) -> None:
    fleet.git("clone", "-q", str(fleet.root), str(tmp_path / "clone"))
    clone = Project(tmp_path / "clone", tmp_path / "home")
    clone.git("fetch", "-q", "origin", "pr:pr")
    before = everything(clone)
    for argv in ([], ["--from", "main", "--to", "pr"], ["--uncommitted"], ["tuned"]):
        for output in ("text", "markdown", "json"):
            shown(clone, *argv, "-o", output)
    assert everything(clone) == before


def test_every_way_of_showing_a_plan_tells_the_same(fleet: Project) -> None:
    argv = ("--from", "main", "--to", "pr")
    text, made = shown(fleet, *argv), shown(fleet, *argv, "-o", "markdown")
    found = planned(fleet, *argv)
    assert made.startswith("<!-- reconciler-plan -->\n")
    for row in found["models"]:
        if row["kind"] != "unchanged" or row.get("changes"):
            assert f"{row['kind']:<9} {row['model']}" in text
            assert f"| <code>{row['model']}</code> | {row['kind']} |" in made
    assert found["id"][:16] in text
    assert found["id"][:16] in made


def kept(project: Project, *argv: str) -> str:
    assert "plan.json" in shown(project, *argv, "--out", "plan.json")
    return "plan.json"


def refused(project: Project, *argv: str) -> tuple[int, str]:
    """Apply a plan that must be refused before anything is done; return code and reason."""
    before = project.git("for-each-ref")
    code, _, said = run(project, "apply", "--plan", "plan.json", *argv)
    assert project.git("for-each-ref") == before
    assert not list((project.root / ".reconciler" / "logs").glob("*.log"))
    return code, said


def test_a_stale_plan_is_refused_with_what_has_moved_on(fleet: Project) -> None:
    kept(fleet, "tuned")
    fleet.edit("specs/tuned.yaml", '"alpha": 1.0', '"alpha": 3.0')
    fleet.commit("Tune again")
    code, said = refused(fleet)
    assert (code, "HEAD declares otherwise: tuned" in said) == (1, True)

    kept(fleet, "tuned")
    site = open_site(fleet.root)
    site.store.change("tuned", lambda _: records.empty("tuned"))
    code, said = refused(fleet)
    assert (code, "records have moved on: tuned" in said) == (1, True)

    kept(fleet, "tuned")
    fleet.edit("params.yaml", "runtime:\n", 'runtime:\n  pandas: "0.1"\n')
    fleet.commit("Another runtime")
    code, said = refused(fleet)
    assert (code, "has moved on: pandas" in said) == (1, True)


def test_a_file_that_is_no_plan_is_refused_and_so_is_a_contradiction(fleet: Project) -> None:
    text = (fleet.root / kept(fleet)).read_text()
    for broken in (text[:-30], text.replace("create", "retire"), "[]", "", "specs: {}"):
        fleet.write("plan.json", broken)
        assert refused(fleet)[0] == 2
    fleet.write("plan.json", text)
    assert refused(fleet, "tuned")[0] == refused(fleet, "--rev", "main")[0] == 2
    (fleet.root / "plan.json").unlink()
    assert "cannot be read" in refused(fleet)[1]
    assert run(fleet, "plan", "--from", "pr", "--out", "p.json")[0] == 2
    assert not (fleet.root / "p.json").exists()
    failed, _, said = run(fleet, "plan", "--out", "nowhere/p.json")
    assert (failed, "cannot be written" in said) == (2, True)


def test_apply_carries_out_the_plan_and_nothing_else(fleet: Project) -> None:
    kept(fleet, "tuned")
    fleet.edit("specs/strict.yaml", "min: 0.2", "min: 0.3")
    other = fleet.commit("What the plan does not rest on")
    done = fleet.reconciler("apply", "--plan", "plan.json")
    assert "1 model is as declared" in done.stdout
    assert set(fleet.status()) - {"tuned"} == set(kinds(fleet)) - {"tuned"}
    assert fleet.champion("tuned")["revision"] != other
    recorded = fleet.git("ls-tree", "--name-only", "deployed")
    assert [p for p in recorded.split("\n") if p.endswith(".yaml")] == ["tuned.yaml"]
    assert run(fleet, "apply", "--plan", "plan.json")[0] == 1
    # what is served is damaged: that, too, is planned and carried out
    served = fleet.root / "releases" / "tuned" / "current" / "model.onnx"
    whole = served.read_bytes()
    served.chmod(0o644)
    served.write_bytes(b"damaged")
    assert kinds(fleet, "tuned") == {"tuned": "serve"}
    assert kinds(fleet)["tuned"] == "serve"
    kept(fleet, "tuned")
    before = fleet.git("rev-parse", "deployed")
    assert run(fleet, "apply", "--plan", "plan.json")[0] == 0
    assert (fleet.root / "releases/tuned/current/model.onnx").read_bytes() == whole
    assert fleet.git("rev-parse", "deployed") == before
    assert kinds(fleet, "tuned") == {"tuned": "unchanged"}
