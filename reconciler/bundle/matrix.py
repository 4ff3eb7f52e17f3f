"""Rows as one matrix of numbers: the quick way for many rows, where every feature is numeric.

It gives what `encoding.encode` gives for the matrix's columns, and leaves to it what looks odd.
"""

from __future__ import annotations

from collections.abc import Callable
from math import hypot
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from reconciler.bundle import encoding

if TYPE_CHECKING:
    from reconciler.bundle.signature import Signature, Tensor

Array = npt.NDArray[Any]
Encoder = Callable[[Array], dict[str, Array]]
TensorEncoder = Callable[[Array], Array]

_NUMERIC = ("number", "integer", "boolean")
#: A float of one of these widths in bits is a float32 without rounding.
_NARROW = (np.dtype(np.float32), np.dtype(np.float16))
#: Numbers below this are finite as float32, and so are those of a row whose length is below it.
_FINITE = 1e38
#: So many numbers are quicker to measure as a whole than to compare one by one.
_FEW = 256


def encoder(sign: Signature) -> Encoder | None:
    """Return what makes tensors of a matrix; None where a feature is not numeric.

    The encoder takes shape (rows, inputs), any numeric type, columns in the signature's order, NaN
    for what is missing. It raises UsageError `BadInput`, naming the field that does not fit.
    """
    if any(item.type not in _NUMERIC for item in sign.inputs):
        return None
    names = [item.name for item in sign.inputs]
    quick = _quick(sign)

    def encode(matrix: Array) -> dict[str, Array]:
        if matrix.ndim != 2 or matrix.shape[1] != len(names):
            raise encoding.bad(f"shape {list(matrix.shape)}, wanted [rows, {len(names)}]")
        tensors = quick(matrix) if quick is not None else None
        if tensors is None:
            return encoding.encode(sign, {n: matrix[:, place] for place, n in enumerate(names)})
        return tensors

    return encode


def _quick(sign: Signature) -> Callable[[Array], dict[str, Array] | None] | None:
    """Return an encoder of finite numbers that are all rounded, or none; None where others are."""
    columns = [column for tensor in sign.tensors for column in tensor.columns]
    if any(item.type != "number" for item in sign.inputs) or len({c.rounded for c in columns}) > 1:
        return None
    rounded = columns[0].rounded
    places = [(tensor.name, _places(sign, tensor)) for tensor in sign.tensors]

    def encode(matrix: Array) -> dict[str, Array] | None:
        if matrix.dtype.kind not in "iuf":
            return None
        numbers = matrix.astype(np.float64, order="C")
        if not _safe(numbers):
            return None
        if rounded and matrix.dtype not in _NARROW:
            numbers = numbers.astype(np.float32).astype(np.float64)
        return {name: numbers if at is None else numbers[:, at] for name, at in places}

    return encode


def _safe(numbers: Array) -> bool:
    """Return whether all numbers are finite, as float32 too."""
    if numbers.size <= _FEW:
        return hypot(*numbers.ravel().tolist()) < _FINITE
    return bool((np.abs(numbers) < _FINITE).all())


def _places(sign: Signature, tensor: Tensor) -> list[int] | None:
    """Return which inputs are the columns of a tensor; None where they are all, in order."""
    names = [item.name for item in sign.inputs]
    places = [names.index(column.input) for column in tensor.columns]
    return None if places == list(range(len(names))) else places
