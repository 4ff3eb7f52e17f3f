"""Adopting a pipeline that is there: a repository in the manner of the tutorials stays its own."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from tests.conftest import ROOT, Project

pytestmark = pytest.mark.slow

SPEC = "specs/wine.yaml"
RULES = "[{metric: accuracy, min: 0.8}, {metric: log_loss, compare: champion, margin: 10%}]"


def spec(
    data: Mapping[str, object] | None = None,
    training: Mapping[str, object] | None = None,
    acceptance: str = RULES,
) -> str:
    table = {"test": "data/features/test.csv", "target": "cultivar"} if data is None else data
    made = {"stages": ["featurize", "train"], "model": "models/model.pkl", **(training or {})}
    return (
        "apiVersion: reconciler/v1\nkind: Model\nmetadata: {name: wine}\nspec:\n"
        f"  data: {json.dumps(table)}\n  training: {json.dumps(made)}\n  acceptance: {acceptance}\n"
    )


@pytest.fixture(scope="module")
def reproduced(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """Return the tutorial's repository as its author left it: trained, and committed."""
    base = tmp_path_factory.mktemp("tutorial")
    (base / "home").mkdir()
    shutil.copytree(ROOT / "tests" / "tutorial", base / "repo")
    made = Project(base / "repo", base / "home")
    made.git("init", "-q", "-b", "main")
    made.call("dvc", "init", "-q")
    made.call("dvc", "add", "-q", "data/wine.csv")
    made.call("dvc", "repro", "-q")
    made.commit("Tell wines apart")
    return made


@pytest.fixture(scope="module")
def released(reproduced: Project, tmp_path_factory: pytest.TempPathFactory) -> Project:
    """Return the repository under the reconciler, with its model released."""
    made = copy(reproduced, tmp_path_factory.mktemp("released"))
    made.write(SPEC, spec())
    made.reconciler("init")
    made.commit("Adopt the model")
    made.reconciler("apply")
    return made


def copy(project: Project, to: Path) -> Project:
    """Return a copy of a repository, its cache included."""
    shutil.copytree(project.root, to / "repo", symlinks=True)
    (to / "home").mkdir()
    return Project(to / "repo", to / "home")


@pytest.fixture
def tutorial(reproduced: Project, tmp_path: Path) -> Project:
    """Return a copy of the tutorial's repository."""
    return copy(reproduced, tmp_path)


@pytest.fixture
def adopted(released: Project, tmp_path: Path) -> Project:
    """Return a copy of the repository in which the model is adopted."""
    return copy(released, tmp_path)


def stages_run(project: Project) -> list[str]:
    """Return the stages that ran in the last apply, from the log; the log is cleared."""
    log = project.root / ".reconciler" / "logs" / "wine.log"
    text = log.read_text() if log.exists() else ""
    log.unlink(missing_ok=True)
    return re.findall(r"Running stage '([^'@]+)", text)


def test_a_tutorial_is_under_the_reconciler_in_five_commands_and_stays_its_own(
    tutorial: Project,
) -> None:
    before = tutorial.git("rev-parse", "HEAD")
    tutorial.write(SPEC, spec())  # the first thing that is typed is a spec; then come commands
    said = tutorial.reconciler("init").stdout
    tutorial.git("add", "-A")
    tutorial.git("commit", "-qm", "Adopt the model")
    expected = {stage["name"]: stage["result"] for stage in tutorial.plan()["wine"]["stages"]}
    assert expected == {
        **dict.fromkeys(("prepare", "featurize", "train"), "cached"),
        "reconciler-adopt": "runs",
        "reconciler-evaluate": "probably runs",
    }
    tutorial.reconciler("apply")
    assert stages_run(tutorial) == ["reconciler-adopt", "reconciler-evaluate"]
    changed = tutorial.git("diff", "--name-only", before, "HEAD").split()
    assert {"params.yaml", "dvc.yaml", "dvc.lock"}.isdisjoint(changed)
    assert all(path in said for path in changed if path != SPEC)
    assert tutorial.git("status", "--porcelain") == ""
    assert "Data and pipelines are up to date" in tutorial.call("dvc", "repro").stdout
    rows = "\n".join((tutorial.root / "data/features/test.csv").read_text().splitlines()[:3])
    data = tutorial.write("rows.csv", rows)
    out = tutorial.reconciler("predict", "wine", "--data", str(data), "--output", "json").stdout
    assert [p["prediction"] for p in json.loads(out)["predictions"]] == ["barolo", "barolo"]
    assert (tutorial.root / "releases" / "wine" / "current" / "model.onnx").is_file()


