"""Learning from the split: how the held-out rows score beside those that were trained on."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from reconciler.core.metrics import Scored
from reconciler.core.pictures import svg
from reconciler.core.pictures.axes import (
    HEIGHT,
    WIDTH,
    Floats,
    across,
    decades,
    frame,
    key,
    spanned,
    upward,
)
from reconciler.core.pictures.chance import mean_interval, share_interval
from reconciler.core.pictures.picture import Cell, Picture, rounded
from reconciler.core.pictures.wording import counted, told

_LEAST, _STEPS = 20, 12
_COLUMNS = ("held-out rows", "score", "95 % from", "to")


@dataclass(frozen=True, slots=True)
class Score:
    """A score of some rows with its 95 % interval."""

    rows: int
    value: float
    low: float
    high: float


def metric(scored: Scored) -> str:
    """Return the metric that is followed: `rmse` of numbers, `accuracy` of labels."""
    return "rmse" if scored.classes is None else "accuracy"


def score(scored: Scored) -> Score:
    """Return the score of all rows, n > 0."""
    values = _values(scored)
    return _score(values, scored.classes is None)


def steps(scored: Scored) -> tuple[Score, ...]:
    """Return the scores of more and more rows, drawn once in an order that does not change."""
    values = _values(scored)
    values = values[np.random.default_rng(0).permutation(len(values))]
    least = min(_LEAST, len(values))
    sizes = np.unique(np.geomspace(least, len(values), _STEPS).round().astype(int))
    return tuple(_score(values[:size], scored.classes is None) for size in sizes)


def draw(train: Scored | None, test: Scored) -> Picture | None:
    """Return the picture; None without a held-out row.

    Args:
        train: Rows that the model was trained on, or a sample of them; None: they are not there.
        test: Rows that it was not.
    """
    if not len(_values(test)):
        return None
    found = steps(test)
    held = found[-1]
    seen = score(train) if train is not None and len(_values(train)) else None
    name, title = metric(test), "Learning from the split"
    summary = _summary(name, seen, held)
    body = _drawn(name, seen, found)
    document = svg.document("learning", title, summary, (WIDTH, HEIGHT), body)
    rows = [_row(s.rows, s) for s in found]
    if seen is not None:
        rows.append(_row("training", seen))
    return Picture("learning", title, summary, document, _COLUMNS, tuple(rows))


def _row(head: Cell, one: Score) -> tuple[Cell, ...]:
    return head, rounded(one.value), rounded(one.low), rounded(one.high)


def _values(scored: Scored) -> Floats:
    """Return each row's part in the score: its squared error, or whether it is right."""
    if scored.classes is None:
        actual, predicted = scored.numbers()
        with np.errstate(over="ignore", invalid="ignore"):
            squared = np.asarray((actual - predicted) ** 2, dtype=np.float64)
        return squared[np.isfinite(squared)]
    labels = scored.labels()
    return np.asarray(labels.actual == labels.predicted, dtype=np.float64)


def _score(values: Floats, squared: bool) -> Score:
    mean = float(values.mean())
    if not squared:
        return Score(len(values), mean, *share_interval(mean, len(values)))
    low, high = mean_interval(values)
    ends = (float(np.sqrt(max(end, 0.0))) for end in (low, high))
    return Score(len(values), float(np.sqrt(mean)), *ends)


def _summary(name: str, seen: Score | None, held: Score) -> str:
    between = f"95 % sure between {told(held.low)} and {told(held.high)}"
    said = f"On {counted(held.rows, 'held-out row')} {name} is {told(held.value)}, {between}."
    if seen is None:
        return said
    beside = f" On rows that it was trained on it is {told(seen.value)}"
    if seen.low <= held.high and held.low <= seen.high:
        return f"{said}{beside}: no difference that chance does not explain."
    if (seen.value < held.value) == (name == "rmse"):
        return f"{said}{beside}: part of what it has learned holds for those rows alone."
    return f"{said}{beside}: the held-out rows are the easier ones."


def _drawn(name: str, seen: Score | None, found: tuple[Score, ...]) -> list[str]:
    sizes = np.log10([s.rows for s in found])
    x = across(float(sizes[0]), float(sizes[-1]) + 1e-3)
    ends = [s.low for s in found] + [s.high for s in found] + ([seen.value] if seen else [])
    y = upward(*spanned(np.array(ends)))
    places = [x(float(size)) for size in sizes]
    edge = [(at, y(s.high)) for at, s in zip(places, found, strict=True)]
    edge += [(at, y(s.low)) for at, s in zip(places[::-1], found[::-1], strict=True)]
    line = [(at, y(s.value)) for at, s in zip(places, found, strict=True)]
    entries = [("one", "held out, with its 95 % interval")]
    body = [
        *frame(x, y, ("held-out rows", name), decades(x)),
        svg.path(edge, "band"),
        svg.path(line, "line one"),
    ]
    body += [svg.element("circle", cx=a, cy=b, r=3, class_="one") for a, b in line]
    if seen is not None:
        level = [(x.start, y(seen.value)), (x.end, y(seen.value))]
        body.append(svg.path(level, "line two", stroke_dasharray="7 4"))
        entries.append(("two", f"trained on: {told(seen.value)}"))
    return [*body, *key(*entries)]
