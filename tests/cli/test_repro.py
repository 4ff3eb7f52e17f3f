"""`repro` beside `dvc repro` on a twin repository: the same files, the same dvc.lock."""

from __future__ import annotations

import contextlib
import random
import re
import shutil
import signal
import subprocess
from pathlib import Path

import psutil
import pytest
from ruamel.yaml import YAML

from tests.conftest import BIN, Project, Specify

pytestmark = pytest.mark.slow

PREPARE = "mkdir -p data/prepared/${key} && cat ${item.data} > data/prepared/${key}/rows"
TRAIN = "mkdir -p models/${key}/deep && cat specs/${key}.yaml > models/${key}/deep/model"
EVALUATE = (
    "mkdir -p reports/${key}/report && cd reports/${key} && echo 1 > predictions.parquet"
    " && echo {} > metrics.json && echo a > plot.csv && echo r > report/r"
)


@pytest.fixture
def quick(project: Project, specify: Specify) -> Project:
    """Return a repository with three models whose stages take no time."""
    pipeline = (project.root / "dvc.yaml").read_text()
    for stage, command in (("prepare", PREPARE), ("train", TRAIN), ("evaluate", EVALUATE)):
        pipeline = pipeline.replace(f"reconciler-stage {stage} ${{key}}", command)
    project.write("dvc.yaml", pipeline)
    project.write("data/rows.csv", "a,b\n1,2\n")
    for name in ("c", "a", "b"):
        project.write(f"specs/{name}.yaml", specify(name, source="data/rows.csv", target="b"))
    project.reconciler("compile")
    project.commit()
    return project


def twin(project: Project) -> Project:
    """Return a copy of the repository, with a cache of its own."""
    root = project.root.with_name("twin")
    shutil.rmtree(root, ignore_errors=True)
    shutil.copytree(project.root, root, symlinks=True)
    return Project(root, Path(project.env["HOME"]))


def outputs(project: Project) -> dict[str, bytes]:
    """Return every file of the outputs, and what DVC writes beside them."""
    folders = ("data", "models", "reports")
    found = [p for folder in folders for p in (project.root / folder).rglob("*") if p.is_file()]
    found += [project.root / name for name in ("dvc.lock", ".gitignore")]
    return {str(path.relative_to(project.root)): path.read_bytes() for path in found}


def same_as_dvc(project: Project, other: Project) -> None:
    """Run each its way, and check that nothing tells them apart and nothing is left to do."""
    other.call("dvc", "repro", "-q")
    project.reconciler("repro", "--jobs", "2")
    assert outputs(project) == outputs(other)
    assert "up to date" in project.call("dvc", "status").stdout
    assert "Running stage" not in project.call("dvc", "repro").stdout
    assert outputs(project) == outputs(other)


def stages_run(text: str) -> set[str]:
    return {
        f"{stage}@{model}" for model, stage in re.findall(r"^  (\w+): (\w+) …", text, re.MULTILINE)
    }


def test_a_first_run_an_edit_of_each_kind_and_a_new_model_give_what_dvc_gives(
    quick: Project, specify: Specify
) -> None:
    same_as_dvc(quick, twin(quick))
    other = twin(quick)
    for one in (quick, other):
        one.edit("specs/a.yaml", '"hyperparameters": {}', '"hyperparameters": {"alpha": 2.0}')
        one.write("specs/aa.yaml", specify("aa", source="data/rows.csv", target="b"))
        one.reconciler("compile")
    done = quick.reconciler("repro", "--jobs", "2")
    new = {f"{stage}@aa" for stage in ("prepare", "train", "evaluate")}
    assert stages_run(done.stdout) == {"train@a", "evaluate@a"} | new
    assert "4 models: 2 unchanged, 2 trained." in done.stdout
    same_as_dvc(quick, other)
    other = twin(quick)
    for one in (quick, other):
        one.write("data/rows.csv", "a,b\n1,3\n")
        one.edit("dvc.yaml", "echo {} >", "echo '{}' >")
    same_as_dvc(quick, other)


def test_nothing_to_do_starts_no_dvc_and_what_is_gone_comes_from_the_cache(quick: Project) -> None:
    quick.reconciler("repro")
    before = outputs(quick)
    logs = quick.root / ".reconciler" / "logs"
    shutil.rmtree(logs)
    assert "3 models: 3 unchanged." in quick.reconciler("repro").stdout
    shutil.rmtree(quick.root / "models" / "a")
    (quick.root / "reports" / "b" / "plot.csv").unlink()
    (quick.root / "data" / "prepared" / "c" / "rows").write_text("by hand")
    done = quick.reconciler("repro")
    assert "3 models: 3 from the cache." in done.stdout
    assert outputs(quick) == before
    assert not logs.exists()


