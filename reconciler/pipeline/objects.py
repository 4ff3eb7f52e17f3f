"""Objects as tables: what a pickle, joblib or NumPy file of the user's own stages holds.

Such files are loaded where models are: in the slot's own process.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import polars as pl

from reconciler.errors import TerminalError
from reconciler.pipeline import loading

if TYPE_CHECKING:
    from pathlib import Path

#: Cells of a sparse matrix that is written out: 400 MB as float64.
_MOST_CELLS = 50_000_000
_HINT = (
    "save a data frame, a matrix, a mapping of columns, or the pair (features, target); "
    "or write a CSV or Parquet file"
)


def read(root: Path, path: str, folders: Sequence[str], target: str) -> pl.DataFrame:
    """Return the table that a file holds.

    The columns of a matrix are called `column_1`, `column_2`, …; a target that stands by itself
    is called as the spec calls it.

    Args:
        root: The slot's tree.
        path: The file, from `root`.
        folders: Where the user's own modules may be.
        target: The column to predict, as the spec names it.

    Raises:
        TerminalError: `DataMissing`, or `DataUnreadable`: it holds no table.
    """
    if not (root / path).is_file():
        raise TerminalError(f"data.test {path} is not there", reason="DataMissing", hint=_HINT)
    try:
        found = loading.load(root, path, folders)
        columns = dict(_columns(found, target))
        return pl.DataFrame(columns, strict=False)
    except Exception as error:  # a pickle may raise anything, and so may what it holds
        words = " ".join(str(error).split())
        raise TerminalError(
            f"data.test {path} cannot be read as a table: {type(error).__name__}: {words:.400}",
            reason="DataUnreadable",
            hint=_HINT,
        ) from error


def _columns(value: Any, target: str) -> Iterator[tuple[str, Any]]:
    """Give name and values of each column of an object, in order."""
    if hasattr(value, "columns") and hasattr(value, "to_dict"):  # a frame of Polars or pandas
        for name in value.columns:
            yield (
                str(name),
                value[name].to_list() if hasattr(value[name], "to_list") else value[name],
            )
    elif hasattr(value, "toarray") and hasattr(value, "nnz"):  # a sparse matrix
        yield from _matrix(_dense(value), None)
    elif isinstance(value, np.ndarray) and value.dtype.names:
        for name in value.dtype.names:
            yield name, value[name].tolist()
    elif isinstance(value, np.ndarray) and value.ndim == 2:
        yield from _matrix(value, None)
    elif isinstance(value, Mapping) or hasattr(value, "files"):  # an .npz is a mapping too
        names = value.files if hasattr(value, "files") else list(value)
        for name in names:
            yield from _part(str(name), value[name], target)
    elif isinstance(value, list | tuple) and len(value) == 2:
        first, second = value
        yield from _pair(first, second, target)
    else:
        raise TypeError(f"it holds {type(value).__qualname__}, which is no table")


def _pair(first: Any, second: Any, target: str) -> Iterator[tuple[str, Any]]:
    """Give the columns of (features, target), or of (matrix, names)."""
    if all(isinstance(name, str) for name in second) and len(second) != _height(first):
        matrix = _dense(first) if hasattr(first, "toarray") else np.asarray(first)
        fits = matrix.ndim == 2 and len(second) == matrix.shape[1]
        yield from _matrix(matrix, list(second) if fits else None)
    else:
        yield from _columns(first, target)
        yield target, np.ravel(second).tolist()


def _part(name: str, value: Any, target: str) -> Iterator[tuple[str, Any]]:
    """Give the columns of one entry of a mapping: a column, or a matrix beside the target."""
    if np.ndim(value) == 1 or (np.ndim(value) == 2 and np.shape(value)[1] == 1):
        own = target if name in ("y", "target", "labels") else name
        yield own, np.ravel(value).tolist()
    else:
        yield from _columns(value, target)


def _matrix(matrix: npt.NDArray[Any], names: Sequence[str] | None) -> Iterator[tuple[str, Any]]:
    for index in range(matrix.shape[1]):
        name = names[index] if names else f"column_{index + 1}"
        yield str(name), matrix[:, index].tolist()


def _dense(matrix: Any) -> npt.NDArray[Any]:
    rows, width = matrix.shape
    if rows * width > _MOST_CELLS:
        raise ValueError(f"a sparse matrix of {rows:,} rows and {width:,} columns is too large")
    return np.asarray(matrix.toarray())


def _height(value: Any) -> int:
    return int(np.shape(value)[0]) if np.ndim(value) else -1
