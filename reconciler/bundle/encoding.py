"""From rows to tensors: the one boundary that training, judging and serving all pass.

Numbers are rounded to float32 here, as they were when the table was prepared, so clients that
send float32 and clients that send float64 get the same answer.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from reconciler.bundle import dates, words
from reconciler.bundle.signature import NO_TEXT, Input, Signature, Tensor
from reconciler.errors import UsageError

if TYPE_CHECKING:
    import polars as pl

#: What numpy makes the number of that `_number` does, or NaN.
_PLAIN = frozenset({float, int, type(None)})

Array = npt.NDArray[Any]
Floats = npt.NDArray[np.float64]

#: From here on a float64 no longer tells an integer from its neighbour.
_TOO_LARGE = 2**53


def encode(signature: Signature, rows: Mapping[str, Any] | pl.DataFrame) -> dict[str, Array]:
    """Return the tensors of `rows`: name to an array of shape (rows, columns).

    Args:
        signature: Says which inputs there are and how they are laid out.
        rows: A column for every input; one may be left out where the input is nullable. Further
            columns are ignored.

    Raises:
        UsageError: `BadInput`, naming the field: it is missing, has a missing value that is not
            allowed, or a value that is not of its type.
    """
    if not isinstance(rows, Mapping):  # a table of many columns is slow to ask for each
        rows = {column.name: column for column in rows.iter_columns()}
    height = _height(signature, rows)
    columns = {item.name: _column(item, rows, height) for item in signature.inputs}
    return {tensor.name: _stack(tensor, columns, height) for tensor in signature.tensors}


def _height(signature: Signature, rows: Mapping[str, Any]) -> int:
    sizes = {i.name: len(rows[i.name]) for i in signature.inputs if i.name in rows}
    if len(set(sizes.values())) > 1:
        listed = ", ".join(f"{name} {size}" for name, size in sizes.items())
        raise bad(f"the columns differ in length: {listed}")
    if not sizes:
        raise bad(f"no input is there; wanted {', '.join(i.name for i in signature.inputs)}")
    return next(iter(sizes.values()))


def rounded(signature: Signature) -> frozenset[str]:
    """Return the inputs whose values are rounded to float32 on their way in."""
    columns = (column for tensor in signature.tensors for column in tensor.columns)
    return frozenset(c.input for c in columns if c.rounded and c.part is None)


def fits(item: Input, values: list[Any], *, rounded: bool) -> bool:
    """Return whether `encode` takes these values for one input, which is `rounded` or not."""
    try:
        array = _READERS[item.type](item, values)
        if rounded:
            round32(array, item.name)
    except UsageError:
        return False
    return True


def _column(item: Input, rows: Mapping[str, Any], height: int) -> Array:
    if item.name in rows:
        values = rows[item.name]
    elif item.nullable:
        values = [None] * height
    else:
        raise bad(f"{item.name}: the field is missing")
    return read(item, values)


def read(item: Input, values: Any) -> Array:
    """Return the values of one input: floats, texts or moments.

    Raises:
        UsageError: `BadInput`, naming the input: a value is missing, or not of its type.
    """
    return _READERS[item.type](item, values)


def _stack(tensor: Tensor, columns: Mapping[str, Array], height: int) -> Array:
    if tensor.words:
        return words.split(columns[tensor.columns[0].input].tolist())
    if tensor.dtype == "string":
        texts = np.empty((height, len(tensor.columns)), dtype=object)
        for index, column in enumerate(tensor.columns):
            texts[:, index] = columns[column.input]
        return texts
    numbers = np.empty((height, len(tensor.columns)), dtype=np.float64)
    for index, column in enumerate(tensor.columns):
        values = columns[column.input]
        numbers[:, index] = dates.part(values, column.part) if column.part else values
        if column.rounded:
            numbers[:, index] = round32(numbers[:, index], column.name)
    return numbers


def round32(values: Floats, name: str) -> Floats:
    """Return `values` rounded to float32, as float64; UsageError where one does not fit."""
    with np.errstate(over="ignore"):
        rounded = values.astype(np.float32).astype(np.float64)
    if np.isinf(rounded).any():
        raise bad(f"{name}: a number is beyond the range of float32")
    return rounded


def bad(message: str) -> UsageError:
    """Return the error for an input that the signature does not take."""
    return UsageError(message, reason="BadInput", hint="signature.json lists the inputs")


def _shown(value: object) -> str:
    if isinstance(value, list | dict):  # it may be nested deeper than can be printed
        return "a list" if isinstance(value, list) else "an object"
    return f"{value!r:.60}"


def _listed(values: Any) -> list[Any]:
    if isinstance(values, (str, bytes)):
        raise bad("a column is a text, not a sequence of values")
    to_list = getattr(values, "to_list", None) or getattr(values, "tolist", None)
    return list(to_list() if to_list else values)


def _numbers(item: Input, values: Any) -> Floats:
    array = _plain_numbers(values)
    if array is None:
        array = np.array([_number(item, v) for v in _listed(values)], dtype=np.float64)
    if np.isinf(array).any():
        raise bad(f"{item.name}: a number is infinite")
    _check_nulls(item, int(np.isnan(array).sum()))
    return array


def _plain_numbers(values: Any) -> Floats | None:
    """Return numbers of numpy, Polars or JSON as float64; None for anything else."""
    if type(values) is list:
        if not _PLAIN.issuperset(map(type, values)):
            return None
        with contextlib.suppress(OverflowError):  # an integer of more than 308 digits
            return np.array(values, dtype=np.float64)
        return None
    if isinstance(values, np.ndarray):
        return values.astype(np.float64) if values.dtype.kind in "iuf" else None
    dtype = getattr(values, "dtype", None)
    if dtype is not None and getattr(dtype, "is_numeric", bool)():
        import polars as pl

        return np.array(values.cast(pl.Float64).fill_null(float("nan")).to_numpy())
    return None


def _number(item: Input, value: object) -> float:
    match value:
        case None:
            return float("nan")
        case bool() | np.bool_():
            pass
        case int() | float() | np.integer() | np.floating():
            with contextlib.suppress(OverflowError):  # an integer of more than 308 digits
                return float(value)
        case _:
            pass
    raise bad(f"{item.name}: {_shown(value)} is not a number")


def _integers(item: Input, values: Any) -> Floats:
    array = _numbers(item, values)
    odd = ~np.isnan(array) & ((array != np.floor(array)) | (np.abs(array) >= _TOO_LARGE))
    if odd.any():
        raise bad(f"{item.name}: {array[odd][0].item()!r} is not an integer below 2**53")
    return array


def _booleans(item: Input, values: Any) -> Floats:
    if isinstance(values, np.ndarray) and values.dtype.kind == "b":
        return values.astype(np.float64)
    array = np.array([_boolean(item, v) for v in _listed(values)], dtype=np.float64)
    _check_nulls(item, int(np.isnan(array).sum()))
    return array


def _boolean(item: Input, value: object) -> float:
    match value:
        case None:
            return float("nan")
        case bool() | np.bool_():
            return float(value)
        case 0 | 1:
            return float(value)
        case float() if value != value:
            return float("nan")
        case _:
            raise bad(f"{item.name}: {_shown(value)} is not true or false")


def _texts(item: Input, values: Any) -> Array:
    listed = _listed(values)
    texts = np.empty(len(listed), dtype=object)
    texts[:] = [_text(item, value) for value in listed]
    if not item.nullable:
        _check_nulls(item, sum(value is None for value in listed))
    return texts


def _text(item: Input, value: object) -> str:
    match value:
        case str():
            return str(value)
        case None:
            return NO_TEXT
        case bool() | np.bool_():
            pass
        case int() | np.integer() if item.type == "category":  # 3 where the table says "3"
            return str(int(value))
        case float() if item.type == "category" and _whole(value):  # JSON: 3.0 is 3
            return str(int(value))
        case _:
            pass
    raise bad(f"{item.name}: {_shown(value)} is not a text")


def _whole(value: float) -> bool:
    """Return whether a number is an integer, of those that JSON's readers keep as such."""
    return -(2**63) < value < 2**64 and value.is_integer()


def _moments(item: Input, values: Any) -> Array:
    try:
        listed = [dates.moment(value) for value in _listed(values)]
    except (ValueError, OverflowError) as error:  # the first hours of the year 1, in another zone
        raise bad(f"{item.name}: {error}") from error
    _check_nulls(item, sum(value is None for value in listed))
    return np.array(listed, dtype="datetime64[us]")


def _check_nulls(item: Input, count: int) -> None:
    if count and not item.nullable:
        raise bad(f"{item.name}: {count} missing, and the field is not nullable")


_READERS: Mapping[str, Callable[[Input, Any], Array]] = {
    "number": _numbers,
    "integer": _integers,
    "boolean": _booleans,
    "category": _texts,
    "text": _texts,
    "datetime": _moments,
}
