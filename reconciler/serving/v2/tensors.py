"""Tensors as clients send them: a name, a datatype, a shape, and just so many elements."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import chain
from math import prod
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from reconciler.serving.v2.datatypes import ALL, BOUNDS, FLOATS, shown, wrong

Array = npt.NDArray[Any]

_MOST_DIMENSIONS = 8
_ONE = (1,)
#: What JSON may hold for a datatype; null is a missing value, whatever the datatype.
_KINDS: Mapping[str, frozenset[type]] = {
    **dict.fromkeys(FLOATS, frozenset({float, int, type(None)})),
    **dict.fromkeys(BOUNDS, frozenset({int, type(None)})),
    "BOOL": frozenset({bool, type(None)}),
    "BYTES": frozenset({str, type(None)}),
}


class Given(NamedTuple):
    """One input of a request, its elements checked against its datatype and its shape."""

    name: str
    datatype: str
    shape: tuple[int, ...]
    values: Array | list[Any]
    """All elements, row-major. A list from JSON, where None is a missing value, and for texts; an
    array from binary."""

    def numbers(self) -> Array:
        """Return the elements of a numeric tensor as an array; a missing one is NaN."""
        if type(self.values) is list:
            return np.array(self.values, np.float64)
        return np.asarray(self.values)


def from_json(item: Mapping[str, Any]) -> Given:
    """Return a tensor whose elements stand in the JSON, flat or nested as its shape is."""
    name, datatype, shape = head(item)
    data = item.get("data")
    if type(data) is not list:
        found = "no data" if data is None else f"data {shown(data)}"
        raise wrong(f"input {shown(name)}: {found}, wanted a list, or binary data")
    kinds = _KINDS[datatype]
    if shape == _ONE and len(data) == 1 and type(data[0]) in kinds and datatype not in BOUNDS:
        return Given(name, datatype, _ONE, data)  # one field of one row: there are many of these
    if data and type(data[0]) is list:
        data = _flat(name, shape, data)
    if len(data) != prod(shape):
        raise wrong(f"input {shown(name)}: {len(data)} elements for shape {list(shape)}")
    if not kinds.issuperset(map(type, data)):
        odd = next(value for value in data if type(value) not in kinds)
        raise wrong(f"input {shown(name)}: {shown(odd)} is not of datatype {datatype}")
    if datatype in BOUNDS:
        _check_bounds(name, datatype, data)
    return Given(name, datatype, shape, data)


def head(item: Mapping[str, Any]) -> tuple[str, str, tuple[int, ...]]:
    """Return the name, the datatype and the shape of an input; UsageError where one is wrong."""
    name, datatype, shape = item.get("name"), item.get("datatype"), item.get("shape")
    if type(name) is not str:
        raise wrong(f"an input has the name {shown(name)}, wanted a text")
    if type(datatype) is not str or datatype not in ALL:
        wanted = ", ".join(sorted(ALL))
        raise wrong(f"input {shown(name)}: datatype {shown(datatype)}, wanted one of {wanted}")
    if type(shape) is not list:
        raise _no_shape(name, shape)
    sizes = tuple(shape)
    if sizes == _ONE and type(shape[0]) is int:
        return name, datatype, _ONE
    for size in sizes:
        if type(size) is not int or size < 0:
            raise _no_shape(name, shape)
    if not 1 <= len(shape) <= _MOST_DIMENSIONS:
        found = f"input {shown(name)}: {len(shape)} dimensions"
        raise wrong(f"{found}, wanted the rows, or the rows and the columns, as in [1, 4]")
    return name, datatype, sizes


def _no_shape(name: str, found: object) -> Exception:
    return wrong(f"input {shown(name)}: shape {shown(found)}, wanted a list of sizes from 0")


def _flat(name: str, shape: Sequence[int], data: list[Any]) -> list[Any]:
    """Return the innermost elements of nested lists, every one of which is as its shape says."""
    if len(data) != shape[0]:
        raise wrong(f"input {shown(name)}: {len(data)} rows for shape {list(shape)}")
    for size in shape[1:]:
        if not all(type(part) is list and len(part) == size for part in data):
            raise wrong(f"input {shown(name)}: data is not nested as shape {list(shape)} says")
        data = list(chain.from_iterable(data))
    return data


def _check_bounds(name: str, datatype: str, data: list[Any]) -> None:
    low, high = BOUNDS[datatype]
    for value in data:
        if value is not None and not low <= value <= high:
            raise wrong(f"input {shown(name)}: {shown(value)} is beyond {datatype}")
