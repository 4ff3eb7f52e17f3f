"""The stage program: what DVC starts, as a process of its own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from reconciler.core import compilation
from reconciler.spec.model import ModelSpec
from reconciler.spec.params import Params


def spec(**data: Any) -> dict[str, Any]:
    return {
        "apiVersion": "reconciler/v1",
        "kind": "Model",
        "metadata": {"name": "m"},
        "spec": {
            "data": {"source": "data/t.csv", "target": "y", **data},
            "training": {"estimator": "sklearn.linear_model.Ridge"},
            "acceptance": [{"metric": "r2", "min": 0.5}],
            "deployment": {},
        },
    }


def declare(root: Path, raw: dict[str, Any], **params: Any) -> None:
    """Write the spec and the params.yaml that belongs to it; JSON is YAML."""
    fleet = Params.model_validate(params)
    line = compilation.line(ModelSpec.model_validate(raw), raw, fleet, {})
    (root / "specs").mkdir(exist_ok=True)
    (root / "specs" / "m.yaml").write_text(json.dumps(raw))
    (root / "params.yaml").write_text(json.dumps({**params, "models": {"m": line}}))


def table(root: Path, rows: int = 200) -> None:
    (root / "data").mkdir(exist_ok=True)
    lines = (f"{i % 17},{i % 5 * 1.5},{i % 17 + i % 3}.5" for i in range(rows))
    (root / "data" / "t.csv").write_text("a,b,y\n" + "\n".join(lines) + "\n")


def stage(root: Path, *words: str, **env: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "reconciler.pipeline.main", *words],
        cwd=root,
        env={**os.environ, **env},
        capture_output=True,
        text=True,
        check=False,
    )


def test_prepare_writes_two_splits_and_a_report(tmp_path: Path) -> None:
    table(tmp_path)
    declare(tmp_path, spec())
    done = stage(tmp_path, "prepare", "m")
    assert (done.returncode, done.stderr) == (0, "")
    left = tmp_path / "data" / "prepared" / "m"
    report = json.loads((left / "report.json").read_text())
    train, test = pl.read_parquet(left / "train.parquet"), pl.read_parquet(left / "test.parquet")
    assert report["rows"] == {"train": train.height, "test": test.height}
    assert train.height + test.height == 200
    assert train.columns == ["a", "b", "y"]


def test_equal_inputs_give_equal_bytes_whatever_the_threads(tmp_path: Path) -> None:
    made = []
    for threads in (1, 3):
        root = tmp_path / str(threads)
        root.mkdir()
        table(root, rows=3_000)
        raw = spec()
        raw["spec"]["training"]["threads"] = threads
        declare(root, raw)
        assert stage(root, "prepare", "m", PYTHONHASHSEED=str(threads)).returncode == 0
        left = root / "data" / "prepared" / "m"
        made.append({path.name: path.read_bytes() for path in left.iterdir()})
    assert made[0] == made[1]
    assert set(made[0]) == {"train.parquet", "test.parquet", "report.json"}


def test_what_an_earlier_run_left_is_gone(tmp_path: Path) -> None:
    table(tmp_path)
    declare(tmp_path, spec())
    stale = tmp_path / "data" / "prepared" / "m" / "old.parquet"
    stale.parent.mkdir(parents=True)
    stale.write_text("old")
    assert stage(tmp_path, "prepare", "m").returncode == 0
    assert not stale.exists()


def test_bad_data_is_one_error_line_with_its_reason_and_no_output(tmp_path: Path) -> None:
    declare(tmp_path, spec())
    failed = stage(tmp_path, "prepare", "m")
    lines = failed.stderr.splitlines()
    assert failed.returncode == 1
    assert lines[0] == "error: DataMissing: data/t.csv is not there"
    assert lines[1].startswith("hint: ")
    assert not (tmp_path / "data" / "prepared").exists()


def test_a_spec_that_params_yaml_does_not_know_is_out_of_step(tmp_path: Path) -> None:
    table(tmp_path)
    declare(tmp_path, spec())
    (tmp_path / "params.yaml").write_text("models: {}\n")
    failed = stage(tmp_path, "prepare", "m")
    assert failed.returncode == 1
    assert failed.stderr.startswith("error: OutOfStep: the line of m in params.yaml is out of")
    assert "reconciler compile" in failed.stderr


def test_libraries_that_are_not_the_declared_ones_refuse_to_work(tmp_path: Path) -> None:
    table(tmp_path)
    declare(tmp_path, spec(), runtime={"numpy": "1.0"})
    failed = stage(tmp_path, "prepare", "m")
    assert failed.returncode == 1
    assert failed.stderr.startswith("error: RuntimeMismatch: ")
    assert "numpy" in failed.stderr
    assert "declared 1.0" in failed.stderr


def test_defaults_of_the_fleet_stand_below_the_spec(tmp_path: Path) -> None:
    table(tmp_path)
    declare(tmp_path, spec(split={"test": 0.5}))
    raw = json.loads((tmp_path / "specs" / "m.yaml").read_text())
    defaults = {"data": {"split": {"test": 0.1, "seed": 9}}}
    merged = spec(split={"test": 0.5, "seed": 9})
    params = Params.model_validate({"defaults": defaults})
    line = compilation.line(ModelSpec.model_validate(merged), raw, params, {})
    text = json.dumps({"defaults": defaults, "models": {"m": line}})
    (tmp_path / "params.yaml").write_text(text)
    assert stage(tmp_path, "prepare", "m").returncode == 0
    report = json.loads((tmp_path / "data" / "prepared" / "m" / "report.json").read_text())
    assert (report["split"]["test"], report["split"]["seed"]) == (0.5, 9)


@pytest.mark.parametrize(
    "words", [(), ("prepare",), ("dance", "m"), ("prepare", "m", "digest", "n")]
)
def test_wrong_usage_says_how_it_is_used(tmp_path: Path, words: tuple[str, ...]) -> None:
    failed = stage(tmp_path, *words)
    assert failed.returncode == 2
    assert "usage: reconciler-stage" in failed.stderr
    assert "{prepare,train,evaluate,adopt} name" in failed.stderr


def test_preparing_a_file_starts_without_scikit_learn_and_with_the_threads_fixed(
    tmp_path: Path,
) -> None:
    table(tmp_path)
    declare(tmp_path, spec())
    code = (
        "import sys; from reconciler.pipeline import main as m;"
        "assert not {'numpy', 'polars'} & set(sys.modules), 'too early to fix the threads';"
        "assert m.run(['prepare', 'm']) == 0;"
        "import os, polars; print(os.environ['OMP_NUM_THREADS'], polars.thread_pool_size());"
        "print(sorted({'sklearn', 'scipy', 'onnx', 'onnxruntime', 'dvc'} & set(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.stdout.splitlines() == ["1 1", "[]"], done.stderr


def test_a_full_disk_is_a_reason_to_try_later(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from reconciler.pipeline import main, prepare

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device", "train.parquet")

    table(tmp_path)
    declare(tmp_path, spec())
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(prepare, "_write", full)
    for name in list(os.environ):
        monkeypatch.setenv(name, os.environ[name])  # it sets some: put back afterwards
    assert main.run(["prepare", "m"]) == 75
    assert capsys.readouterr().err.startswith("error: DiskFull: train.parquet: No space left")
