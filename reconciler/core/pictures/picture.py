"""A picture: SVG text beside the words and the table that say the same."""

from __future__ import annotations

from dataclasses import dataclass

Cell = str | int | float | None
"""A value of a table; None: it is undefined."""


@dataclass(frozen=True, slots=True)
class Picture:
    """One picture with its alternatives for those who cannot see it, and for programs."""

    name: str
    """A word that names the file: `confusion`."""
    title: str
    summary: str
    """What it shows, in full sentences: also the alternative text."""
    svg: str
    columns: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]
    """The numbers that are drawn, each to at most six significant digits."""


def rounded(value: float) -> float | None:
    """Return a number to six significant digits; None for what is not finite."""
    short = float(f"{value:.6g}")
    return short if abs(short) < float("inf") else None  # NaN compares as False