def test_only_the_named_models_are_looked_at(quick: Project) -> None:
    assert "1 model: 1 trained." in quick.reconciler("repro", "b").stdout
    assert not (quick.root / "models" / "a").exists()
    done = quick.reconciler("repro", "nobody", check=False)
    assert done.returncode == 2
    assert "there are: a, b, c" in done.stderr


def test_one_model_that_fails_stops_no_other_and_its_files_stay(quick: Project) -> None:
    quick.reconciler("repro")
    before = outputs(quick)
    quick.edit("dvc.yaml", "cmd: mkdir -p models", "cmd: test ${key} != b && mkdir -p models")
    quick.edit("specs/c.yaml", "target", "targt")
    done = quick.reconciler("repro", "--jobs", "2", check=False)
    assert done.returncode == 1
    assert "✗ b: " in done.stdout
    assert "✗ c: specs/c.yaml:" in done.stdout
    assert "3 models: 1 trained, 2 failed." in done.stdout
    after = outputs(quick)
    assert {p for p in after if after[p] != before.get(p)} == {"dvc.lock"}


def test_what_is_out_of_step_is_said_and_nothing_runs(quick: Project, specify: Specify) -> None:
    quick.write("specs/d.yaml", specify("d"))
    done = quick.reconciler("repro", check=False)
    assert done.returncode == 1
    assert "params.yaml is out of step with specs/ (d)" in done.stderr
    assert "run `reconciler compile`" in done.stderr
    assert not (quick.root / "dvc.lock").exists()


def test_what_repro_trained_apply_takes_from_the_cache(project: Project, specify: Specify) -> None:
    project.write("specs/m.yaml", specify("m"))
    project.reconciler("compile")
    project.reconciler("repro")
    project.commit()
    done = project.reconciler("apply")
    assert stages_run(done.stdout) == set()
    assert project.champion("m")["bundle"]["md5"] in (project.root / "dvc.lock").read_text()


@pytest.mark.parametrize("kind", ["hardlink", "symlink"])
def test_outputs_are_linked_as_dvc_is_told_to(quick: Project, kind: str) -> None:
    quick.call("dvc", "config", "cache.type", kind)
    quick.reconciler("repro", "a")
    model = quick.root / "models" / "a" / "deep" / "model"
    assert model.is_symlink() == (kind == "symlink")
    assert kind == "symlink" or model.stat().st_nlink > 1
    assert "Running" not in quick.call("dvc", "repro", "evaluate@a").stdout
    assert "'a" not in quick.call("dvc", "status", "evaluate@a").stdout


def test_killed_at_any_moment_outputs_and_lock_are_whole_and_the_next_run_ends_as_dvc_does(
    quick: Project,
) -> None:
    quick.reconciler("repro")
    chance, words = random.Random(7), ["{}"]
    for number in range(6):
        words.append(f'{{"alpha": {number}.5}}')
        for name in "abc":
            quick.edit(f"specs/{name}.yaml", words[-2], words[-1])
        _killed(quick, after_s=chance.uniform(0.5, 2.5), everything=bool(number % 2))
        for name in "abc":
            text = (quick.root / "models" / name / "deep" / "model").read_text()
            assert sum(f'"hyperparameters": {word}' in text for word in words) == 1
            assert (quick.root / "data" / "prepared" / name / "rows").is_file()
            assert len(list((quick.root / "reports" / name).rglob("*.*"))) == 3
        stages = YAML(typ="safe").load((quick.root / "dvc.lock").read_text())["stages"]
        assert len(stages) == 9
        assert all(block["outs"] for block in stages.values())
    same_as_dvc(quick, twin(quick))
    assert not list(quick.root.glob("models/.*"))


