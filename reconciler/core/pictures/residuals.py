"""Residuals: how far truth lies from the answer, and whether that depends on the answer."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from reconciler.core.metrics import Scored
from reconciler.core.pictures import svg
from reconciler.core.pictures.actual import finite, groups, left_out
from reconciler.core.pictures.axes import (
    HEIGHT,
    WIDTH,
    Floats,
    Scale,
    across,
    box,
    frame,
    key,
    spanned,
    upward,
)
from reconciler.core.pictures.picture import Picture, rounded
from reconciler.core.pictures.wording import told

_QUANTILES = (0.05, 0.25, 0.5, 0.75, 0.95)
_COLUMNS = ("predicted from", "to", "rows", "5 %", "25 %", "median", "75 %", "95 %")


def draw(scored: Scored) -> Picture:
    """Return boxes over tenths of the answers: half of the rows, nine of ten, and the median."""
    actual, predicted, missing = finite(scored)
    title = "Residuals"
    parts = groups(predicted)
    boxes = [np.quantile((actual - predicted)[part], _QUANTILES) for part in parts]
    summary = _summary(actual - predicted, boxes) + left_out(missing)
    x, y = across(*spanned(predicted)), upward(*spanned(np.concatenate([[0.0], *boxes])))
    body = [
        *frame(x, y, ("predicted", "actual less predicted")),
        svg.line((x.start, y(0.0)), (x.end, y(0.0)), "axis"),
        *(p for part, five in zip(parts, boxes, strict=True)
          for p in _box(x, y, predicted[part], five)),
        *key(("one", "half of the rows"), ("band", "nine of ten"), ("two", "median")),
    ]  # fmt: skip
    document = svg.document("residuals", title, summary, (WIDTH, HEIGHT), body)
    rows = tuple(
        (*map(rounded, (predicted[part].min(), predicted[part].max())), len(part),
         *map(rounded, five.tolist()))
        for part, five in zip(parts, boxes, strict=True)
    )  # fmt: skip
    return Picture("residuals", title, summary, document, _COLUMNS, rows)


def _summary(residuals: Floats, boxes: Sequence[Floats]) -> str:
    if not len(residuals):
        return "There are no rows."
    spreads = [float(five[4] - five[0]) for five in boxes]
    return (
        f"Truth is {told(float(residuals.mean()))} above the answer on average. Nine of ten rows"
        f" lie within {told(min(spreads))} where the answers are surest, and within"
        f" {told(max(spreads))} where they are least so."
    )


def _box(x: Scale, y: Scale, predicted: Floats, five: Floats) -> Iterator[str]:
    left, right = x(float(predicted.min())), x(float(predicted.max()))
    if right - left < 6:
        left, right = (left + right) / 2 - 3, (left + right) / 2 + 3
    heights = [y(float(value)) for value in five]
    yield box((left, heights[0]), (right - 1, heights[4]), "band")
    yield box((left, heights[1]), (right - 1, heights[3]), "one", fill_opacity=0.75)
    yield svg.line((left, heights[2]), (right - 1, heights[2]), "bar two")
