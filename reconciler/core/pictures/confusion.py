"""The confusion matrix: which class was answered for which."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from reconciler.core.metrics import Scored
from reconciler.core.pictures import svg
from reconciler.core.pictures.axes import box
from reconciler.core.pictures.picture import Picture
from reconciler.core.pictures.wording import brief, columns, counted, shown

Counts = npt.NDArray[np.int64]

#: Classes that are told apart; the rarer ones of more are counted together.
MOST = 30
#: Width of all cells; of one, at least and at most; and from which on a cell holds more.
_SIDE, _LEAST, _LARGEST = 330.0, 13.0, 128.0
_COUNTED, _SHARED = 22.0, 60.0
#: Columns of a label, and pixels of a column.
_WORDS, _COLUMN = 14, 7.0
_TOP = 12.0


@dataclass(frozen=True, slots=True)
class _Grid:
    """Where cells and labels stand."""

    names: Sequence[str]
    counts: Counts
    cell: float
    left: float
    upright: bool
    """Whether the labels below stand upright; False: they lean."""

    @property
    def side(self) -> float:
        return self.cell * len(self.names)

    @property
    def font(self) -> float:
        return min(12.0, self.cell - 1)


def matrix(scored: Scored) -> tuple[tuple[str, ...], Counts]:
    """Return the labels and how often each truth (row) was given each answer (column).

    Labels stand in the order of the classes, those that only the truth knows behind them. Of
    more than thirty, the most frequent keep a row and the others share the last.
    """
    labels = scored.labels()
    names = _names(scored, labels.size)
    full = np.zeros((labels.size, labels.size), dtype=np.int64)
    np.add.at(full, (labels.actual, labels.predicted), 1)
    if labels.size <= MOST:
        return names, full
    often = full.sum(axis=1) + full.sum(axis=0)
    kept = np.sort(np.argsort(-often, kind="stable")[: MOST - 1])
    place = np.full(labels.size, len(kept))
    place[kept] = np.arange(len(kept))
    merged = np.zeros((MOST, MOST), dtype=np.int64)
    np.add.at(merged, (place[labels.actual], place[labels.predicted]), 1)
    rest = f"({labels.size - len(kept):,} others)"
    return (*(names[k] for k in kept), rest), merged


def draw(scored: Scored) -> Picture:
    """Return the matrix, each row shaded by the share of its rows that were answered so."""
    names, counts = matrix(scored)
    title, summary = "Confusion matrix", _summary(names, counts)
    grid = _grid(names, counts)
    rows = tuple((name, *row.tolist()) for name, row in zip(names, counts, strict=True))
    return Picture(
        "confusion",
        title,
        summary,
        svg.document("confusion", title, summary, _size(grid), (*_cells(grid), *_labels(grid))),
        ("actual, answered:", *names),
        rows,
    )


def _names(scored: Scored, size: int) -> tuple[str, ...]:
    """Return the labels in the order of their codes: the classes, then what else there is."""
    known = tuple(shown(label) for label in scored.classes or ())
    if len(known) == size:
        return known
    seen = dict.fromkeys([*scored.actual.tolist(), *scored.prediction.tolist()])
    strange = [shown(value) for value in seen if value not in set(scored.classes or ())]
    return (*known, *strange)


def _summary(names: Sequence[str], counts: Counts) -> str:
    total, right = int(counts.sum()), int(np.trace(counts))
    if not total:
        return "There are no rows."
    wrong = counts - np.diag(np.diag(counts))
    said = f"{right:,} of {counted(total, 'row')} ({100 * right / total:.1f} %) are answered right."
    if not wrong.any():
        return said
    truth, answer = divmod(int(np.argmax(wrong)), len(names))
    often = counted(int(wrong[truth, answer]), "time")
    given, true = brief(names[answer]), brief(names[truth])
    return f"{said} Most often {given} is answered where {true} is true: {often}."


def _grid(names: Sequence[str], counts: Counts) -> _Grid:
    cell = min(max(_SIDE / max(len(names), 1), _LEAST), _LARGEST)
    widest = min(max((columns(name) for name in names), default=1), _WORDS)
    upright = widest * _COLUMN < cell
    return _Grid(names, counts, cell, 34 + _COLUMN * widest, upright)


def _size(grid: _Grid) -> tuple[float, float]:
    return max(grid.left + grid.side + 16, 240.0), _foot(grid) + 14


def _foot(grid: _Grid) -> float:
    """Return where the name of the horizontal axis stands."""
    leaning = (grid.left - 34) * 0.72 + 14
    return _TOP + grid.side + (20 if grid.upright else leaning) + 16


def _cells(grid: _Grid) -> Iterator[str]:
    shares = grid.counts / np.maximum(grid.counts.sum(axis=1, keepdims=True), 1)
    for (row, column), count in np.ndenumerate(grid.counts):
        at = (grid.left + column * grid.cell, _TOP + row * grid.cell)
        share = float(shares[row, column])
        yield from _square(at, grid.cell, share, "one" if row == column else "two")
        if count and grid.cell >= _COUNTED:
            yield from _figures(at, grid.cell, int(count), share)


def _square(at: tuple[float, float], cell: float, share: float, style: str) -> Iterator[str]:
    gap = 1.0 if cell >= _COUNTED else 0.5
    corner = (at[0] + cell - gap, at[1] + cell - gap)
    yield box(at, corner, "cell")
    if share:
        yield box(at, corner, style, fill_opacity=max(share, 0.04))


def _figures(at: tuple[float, float], cell: float, count: int, share: float) -> Iterator[str]:
    style = "light" if share > 0.8 else "ink"
    x, y = at[0] + cell / 2, at[1] + cell / 2
    size = min(14.0, cell * 0.4, 1.5 * cell / len(f"{count:,}"))
    if cell < _SHARED:
        yield svg.text((x, y), f"{count:,}", anchor="middle", style=style, font_size=size)
        return
    yield svg.text((x, y - 9), f"{count:,}", anchor="middle", style=style, font_size=size)
    yield svg.text((x, y + 10), f"{100 * share:.0f} %", anchor="middle", style=style)


def _labels(grid: _Grid) -> Iterator[str]:
    for n, name in enumerate(grid.names):
        middle = _TOP + (n + 0.5) * grid.cell
        at = (grid.left - 6, middle)
        yield svg.text(at, name, anchor="end", width=_WORDS, font_size=grid.font)
        yield _below(grid, n, name)
    centre = grid.left + grid.side / 2
    yield svg.text((centre, _foot(grid)), "answered", anchor="middle", style="ink")
    turned = f"rotate(-90 10 {svg.number(_TOP + grid.side / 2)})"
    at = (10, _TOP + grid.side / 2)
    yield svg.text(at, "actual", anchor="middle", style="ink", transform=turned)


def _below(grid: _Grid, n: int, name: str) -> str:
    x, y = grid.left + (n + 0.5) * grid.cell, _TOP + grid.side + 10
    if grid.upright:
        return svg.text((x, y), name, anchor="middle", width=_WORDS, font_size=grid.font)
    turned = f"rotate(-45 {svg.number(x)} {svg.number(y)})"
    at = (x + 3, y - 3)
    return svg.text(at, name, anchor="end", width=_WORDS, font_size=grid.font, transform=turned)
