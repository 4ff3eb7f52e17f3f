"""The stage `evaluate`: what the bundle answers on the test split, its metrics and pictures."""

from __future__ import annotations

import json
import math
from pathlib import Path

import polars as pl

from reconciler.bundle.predictor import Predictor, open_bundle
from reconciler.core import metrics, tables
from reconciler.pipeline import report
from reconciler.pipeline.context import Context
from reconciler.spec.metrics import METRICS

_PLOTTED = 2000


def run(context: Context) -> None:
    """Write predictions, metrics, the plot and the report of one model below `reports/`.

    The metrics rest on the bundle's own answers: nothing is taken from the training code.

    Raises:
        TerminalError: The bundle is not whole, or does not answer the test split.
    """
    predictor = open_bundle(context.bundle)
    test = pl.read_parquet(context.prepared / "test.parquet")
    answers = answered(predictor, test)
    out = context.report
    out.mkdir(parents=True, exist_ok=True)
    answers.write_parquet(out / "predictions.parquet", compression="zstd", statistics=False)
    (out / "metrics.json").write_text(_metrics(predictor, answers), encoding="utf-8")
    _plot(answers, out / "plot.csv")
    card = (context.bundle / "card.md").read_text(encoding="utf-8")
    report.write(out / "report", predictor, test, answers, context.prepared / "train.parquet", card)


def answered(predictor: Predictor, rows: pl.DataFrame) -> pl.DataFrame:
    """Return the predictor's answers for rows that hold the target, as a table."""
    sign = predictor.signature
    found = predictor.predict(rows)
    return tables.table(rows[sign.target], found.values, found.probabilities, sign.classes)


def _metrics(predictor: Predictor, answers: pl.DataFrame) -> str:
    sign = predictor.signature
    scored = tables.scored(answers, sign.classes, sign.positive)
    values = metrics.compute(_names(sign.task), scored)
    # Twelve digits: the last few follow the processor's order of summation.
    finite = {name: float(f"{v:.12g}") for name, v in values.items() if math.isfinite(v)}
    return json.dumps(finite, indent=2, sort_keys=True) + "\n"


def _names(task: str) -> list[str]:
    return [m.name for m in METRICS.values() if task in m.tasks and m.needs != "system"]


def _plot(answers: pl.DataFrame, path: Path) -> None:
    """Write at most two thousand rows, evenly spaced, so that a plot stays quick to draw."""
    step = max(1, math.ceil(answers.height / _PLOTTED))
    answers.gather_every(step).select(tables.ACTUAL, tables.PREDICTION).write_csv(path)
