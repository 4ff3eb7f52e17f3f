"""`new`: a table becomes a spec that validates, trains and passes."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from tests.conftest import SHARED, Project

TABLES = {
    "housing.csv": "median_house_value",
    "telco_churn.csv": "Churn",
    "bike_hour.csv": "cnt",
    "sms_spam.tsv": "column_1",
}


@pytest.fixture
def ready(project: Project) -> Project:
    """Return a repository that `init` has made ready."""
    project.reconciler("init")
    project.commit("Set up")
    return project


def spec(project: Project, name: str) -> dict[str, Any]:
    text = (project.root / "specs" / f"{name}.yaml").read_text()
    return dict(YAML(typ="safe").load(text)["spec"])


def houses(rows: int = 400, *, columns: str = "rooms,age,price") -> str:
    lines = (
        f"{i % 7},{(i * 37) % 50},{10 * (i % 7) + (i * 37) % 50 + (i * 11) % 13}"
        for i in range(rows)
    )
    return "\n".join([columns, *lines]) + "\n"


def test_a_table_becomes_a_spec_that_is_valid_and_compiled(ready: Project) -> None:
    ready.write("data/houses.csv", houses())
    said = ready.reconciler("new", "houses", "--from", "data/houses.csv").stdout
    assert "target  price (guessed by its name): regression" in said
    body = spec(ready, "houses")
    assert body["data"]["target"] == "price"
    assert body["data"]["columns"] == {"rooms": {"type": "integer"}, "age": {"type": "integer"}}
    assert "all valid" in ready.reconciler("validate").stdout
    assert "in step" in ready.reconciler("compile", "--check").stdout


def test_a_spec_that_is_there_is_not_overwritten(ready: Project) -> None:
    ready.write("data/houses.csv", houses())
    ready.write("specs/houses.yaml", "mine")
    done = ready.reconciler("new", "houses", "--from", "data/houses.csv", check=False)
    assert done.returncode == 2
    assert "not overwritten" in done.stderr
    assert (ready.root / "specs" / "houses.yaml").read_text() == "mine"


@pytest.mark.slow
@pytest.mark.skipif(not SHARED.is_dir(), reason=f"the tables are not at {SHARED}")
def test_drafts_of_real_tables_are_released_as_they_stand(ready: Project) -> None:
    (ready.root / "data").mkdir()
    for file, target in TABLES.items():
        shutil.copy(SHARED / file, ready.root / "data" / file)
        name = Path(file).stem.replace("_", "-")
        ready.reconciler("new", name, "--from", f"data/{file}")
        assert spec(ready, name)["data"]["target"] == target
    assert spec(ready, "bike-hour")["data"]["ignore"] == ["instant", "casual", "registered"]
    assert spec(ready, "telco-churn")["data"]["ignore"] == ["customerID"]
    assert spec(ready, "sms-spam")["data"]["reader"] == {"header": False, "quote": None}
    ready.commit("Declare four models")
    said = ready.reconciler("apply", "bike-hour", "sms-spam").stdout  # the tour has the others
    assert "2 models are as declared" in said


def test_data_from_elsewhere_is_to_be_copied_first(ready: Project, tmp_path: Path) -> None:
    (tmp_path / "houses.csv").write_text(houses())
    done = ready.reconciler("new", "houses", "--from", str(tmp_path / "houses.csv"), check=False)
    assert done.returncode == 2
    assert "copy it to data/houses.csv" in done.stderr
    assert not (ready.root / "specs" / "houses.yaml").exists()


@pytest.mark.slow
def test_a_large_table_is_to_be_tracked_by_dvc_and_the_printed_commands_do_it(
    ready: Project,
) -> None:
    ready.git("config", "user.name", "Ada")
    ready.git("config", "user.email", "ada@example.org")
    rows = houses(20_000, columns="rooms,age,price,note").replace("\n", f",{'x' * 300}\n")
    ready.write("data/houses.csv", rows.replace(f"note,{'x' * 300}", "note", 1))
    said = ready.reconciler("new", "houses", "--from", "data/houses.csv").stdout
    *commands, _apply = [line.strip() for line in said.partition("next:\n")[2].splitlines()]
    assert commands[0].startswith("dvc add data/houses.csv")
    for command in commands:
        ready.call("sh", "-ec", command)
    assert ready.git("status", "--porcelain") == ""
    assert ready.plan("houses")["houses"]["kind"] == "create"


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("House", "--from", "data/houses.csv"), "a model cannot be called"),
        (("../x", "--from", "data/houses.csv"), "a model cannot be called"),
        (("dvc", "--from", "data/houses.csv"), "a model cannot be called dvc"),
        (("m", "--from", "data/house.csv"), "did you mean houses.csv?"),
        (("m", "--from", "gone.csv"), "dvc pull gone.csv"),
        (("m", "--from", "data"), "does not say by its ending"),
        (("m", "--from", "README"), "does not say by its ending"),
        (("m", "--from", "data/houses.csv", "-t", "prize"), "did you mean price?"),
        (("m", "--from", "hidden.csv"), "git ignores hidden.csv"),
        (("m", "--from", "sklearn:irish"), "iris"),
    ],
)
def test_what_cannot_be_drafted_is_said_and_nothing_is_written(
    ready: Project, arguments: tuple[str, ...], words: str
) -> None:
    ready.write("data/houses.csv", houses(60))
    ready.write("hidden.csv", houses(60))
    ready.write("README", "")
    ready.write("gone.csv.dvc", "outs: []")
    ready.write(".git/info/exclude", "hidden.csv\n")
    before = ready.git("status", "--porcelain", "-uall")
    done = ready.reconciler("new", *arguments, check=False)
    assert done.returncode in (1, 2)
    assert words in done.stderr
    assert "bug of reconciler" not in done.stderr
    assert ready.git("status", "--porcelain", "-uall") == before


def test_a_dataset_of_scikit_learn_can_be_drafted_too(ready: Project) -> None:
    ready.reconciler("new", "wine", "--from", "sklearn:wine")
    assert spec(ready, "wine")["data"]["source"] == "sklearn:wine"


def test_a_repository_without_dvc_is_told_what_is_missing(project: Project) -> None:
    project.write("t.csv", houses())
    project.call("rm", "-r", ".dvc")
    done = project.reconciler("new", "m", "--from", "t.csv", check=False)
    assert done.returncode == 2
    assert "reconciler init" in done.stderr
