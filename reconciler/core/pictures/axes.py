"""Axes: where a value stands in a picture, and the ticks that tell."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from reconciler.core.pictures import svg
from reconciler.core.pictures.wording import columns, told

Floats = npt.NDArray[np.float64]

#: Size of a picture and the room around its axes, in pixels.
WIDTH, HEIGHT = 480.0, 350.0
LEFT, RIGHT, TOP, BOTTOM = 82.0, 16.0, 30.0, 48.0
#: Width of a character, about.
_COLUMN = 6.6


@dataclass(frozen=True, slots=True)
class Scale:
    """A straight line from values to pixels."""

    low: float
    high: float
    start: float
    end: float

    def __call__(self, value: float) -> float:
        """Return where `value` stands; values beyond the ends stand at the ends."""
        share = (value - self.low) / (self.high - self.low)
        return self.start + min(max(share, 0.0), 1.0) * (self.end - self.start)


def across(low: float, high: float) -> Scale:
    """Return the usual horizontal scale; an empty range is widened."""
    return Scale(*widened(low, high), LEFT, WIDTH - RIGHT)


def upward(low: float, high: float) -> Scale:
    """Return the usual vertical scale; an empty range is widened."""
    return Scale(*widened(low, high), HEIGHT - BOTTOM, TOP)


def widened(low: float, high: float) -> tuple[float, float]:
    """Return a range with some width around one that may have none."""
    if high - low > 1e-9 * max(abs(low), abs(high)):
        return low, high
    room = 0.05 * abs(low) or 0.5
    return low - room, high + room


def spanned(*values: Floats, room: float = 0.04) -> tuple[float, float]:
    """Return the range of finite values with some room on either side; 0 to 1 without any."""
    whole = np.concatenate([v[np.isfinite(v)] for v in values]) if values else np.empty(0)
    if not len(whole):
        return 0.0, 1.0
    low, high = widened(float(whole.min()), float(whole.max()))
    return low - room * (high - low), high + room * (high - low)


def ticks(low: float, high: float, count: int = 5) -> tuple[float, ...]:
    """Return about `count` round values within a range: multiples of 1, 2 or 5 times 10^n."""
    power = 10.0 ** math.floor(math.log10((high - low) / count))
    step = min((s * power for s in (1, 2, 5, 10)), key=lambda s: abs((high - low) / s - count))
    first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
    return tuple(float(f"{n * step:.12g}") for n in range(first, last + 1))


Marks = Sequence[tuple[float, str]]
"""Where ticks stand, as values of the scale, and what they say."""


def plain(scale: Scale) -> Marks:
    """Return the ticks of a scale that shows its values as they are."""
    return [(value, told(value)) for value in ticks(scale.low, scale.high)]


def decades(scale: Scale) -> Marks:
    """Return the ticks of a scale of decimal logarithms: 1, 2 and 5 of every decade in it."""
    powers = range(math.floor(scale.low), math.ceil(scale.high) + 1)
    values = [digit * 10.0**power for power in powers for digit in (1, 2, 5)]
    placed = [(math.log10(value), told(value)) for value in values]
    return [mark for mark in placed if scale.low - 1e-9 <= mark[0] <= scale.high + 1e-9]


def frame(x: Scale, y: Scale, names: tuple[str, str], marks: Marks | None = None) -> list[str]:
    """Return grid, ticks and the names of both axes.

    Args:
        x: The horizontal scale.
        y: The vertical scale.
        names: Of both.
        marks: Ticks of the horizontal scale; None: round values.
    """
    marks = plain(x) if marks is None else marks
    return [*_horizontal(x, y, marks, names[0]), *_vertical(x, y, names[1])]


def box(start: tuple[float, float], end: tuple[float, float], style: str, **more: float) -> str:
    """Return a filled rectangle between two corners, in any order."""
    (a, b), (c, d) = start, end
    sides = {"x": min(a, c), "y": min(b, d), "width": abs(c - a), "height": abs(d - b)}
    return svg.element("rect", class_=style, **sides, **more)


def key(*entries: tuple[str, str]) -> list[str]:
    """Return a key above the axes: for every (class, words) a mark with its words beside."""
    at, parts = LEFT, []
    for style, words in entries:
        parts.append(box((at, 8), (at + 10, 18), style))
        parts.append(svg.text((at + 15, 13), words, style="ink"))
        at += 34 + _COLUMN * columns(words)
    return parts


def _horizontal(x: Scale, y: Scale, marks: Marks, name: str) -> list[str]:
    parts = []
    for value, words in marks:
        at = x(value)
        parts.append(svg.line((at, y.start), (at, y.end), "grid"))
        parts.append(svg.text((at, y.start + 14), words, anchor="middle", width=12))
    parts.append(svg.line((x.start, y.start), (x.end, y.start), "axis"))
    middle = ((x.start + x.end) / 2, y.start + 36)
    return [*parts, svg.text(middle, name, anchor="middle", style="ink")]


def _vertical(x: Scale, y: Scale, name: str) -> list[str]:
    parts = []
    for value, words in plain(y):
        at = y(value)
        parts.append(svg.line((x.start, at), (x.end, at), "grid"))
        parts.append(svg.text((x.start - 8, at), words, anchor="end", width=12))
    height = (y.start + y.end) / 2
    turned = f"rotate(-90 9 {svg.number(height)})"
    label = svg.text((9, height), name, anchor="middle", style="ink", width=44, transform=turned)
    return [*parts, label]
