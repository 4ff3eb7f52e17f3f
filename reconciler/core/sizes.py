"""Sizes: amounts of bytes as people write and say them."""

from __future__ import annotations

import re

_SIZE = re.compile(r"(\d{1,9}(?:\.\d{1,9})?) ?([kmgt])(i?)b?", re.IGNORECASE)
_SHARE = re.compile(r"(\d{1,9}(?:\.\d{1,9})?) ?%")
_POWERS = {"k": 1, "m": 2, "g": 3, "t": 4}


def parse(text: str, whole: int) -> int:
    """Return the bytes that a text states: `4G`, `1.5 GB` (of 1000s), `512Mi` (of 1024s), `50%`.

    Args:
        text: What a person wrote.
        whole: Bytes that are 100 %.

    Raises:
        ValueError: It states no size above 0, or more than 100 %.
    """
    if match := _SHARE.fullmatch(text.strip()):
        count = whole * float(match[1]) / 100
        if count > whole:
            raise ValueError(f"{text} is more than there is")
    elif match := _SIZE.fullmatch(text.strip()):
        count = float(match[1]) * (1024 if match[3] else 1000) ** _POWERS[match[2].lower()]
    else:
        raise ValueError(f"{text!r:.40} is no size: write one like 4G, 512Mi or 50%")
    if count < 1:
        raise ValueError(f"{text} is nothing")
    return int(count)


def spoken(count: float) -> str:
    """Return bytes as people say them: `1.2 GB`."""
    for unit in ("B", "kB", "MB", "GB"):
        if count < 1000:
            return f"{count:.0f} {unit}" if unit == "B" or count >= 10 else f"{count:.1f} {unit}"
        count /= 1000
    return f"{count:.1f} TB"
