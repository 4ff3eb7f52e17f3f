"""The report as plain values: the pictures' words and numbers, without the SVG text itself."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from reconciler.core.pictures.picture import Picture

FILE = "report.json"
FORMAT = 1


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