def _killed(project: Project, after_s: float, everything: bool) -> None:
    """Start repro and kill it after a while, alone or with all that it started."""
    child = subprocess.Popen(
        [str(BIN / "reconciler"), "repro", "--jobs", "2"],
        cwd=project.root, env=project.env, start_new_session=True,
        stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    try:
        child.wait(after_s)
    except subprocess.TimeoutExpired:
        victims = psutil.Process(child.pid).children(recursive=True) if everything else []
        child.kill()
        for victim in victims:
            with contextlib.suppress(psutil.NoSuchProcess):
                victim.kill()
        child.wait()


def test_an_interrupt_ends_what_runs_and_leaves_the_tree_as_it_was(quick: Project) -> None:
    quick.reconciler("repro")
    before = outputs(quick)
    quick.edit("dvc.yaml", "cmd: mkdir -p models", "cmd: sleep 61.37 && mkdir -p models")
    child = subprocess.Popen(
        [str(BIN / "reconciler"), "repro"], cwd=quick.root, env=quick.env, text=True,
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
    )  # fmt: skip
    assert child.stdout is not None
    assert any("train …" in line for line in child.stdout)
    child.send_signal(signal.SIGINT)
    said, _ = child.communicate(timeout=30)
    assert child.returncode == 130
    assert "interrupted" in said
    assert outputs(quick) == before
    assert not [p for p in psutil.process_iter(["cmdline"]) if "61.37" in str(p.info)]


def test_data_that_dvc_tracks_is_brought_taken_in_when_edited_and_kept_when_only_older(
    quick: Project, specify: Specify
) -> None:
    quick.git("rm", "-q", "--cached", "data/rows.csv")
    quick.call("dvc", "add", "data/rows.csv")
    quick.reconciler("repro")
    pointer, data = quick.root / "data" / "rows.csv.dvc", quick.root / "data" / "rows.csv"
    first = pointer.read_text()
    other = twin(quick)
    for one in (quick, other):
        one.write("data/rows.csv", "a,b\n7,8\n")
    other.call("dvc", "repro", "-q")
    done = quick.reconciler("repro")
    assert "data/rows.csv was edited: data/rows.csv.dvc names it now" in done.stdout
    assert outputs(quick) == outputs(other)
    assert "up to date" in quick.call("dvc", "status").stdout
    data.unlink()
    assert "was brought from the cache" in quick.reconciler("repro").stdout
    assert data.read_text() == "a,b\n7,8\n"
    pointer.write_text(first)
    done = quick.reconciler("repro", check=False)
    assert done.returncode == 1
    assert "another version than data/rows.csv.dvc names" in done.stdout
    assert (pointer.read_text(), data.read_text()) == (first, "a,b\n7,8\n")


def test_what_only_dvc_can_follow_is_left_to_dvc_in_the_tree(quick: Project) -> None:
    quick.write("raw.csv", "a,b\n1,2\n")
    quick.edit(
        "dvc.yaml",
        "stages:\n",
        "stages:\n  load:\n    cmd: cat raw.csv > data/rows.csv\n    deps: [raw.csv]\n"
        "    outs: [{data/rows.csv: {cache: false}}]\n",
    )
    quick.edit("dvc.yaml", "cmd: mkdir -p models", "cmd: test ${key} != b && mkdir -p models")
    done = quick.reconciler("repro", check=False)
    assert "note: left to `dvc repro`: load" in done.stdout
    assert "only DVC can tell: it rests on what stage load writes" in done.stdout
    assert "✗ b: it failed in `dvc repro`" in done.stdout
    assert "3 models: 2 trained, 1 failed." in done.stdout
    quick.edit("dvc.yaml", "test ${key} != b", "true")
    assert "3 trained" in quick.reconciler("repro").stdout
    assert "up to date" in quick.call("dvc", "status").stdout


def test_without_a_root_gitignore_outputs_are_ignored_where_dvc_would_ignore_them(
    quick: Project,
) -> None:
    quick.write(".gitignore", "/.reconciler/\n")
    other = twin(quick)
    other.call("dvc", "repro", "-q")
    quick.reconciler("repro", "--jobs", "1")
    ignored = quick.git("ls-files", "--others", "--ignored", "--exclude-standard", "models")
    assert "models/a/deep/model" in ignored
    for path in other.root.rglob(".gitignore"):
        here = quick.root / path.relative_to(other.root)
        assert sorted(here.read_text().split()) == sorted(path.read_text().split()), path


def test_branches_that_each_add_and_retrain_a_model_merge_in_both_orders_and_run_nothing(
    quick: Project, specify: Specify
) -> None:
    quick.reconciler("init")
    quick.reconciler("repro")
    quick.commit("Three models")
    for branch, old, new in (("one", "a", "a1"), ("two", "c", "b1")):
        quick.git("checkout", "-q", "-b", branch, "main")
        quick.edit(f"specs/{old}.yaml", '"hyperparameters": {}', '"hyperparameters": {"alpha": 2}')
        quick.write(f"specs/{new}.yaml", specify(new, source="data/rows.csv", target="b"))
        quick.reconciler("compile")
        quick.reconciler("repro")
        quick.commit(f"Branch {branch}")
    for first, second in (("one", "two"), ("two", "one")):
        quick.git("checkout", "-q", "-B", "merged", first)
        quick.git("merge", "--no-edit", second)
        assert quick.git("status", "--porcelain") == ""
        quick.reconciler("compile", "--check")
        other = twin(quick)
        assert "Running stage" not in other.call("dvc", "repro").stdout
        done = quick.reconciler("repro")
        assert stages_run(done.stdout) == set()
        assert outputs(quick) == outputs(other)
        assert quick.git("status", "--porcelain") == ""
        assert "up to date" in quick.call("dvc", "status").stdout
