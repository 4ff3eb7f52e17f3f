"""Calibration: whether what is said to be likely comes true as often."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

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
    key,
    upward,
)
from reconciler.core.pictures.chance import share_interval
from reconciler.core.pictures.picture import Picture, rounded
from reconciler.core.pictures.wording import shown

_BINS = 10
_FOOT = 44.0


@dataclass(frozen=True, slots=True, eq=False)
class Bins:
    """Rows by what was said of them; bins without rows are left out."""

    said: Floats
    """Mean probability."""
    true: Floats
    """Share that came true."""
    rows: npt.NDArray[np.int64]

    @property
    def error(self) -> float:
        """The mean distance of what was said from what came true, weighted by rows."""
        return float(np.average(np.abs(self.said - self.true), weights=self.rows))


def bins(came_true: npt.NDArray[np.bool_], chance: Floats) -> Bins:
    """Return rows in ten bins of equal width.

    Args:
        came_true: Shape (n,), n > 0.
        chance: What was said, shape (n,), 0 to 1.
    """
    inner = np.linspace(0.0, 1.0, _BINS + 1)[1:-1]
    place = np.searchsorted(inner, chance)
    rows = np.bincount(place, minlength=_BINS)
    filled = rows > 0
    said = np.bincount(place, weights=chance, minlength=_BINS)[filled] / rows[filled]
    true = np.bincount(place, weights=came_true, minlength=_BINS)[filled] / rows[filled]
    return Bins(said, true, rows[filled])


def draw(scored: Scored) -> Picture | None:
    """Return the reliability of the positive class, or of the answer where there are more.

    None where the model gives no probabilities, or there are no rows.
    """
    chances, labels = scored.probabilities, scored.labels()
    if chances is None or not len(scored) or np.isnan(chances).any():
        return None
    if labels.known == 2:
        name = shown((scored.classes or ())[labels.positive])
        found = bins(labels.actual == labels.positive, chances[:, labels.positive])
        names = (f"probability of {name}", f"share that is {name}")
    else:
        best = np.argmax(chances, axis=1)
        found = bins(labels.actual == best, chances[np.arange(len(scored)), best])
        names = ("probability of the likeliest class", "share that is right")
    return _picture(found, names)


def _picture(found: Bins, names: tuple[str, str]) -> Picture:
    title, worst = "Calibration", int(np.argmax(np.abs(found.said - found.true) * found.rows))
    summary = (
        f"What the model says is off by {100 * found.error:.1f} percentage points on average."
        f" Where it says {100 * found.said[worst]:.1f} % on average,"
        f" {100 * found.true[worst]:.1f} % of {found.rows[worst]:,} rows come true."
    )
    document = svg.document("calibration", title, summary, (WIDTH, HEIGHT), _drawn(found, names))
    rows = tuple(
        (rounded(said), rounded(true), int(count))
        for said, true, count in zip(found.said, found.true, found.rows, strict=True)
    )
    return Picture("calibration", title, summary, document, (*names, "rows"), rows)


def _drawn(found: Bins, names: tuple[str, str]) -> list[str]:
    x, y = across(0, 1), upward(0, 1)
    body = [*frame(x, y, names), *_histogram(found, x)]
    body.append(svg.path([(x(0), y(0)), (x(1), y(1))], "axis", stroke_dasharray="4 4"))
    points = [(x(a), y(b)) for a, b in zip(found.said, found.true, strict=True)]
    body.append(svg.path(points, "line one"))
    for (at, middle), true, count in zip(points, found.true, found.rows, strict=True):
        low, high = share_interval(float(true), int(count))
        body.append(svg.path([(at, y(low)), (at, y(high))], "whisker"))
        body.append(svg.element("circle", cx=at, cy=middle, r=4, class_="one"))
    return [*body, *key(("one", "with 95 % interval"), ("band", "rows"))]


def _histogram(found: Bins, x: Scale) -> list[str]:
    """Return how many rows each bin has, as bars at the foot."""
    inner, tallest = np.linspace(0.0, 1.0, _BINS + 1), int(found.rows.max())
    foot = HEIGHT - 48.0
    parts = []
    for said, count in zip(found.said, found.rows, strict=True):
        place = min(int(np.searchsorted(inner[1:-1], said)), _BINS - 1)
        top = foot - _FOOT * count / tallest
        parts.append(box((x(inner[place]) + 1, foot), (x(inner[place + 1]) - 1, top), "band"))
    return parts
