"""Tables of predictions: how scored rows are kept in a file, and read back."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl

from reconciler.core.metrics import Scored

Array = npt.NDArray[Any]
Mask = npt.NDArray[np.bool_]
Label = str | int | bool | float

ACTUAL = "actual"
PREDICTION = "prediction"
_CHANCE = "p:"
_ROW = "\0row"  # no column of a table is called so


def table(actual: pl.Series, values: Array, chances: Array | None, classes: Any) -> pl.DataFrame:
    """Return predictions as a table, in the order of the rows.

    Args:
        actual: The target, n rows.
        values: Predicted numbers or labels, shape (n,).
        chances: Probabilities, shape (n, classes); None: there are none.
        classes: The classes in the order of the columns of `chances`; None: a regression.
    """
    dtype = pl.Float64 if classes is None else actual.dtype
    kept = [actual.cast(dtype).alias(ACTUAL), pl.Series(PREDICTION, values.tolist(), dtype=dtype)]
    if chances is not None:
        columns = zip(classes, chances.T, strict=True)
        kept += [pl.Series(f"{_CHANCE}{name}", column) for name, column in columns]
    return pl.DataFrame(kept)


def scored(frame: pl.DataFrame, classes: Sequence[Label] | None, positive: Label | None) -> Scored:
    """Return the scored rows that `table` keeps.

    Args:
        frame: As `table` gave it.
        classes: Every class, in order; None: a regression.
        positive: The positive class of two.
    """
    actual, prediction = frame[ACTUAL].to_numpy(), frame[PREDICTION].to_numpy()
    if classes is None:
        return Scored(actual, prediction)
    names = [f"{_CHANCE}{name}" for name in classes]
    chances = frame.select(names).to_numpy() if set(names) <= set(frame.columns) else None
    return Scored(actual, prediction, chances, tuple(classes), positive)


def slices(frame: pl.DataFrame, columns: Iterable[str]) -> dict[str, Array]:
    """Return the values of columns, by column; a column that is not there is left out.

    Fractional numbers stay numbers, with NaN where one is missing; everything else is text, and
    a missing value is the slice `(missing)`.
    """
    known = [name for name in dict.fromkeys(columns) if name in frame.columns]
    return {name: _values(frame[name]) for name in known}


def among(frame: pl.DataFrame, other: pl.DataFrame) -> Mask:
    """Return which rows of `frame` stand in `other`, shape (rows,), by all columns of `other`.

    None does where a column is missing, or holds another kind of value.
    """
    known = frame.schema
    if any(known.get(name) != dtype for name, dtype in other.schema.items()):
        return np.zeros(frame.height, dtype=bool)
    names = other.columns
    rows = frame.select(names).with_row_index(_ROW)
    found = rows.join(other, on=names, how="semi", nulls_equal=True)[_ROW].to_numpy()
    mask = np.zeros(frame.height, dtype=bool)
    mask[found] = True
    return mask


def _values(column: pl.Series) -> Array:
    if column.dtype.is_float():
        return column.cast(pl.Float64).fill_null(np.nan).to_numpy()
    return np.array(column.cast(pl.String).fill_null("(missing)").to_list(), dtype=object)
