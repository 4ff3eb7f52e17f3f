"""What decides an adopted model: everything that its stages see of a commit, and nothing else."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from reconciler.adapters import catalogue
from reconciler.adapters.git import Git
from reconciler.controller import fleet as fleets
from reconciler.controller.fleet import Fleet
from reconciler.core.plan import Desired, Invalid
from tests.conftest import Project

CATALOGUE = catalogue.load(Path(__file__).parent)
PIPELINE = """\
vars:
  - conf/names.yaml
stages:
  prepare:
    cmd: python src/prepare.py ${folder}
    deps: [src/prepare.py, raw, lists]
    params: [prepare.share]
    outs: [data/prepared]
  train:
    cmd: python src/train.py
    deps: [data/prepared, src/train.py]
    params:
      - train
      - conf/more.yaml: [depth]
      - conf/all.toml:
    outs: [model.pkl]
  evaluate:
    cmd: python src/evaluate.py
    deps: [model.pkl, src/evaluate.py]
    metrics: [metrics.json]
"""
FILES = {
    "dvc.yaml": PIPELINE,
    "params.yaml": "prepare: {share: 0.5, note: x}\ntrain: {n: 3}\n",
    "reconciler.yaml": 'apiVersion: reconciler/v1\nruntime: {numpy: "2"}\nmodels: {}\n',
    "conf/names.yaml": "folder: out\nunused: 1\n",
    "conf/more.yaml": "depth: 3\nunused: 1\n",
    "conf/all.toml": "a = 1\n",
    "src/prepare.py": "1",
    "src/train.py": "1",
    "src/evaluate.py": "1",
    "src/undeclared.py": "1",
    "raw.dvc": "outs:\n- md5: 0123456789abcdef0123456789abcdef\n  hash: md5\n  path: raw\n",
    "lists/a.txt": "1",
    "lists/b.csv.dvc": (
        "outs:\n- md5: 0123456789abcdef0123456789abcdef\n  hash: md5\n  path: b.csv\n"
    ),
    "test.csv.dvc": (
        "outs:\n- md5: 1123456789abcdef0123456789abcdef\n  hash: md5\n  path: test.csv\n"
    ),
}


def spec(**changes: object) -> str:
    body = {
        "data": {"test": "test.csv", "target": "y"},
        "training": {"stages": ["train"], "model": "model.pkl"},
        "acceptance": [{"metric": "r2", "min": 0.5}],
        **changes,
    }
    head = "apiVersion: reconciler/v1\nkind: Model\nmetadata: {name: m}\nspec:\n"
    return head + "".join(f"  {key}: {json.dumps(value)}\n" for key, value in body.items())


@pytest.fixture
def repo(tmp_path: Path) -> Project:
    (tmp_path / "repo").mkdir()
    (tmp_path / "home").mkdir()
    made = Project(tmp_path / "repo", tmp_path / "home")
    made.git("init", "-q", "-b", "main")
    for path, text in {**FILES, "specs/m.yaml": spec()}.items():
        made.write(path, text)
    return made


def load(repo: Project) -> Fleet:
    return fleets.load(Git.open(repo.root), repo.commit(), CATALOGUE)


def fingerprint(repo: Project) -> str:
    wish = load(repo).wish("m")
    assert isinstance(wish, Desired), wish
    return wish.fingerprint


@pytest.mark.parametrize(
    ("path", "old", "new"),
    [
        ("params.yaml", "share: 0.5", "share: 0.6"),
        ("params.yaml", "n: 3", "n: 4"),
        ("conf/names.yaml", "folder: out", "folder: in"),
        ("conf/more.yaml", "depth: 3", "depth: 4"),
        ("conf/all.toml", "a = 1", "a = 2"),
        ("src/prepare.py", "1", "2"),
        ("src/train.py", "1", "2"),
        ("raw.dvc", "md5: 01", "md5: 21"),
        ("lists/a.txt", "1", "2"),
        ("lists/b.csv.dvc", "md5: 01", "md5: 21"),
        ("test.csv.dvc", "md5: 11", "md5: 21"),
        ("dvc.yaml", "cmd: python src/train.py", "cmd: python -O src/train.py"),
        ("dvc.yaml", "outs: [data/prepared]", "outs: [data/prepared, more]"),
        ("reconciler.yaml", 'numpy: "2"', 'numpy: "3"'),
        ("specs/m.yaml", '"target": "y"', '"target": "z"'),
    ],
)
def test_what_the_stages_see_decides(repo: Project, path: str, old: str, new: str) -> None:
    before = fingerprint(repo)
    repo.edit(path, old, new)
    assert fingerprint(repo) != before
    repo.edit(path, new, old)
    assert fingerprint(repo) == before


@pytest.mark.parametrize(
    ("path", "old", "new"),
    [
        ("params.yaml", "note: x", "note: y"),
        ("conf/more.yaml", "unused: 1", "unused: 2"),
        ("conf/names.yaml", "unused: 1", "unused: 2"),
        ("src/evaluate.py", "1", "2"),
        ("src/undeclared.py", "1", "2"),
        ("dvc.yaml", "cmd: python src/evaluate.py", "cmd: python -O src/evaluate.py"),
        ("dvc.yaml", "  train:\n", "  train:\n    desc: fits it\n"),
        ("params.yaml", "train: {n: 3}", "# a note\ntrain: {n: 0x3}"),
        ("specs/m.yaml", '"min": 0.5', '"min": 0.6'),
        ("specs/m.yaml", '"stages": ["train"]', '"stages": ["train"], "timeout": "1h"'),
    ],
)
def test_what_they_do_not_see_does_not(repo: Project, path: str, old: str, new: str) -> None:
    before = fingerprint(repo)
    repo.edit(path, old, new)
    assert fingerprint(repo) == before


def test_a_file_that_joins_a_folder_counts(repo: Project) -> None:
    before = fingerprint(repo)
    repo.write("lists/c.txt", "1")
    assert fingerprint(repo) != before


def test_a_slot_holds_the_whole_commit_but_only_the_data_that_is_read(repo: Project) -> None:
    repo.write("huge.csv.dvc", FILES["raw.dvc"].replace("path: raw", "path: huge.csv"))
    repo.write("other/dvc.yaml", "stages: {broken: 1}\n")
    paths, overlays = load(repo).slice_of("m")
    assert {"src/undeclared.py", "raw.dvc", "lists/b.csv.dvc", "test.csv.dvc"} <= set(paths)
    assert {"huge.csv.dvc", "other/dvc.yaml", "dvc.yaml"}.isdisjoint(paths)
    made = json.loads(overlays["dvc.yaml"])
    assert set(made["stages"]) == {"prepare", "train", "reconciler-adopt", "reconciler-evaluate"}
    assert made["stages"]["train"]["cmd"] == "python src/train.py"
    assert made["vars"] == ["conf/names.yaml"]
    asked = json.loads(overlays["adopted/m/request.json"])
    assert (asked["folders"], asked["writers"]) == (["src"], ["train"])


LOCK = """\
schema: '2.0'
stages:
  prepare:
    cmd: python src/prepare.py out
    outs: [{path: data/prepared, hash: md5, md5: 3123456789abcdef0123456789abcdef.dir}]
  train:
    cmd: python src/train.py