def test_a_threshold_judges_again_and_a_parameter_of_theirs_trains(adopted: Project) -> None:
    stages_run(adopted)
    adopted.edit(SPEC, "min: 0.8", "min: 0.9")
    adopted.commit("Ask for more")
    assert adopted.plan()["wine"]["kind"] == "re-judge"
    adopted.reconciler("apply")
    assert stages_run(adopted) == []
    adopted.edit("src/train.py", "Fit a pipeline", "Fits a pipeline")
    adopted.commit("Words that change nothing")
    adopted.reconciler("apply")
    assert stages_run(adopted) == ["train"]
    assert adopted.champion("wine")["number"] == 1
    adopted.edit("params.yaml", "n_estimators: 40", "n_estimators: 41")
    adopted.commit("One more tree")
    row = adopted.plan()["wine"]
    assert row["kind"] == "retrain"
    assert row["changes"][0]["field"] == "params.yaml:train.n_estimators"
    adopted.reconciler("apply")
    assert stages_run(adopted) == ["train", "reconciler-adopt", "reconciler-evaluate"]
    champion = adopted.champion("wine")
    assert champion["number"] == 2
    assert champion["verdict"]["evidence"][1]["rows"] == 60


def test_metrics_of_their_own_are_judged_and_said_to_be_self_reported(adopted: Project) -> None:
    judged = {"metrics_file": "eval/metrics.json"}
    rules = "[{metric: accuracy, min: 0.8}, {metric: test.log_loss, max: 0.5}]"
    adopted.write(SPEC, spec({}, judged, rules))
    adopted.commit("There is no table to be had")
    adopted.reconciler("apply")
    champion = adopted.champion("wine")
    assert champion["metrics_source"] == "self-reported"
    assert [e["self_reported"] for e in champion["verdict"]["evidence"]] == [True, True]
    assert "self-reported" in champion["verdict"]["message"]
    assert "self-reported" in adopted.reconciler("status", "wine").stdout
    adopted.edit(SPEC, "min: 0.8", "min: 0.99")
    adopted.commit("Ask for too much")
    stages_run(adopted)
    assert adopted.reconciler("apply", check=False).returncode == 1
    assert stages_run(adopted) == []


MALICE = """
import pickle as _pickle

class Malice:
    def __init__(self, model):
        self.model = model

    def __reduce__(self):
        run = "(open({marker!r}, 'a').write(open('/proc/self/cmdline').read() + chr(10)), m)[1]"
        return eval, (run, {{"m": self.model}})

model = Malice(model)
"""


@pytest.mark.skipif(not Path("/proc/self/cmdline").exists(), reason="asks /proc who runs")
def test_a_pickle_is_loaded_by_the_adopting_step_and_by_nothing_else(
    adopted: Project, tmp_path: Path
) -> None:
    marker = tmp_path / "loaded"
    code = MALICE.format(marker=str(marker))
    adopted.edit("src/train.py", "out = Path(sys.argv[2])", f"{code}\nout = Path(sys.argv[2])")
    adopted.commit("Run something whenever the model is loaded")
    adopted.reconciler("apply")
    data = adopted.write("rows.csv", (adopted.root / "data/features/test.csv").read_text())
    for verb in (
        ["predict", "wine", "--data", str(data)],
        ["plan"],
        ["status"],
        ["report", "wine"],
    ):
        adopted.reconciler(*verb)
    programs = [line.split("\0") for line in marker.read_text().splitlines()]
    assert len(programs) == 1
    assert programs[0][1].endswith("reconciler-stage")
    assert programs[0][2:4] == ["adopt", "wine"]
    assert b"pickle" not in b"".join(_content(adopted.root / "releases" / "wine" / "current"))


def _content(folder: Path) -> Iterator[bytes]:
    return (path.read_bytes() for path in sorted(folder.resolve().iterdir()))


def test_one_model_that_cannot_be_adopted_stops_no_other(adopted: Project) -> None:
    lost = spec().replace("name: wine", "name: lost").replace('"train"]', '"trian"]')
    adopted.write("specs/lost.yaml", lost)
    odd = spec().replace("name: wine", "name: odd").replace("models/model.pkl", "data/features")
    adopted.write("specs/odd.yaml", odd)
    adopted.edit(SPEC, "min: 0.8", "min: 0.81")
    said = adopted.reconciler("compile", check=False)
    assert said.returncode == 1
    assert "specs/lost.yaml:6:" in said.stderr
    assert "did you mean train?" in said.stderr
    adopted.commit("Two that cannot be adopted")
    done = adopted.reconciler("apply", check=False)
    assert done.returncode == 1
    assert "did you mean train?" in done.stdout
    assert "data/features, written by featurize, is a folder" in done.stdout
    assert adopted.champion("wine")["verdict"]["evidence"][0]["threshold"] == {"min": 0.81}
    assert "Traceback" not in done.stdout + done.stderr


def test_what_somebody_else_ran_and_pushed_is_not_run_again(
    adopted: Project, tmp_path: Path
) -> None:
    adopted.call("dvc", "remote", "add", "-q", "-d", "store", str(tmp_path / "store"))
    adopted.call("dvc", "push", "-q")
    shutil.rmtree(adopted.root / ".dvc" / "cache")
    stages_run(adopted)
    adopted.edit("params.yaml", "n_estimators: 40", "n_estimators: 41")
    adopted.commit("One more tree")
    adopted.reconciler("apply")
    assert stages_run(adopted) == ["train", "reconciler-adopt", "reconciler-evaluate"]
