"""Branches that each add or retrain a model, merged by git itself."""

from __future__ import annotations

from pathlib import Path

import pytest

from reconciler.adapters.git import Git
from reconciler.adapters.merging import install_merging, missing
from tests.conftest import Project

pytestmark = pytest.mark.slow

LOCK = "schema: '2.0'\nstages:\n"


def block(name: str, md5: str) -> str:
    return f"  {name}:\n    cmd: x\n    outs:\n    - path: models/{name}\n      md5: {md5}\n"


def line(name: str, digest: str) -> str:
    return f'  {name}: {{data: specs/runtime.txt, code: specs/runtime.txt, digest: "{digest}"}}\n'


def declare(project: Project, models: dict[str, str]) -> None:
    """Write both files as they are when these models were trained, by digest."""
    head = "apiVersion: reconciler/v1\ndefaults: {}\n\nmodels:\n"
    body = "".join(line(*item) for item in sorted(models.items()))
    project.write("params.yaml", head + body + "\nother: 1\n")
    stages = "".join(block(f"{s}@{n}", d) for s in ("prepare", "train") for n, d in models.items())
    project.write("dvc.lock", LOCK + stages)


@pytest.fixture
def merging(project: Project) -> Project:
    """Return a repository with two models and the merge driver."""
    install_merging(Git.open(project.root))
    declare(project, {"m": "1", "n": "1"})
    project.commit("Two models")
    return project


def branch(project: Project, name: str, models: dict[str, str]) -> None:
    project.git("checkout", "-q", "-b", name, "main")
    declare(project, models)
    project.commit(name)


@pytest.mark.parametrize(
    ("command", "mine"),
    [("merge", "one"), ("merge", "two"), ("rebase", "one"), ("cherry-pick", "two")],
)
def test_branches_that_each_add_one_and_retrain_one_merge(
    merging: Project, command: str, mine: str
) -> None:
    branch(merging, "one", {"m": "2", "n": "1", "a": "1"})
    branch(merging, "two", {"m": "1", "n": "2", "b": "1"})
    other = "two" if mine == "one" else "one"
    merging.git("checkout", "-q", mine)
    merging.git(command, *(["--no-edit"] if command == "merge" else []), other)
    want = {"a": "1", "b": "1", "m": "2", "n": "2"}
    body = "".join(line(*item) for item in want.items())
    text = (merging.root / "params.yaml").read_text()
    assert text.endswith(f"models:\n{body}\nother: 1\n")
    lock = (merging.root / "dvc.lock").read_text()
    stages = {f"{stage}@{name}": d for stage in ("prepare", "train") for name, d in want.items()}
    assert lock.startswith(LOCK)
    assert all(block(*item) in lock for item in stages.items())
    assert lock.count("cmd:") == len(stages)
    assert merging.git("status", "--porcelain") == ""


def test_one_model_retrained_on_both_sides_merges_and_says_what_was_kept(merging: Project) -> None:
    branch(merging, "one", {"m": "2", "n": "1"})
    branch(merging, "two", {"m": "3", "n": "1"})
    done = merging.call("git", "-c", "user.name=A", "-c", "user.email=a@b", "merge", "one")
    assert "train@m: changed on both sides, kept as ours" in done.stderr
    assert "run `reconciler compile`" in done.stderr
    assert block("train@m", "3") in (merging.root / "dvc.lock").read_text()


def test_what_is_not_generated_still_conflicts_and_only_that(merging: Project) -> None:
    for name, word in (("one", "1"), ("two", "2")):
        branch(merging, name, {"m": "1", "n": "1", name: "1"})
        merging.edit("params.yaml", "defaults: {}", f"defaults: {{training: {word}}}")
        merging.commit("Defaults")
    done = merging.call(
        "git", "-c", "user.name=A", "-c", "user.email=a@b", "merge", "one", check=False
    )
    assert done.returncode == 1
    text = (merging.root / "params.yaml").read_text()
    conflict = text[text.index("<<<<<<<") : text.index(">>>>>>>")]
    assert "defaults: {training: 1}" in conflict
    assert "defaults: {training: 2}" in conflict
    assert line("one", "1") in text
    assert line("two", "1") in text
    assert text.count("<<<<<<<") == 1
    assert "UU params.yaml" in merging.git("status", "--porcelain")


@pytest.mark.parametrize("driver", [None, "/nowhere/reconciler"], ids=["unset", "uninstalled"])
def test_without_the_driver_git_merges_by_line_and_never_wrongly(
    merging: Project, driver: str | None
) -> None:
    known = merging.git("config", "merge.reconciler.driver")
    merging.git("config", "--remove-section", "merge.reconciler")
    assert missing(Git.open(merging.root))
    if driver is not None:
        program = known.split(" merge-driver")[0]
        merging.git("config", "merge.reconciler.driver", known.replace(program, driver))
    branch(merging, "one", {"m": "1", "n": "1", "o": "1"})
    branch(merging, "two", {"m": "1", "n": "1", "p": "1"})
    done = merging.call(
        "git", "-c", "user.name=A", "-c", "user.email=a@b", "merge", "one", check=False
    )
    assert done.returncode == 1
    for path in ("params.yaml", "dvc.lock"):
        assert "<<<<<<<" in (merging.root / path).read_text()
        assert f"{path}\n" in merging.git("diff", "--name-only", "--diff-filter=U") + "\n"


def test_a_union_of_lines_would_name_a_model_twice(merging: Project) -> None:
    merging.write(".gitattributes", "params.yaml merge=union\n")
    merging.commit("Union")
    branch(merging, "one", {"m": "2", "n": "1"})
    branch(merging, "two", {"m": "1", "n": "2"})
    merging.git("merge", "--no-edit", "one", "-X", "ours")
    text = (merging.root / "params.yaml").read_text()
    assert text.count("  m:") == 2, "git's union has learned to merge: is a driver still needed?"


def test_installing_twice_writes_once_and_leaves_what_the_user_has(project: Project) -> None:
    project.write(".gitattributes", "*.csv text\ndvc.lock merge=ours-of-the-team")
    git = Git.open(project.root)
    assert install_merging(git) == (".gitattributes", ".git/config")
    assert (project.root / ".gitattributes").read_text() == (
        "*.csv text\ndvc.lock merge=ours-of-the-team\n"
        "/params.yaml merge=reconciler\n/reconciler.yaml merge=reconciler\n"
        "/data/.gitignore merge=union\n"
    )
    assert install_merging(git) == ()
    assert not missing(git)


def test_a_repository_that_cannot_be_written_says_so(project: Project) -> None:
    from reconciler.errors import TransientError

    (project.root / ".gitattributes.new").mkdir()
    with pytest.raises(TransientError, match=r"\.gitattributes cannot be written"):
        install_merging(Git.open(Path(project.root)))


def test_branches_that_each_track_a_table_merge(project: Project) -> None:
    install_merging(Git.open(project.root))
    project.write("data/.gitignore", "/first.csv\n")
    base = project.commit("Set up")
    for name in ("one", "two"):
        project.git("switch", "-q", "-c", name, base)
        project.write("data/.gitignore", f"/first.csv\n/{name}.csv\n")
        project.commit(f"Track {name}.csv, as `dvc add` does")
    project.git("merge", "-q", "--no-edit", "one")
    lines = (project.root / "data" / ".gitignore").read_text().split()
    assert sorted(lines) == ["/first.csv", "/one.csv", "/two.csv"]