"""


def test_of_their_lock_a_slot_has_what_is_frozen(repo: Project) -> None:
    repo.write("dvc.lock", LOCK)
    paths, overlays = load(repo).slice_of("m")
    assert "dvc.lock" not in {*paths, *overlays}
    repo.edit(
        "dvc.yaml",
        "    cmd: python src/prepare.py",
        "    frozen: true\n    cmd: python src/prepare.py",
    )
    before = fingerprint(repo)
    _, overlays = load(repo).slice_of("m")
    assert set(json.loads(overlays["dvc.lock"])["stages"]) == {"prepare"}
    repo.edit("dvc.lock", "md5: 31", "md5: 41")
    assert fingerprint(repo) != before
    repo.edit("src/prepare.py", "1", "2")
    after = fingerprint(repo)
    repo.edit("src/prepare.py", "2", "3")
    assert fingerprint(repo) == after


@pytest.mark.parametrize(
    ("edits", "reason", "words"),
    [
        ({"stages": ["trian"]}, "StageMissing", "did you mean train?"),
        ({"stages": ["prepare"]}, "NotWritten", "train does: name it too"),
        ({"model": "modle.pkl"}, "NotWritten", "did you mean model.pkl?"),
        ({"data": {"test": "no.csv", "target": "y"}}, "DataMissing", "data.test reads no.csv"),
        ({"data": {}, "metrics_file": "metrics.jsn"}, "NotWritten", "metrics.jsn"),
    ],
)
def test_what_is_not_there_is_said_with_a_way_on(
    repo: Project, edits: dict[str, object], reason: str, words: str
) -> None:
    data = edits.pop("data", {"test": "test.csv", "target": "y"})
    training = {"stages": ["train"], "model": "model.pkl", **edits}
    repo.write("specs/m.yaml", spec(data=data, training=training))
    repo.write("specs/own.yaml", OWN)
    fleet = load(repo)
    wish = fleet.wish("m")
    assert isinstance(wish, Invalid)
    assert wish.reason == reason
    assert words in wish.message
    assert isinstance(fleet.wish("own"), Desired)


OWN = (
    "apiVersion: reconciler/v1\nkind: Model\nmetadata: {name: own}\nspec:\n"
    "  data: {source: 'sklearn:iris', target: target}\n"
    "  training: {estimator: sklearn.linear_model.LogisticRegression}\n"
    "  acceptance: [{metric: accuracy, min: 0.5}]\n"
)


@pytest.mark.parametrize(
    ("dep", "reason"),
    [
        ("/mnt/data.csv", "ExternalDependency"),
        ("s3://bucket/data.csv", "ExternalDependency"),
        ("../beside.csv", "ExternalDependency"),
        ("nowhere.csv", "DataMissing"),
    ],
)
def test_what_has_no_content_id_is_refused(repo: Project, dep: str, reason: str) -> None:
    repo.edit("dvc.yaml", "deps: [src/prepare.py, raw, lists]", f"deps: ['{dep}']")
    wish = load(repo).wish("m")
    assert isinstance(wish, Invalid)
    assert wish.reason == reason
    assert dep in wish.message


def test_a_pipeline_that_cannot_be_read_stops_adopted_models_alone(repo: Project) -> None:
    repo.write("specs/own.yaml", OWN)
    repo.write("dvc.yaml", "stages:\n  train: &t {cmd: x}\n  more: *t\n")
    fleet = load(repo)
    assert isinstance(fleet.wish("m"), Invalid)
    wish = fleet.wish("own")
    assert isinstance(wish, Desired)
    _, overlays = fleet.slice_of("own")
    assert "reconciler-stage train" in overlays["dvc.yaml"].decode()
