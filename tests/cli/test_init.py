"""`init` in the places where people run it: it adds what is missing, and lists what it did."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest

from tests.conftest import Project

PIPELINE = """\
stages:
  prepare:
    cmd: mkdir -p data/prepared && cp data/raw.csv data/prepared/a.csv
    deps: [data/raw.csv]
    outs: [data/prepared]
  train:
    cmd: mkdir -p models reports && cp data/prepared/a.csv models/model.pkl && cp src/x reports/m
    deps: [data/prepared, src]
    params: [train.alpha]
    outs: [models/model.pkl]
    metrics: [{reports/m: {cache: false}}]
"""


@pytest.fixture
def folder(tmp_path: Path) -> Project:
    """Return an empty folder, no repository yet."""
    root, home = tmp_path / "repo", tmp_path / "home"
    root.mkdir()
    home.mkdir()
    return Project(root, home)


@pytest.fixture
def adopted(folder: Project) -> Project:
    """Return a repository with a pipeline and parameters of its own."""
    folder.git("init", "-q")
    folder.call("dvc", "init", "-q")
    folder.write("dvc.yaml", PIPELINE)
    folder.write("params.yaml", "train:\n  alpha: 0.3  # as in the paper\n")
    folder.write("data/raw.csv", "a,b\n1,2\n")
    folder.write("src/x", "1")
    folder.write(".gitignore", "venv")
    folder.call("dvc", "repro", "-q")
    folder.commit("A pipeline")
    return folder


def contents(root: Path) -> dict[str, bytes]:
    """Return every file but git's own and what DVC keeps for itself."""
    files = (path.relative_to(root) for path in root.rglob("*") if path.is_file())
    shown = (p for p in files if p.parts[0] != ".git" and p.parts[:2] != (".dvc", "tmp"))
    return {str(path): (root / path).read_bytes() for path in shown}


def listed(said: str) -> set[str]:
    """Return the files that are said to have been written or added to."""
    lines = re.findall(r"^  (?:wrote +|added .* to )(\S+)$", said, re.MULTILINE)
    [ran] = re.findall(r"^  ran +dvc init: (.*)$", said, re.MULTILINE) or [""]
    return {*lines, *filter(None, ran.split(", "))}


def commands(said: str) -> list[str]:
    return [line.strip() for line in said.partition("next:\n")[2].splitlines()]


def test_an_empty_folder_becomes_a_repository_and_every_file_is_listed(folder: Project) -> None:
    said = folder.reconciler("init").stdout
    assert "ran    git init" in said
    assert listed(said) == {*contents(folder.root), ".git/config"}
    assert folder.git("log", "--all", "--oneline") == ""


def test_what_was_written_is_committed_by_the_commands_that_are_printed(folder: Project) -> None:
    folder.git("config", "--global", "user.name", "Ada")
    folder.git("config", "--global", "user.email", "ada@example.org")
    add, commit, new = commands(folder.reconciler("init").stdout)
    folder.call("sh", "-ec", f"{add}\n{commit}")
    assert folder.git("status", "--porcelain") == ""
    assert new.startswith("reconciler new")
    assert "no models" in folder.reconciler("plan").stdout


def test_a_second_run_writes_nothing_and_says_so(folder: Project) -> None:
    folder.reconciler("init", "--demo")
    before = contents(folder.root)
    said = folder.reconciler("init", "--demo").stdout
    assert "nothing was written" in said
    assert listed(said) == set()
    assert contents(folder.root) == before


@pytest.mark.slow
def test_the_demo_is_released_by_the_commands_that_are_printed(folder: Project) -> None:
    said = folder.reconciler("init", "--demo").stdout
    assert commands(said)[-1] == "reconciler apply"
    assert "git does not know who you are" in said
    folder.commit("Set up the reconciler")
    assert "1 model is as declared" in folder.reconciler("apply").stdout
    assert folder.git("status", "--porcelain") == ""


def test_a_pipeline_of_the_users_own_keeps_running_nothing_and_its_files_stay(
    adopted: Project,
) -> None:
    before = contents(adopted.root)
    said = adopted.reconciler("init").stdout
    after = contents(adopted.root)
    changed = {path for path in after if after[path] != before.get(path)}
    assert {*changed, ".git/config"} == listed(said)
    for path in changed & set(before):
        assert after[path].startswith(before[path])
    assert after["dvc.yaml"] == before["dvc.yaml"]
    assert "didn't change" in adopted.call("dvc", "repro").stdout
    assert "Running" not in adopted.call("dvc", "repro").stdout


def test_what_git_sees_or_a_stage_writes_is_not_ignored(adopted: Project) -> None:
    said = adopted.reconciler("init").stdout
    assert "without /data/prepared/: dvc.yaml has the output data/prepared" in said
    assert "without /models/: git sees models/.gitignore" in said
    assert "without /reports/: git sees reports/m" in said
    ignored = (adopted.root / ".gitignore").read_text().splitlines()
    assert ignored[0] == "venv"
    assert "/.reconciler/" in ignored
    assert "/models/" not in ignored


