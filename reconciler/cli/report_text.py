"""The report on a terminal: within eighty columns, no line of it left to wrap."""

from __future__ import annotations

import os
import textwrap
from collections.abc import Iterator
from pathlib import Path

from reconciler.controller.reports import Report
from reconciler.core.pictures.picture import Picture
from reconciler.core.pictures.wording import clipped, columns, shown, told

_WIDTH = 80
_RULES = 20
_INPUTS = 8
_CLASSES = 8
_LABEL, _BAR = 30, 24


def lines(report: Report, here: Path) -> Iterator[str]:
    """Give the lines of a report; paths are told as seen from `here`."""
    version = report.version
    yield f"{shown(report.model)}, version {version.number}: {version.outcome.value}"
    yield f"  revision {version.revision[:12]}, trained {version.created:%Y-%m-%d %H:%M} UTC"
    yield from _verdict(report)
    yield from _metrics(report)
    pictures = {picture.name: picture for picture in report.pictures}
    if "confusion" in pictures:
        yield from _confusion(pictures["confusion"])
    if "importance" in pictures:
        yield from _bars(pictures["importance"], 1)
    if "words" in pictures:
        yield from _bars(pictures["words"], 2)
    for name in ("learning", "calibration", "actual", "residuals"):
        if name in pictures:
            yield ""
            yield pictures[name].title
            yield from _wrapped(pictures[name].summary)
    yield ""
    for warning in version.warnings:
        yield from _wrapped(f"warning: {warning}")
    for why in report.missing:
        yield from _wrapped(why)
    if report.folder is not None:
        place = os.path.relpath(report.folder, here)
        yield f"{len(report.pictures)} pictures, as SVG with a card:"
        yield f"  {place}"
    yield f"as one page: reconciler report {report.model} --html {report.model}.html"


def _verdict(report: Report) -> Iterator[str]:
    verdict = report.version.verdict
    if verdict is None:
        yield from _wrapped(report.version.message or "the gate was not asked")
        return
    yield from _wrapped(f"{verdict['outcome']}: {verdict['message']}")
    evidence = sorted(verdict["evidence"], key=lambda item: item["outcome"] == "passed")
    for item in evidence[:_RULES]:
        yield from _wrapped(item["message"], f"    {item['outcome']:<13}", " " * 17)
    if len(evidence) > _RULES:
        yield f"    and {len(evidence) - _RULES} more"


def _metrics(report: Report) -> Iterator[str]:
    if not report.metrics:
        return
    yield ""
    yield f"{'METRIC':<24}{'VALUE':>12}   95 % INTERVAL"
    for one in report.metrics:
        between = f"{told(one.low)} to {told(one.high)}"
        known = one.low is not None or one.high is not None
        yield f"{one.metric:<24}{told(one.value):>12}   {between if known else ''}".rstrip()


def _confusion(picture: Picture) -> Iterator[str]:
    yield ""
    yield f"{picture.title} (rows: actual, columns: answered)"
    yield from _wrapped(picture.summary)
    names = picture.columns[1:]
    if len(names) > _CLASSES:
        return
    table = [[clipped(shown(cell), 12) for cell in row] for row in picture.rows]
    table.insert(0, ["", *(clipped(name, 12) for name in names)])
    widths = [max(columns(row[n]) for row in table) for n in range(len(names) + 1)]
    if sum(widths) + 2 * len(widths) > _WIDTH - 2:
        return
    for row in table:
        cells = [_right(cell, width) for cell, width in zip(row[1:], widths[1:], strict=True)]
        yield "  " + "  ".join([row[0] + " " * (widths[0] - columns(row[0])), *cells])


def _bars(picture: Picture, column: int) -> Iterator[str]:
    """Give the first rows of a picture's table, with a bar for the number in one column."""
    yield ""
    yield picture.title
    yield from _wrapped(picture.summary)
    top = [(shown(row[0]), float(row[column] or 0.0)) for row in picture.rows[:_INPUTS]]
    most = max((abs(value) for _, value in top), default=0.0)
    for name, value in top:
        label = clipped(name, _LABEL)
        bar = "█" * round(_BAR * abs(value) / most) if value > 0 else ""
        gap = " " * (_LABEL - columns(label))
        yield f"  {label}{gap} {told(float(f'{value:.2g}')):>10} {bar}".rstrip()


def _right(text: str, width: int) -> str:
    return " " * (width - columns(text)) + text


def _wrapped(text: str, first: str = "  ", rest: str | None = None) -> list[str]:
    words = shown(" ".join(text.split()))
    return textwrap.wrap(
        words, _WIDTH, initial_indent=first, subsequent_indent=first if rest is None else rest
    )
