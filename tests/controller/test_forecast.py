"""What DVC has kept is found without DVC: here, in a lock that somebody kept, on the remote."""

from __future__ import annotations

import json
import shutil
from collections.abc import Collection, Iterable, Mapping
from pathlib import Path
from typing import Any

import pytest

from reconciler.adapters import catalogue
from reconciler.adapters.git import Git
from reconciler.adapters.remote_look import RemoteLook, asked
from reconciler.adapters.run_cache import Found
from reconciler.controller import fleet as fleets
from reconciler.controller.authored import Authored
from reconciler.controller.forecast import Forecaster, Remote, Silent
from reconciler.core.outlook import Result
from reconciler.errors import ReconcilerError, TransientError
from tests.conftest import ROOT, Project, spec

pytestmark = pytest.mark.slow

CATALOGUE = catalogue.load(Path(__file__).parent)
STAND_IN = """\
stages:
  prepare:
    foreach: ${models}
    do:
      cmd: mkdir -p data/prepared/${key} && cp -r ${item.data} data/prepared/${key}/all
      deps: ["${item.data}"]
      params: ["models.${key}.digest", {"specs/${key}.yaml": [spec.data]}]
      outs: ["data/prepared/${key}"]
  train:
    foreach: ${models}
    do:
      cmd: mkdir -p models/${key} && ls data/prepared/${key}/all > models/${key}/model
      deps: ["data/prepared/${key}", "${item.code}"]
      params: ["models.${key}.digest", {"specs/${key}.yaml": [spec.training]}]
      outs: ["models/${key}"]
  evaluate:
    foreach: ${models}
    do:
      cmd: mkdir -p reports/${key} && echo 1 > reports/${key}/predictions.parquet
      deps: ["data/prepared/${key}", "models/${key}"]
      params: ["models.${key}.digest"]
      outs: ["reports/${key}/predictions.parquet"]
"""


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """Return a repository whose pipeline was run by DVC itself, pushed; to be copied."""
    folder = tmp_path_factory.mktemp("run")
    (folder / "repo").mkdir()
    (folder / "home").mkdir()
    project = Project(folder / "repo", folder / "home")
    project.git("init", "-q", "-b", "main")
    project.call("dvc", "init", "-q")
    project.call("dvc", "remote", "add", "-q", "-d", "store", str(folder / "store"))
    project.write("dvc.yaml", STAND_IN)
    for path in (".gitignore", ".dvcignore"):
        project.write(path, (ROOT / path).read_bytes())
    project.write("params.yaml", "apiVersion: reconciler/v1\ndefaults: {}\nmodels: {}\n")
    project.write("data/x.csv", "a,y\n1,2\n")
    project.write("data/z.csv", "a,y\n1,2\n")
    project.call("dvc", "add", "-q", "data/z.csv")
    project.write("data/parts/one.csv", "a,y\n1,2\n")
    project.write("data/parts/two.csv", "a,y\n3,4\n")
    project.write("build.py", "def build(): ...\n").chmod(0o755)
    code = {"estimator": None, "entrypoint": "build.py:build", "task": "regression"}
    project.write("specs/git.yaml", spec("git", source="data/x.csv", target="y"))
    project.write("specs/tracked.yaml", spec("tracked", source="data/z.csv", target="y"))
    project.write(
        "specs/parts.yaml", spec("parts", source="data/parts", target="y", data={"format": "csv"})
    )
    project.write("specs/code.yaml", spec("code", source="data/x.csv", target="y", training=code))
    project.reconciler("compile")
    project.call("dvc", "repro", "-q")
    project.call("dvc", "push", "-q", "--run-cache")
    project.commit()
    return project


@pytest.fixture
def copy(made: Project, tmp_path: Path) -> Project:
    shutil.copytree(made.root.parent, tmp_path, symlinks=True, dirs_exist_ok=True)
    project = Project(tmp_path / "repo", tmp_path / "home")
    project.call("dvc", "remote", "modify", "--local", "store", "url", str(tmp_path / "store"))
    return project


def results(
    project: Project,
    model: str = "git",
    remote: Remote | Silent | None = None,
    known: Iterable[Mapping[str, Any]] = (),
) -> list[Result]:
    """Commit the working tree and return what is forecast of the model's stages."""
    git = Git.open(project.root)
    fleet = fleets.load(git, project.commit(), CATALOGUE)
    store = project.root / ".dvc" / "cache"
    found = Forecaster(git, fleet, store, remote).stages({model: known})
    return [stage.result for stage in found[model]]


class Away:
    """A remote that cannot be reached, and counts how often it was tried."""

    asked = 0

    def look(self, keys: Collection[str], md5s: Collection[str]) -> Found:
        self.asked += 1
        raise TransientError("no route to it")


ALL_HERE = [Result.HERE] * 3


