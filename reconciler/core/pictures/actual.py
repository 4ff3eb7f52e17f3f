"""Predicted against actual: every held-out row of a regression, or how many there are of each."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from reconciler.core.metrics import Scored
from reconciler.core.pictures import svg
from reconciler.core.pictures.axes import (
    HEIGHT,
    WIDTH,
    Floats,
    Scale,
    across,
    box,
    frame,
    spanned,
    upward,
)
from reconciler.core.pictures.picture import Picture, rounded
from reconciler.core.pictures.wording import counted, told

#: Rows up to which each is a point; more are counted in squares.
_POINTS = 400
_SQUARES = (44, 30)
_GROUPS = 10
_COLUMNS = ("actual from", "to", "rows", "mean actual", "mean predicted", "mean absolute error")


def finite(scored: Scored) -> tuple[Floats, Floats, int]:
    """Return truth and answers that can be drawn, and how many rows cannot."""
    actual, predicted = scored.numbers()
    with np.errstate(invalid="ignore"):
        kept = (np.abs(actual) < 1e150) & (np.abs(predicted) < 1e150)  # NaN is not kept
    return actual[kept], predicted[kept], int((~kept).sum())


def groups(values: Floats, count: int = _GROUPS) -> list[np.ndarray[tuple[int], np.dtype[np.intp]]]:
    """Return the places of `values` in ascending order, in at most `count` groups of equal size."""
    order = np.argsort(values, kind="stable")
    return [part for part in np.array_split(order, count) if len(part)]


def left_out(count: int) -> str:
    """Return a sentence about rows that are not drawn; empty when all are."""
    return f" {counted(count, 'row')} without a finite number: left out." if count else ""


def draw(scored: Scored) -> Picture:
    """Return the picture; its table is by tenths of the truth."""
    actual, predicted, missing = finite(scored)
    title = "Predicted against actual"
    errors = np.abs(predicted - actual)
    summary = "There are no rows."
    if len(errors):
        near, far = np.quantile(errors, [0.5, 0.9])
        summary = (
            f"Half of {counted(len(errors), 'row')} are off by at most {told(float(near))},"
            f" nine of ten by at most {told(float(far))}."
        )
    summary += left_out(missing)
    x, y = (of(*spanned(actual, predicted)) for of in (across, upward))
    marks = _points if len(actual) <= _POINTS else _squares
    body = [
        *frame(x, y, ("actual", "predicted")),
        svg.path([(x(x.low), y(x.low)), (x(x.high), y(x.high))], "axis", stroke_dasharray="4 4"),
        *marks(x, y, actual, predicted),
    ]
    document = svg.document("actual", title, summary, (WIDTH, HEIGHT), body)
    rows = tuple(_row(actual[part], predicted[part]) for part in groups(actual))
    return Picture("actual", title, summary, document, _COLUMNS, rows)


def _points(x: Scale, y: Scale, actual: Floats, predicted: Floats) -> Iterator[str]:
    for truth, answer in zip(actual.tolist(), predicted.tolist(), strict=True):
        yield svg.element("circle", cx=x(truth), cy=y(answer), r=3, class_="one", fill_opacity=0.5)


def _squares(x: Scale, y: Scale, actual: Floats, predicted: Floats) -> Iterator[str]:
    """Give squares, the more rows the darker: by the logarithm, so that one row is still seen."""
    ends = ((x.low, x.high), (y.low, y.high))
    counts, *_ = np.histogram2d(actual, predicted, bins=_SQUARES, range=ends)
    wide, high = ((s.end - s.start) / n for s, n in zip((x, y), _SQUARES, strict=True))
    most = float(np.log1p(counts.max()))
    for (i, j), count in np.ndenumerate(counts):
        if count:
            corner = (x.start + i * wide, y.start + j * high)
            shade = 0.12 + 0.88 * float(np.log1p(count)) / most
            yield box(corner, (corner[0] + wide, corner[1] + high), "one", fill_opacity=shade)


def _row(actual: Floats, predicted: Floats) -> tuple[float | int | None, ...]:
    error = float(np.abs(predicted - actual).mean())
    means = (rounded(float(actual.mean())), rounded(float(predicted.mean())), rounded(error))
    return rounded(float(actual.min())), rounded(float(actual.max())), len(actual), *means
