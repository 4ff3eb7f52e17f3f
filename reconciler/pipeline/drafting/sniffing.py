"""Sniffing: how a text table is written, where it says so nowhere."""

from __future__ import annotations

import codecs
import csv
import io
import itertools
import zlib
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

_HEAD = 400_000
_LINES = 500
_SEPARATORS = (",", ";", "\t", "|")
_USUAL = {"csv": ",", "tsv": "\t"}
_CONSISTENT = 0.9


@dataclass(frozen=True, slots=True)
class Written:
    """How a table is written."""

    settings: Mapping[str, Any]
    """What `data.reader` must say; empty: nothing out of the ordinary."""
    notes: Mapping[str, str]
    """Why, by setting."""


def sniff(path: Path, kind: str) -> Written:
    """Return how the text table at `path` (csv or tsv) is written."""
    head, rest = _bytes(path)
    encoding = _encoding(head, rest)
    settings: dict[str, Any] = {}
    notes: dict[str, str] = {}
    if encoding != "utf-8":
        settings["encoding"] = encoding
        notes["encoding"] = "the file is not UTF-8"
    lines = head.decode(encoding, errors="replace").lstrip("\ufeff").splitlines()[:_LINES]
    separator = _separator(lines, _USUAL[kind])
    if separator != _USUAL[kind]:
        settings["separator"] = separator
    rows = _rows(lines, separator)
    if rows and not _has_header(rows[0], rows[1:]):
        settings["header"] = False
        notes["header"] = "CHECK: line 1 looks like data"
    return Written(settings, notes)


def _bytes(path: Path) -> tuple[bytes, bytes]:
    """Return whole lines from the beginning of a file, and the file as far as it is looked at."""
    raw = path.read_bytes()
    if raw.startswith(b"\x1f\x8b"):
        raw = zlib.decompressobj(31).decompress(raw)
    head = raw[:_HEAD]
    if len(raw) > _HEAD and b"\n" in head:
        head = head[: head.rfind(b"\n") + 1]
    return head, raw


def _encoding(head: bytes, raw: bytes) -> str:
    if head.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return "utf-16"
    for encoding in ("utf-8", "cp1252"):
        try:
            raw.decode(encoding)
        except UnicodeDecodeError:
            continue
        return encoding
    return "latin-1"


def _separator(lines: Sequence[str], usual: str) -> str:
    widths = {one: _width(lines, one) for one in _SEPARATORS}
    if widths[usual] > 1 or max(widths.values()) <= 1:
        return usual
    return max(widths, key=lambda one: widths[one])


def _width(lines: Sequence[str], separator: str) -> int:
    """Return the number of fields that nearly every line has; 0 where there is no such number."""
    counts = Counter(len(row) for row in _rows(lines, separator))
    width, often = counts.most_common(1)[0] if counts else (0, 0)
    return width if often >= _CONSISTENT * counts.total() else 0


def _rows(lines: Sequence[str], separator: str) -> list[list[str]]:
    reader = csv.reader(io.StringIO("\n".join(lines)), delimiter=separator)
    try:
        return [row for row in itertools.islice(reader, _LINES) if row]
    except csv.Error:
        return [line.split(separator) for line in lines]


def _has_header(first: Sequence[str], rows: Sequence[Sequence[str]]) -> bool:
    """Return whether the first row names the columns.

    It does not where each of its cells could stand in its column: a number above numbers, and
    above words one of these very words.
    """
    columns = [[row[i] for row in rows if i < len(row)] for i in range(len(first))]
    numeric = [bool(c) and sum(map(_is_number, c)) > len(c) / 2 for c in columns]
    if any(number and not _is_number(cell) for cell, number in zip(first, numeric, strict=True)):
        return True
    words = [i for i, number in enumerate(numeric) if not number]
    if not words:
        return not columns or _counts_up(first)
    # among texts no cell stands twice, header or not
    groups = [i for i in words if len(set(columns[i])) < len(columns[i]) / 2]
    again = sum(first[i].strip() != "" and first[i] in columns[i] for i in groups)
    return again < max(1, len(groups) / 2)


def _counts_up(cells: Sequence[str]) -> bool:
    """Return whether numbers name columns: years, or places in an image."""
    numbers = [float(cell) for cell in cells]
    return len(cells) > 2 and all(b - a == 1 for a, b in itertools.pairwise(numbers))


def _is_number(cell: str) -> bool:
    try:
        float(cell)
    except ValueError:
        return False
    return True
