"""A workspace in which `train` can run: prepared splits as `prepare` leaves them."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from reconciler.bundle.predictor import Predictor, open_bundle
from reconciler.pipeline.context import Context
from reconciler.spec.model import ModelSpec
from reconciler.spec.params import Params

_TYPES = {
    pl.Float64: "number",
    pl.Int64: "integer",
    pl.String: "category",
    pl.Boolean: "boolean",
    pl.Datetime("us"): "datetime",
}


@dataclass(frozen=True)
class Workspace:
    """A root with prepared data, and `train` as its stage program runs it."""

    root: Path

    def prepare(
        self,
        table: pl.DataFrame,
        target: str,
        task: str,
        classes: list[Any] | None = None,
        types: dict[str, str] | None = None,
        nullable: tuple[str, ...] = (),
        name: str = "m",
    ) -> None:
        """Write every fourth row as the test split and the others as the training split."""
        folder = self.root / "data" / "prepared" / name
        folder.mkdir(parents=True, exist_ok=True)
        held_out = np.arange(table.height) % 4 == 0
        table = table.with_columns(
            pl.col(pl.Float64).exclude(target).cast(pl.Float32).cast(pl.Float64)
        )
        table.filter(~held_out).write_parquet(folder / "train.parquet")
        table.filter(held_out).write_parquet(folder / "test.parquet")
        features = [
            {
                "name": column,
                "type": (types or {}).get(column, _TYPES[dtype]),
                "nullable": table[column].null_count() > 0 or column in nullable,
            }
            for column, dtype in table.schema.items()
            if column != target
        ]
        positive = classes[-1] if classes and task == "binary" else None
        report = {
            "task": task,
            "features": features,
            "target": {"name": target, "type": "number", "classes": classes, "positive": positive},
            "auxiliary": [],
            "split": {"method": "random", "test": 0.25, "seed": 0},
            "rows": {"train": int((~held_out).sum()), "test": int(held_out.sum())},
            "warnings": [],
        }
        (folder / "report.json").write_text(json.dumps(report))

    def context(self, name: str = "m", **training: Any) -> Context:
        """Return the context of a spec with this training section."""
        packaging = training.pop("packaging", "auto")
        data = {"source": "data/x.csv", "target": "y", **training.pop("data", {})}
        spec = ModelSpec.model_validate(
            {
                "apiVersion": "reconciler/v1",
                "kind": "Model",
                "metadata": {"name": name},
                "spec": {
                    "data": data,
                    "training": training,
                    "packaging": {"format": packaging},
                    "acceptance": [{"metric": "r2", "min": 0}],
                },
            }
        )
        params = Params(runtime={"scikit-learn": "1.9"})
        return Context(name=name, root=self.root, spec=spec, params=params)

    def train(self, name: str = "m", **training: Any) -> Predictor:
        """Train, and return the bundle that was written, opened."""
        from reconciler.pipeline import train

        train.run(self.context(name, **training))
        return open_bundle(self.bundle(name))

    def bundle(self, name: str = "m") -> Path:
        """Return where the bundle is."""
        return self.root / "models" / name

    def digest(self, name: str = "m") -> str:
        """Return one digest over every file of the bundle."""
        total = hashlib.sha256()
        for path in sorted(self.bundle(name).iterdir()):
            total.update(path.name.encode() + path.read_bytes())
        return total.hexdigest()

    def test(self, name: str = "m") -> pl.DataFrame:
        """Return the test split."""
        return pl.read_parquet(self.root / "data" / "prepared" / name / "test.parquet")


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    """An empty workspace."""
    return Workspace(tmp_path)
