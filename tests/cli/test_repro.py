"""`repro` beside `dvc repro` on a twin repository: the same files, the same dvc.lock."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests import quick
from tests.conftest import Project, Specify
from tests.quick import at_rest, outputs, retune, same_as_dvc, stages_run, twin

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[Project, Project]:
    """Return a repository of two models, and the same after `repro`; tests work on copies."""
    place = tmp_path_factory.mktemp("made")
    (place / "home").mkdir()
    fresh = quick.make(place / "fresh", place / "home")
    trained = quick.copy(fresh, place / "trained")
    trained.reconciler("repro")
    return fresh, trained


@pytest.fixture
def fresh(made: tuple[Project, Project], tmp_path: Path) -> Project:
    """Return a repository of two models in which nothing has run."""
    return quick.copy(made[0], tmp_path / "repo")


@pytest.fixture
def trained(made: tuple[Project, Project], tmp_path: Path) -> Project:
    """Return a repository of two models that are up to date."""
    return quick.copy(made[1], tmp_path / "repo")


def test_a_first_run_and_edits_of_every_kind_give_what_dvc_gives(fresh: Project) -> None:
    same_as_dvc(fresh, twin(fresh))
    other = twin(fresh)
    for one in (fresh, other):
        retune(one, "a", 2.0)
        quick.declare(one, "aa")
        one.edit("dvc.yaml", "echo {} >", "echo '{}' >")
        one.reconciler("compile")
    done = fresh.reconciler("repro", "--jobs", "2")
    new = {f"{stage}@aa" for stage in ("prepare", "train", "evaluate")}
    assert stages_run(done.stdout) == {"train@a", "evaluate@a", "evaluate@b"} | new
    assert "3 models: 3 trained." in done.stdout
    other.call("dvc", "repro", "-q")
    assert outputs(fresh) == outputs(other)


def test_nothing_to_do_starts_no_dvc_and_what_is_gone_comes_from_the_cache(
    trained: Project,
) -> None:
    before = outputs(trained)
    logs = trained.root / ".reconciler" / "logs"
    shutil.rmtree(logs)
    assert "2 models: 2 unchanged." in trained.reconciler("repro").stdout
    shutil.rmtree(trained.root / "models" / "a")
    (trained.root / "reports" / "a" / "plot.csv").unlink()
    (trained.root / "data" / "prepared" / "b" / "rows").write_text("by hand")
    assert "2 models: 2 from the cache." in trained.reconciler("repro").stdout
    assert outputs(trained) == before
    assert not logs.exists()


def test_only_the_named_models_are_looked_at_and_linked_as_dvc_is_told_to(fresh: Project) -> None:
    fresh.call("dvc", "config", "cache.type", "symlink")
    assert "1 model: 1 trained." in fresh.reconciler("repro", "b").stdout
    assert (fresh.root / "models" / "b" / "deep" / "model").is_symlink()
    assert not (fresh.root / "models" / "a").exists()
    assert "Running" not in fresh.call("dvc", "repro", "evaluate@b").stdout
    done = fresh.reconciler("repro", "nobody", check=False)
    assert done.returncode == 2
    assert "there are: a, b" in done.stderr


def test_one_model_that_fails_stops_no_other_and_its_files_stay(trained: Project) -> None:
    before = outputs(trained)
    quick.declare(trained, "c")
    trained.reconciler("compile")
    trained.edit("dvc.yaml", "cmd: mkdir -p models", "cmd: test ${key} != b && mkdir -p models")
    trained.edit("specs/c.yaml", "target", "targt")
    done = trained.reconciler("repro", "--jobs", "2", check=False)
    assert done.returncode == 1
    assert "✗ b: " in done.stdout
    assert "✗ c: specs/c.yaml:" in done.stdout
    assert "3 models: 1 trained, 2 failed." in done.stdout
    after = outputs(trained)
    assert {p for p in after if after[p] != before.get(p)} == {"dvc.lock"}


def test_what_is_out_of_step_is_said_and_nothing_runs(fresh: Project) -> None:
    quick.declare(fresh, "d")
    done = fresh.reconciler("repro", check=False)
    assert done.returncode == 1
    assert "params.yaml is out of step with specs/ (d)" in done.stderr
    assert "run `reconciler compile`" in done.stderr
    assert not (fresh.root / "dvc.lock").exists()


def test_stages_of_the_users_own_are_named_and_left_to_dvc(fresh: Project) -> None:
    fresh.write(
        "specs/theirs.yaml",
        "apiVersion: reconciler/v1\nkind: Model\nmetadata: {name: theirs}\nspec:\n"
        "  data: {test: data/rows.csv, target: b}\n"
        "  training: {stages: [fit], model: m.pkl}\n"
        "  acceptance: [{metric: r2, min: 0.2}]\n",
    )
    text = (fresh.root / "dvc.yaml").read_text()
    fresh.write("dvc.yaml", text + "  fit:\n    cmd: echo 1 > m.pkl\n    outs: [m.pkl]\n")
    fresh.reconciler("compile")
    done = fresh.reconciler("repro", "theirs", check=False)
    assert done.returncode == 2
    assert "no stages of its own for theirs" in done.stderr
    done = fresh.reconciler("repro", "a")
    assert "note: left to `dvc repro`: fit" in done.stdout
    assert not (fresh.root / "m.pkl").exists()


def test_what_repro_trained_apply_takes_from_the_cache(project: Project, specify: Specify) -> None:
    project.write("specs/m.yaml", specify("m"))
    project.reconciler("compile")
    project.reconciler("repro")
    project.commit()
    done = project.reconciler("apply")
    assert stages_run(done.stdout) == set()
    assert project.champion("m")["bundle"]["md5"] in (project.root / "dvc.lock").read_text()


def test_data_that_dvc_tracks_is_brought_taken_in_when_edited_and_kept_when_only_older(
    trained: Project,
) -> None:
    trained.git("rm", "-q", "--cached", "data/rows.csv")
    trained.call("dvc", "add", "data/rows.csv")
    pointer, data = trained.root / "data" / "rows.csv.dvc", trained.root / "data" / "rows.csv"
    first = pointer.read_text()
    other = twin(trained)
    for one in (trained, other):
        one.write("data/rows.csv", "a,b\n7,8\n")
    other.call("dvc", "repro", "-q")
    done = trained.reconciler("repro", "--jobs", "2")
    assert "data/rows.csv was edited: data/rows.csv.dvc names it now" in done.stdout
    assert outputs(trained) == outputs(other)
    data.unlink()
    assert "was brought from the cache" in trained.reconciler("repro").stdout
    assert data.read_text() == "a,b\n7,8\n"
    pointer.write_text(first)
    done = trained.reconciler("repro", check=False)
    assert done.returncode == 1
    assert "another version than data/rows.csv.dvc names" in done.stdout
    assert (pointer.read_text(), data.read_text()) == (first, "a,b\n7,8\n")


def test_what_only_dvc_can_follow_is_left_to_dvc_in_the_tree(trained: Project) -> None:
    trained.write("raw.csv", "a,b\n1,2\n")
    trained.edit(
        "dvc.yaml",
        "stages:\n",
        "stages:\n  load:\n    cmd: cat raw.csv > data/rows.csv\n    deps: [raw.csv]\n"
        "    outs: [{data/rows.csv: {cache: false}}]\n",
    )
    trained.edit("dvc.yaml", "cmd: mkdir -p models", "cmd: test ${key} != b && mkdir -p models")
    done = trained.reconciler("repro", check=False)
    assert "note: left to `dvc repro`: load" in done.stdout
    assert "only DVC can tell: it rests on what stage load writes" in done.stdout
    assert "✗ b: it failed in `dvc repro`" in done.stdout
    assert "2 models: 1 trained, 1 failed." in done.stdout


def test_without_a_root_gitignore_outputs_are_ignored_where_dvc_would_ignore_them(
    fresh: Project,
) -> None:
    fresh.write(".gitignore", "/.reconciler/\n")
    other = twin(fresh)
    other.call("dvc", "repro", "-q")
    fresh.reconciler("repro", "--jobs", "1")
    ignored = fresh.git("ls-files", "--others", "--ignored", "--exclude-standard", "models")
    assert "models/a/deep/model" in ignored
    for path in other.root.rglob(".gitignore"):
        here = fresh.root / path.relative_to(other.root)
        assert sorted(here.read_text().split()) == sorted(path.read_text().split()), path


def test_branches_that_each_add_and_retrain_a_model_merge_in_both_orders_and_run_nothing(
    trained: Project,
) -> None:
    trained.reconciler("init")
    trained.commit("Two models")
    for branch, old, added in (("one", "a", "aa"), ("two", "b", "ab")):
        trained.git("checkout", "-q", "-b", branch, "main")
        retune(trained, old, 2.0)
        quick.declare(trained, added)
        trained.reconciler("compile")
        trained.reconciler("repro", "--jobs", "2")
        trained.commit(f"Branch {branch}")
    for first, second in (("one", "two"), ("two", "one")):
        trained.git("checkout", "-q", "-B", "merged", first)
        trained.git("merge", "--no-edit", second)
        assert trained.git("status", "--porcelain") == ""
        trained.reconciler("compile", "--check")
        other = twin(trained)
        assert "Running stage" not in other.call("dvc", "repro").stdout
        assert stages_run(trained.reconciler("repro").stdout) == set()
        assert outputs(trained) == outputs(other)
    at_rest(trained)
