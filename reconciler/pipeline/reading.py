"""Reading: the source of a model as a table, before anything is concluded from its values."""

from __future__ import annotations

import codecs
import csv
import gzip
import importlib
import io
import sys
import zlib
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any

import polars as pl

from reconciler.errors import SpecError, TerminalError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from reconciler.spec.model import DataSpec, Reader

DATASETS = ("breast_cancer", "diabetes", "digits", "iris", "linnerud", "wine")

_SUFFIXES = {
    ".csv": "csv",
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".parquet": "parquet",
    ".pq": "parquet",
    ".tab": "tsv",
    ".tsv": "tsv",
}
_SEPARATORS = {"csv": ",", "tsv": "\t"}
_SEE_READER = "see data.reader: separator, quote, encoding, header"
_PLAIN = frozenset({"utf-8", "ascii"})


@dataclass(frozen=True, slots=True)
class Table:
    """What a source holds."""

    frame: pl.DataFrame
    typed: bool
    """Whether the source states types; if not, every column is text as it stands in the file."""


def read(root: Path, data: DataSpec) -> Table:
    """Return the table that `data` names.

    Args:
        root: The folder that `data.source` starts from.
        data: Where the table is and how it is written.

    Raises:
        SpecError: The dataset, format or encoding does not exist, or names do not fit the file.
        TerminalError: `DataMissing`, `DataUnreadable` or `DataEmpty`.
    """
    if data.source.startswith("sklearn:"):
        return Table(_bundled(data.source), typed=True)
    kind = data.format or _format(data.source)
    frames = [_checked(path, kind, data.reader) for path in _files(root / data.source, data)]
    frame = _joined(frames, data.source)
    if frame.is_empty():
        raise TerminalError(f"{data.source} has no rows", reason="DataEmpty")
    return Table(frame, typed=kind not in _SEPARATORS)


def _format(source: str) -> str:
    suffixes = [suffix for suffix in PurePosixPath(source).suffixes if suffix != ".gz"]
    found = _SUFFIXES.get(suffixes[-1].lower()) if suffixes else None
    if found is None:
        message = f"data.source: {source} does not say by its ending how it is written"
        raise SpecError(message, reason="UnknownFormat", hint="set data.format: csv, tsv, …")
    return found


def _files(path: Path, data: DataSpec) -> list[Path]:
    """Return the file, or all files of a folder by name."""
    if path.is_dir():
        found = sorted(p for p in path.rglob("*") if p.is_file() and not p.name.startswith("."))
        if found:
            return found
        raise TerminalError(f"{data.source} is an empty folder", reason="DataEmpty")
    if path.is_file():
        return [path]
    hint = f"commit it, or track it with `dvc add {data.source}` and run `dvc pull`"
    raise TerminalError(f"{data.source} is not there", reason="DataMissing", hint=hint)


def _joined(frames: list[pl.DataFrame], source: str) -> pl.DataFrame:
    try:
        return pl.concat(frames, how="vertical_relaxed").rechunk()
    except pl.exceptions.PolarsError as error:
        message = f"the files of {source} do not have the same columns: {_words(error)}"
        raise TerminalError(message, reason="DataUnreadable") from error


def _checked(path: Path, kind: str, reader: Reader) -> pl.DataFrame:
    try:
        return _READERS[kind](path, kind, reader)
    except pl.exceptions.NoDataError as error:
        raise TerminalError(f"{path.name} is empty", reason="DataEmpty") from error
    except (pl.exceptions.PolarsError, csv.Error) as error:
        message = f"{path.name} is not readable as {kind}: {_words(error)}"
        raise TerminalError(message, reason="DataUnreadable", hint=_hint(kind, error)) from error


def _words(error: Exception) -> str:
    return " ".join(str(error).split("\n\n")[0].split())[:300]


def _hint(kind: str, error: Exception) -> str:
    if "not properly escaped" in str(error) or ("as dtype `str`" in str(error)):
        return (
            "quotes are not balanced: set data.reader.quote: null if they are ordinary characters"
        )
    if kind in _SEPARATORS:
        return _SEE_READER
    return ""


def _delimited(path: Path, kind: str, reader: Reader) -> pl.DataFrame:
    separator = reader.separator or _SEPARATORS[kind]
    _check_marks(separator, reader.quote)
    content = _content(path, reader.encoding)
    table = pl.read_csv(
        content,
        has_header=False,  # the header is read as a row, so that no name is altered
        separator=separator,
        quote_char=reader.quote,
        infer_schema=False,
        glob=False,
    )
    if table[:, -1].has_nulls():  # so would be the end of a row that is too short
        _check_lengths(content, separator, reader.quote, table.width, path.name)
    table = table.with_columns(pl.all().fill_null(""))
    names = _names(table, reader, path.name)
    if reader.header:
        table = table[1:]
    table.columns = names
    if table.width > 1:  # a blank line is no row
        table = table.filter(~pl.all_horizontal(pl.all() == ""))
    return table


