"""Sampling: a table small enough to look at, whatever the size of the file it comes from."""

from __future__ import annotations

import gzip
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import polars as pl

#: Bytes of text that are read whole; of a larger file, as many evenly spaced over it.
BYTES = 32_000_000
_BLOCKS = 64
#: Values that are looked at; a wide table is looked at in fewer rows.
CELLS = 20_000_000
_PARQUET_SLICES = 16
_HEAD = 1_000_000


@dataclass(frozen=True, slots=True)
class Sample:
    """A file to look at instead of the whole."""

    root: Path
    """The folder below which it has the path of the whole."""
    rows: int | None
    """About how many rows the whole has; None: the sample is the whole."""


def sample(root: Path, source: str, kind: str, aside: Path) -> Sample:
    """Return a file of bounded size with rows from all parts of a table.

    Args:
        root: The folder that `source` starts from.
        source: A file or a folder.
        kind: csv, tsv, parquet or jsonl.
        aside: An empty folder, for the sample.
    """
    path = root / source
    if path.is_dir():  # a table in parts: as it is
        return Sample(root, None)
    copy = aside / PurePosixPath(source)
    copy.parent.mkdir(parents=True, exist_ok=True)
    if kind == "parquet":
        return _parquet(path, copy, Sample(root, None), aside)
    if _packed(path):
        return _unpacked(path, copy, Sample(root, None), aside)
    size = path.stat().st_size
    if size <= BYTES:
        return Sample(root, None)
    content = _blocks(path, size, header=kind != "jsonl")
    copy.write_bytes(content)
    return Sample(aside, round(content.count(b"\n") * size / len(content)))


def _blocks(path: Path, size: int, *, header: bool) -> bytes:
    """Return the first line and whole lines from evenly spaced places."""
    length = BYTES // _BLOCKS
    with path.open("rb") as file:
        first = file.readline() if header else b""
        start = file.tell()
        parts = [first]
        for block in range(_BLOCKS):
            at = start + (size - start - length) * block // (_BLOCKS - 1)
            file.seek(at)
            lines = file.read(length)
            if at > start:
                lines = lines[lines.find(b"\n") + 1 :]
            parts.append(lines[: lines.rfind(b"\n") + 1])
    return b"".join(parts)


def _packed(path: Path) -> bool:
    with path.open("rb") as file:
        return file.read(2) == b"\x1f\x8b"


def _unpacked(path: Path, copy: Path, whole: Sample, aside: Path) -> Sample:
    """Return the beginning of a packed text: what comes later cannot be reached alone."""
    with gzip.open(path) as file:
        text = file.read(BYTES)
        more = bool(file.read(1))
    if not more:
        return whole
    text = text[: text.rfind(b"\n") + 1]
    copy.write_bytes(text)
    head = text[:_HEAD]
    whole_size = path.stat().st_size * len(head) / len(gzip.compress(head, 6))
    return Sample(aside, round(text.count(b"\n") * whole_size / len(text)))


def _parquet(path: Path, copy: Path, whole: Sample, aside: Path) -> Sample:
    table = pl.scan_parquet(path, glob=False)
    width = len(table.collect_schema())
    rows = int(table.select(pl.len()).collect().item())
    wanted = max(CELLS // max(width, 1), 1)
    if rows <= wanted:
        return whole
    length = wanted // _PARQUET_SLICES
    starts = [(rows - length) * n // (_PARQUET_SLICES - 1) for n in range(_PARQUET_SLICES)]
    parts = [table.slice(start, length).collect() for start in starts]
    pl.concat(parts).write_parquet(copy)
    return Sample(aside, rows)
