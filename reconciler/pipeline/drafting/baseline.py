"""Baselines: what guessing, a linear model and boosted trees reach, really trained on the split."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np

from reconciler.bundle import encoding
from reconciler.bundle.native import frame
from reconciler.core import metrics, tables
from reconciler.errors import ReconcilerError
from reconciler.pipeline import prepared, train
from reconciler.pipeline.context import Context
from reconciler.pipeline.prepare import Prepared, report
from reconciler.spec.model import DataSpec, ModelSpec
from reconciler.spec.params import Params

#: Numbers that an estimator sees at most; of more rows, every n-th is taken.
CELLS = 4_000_000
#: Rows from which trees have something to find, and columns up to which they are quick.
_TREE_ROWS, _TREE_COLUMNS = 500, 300
#: Share of what a linear model leaves unexplained that trees must win, to be worth it.
_WORTH = 0.08

_ESTIMATORS = {
    "regression": {
        "guessing": "sklearn.dummy.DummyRegressor",
        "linear": "sklearn.linear_model.Ridge",
        "trees": "sklearn.ensemble.HistGradientBoostingRegressor",
    },
    "classification": {
        "guessing": "sklearn.dummy.DummyClassifier",
        "linear": "sklearn.linear_model.LogisticRegression",
        "trees": "sklearn.ensemble.HistGradientBoostingClassifier",
    },
}
_SETTINGS: Mapping[str, Mapping[str, Any]] = {
    "sklearn.linear_model.LogisticRegression": {"max_iter": 1000},
}
#: What is judged, by task: the first that can be computed, and what people read beside it.
_JUDGED = {
    "regression": ("r2",),
    "binary": ("roc_auc", "accuracy"),
    "multiclass": ("balanced_accuracy", "accuracy"),
}
_BESIDE = {"regression": "mae", "binary": "", "multiclass": ""}


@dataclass(frozen=True, slots=True)
class Baselines:
    """What was reached on the test split, and what that says about thresholds."""

    metric: str
    """The metric to be judged by; better when higher, at most 1."""
    beside: str
    """A metric in the unit of the target; better when lower; empty for none."""
    scores: Mapping[str, Mapping[str, float]]
    """`linear`, and `guessing` and `trees` where they could be fitted: metric to value."""
    chosen: str
    """`linear` or `trees`."""
    exact: bool
    """Whether `apply` trains on the same rows."""

    def value(self, who: str, metric: str) -> float:
        """Return what one of them reached."""
        return self.scores[who][metric]


def baselines(name: str, data: DataSpec, table: Prepared, *, whole: bool) -> Baselines:
    """Return what estimators of growing strength reach on the split of `table`.

    Args:
        name: The model's name.
        data: The data section that `table` was prepared by.
        table: The prepared rows.
        whole: Whether these are all rows there are.

    Raises:
        TerminalError: Not even a linear model can be fitted.
    """
    from threadpoolctl import threadpool_limits

    import_module("sklearn.ensemble")  # else its threads would start beyond the limit below
    split, thinned = _split(table, data)
    task = "regression" if split.task == "regression" else "classification"
    scores: dict[str, dict[str, float]] = {}
    with threadpool_limits(1):
        for who, path in _ESTIMATORS[task].items():
            if who == "trees" and not _for_trees(split):
                continue
            try:
                scores[who] = _score(_context(name, data, path), split)
            except ReconcilerError:
                if who == "linear":
                    raise
    metric = next((m for m in _JUDGED[split.task] if _finite(scores, m)), _JUDGED[split.task][-1])
    chosen = "trees" if _worth(scores, metric) else "linear"
    beside = _BESIDE[split.task]
    return Baselines(metric, beside, scores, chosen, whole and not thinned)


def estimator(task: str, who: str) -> tuple[str, Mapping[str, Any]]:
    """Return import path and hyperparameters of what is called `linear` or `trees`."""
    path = _ESTIMATORS["regression" if task == "regression" else "classification"][who]
    return path, _SETTINGS.get(path, {})


def _split(table: Prepared, data: DataSpec) -> tuple[prepared.Prepared, bool]:
    """Return both sides as `train` takes them, and whether rows were left out for their number."""
    learned, tested = table.frame.filter(~table.held), table.frame.filter(table.held)
    step = -(-learned.height * _width(table) // CELLS)
    return (
        prepared.of(report(table, data), learned.gather_every(step), tested, {}),
        step > 1,
    )


def _width(table: Prepared) -> int:
    """Return about how many numbers an estimator sees of a row."""
    return sum(
        {"category": min(c.column.n_unique(), 50), "text": 100, "datetime": 5}.get(c.type, 1)
        for c in table.features
    )


def _for_trees(split: prepared.Prepared) -> bool:
    texts = any(item.type == "text" for item in split.inputs)
    return split.train.height >= _TREE_ROWS and len(split.inputs) <= _TREE_COLUMNS and not texts


def _finite(scores: Mapping[str, Mapping[str, float]], metric: str) -> bool:
    return all(math.isfinite(found.get(metric, math.nan)) for found in scores.values())


def _worth(scores: Mapping[str, Mapping[str, float]], metric: str) -> bool:
    if "trees" not in scores:
        return False
    linear, trees = scores["linear"][metric], scores["trees"][metric]
    return trees - linear >= _WORTH * (1 - linear)


def _context(name: str, data: DataSpec, path: str) -> Context:
    spec = ModelSpec.model_validate(
        {
            "apiVersion": "reconciler/v1",
            "kind": "Model",
            "metadata": {"name": name},
            "spec": {
                "data": data,
                "training": {"estimator": path, "hyperparameters": dict(_SETTINGS.get(path, {}))},
                "acceptance": [{"metric": "r2", "min": 0}],
            },
        }
    )
    return Context(name, Path(), spec, Params())


def _score(context: Context, split: prepared.Prepared) -> dict[str, float]:
    """Return every judged metric of one estimator, fitted as `train` fits it."""
    fitted, _ = train.fit(context, split)
    sign, pipeline = fitted.signature, fitted.pipeline
    rows = frame(sign, encoding.encode(sign, split.test))
    values, chances = pipeline.predict(rows), None
    if split.classes is not None:
        values = np.array([split.classes[int(index)] for index in values], dtype=object)
        chances = pipeline.predict_proba(rows) if sign.probabilities else None
    answers = tables.table(split.test[split.target], values, chances, split.classes)
    scored = tables.scored(answers, split.classes, split.positive)
    wanted = [*_JUDGED[split.task], *filter(None, [_BESIDE[split.task]])]
    return metrics.compute(wanted, scored)