def test_a_clone_gets_the_merge_driver_and_nothing_else(folder: Project) -> None:
    folder.reconciler("init")
    folder.commit()
    folder.git("clone", "-q", ".", "../clone")
    clone = Project(folder.root.parent / "clone", Path(folder.env["HOME"]))
    assert listed(clone.reconciler("init").stdout) == {".git/config"}
    assert clone.git("status", "--porcelain") == ""
    assert "nothing was written" in clone.reconciler("init").stdout


def test_in_a_subfolder_the_top_of_the_repository_is_set_up(adopted: Project) -> None:
    below = adopted.write("notes/today.md", "…").parent
    inside = Project(below, adopted.root.parent / "home")
    said = inside.reconciler("init").stdout
    assert commands(said)[0] == f"cd {adopted.root}"
    assert commands(said)[1].startswith(
        "git add .dvcignore .gitattributes .gitignore reconciler.yaml"
    )
    assert (adopted.root / "specs" / "runtime.txt").is_file()
    assert list(below.iterdir()) == [below / "today.md"]


def test_only_what_is_ours_is_to_be_added_where_other_changes_wait(adopted: Project) -> None:
    adopted.write("src/x", "2")
    adopted.write("dvc.yaml", PIPELINE + "# soon more\n")
    [add, *_] = commands(adopted.reconciler("init").stdout)
    assert "src/x" not in add
    assert "dvc.yaml" not in add
    assert "reconciler.yaml" in add


def test_a_key_of_ours_that_means_something_else_there_stops_it_before_it_writes(
    adopted: Project,
) -> None:
    adopted.write("params.yaml", "apiVersion: reconciler/v1\nmodels: [ridge, lasso]\n")
    before = contents(adopted.root)
    done = adopted.reconciler("init", check=False)
    assert done.returncode == 1
    assert "params.yaml:2:" in done.stderr
    assert "models" in done.stderr
    assert contents(adopted.root) == before


def test_params_yaml_of_a_pipeline_of_the_users_own_may_call_its_keys_as_it_likes(
    adopted: Project,
) -> None:
    theirs = adopted.write("params.yaml", "models: [ridge, lasso]\ntargets: 3\n").read_bytes()
    adopted.reconciler("init")
    assert (adopted.root / "params.yaml").read_bytes() == theirs
    assert "runtime:" in (adopted.root / "reconciler.yaml").read_text()
    assert adopted.reconciler("validate").returncode == 0


def test_dvc_in_a_subfolder_is_not_doubled(folder: Project) -> None:
    folder.git("init", "-q")
    (folder.root / "ml").mkdir()
    Project(folder.root / "ml", folder.root.parent / "home").call("dvc", "init", "-q", "--subdir")
    done = folder.reconciler("init", check=False)
    assert done.returncode == 2
    assert "DVC is set up in ml/" in done.stderr
    assert not (folder.root / ".dvc").exists()


def test_a_bare_repository_a_home_and_a_machine_without_git_are_refused(folder: Project) -> None:
    home = Path(folder.env["HOME"])
    at_home = Project(home, home).reconciler("init", check=False)
    assert "no place for a repository" in at_home.stderr
    folder.git("init", "-q", "--bare", ".")
    bare = folder.reconciler("init", check=False)
    assert "bare repository" in bare.stderr
    folder.env["PATH"] = str(home)
    without = folder.reconciler("init", check=False)
    assert "`git` is not installed" in without.stderr
    assert {at_home.returncode, bare.returncode, without.returncode} == {1, 2}


def test_a_folder_that_git_ignores_for_dvc_is_told_in_dvcs_words(folder: Project) -> None:
    folder.git("init", "-q")
    folder.write(".gitignore", ".dvc\n")
    done = folder.reconciler("init", check=False)
    assert done.returncode == 1
    assert "ignored by your SCM tool" in done.stderr


def test_a_detached_head_and_hidden_files_are_pointed_out(adopted: Project) -> None:
    adopted.git("checkout", "-q", "--detach")
    adopted.write(".git/info/exclude", "*.txt\n")
    said = adopted.reconciler("init").stdout
    assert "HEAD is detached" in said
    assert "git ignores specs/runtime.txt" in said


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_that_cannot_be_written_is_said(folder: Project) -> None:
    folder.root.chmod(0o555)
    done = folder.reconciler("init", check=False)
    folder.root.chmod(0o755)
    assert done.returncode == 1
    assert "cannot be written" in done.stderr


def test_an_obstacle_halfway_is_said_and_the_next_run_goes_on(folder: Project) -> None:
    folder.write("specs", "no folder")
    done = folder.reconciler("init", check=False)
    assert done.returncode == 1
    assert "specs/model.schema.json cannot be written" in done.stderr
    (folder.root / "specs").unlink()
    assert "wrote  specs/model.schema.json" in folder.reconciler("init").stdout