def _check_marks(separator: str, quote: str | None) -> None:
    for key, mark in (("separator", separator), ("quote", quote or '"')):
        if not mark.isascii() or mark in "\r\n":
            message = f"data.reader.{key}: {mark!r} is not a single byte within a line"
            raise SpecError(message, reason="WrongReader", hint="choose an ASCII character")
    if separator == quote:
        message = f"data.reader: {quote!r} is both separator and quote"
        raise SpecError(message, reason="WrongReader", hint="set quote: null if nothing is quoted")


def _check_lengths(
    content: io.BytesIO, separator: str, quote: str | None, width: int, file: str
) -> None:
    """Refuse rows with too few fields, which would otherwise pass for missing values."""
    lines = io.TextIOWrapper(io.BytesIO(content.getvalue()), encoding="utf-8-sig", newline="")
    csv.field_size_limit(sys.maxsize)
    if quote is None:
        rows = csv.reader(lines, delimiter=separator, quoting=csv.QUOTE_NONE)
    else:
        rows = csv.reader(lines, delimiter=separator, quotechar=quote)
    short = [(rows.line_num, len(row)) for row in rows if 0 < len(row) < width]
    if short:
        line, fields = short[0]
        counted = f"{len(short):,} row{'s' if len(short) > 1 else ''} too short"
        message = f"{file}: {counted}; line {line:,} has {fields} of {width} fields"
        raise TerminalError(message, reason="DataUnreadable", hint=_SEE_READER)


def _content(path: Path, encoding: str) -> io.BytesIO:
    """Return the file as UTF-8, unpacked if it is packed."""
    raw = _unpacked(path)
    try:
        text = raw.decode(encoding)
    except LookupError as error:
        message = f"data.reader.encoding: there is no encoding {encoding!r} of text"
        hint = "for instance utf-8, latin-1, cp1252, utf-16"
        raise SpecError(message, reason="UnknownEncoding", hint=hint) from error
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        message = f"{path.name}, line {line}: not {encoding} (byte 0x{raw[error.start]:02x})"
        hint = "set data.reader.encoding, for instance latin-1 or cp1252"
        raise TerminalError(message, reason="DataUnreadable", hint=hint) from error
    return io.BytesIO(raw if codecs.lookup(encoding).name in _PLAIN else text.encode())


def _unpacked(path: Path) -> bytes:
    raw = path.read_bytes()
    if not raw.startswith(b"\x1f\x8b"):
        return raw
    try:
        return gzip.decompress(raw)
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        message = f"{path.name} is not readable as gzip: {error}"
        raise TerminalError(message, reason="DataUnreadable") from error


def _names(table: pl.DataFrame, reader: Reader, file: str) -> list[str]:
    if not reader.header:
        names = reader.names_of(table.width)
        if len(names) != table.width:
            message = (
                f"data.reader.names: {len(names)} names for the {table.width} columns of {file}"
            )
            raise SpecError(message, reason="WrongNames")
        return names
    names = [str(name).strip() for name in table.row(0)]
    if not all(names):
        message = f"{file}: column {names.index('') + 1} has no name in the header"
        hint = "name it in the first line; data.reader.header says that there is no such line"
        raise TerminalError(message, reason="DataUnreadable", hint=hint)
    if twins := sorted({name for name in names if names.count(name) > 1}):
        message = f"{file}: several columns are called {', '.join(twins)}"
        raise TerminalError(message, reason="DataUnreadable", hint="rename them")
    return names


def _parquet(path: Path, _kind: str, _reader: Reader) -> pl.DataFrame:
    return pl.read_parquet(path, glob=False)


def _json_lines(path: Path, _kind: str, _reader: Reader) -> pl.DataFrame:
    if not path.stat().st_size:
        raise pl.exceptions.NoDataError
    return pl.read_ndjson(path, infer_schema_length=None)


def _bundled(source: str) -> pl.DataFrame:
    """Return a dataset that comes with scikit-learn: features by name, labels where it has some."""
    name = source.partition(":")[2].removeprefix("load_").replace("-", "_")
    if name not in DATASETS:
        message = f"data.source: {source} is not a dataset that comes with scikit-learn"
        raise SpecError(message, reason="UnknownDataset", hint=f"there are {', '.join(DATASETS)}")
    loaded: Any = getattr(importlib.import_module("sklearn.datasets"), f"load_{name}")()
    columns = {str(n): loaded.data[:, i] for i, n in enumerate(loaded.feature_names)}
    if loaded.target.ndim > 1:
        targets = {str(n): loaded.target[:, i] for i, n in enumerate(loaded.target_names)}
        return pl.DataFrame({**columns, **targets})
    labels = [label.item() for label in getattr(loaded, "target_names", [])]
    target = [labels[i] for i in loaded.target] if labels else loaded.target
    return pl.DataFrame({**columns, "target": target})


_READERS: Mapping[str, Callable[[Path, str, Reader], pl.DataFrame]] = {
    "csv": _delimited,
    "tsv": _delimited,
    "parquet": _parquet,
    "jsonl": _json_lines,
}
