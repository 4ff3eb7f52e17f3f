"""Wording: labels and numbers as they can be shown anywhere, however hostile the data is."""

from __future__ import annotations

import math
import re
import unicodedata

#: What XML cannot hold, what no one sees, and what reorders the text around it.
_UNSHOWN = re.compile(
    "[\x00-\x1f\x7f-\x9f\u061c\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff0-\uffff"
    "\ud800-\udfff]"
)
_REPLACED = "\ufffd"
_LEAST, _MOST = 1e-3, 1e7
_BRIEF = 40


def shown(value: object) -> str:
    """Return a label as text on one line in which no character controls another."""
    return _UNSHOWN.sub(_REPLACED, str(value)) or "(empty)"


def brief(value: object) -> str:
    """Return a label as it can stand within a sentence."""
    return clipped(shown(value), _BRIEF)


def clipped(text: str, width: int) -> str:
    """Return `text`, or its beginning and an ellipsis, at most `width` columns wide."""
    if columns(text) <= width:
        return text
    kept, used = "", 0
    for character in text:
        used += columns(character)
        if used > width - 1:
            break
        kept += character
    return kept.rstrip("\u200d ") + "…"


def columns(text: str) -> int:
    """Return how many columns a text takes in a font of one width, such as a terminal's."""
    return sum(_columns(character) for character in text)


def told(value: float | None) -> str:
    """Return a number to four significant digits, as people write it; a dash for none."""
    if value is None or math.isnan(value):
        return "\u2013"
    size = abs(value)
    if size and not _LEAST <= size < _MOST:
        return f"{value:.3g}"
    places = 3 - math.floor(math.log10(size)) if size else 0
    text = f"{value:,.{max(places, 0)}f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def counted(count: int, noun: str) -> str:
    """Return a count with its noun: `1 row`, `1,200 rows`."""
    plural = f"{noun}es" if noun.endswith("s") else f"{noun}s"
    return f"{count:,} {noun if count == 1 else plural}"


def _columns(character: str) -> int:
    if unicodedata.combining(character) or unicodedata.category(character) in ("Cf", "Mn", "Me"):
        return 0
    return 2 if unicodedata.east_asian_width(character) in "WF" else 1