@pytest.mark.parametrize("model", ["git", "tracked", "parts", "code"])
def test_what_dvc_has_run_is_found_under_the_same_key(copy: Project, model: str) -> None:
    assert results(copy, model) == ALL_HERE


def test_a_hyperparameter_leaves_the_preparation_as_it_is(copy: Project) -> None:
    copy.edit("specs/git.yaml", '"hyperparameters": {}', '"hyperparameters": {"alpha": 2}')
    assert results(copy) == [Result.HERE, Result.NONE, Result.LIKELY]


def test_other_data_leaves_nothing(copy: Project) -> None:
    copy.write("data/x.csv", "a,y\n5,6\n")
    assert results(copy) == [Result.NONE, Result.LIKELY, Result.LIKELY]


def test_code_that_may_not_be_run_any_more_is_another_input(copy: Project) -> None:
    (copy.root / "build.py").chmod(0o644)
    assert results(copy, "code") == [Result.HERE, Result.NONE, Result.LIKELY]


def test_a_result_without_its_content_is_none(copy: Project) -> None:
    lock = (copy.root / "dvc.lock").read_text()
    md5 = lock.split("models/git\n")[-1].split("md5: ")[1].split("\n")[0]
    (copy.root / ".dvc/cache/files/md5" / md5[:2] / md5[2:]).unlink()
    assert results(copy)[1] is not Result.HERE


def test_a_lock_that_the_author_kept_stands_in_for_the_run_cache(copy: Project) -> None:
    shutil.rmtree(copy.root / ".dvc" / "cache" / "runs")
    assert results(copy)[0] is Result.NONE
    git = Git.open(copy.root)
    blocks = Authored(git, fleets.load(git, git.resolve("HEAD"), CATALOGUE)).blocks("git")
    assert results(copy, known=blocks) == ALL_HERE
    assert results(copy, known=[{}, {"outs": "x"}, {"outs": [{"path": "p"}]}])[0] is Result.NONE


def test_what_others_have_pushed_is_on_the_remote(copy: Project) -> None:
    shutil.rmtree(copy.root / ".dvc" / "cache")
    assert results(copy, remote=RemoteLook(copy.root, 10)) == [Result.REMOTE] * 3
    assert not (copy.root / ".dvc" / "cache").exists()


def test_dvc_finds_on_the_remote_what_is_found_in_its_folder(copy: Project) -> None:
    class ThroughDvc:
        def look(self, keys: Collection[str], md5s: Collection[str]) -> Found:
            return asked(copy.root, keys, md5s, 60)

    shutil.rmtree(copy.root / ".dvc" / "cache")
    assert results(copy, remote=ThroughDvc()) == [Result.REMOTE] * 3
    copy.edit("specs/git.yaml", '"hyperparameters": {}', '"hyperparameters": {"alpha": 2}')
    assert results(copy, remote=ThroughDvc()) == [Result.REMOTE, Result.NONE, Result.LIKELY]
    assert not (copy.root / ".dvc" / "cache").exists()


def test_a_remote_that_refuses_is_told_in_one_sentence(copy: Project) -> None:
    url = "ssh://127.0.0.1:9/store"
    copy.call("dvc", "remote", "modify", "--local", "store", "url", url)
    with pytest.raises(ReconcilerError, match="store"):
        RemoteLook(copy.root, 5).look({"0" * 64}, ())


def test_a_remote_that_is_away_is_asked_once_and_leaves_it_unknown(copy: Project) -> None:
    shutil.rmtree(copy.root / ".dvc" / "cache")
    away = Away()
    assert results(copy, remote=away) == [Result.UNKNOWN] * 3
    assert away.asked == 1
    (copy.root.parent / "store").rename(copy.root.parent / "gone")
    assert results(copy, remote=RemoteLook(copy.root, 10)) == [Result.UNKNOWN] * 3


def test_what_is_here_is_told_without_asking_the_remote(copy: Project) -> None:
    away = Away()
    assert results(copy, remote=away) == ALL_HERE
    assert away.asked == 0


def test_damage_is_no_result(copy: Project) -> None:
    for entry in (copy.root / ".dvc/cache/runs").rglob("*"):
        if entry.is_file():
            entry.chmod(0o644)
            entry.write_text(json.dumps({"outs": [{"path": "models/git", "md5": "../../x"}]}))
    assert results(copy)[0] is Result.NONE


def test_a_stage_of_which_dvc_keeps_nothing_leaves_all_of_them_unknown(copy: Project) -> None:
    copy.edit(
        "dvc.yaml",
        "      cmd: mkdir -p models",
        "      always_changed: true\n      cmd: mkdir -p models",
    )
    assert results(copy) == [Result.UNKNOWN] * 3
    copy.edit("dvc.yaml", "      always_changed: true\n", "")
    copy.edit("dvc.yaml", "stages:\n", "vars: [{a: 1}]\nstages:\n")
    assert results(copy) == ALL_HERE
