"""The report as plain values: the pictures' words and numbers, without the SVG text itself."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from reconciler.core.pictures.picture import Picture

FILE = "report.json"
FORMAT = 1
#: Of the card's last section, which stands for the pictures.
HEADING = "## On the held-out rows"


def to_plain(pictures: Iterable[Picture]) -> list[dict[str, Any]]:
    """Return name, title, summary, columns and rows of each, as JSON values."""
    return [
        {
            "name": p.name,
            "title": p.title,
            "summary": p.summary,
            "columns": list(p.columns),
            "rows": [list(row) for row in p.rows],
        }
        for p in pictures
    ]


def from_plain(plain: Any, drawn: Mapping[str, str]) -> tuple[Picture, ...]:
    """Return the pictures of a report.

    Args:
        plain: What `report.json` holds.
        drawn: The SVG texts, by name.

    Raises:
        ValueError: It is of a later format.
        KeyError: A picture or a part of one is not there.
    """
    if plain["format"] != FORMAT:
        raise ValueError(f"format {plain['format']}, this reconciler reads {FORMAT}")
    return tuple(
        Picture(
            str(item["name"]),
            str(item["title"]),
            str(item["summary"]),
            drawn[str(item["name"])],
            tuple(map(str, item["columns"])),
            tuple(tuple(row) for row in item["rows"]),
        )
        for item in plain["pictures"]
    )
