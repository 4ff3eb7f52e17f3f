"""Colours and columns for long lists: a drawing library would take seconds for ten thousand."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Sequence

_RULE = 100
_CODES = {"bold": "1", "dim": "2", "red": "31", "green": "32", "yellow": "33"}


def coloured() -> bool:
    """Return whether standard output is a terminal that shows colours."""
    plain = "NO_COLOR" in os.environ or os.environ.get("TERM") == "dumb"
    return sys.stdout.isatty() and not plain


def styled(text: str, style: str | None) -> str:
    """Return `text` in a style, such as `green`; as it is where that cannot be shown."""
    return f"\x1b[{_CODES[style]}m{text}\x1b[0m" if style and coloured() else text


def printable(text: str) -> str:
    """Return `text` without the characters that steer a terminal."""
    return text if text.isprintable() else "".join(c for c in text if c.isprintable())


def columns(
    header: Sequence[str], rows: Iterable[Sequence[str]], styles: Sequence[dict[str, str]]
) -> str:
    """Return rows under a header, every column as wide as its longest cell.

    Args:
        header: The columns' names.
        rows: Cells without control characters.
        styles: For each column, the style of each word that has one.
    """
    cells = [header, *rows]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    colours = coloured()
    lines = []
    for number, row in enumerate(cells):
        padded = [cell.ljust(width) for cell, width in zip(row, widths, strict=True)]
        if colours:
            known = styles if number else [dict.fromkeys(header, "bold")] * len(header)
            pairs = zip(row, padded, known, strict=True)
            padded = [styled(text, style.get(cell)) for cell, text, style in pairs]
        lines.append("  ".join(padded).rstrip())
    lines.insert(1, "─" * min(sum(widths) + 2 * (len(widths) - 1), _RULE))
    return "".join(f"{line}\n" for line in lines)
