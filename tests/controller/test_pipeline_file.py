"""The pipeline that compile writes is the one this repository runs."""

from __future__ import annotations

from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def test_the_packaged_pipeline_is_the_repositorys_own() -> None:
    packaged = ROOT / "reconciler" / "controller" / "pipeline.yaml"
    assert packaged.read_bytes() == (ROOT / "dvc.yaml").read_bytes()
