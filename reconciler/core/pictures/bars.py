"""Bars: one number for each of several names, with its interval."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from reconciler.core.pictures import svg
from reconciler.core.pictures.axes import RIGHT, WIDTH, Scale, box, spanned, ticks
from reconciler.core.pictures.wording import told

_BAR, _LEFT, _TOP, _BOTTOM = 22.0, 168.0, 8.0, 48.0
_WORDS, _ROOM = 22, 46.0


@dataclass(frozen=True, slots=True)
class Effect:
    """How much something rises by what a name stands for, with its 95 % interval."""

    name: str
    rise: float
    low: float
    high: float


def size(count: int) -> tuple[float, float]:
    """Return the size of a chart of so many bars, in pixels."""
    return WIDTH, _foot(count) + _BOTTOM


def chart(bars: Sequence[Effect], axis: str) -> list[str]:
    """Return a bar for each, from top to bottom; what falls is drawn in the other colour."""
    x, foot = _scale(bars), _foot(len(bars))
    parts = []
    for value in ticks(x.low, x.high, 4):
        parts.append(svg.line((x(value), _TOP), (x(value), foot), "grid"))
        parts.append(svg.text((x(value), foot + 12), told(value), anchor="middle", width=12))
    for n, one in enumerate(bars):
        parts += _bar(x, _TOP + (n + 0.5) * _BAR, one)
    parts.append(svg.line((x(0.0), _TOP), (x(0.0), foot), "axis"))
    centre = ((x.start + x.end) / 2, foot + 34)
    return [*parts, svg.text(centre, axis, anchor="middle", style="ink")]


def _bar(x: Scale, middle: float, one: Effect) -> Iterator[str]:
    style = "one" if one.rise >= 0 else "two"
    yield svg.text((_LEFT - 8, middle), one.name, anchor="end", style="ink", width=_WORDS)
    yield box((x(0.0), middle - 7), (x(one.rise), middle + 7), style, fill_opacity=0.8)
    yield svg.path([(x(one.low), middle), (x(one.high), middle)], "whisker")
    right = max(x(one.high), x(one.rise), x(0.0)) + 6
    yield svg.text((right, middle), told(float(f"{one.rise:.2g}")), width=10)


def _scale(bars: Sequence[Effect]) -> Scale:
    ends = np.array([0.0, *(end for one in bars for end in (one.low, one.rise, one.high))])
    low, high = spanned(ends)
    return Scale(min(low, 0.0), max(high, 0.0), _LEFT, WIDTH - RIGHT - _ROOM)


def _foot(count: int) -> float:
    return _TOP + _BAR * max(count, 1)
