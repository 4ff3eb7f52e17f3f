"""The reference profile: histograms that drift is measured against, without any raw data."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from collections.abc import Sequence

    import polars as pl

    from reconciler.bundle.predictor import Predictions
    from reconciler.bundle.signature import Input

Floats = npt.NDArray[np.float64]
_BINS = 10
_MOST_LEVELS = 50


def reference(inputs: Sequence[Input], table: pl.DataFrame, answers: Predictions) -> dict[str, Any]:
    """Return the profile of the training rows and of the predictions on the test rows.

    Numbers, dates (in seconds since 1970) and the lengths of texts have inner bin `edges` and one
    count more than edges: a value belongs to the bin on the right of an edge it equals.
    Categories and labels have counts by value, the most frequent first.
    """
    return {
        "rows": table.height,
        "features": {i.name: _feature(i, table[i.name]) for i in inputs},
        "predictions": predictions(answers),
    }


def predictions(answers: Predictions) -> dict[str, Any]:
    """Return the profile of a model's answers."""
    if answers.classes is None:
        return {"rows": len(answers.values), **histogram(answers.values)}
    profile: dict[str, Any] = {"rows": len(answers.values), **_levels(answers.values.tolist())}
    if answers.probabilities is not None:
        edges = np.linspace(0, 1, _BINS + 1)[1:-1]
        profile["probabilities"] = [
            {"class": label, "edges": edges.round(1).tolist(), "counts": _counts(column, edges)}
            for label, column in zip(answers.classes, answers.probabilities.T, strict=True)
        ]
    return profile


def histogram(values: Floats) -> dict[str, Any]:
    """Return a histogram of `values` over bins that hold about a tenth of them each.

    Args:
        values: Shape (rows,), finite.

    Returns:
        Inner `edges`, ascending; `counts`, one more than edges; `mean`, `std`, `min`, `max`,
        each None when there are no values.
    """
    if not len(values):
        return {"edges": [], "counts": [0], "mean": None, "std": None, "min": None, "max": None}
    edges = np.unique(np.quantile(values, np.linspace(0, 1, _BINS + 1)[1:-1]))
    statistics = {n: float(getattr(np, n)(values)) for n in ("mean", "std", "min", "max")}
    return {"edges": edges.tolist(), "counts": _counts(values, edges), **statistics}


def _feature(item: Input, column: pl.Series) -> dict[str, Any]:
    present = column.drop_nulls()
    head = {"type": item.type, "nulls": column.len() - present.len()}
    match item.type:
        case "category" | "boolean":
            return head | _levels(present.to_list())
        case "text":
            return head | histogram(present.str.len_chars().to_numpy().astype(np.float64))
        case "datetime":
            return head | histogram(present.dt.epoch("us").to_numpy() / 1e6)
        case _:
            return head | histogram(present.to_numpy().astype(np.float64))


def _levels(values: Sequence[Any]) -> dict[str, Any]:
    ranked = sorted(Counter(values).items(), key=lambda item: (-item[1], str(item[0])))
    return {
        "counts": [{"value": value, "count": count} for value, count in ranked[:_MOST_LEVELS]],
        "other": sum(count for _, count in ranked[_MOST_LEVELS:]),
    }


def _counts(values: Floats, edges: Floats) -> list[int]:
    places = np.searchsorted(edges, values, side="right")
    return [int(count) for count in np.bincount(places, minlength=len(edges) + 1)]
