"""The ROC curve: how many of a class are found, at the price of how many false alarms."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from reconciler.core.metrics import Scored
from reconciler.core.pictures import svg
from reconciler.core.pictures.axes import HEIGHT, WIDTH, Floats, across, frame, key, upward
from reconciler.core.pictures.picture import Picture, rounded
from reconciler.core.pictures.wording import brief, counted, shown, told

#: Points of a curve that are drawn, and classes that get a curve of their own.
_POINTS, _CLASSES = 200, 30
_GRID = np.linspace(0.0, 1.0, 101)
_NAMES = ("false positive rate", "true positive rate")


@dataclass(frozen=True, slots=True, eq=False)
class Curve:
    """Shares by falling threshold, from (0, 0) to (1, 1)."""

    false: Floats
    true: Floats
    thresholds: Floats
    """A row counts as found from this score on; the first is infinite."""

    @property
    def area(self) -> float:
        """The chance that a row of the class is ranked above another, ties counted half."""
        widths = np.diff(self.false)
        return float(np.sum(widths * (self.true[1:] + self.true[:-1]) / 2))


def curve(positive: npt.NDArray[np.bool_], score: Floats) -> Curve | None:
    """Return the corners of the curve; None where only one side has rows.

    Args:
        positive: Which rows are of the class, shape (n,).
        score: Higher for rows that look more like it, shape (n,), no NaN.
    """
    members, others = int(positive.sum()), int((~positive).sum())
    if not members or not others:
        return None
    order = np.argsort(-score, kind="stable")
    ends = np.append(np.flatnonzero(np.diff(score[order])), len(score) - 1)
    found = np.cumsum(positive[order])[ends]
    alarms = ends + 1 - found
    corners = _corners(found, alarms)
    true = np.append(0.0, found[corners] / members)
    false = np.append(0.0, alarms[corners] / others)
    return Curve(false, true, np.append(np.inf, score[order][ends][corners]))


def draw(scored: Scored) -> Picture | None:
    """Return the curve of two classes, or a summary of those of more; None without any."""
    chances, labels = scored.probabilities, scored.labels()
    if chances is None or np.isnan(chances).any():
        return None
    if labels.known == 2:
        found = curve(labels.actual == labels.positive, chances[:, labels.positive])
        return None if found is None else _of_two(scored, found)
    often = np.bincount(labels.actual, minlength=labels.size)[: labels.known]
    kept = np.sort(np.argsort(-often, kind="stable")[:_CLASSES])
    curves = {int(k): c for k in kept if (c := curve(labels.actual == k, chances[:, k]))}
    return _of_many(scored, curves) if curves else None


def _corners(found: npt.NDArray[np.int64], alarms: npt.NDArray[np.int64]) -> npt.NDArray[np.intp]:
    """Return where the curve turns: what lies on a straight line between is not drawn."""
    if len(found) < 3:
        return np.arange(len(found))
    turns = np.diff(found, 2).astype(bool) | np.diff(alarms, 2).astype(bool)
    return np.flatnonzero(np.concatenate([[True], turns, [True]]))


def _of_two(scored: Scored, found: Curve) -> Picture:
    labels = scored.labels()
    name = brief((scored.classes or ())[labels.positive])
    here = labels.predicted == labels.positive
    positive = labels.actual == labels.positive
    at = (float(here[~positive].mean()), float(here[positive].mean()))
    title = "ROC curve"
    summary = (
        f"The area under the curve is {told(found.area)}: the chance that a row of {name} is"
        f" ranked above one that is not; 0.5 is guessing. As it answers, the model finds"
        f" {100 * at[1]:.1f} % of {name} with {100 * at[0]:.1f} % false alarms."
    )
    kept = np.unique(np.linspace(0, len(found.false) - 1, _POINTS).round().astype(int))
    x, y = across(0, 1), upward(0, 1)
    points = zip(found.false[kept].tolist(), found.true[kept].tolist(), strict=True)
    body = [
        *frame(x, y, _NAMES),
        _guessing(),
        svg.path([(x(a), y(b)) for a, b in points], "line one"),
        svg.element("circle", cx=x(at[0]), cy=y(at[1]), r=5, class_="two"),
        *key(("one", f"area {told(found.area)}"), ("two", "as it answers")),
    ]
    columns = (found.thresholds[kept], found.false[kept], found.true[kept])
    rows = tuple(tuple(map(rounded, row)) for row in zip(*columns, strict=True))
    document = _document(title, summary, body)
    return Picture("roc", title, summary, document, ("threshold", *_NAMES), rows)


def _of_many(scored: Scored, curves: dict[int, Curve]) -> Picture:
    classes, labels = scored.classes or (), scored.labels()
    areas = {k: c.area for k, c in curves.items()}
    worst = min(areas, key=lambda k: areas[k])
    stacked = np.stack([np.interp(_GRID, c.false, c.true) for c in curves.values()])
    lowest, mean, highest = stacked.min(axis=0), stacked.mean(axis=0), stacked.max(axis=0)
    average = float(np.mean(list(areas.values())))
    title = "ROC curves, each class against the rest"
    summary = (
        f"The area under the curve is {told(average)} on average over"
        f" {counted(len(curves), 'class')}, and least for {brief(classes[worst])}:"
        f" {told(areas[worst])}; 0.5 is guessing."
    )
    x, y = across(0, 1), upward(0, 1)
    edge = [*zip(_GRID, highest, strict=True), *zip(_GRID[::-1], lowest[::-1], strict=True)]
    body = [
        *frame(x, y, _NAMES),
        svg.path([(x(a), y(b)) for a, b in edge], "band"),
        _guessing(),
        svg.path([(x(a), y(b)) for a, b in zip(_GRID, mean, strict=True)], "line one"),
        *key(("one", f"mean, area {told(average)}"), ("band", "lowest to highest")),
    ]
    rows = tuple(
        (shown(classes[k]), int((labels.actual == k).sum()), rounded(area))
        for k, area in sorted(areas.items(), key=lambda pair: (pair[1], pair[0]))
    )
    document = _document(title, summary, body)
    return Picture("roc", title, summary, document, ("class", "rows", "area"), rows)


def _guessing() -> str:
    x, y = across(0, 1), upward(0, 1)
    return svg.path([(x(0), y(0)), (x(1), y(1))], "axis", stroke_dasharray="4 4")


def _document(title: str, summary: str, body: list[str]) -> str:
    return svg.document("roc", title, summary, (WIDTH, HEIGHT), body)
