"""Tensors from outside, laid out as the model takes them: checked as rows would be."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from reconciler.bundle import encoding

if TYPE_CHECKING:
    from reconciler.bundle.signature import Column, Signature, Tensor

Array = npt.NDArray[Any]


def checked(signature: Signature, tensors: Mapping[str, Array]) -> dict[str, Array]:
    """Return the tensors of a bundle, as `encoding.encode` would have made them.

    Args:
        signature: Says which tensors there are.
        tensors: Every one of them, shape (rows, columns): numbers of any type, NaN for a missing
            one; texts as objects; words filled up with empty texts.

    Raises:
        UsageError: `BadInput`, naming the tensor or the field that does not fit the signature.
    """
    heights = {tensor.name: len(tensors[tensor.name]) for tensor in signature.tensors}
    if len(set(heights.values())) > 1:
        listed = ", ".join(f"{name} {height}" for name, height in heights.items())
        raise encoding.bad(f"the tensors differ in length: {listed}")
    return {t.name: _checked(signature, t, tensors[t.name]) for t in signature.tensors}


def _checked(signature: Signature, tensor: Tensor, values: Array) -> Array:
    if tensor.words:
        return values
    dtype = object if tensor.dtype == "string" else np.float64
    whole = np.empty((len(values), len(tensor.columns)), dtype)
    for index, column in enumerate(tensor.columns):
        whole[:, index] = _column(signature, column, values[:, index])
    return whole


def _column(signature: Signature, column: Column, values: Array) -> Array:
    item = signature.input(column.input)
    if column.part is not None:
        item = item.model_copy(update={"name": column.name, "type": "number"})
    read = encoding.read(item, values)
    return encoding.round32(read, column.name) if column.rounded else read
