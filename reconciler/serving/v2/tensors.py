"""Tensors as clients send them: a name, a datatype, a shape, and just so many elements."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from math import prod
from typing import Any

import numpy as np
import numpy.typing as npt

from reconciler.serving.v2.datatypes import ALL, BOUNDS, FLOATS, wrong

Array = npt.NDArray[Any]
Flat = Array | list[Any]

#: What JSON may hold for a datatype; null is a missing value, whatever the datatype.
_FLOATS = frozenset({float, int, type(None)})
_INTEGERS = frozenset({int, type(None)})
_BOOLEANS = frozenset({bool, type(None)})
_TEXTS = frozenset({str, type(None)})
_MOST_DIMENSIONS = 8


@dataclass(frozen=True, slots=True)
class Given:
    """One input of a request, its elements checked against its datatype and its shape."""

    name: str
    datatype: str
    shape: tuple[int, ...]
    values: Flat
    """All elements, row-major. A list from JSON, where None is a missing value, and for texts; an
    array from binary."""

    def listed(self) -> list[Any]:
        """Return the elements as Python's own objects."""
        return self.values if isinstance(self.values, list) else self.values.tolist()

    def numbers(self) -> Array:
        """Return the elements of a numeric tensor as an array; a missing one is NaN."""
        if not isinstance(self.values, list):
            return self.values
        return np.array(self.values, np.float64)


def shape_of(name: str, value: object) -> tuple[int, ...]:
    """Return a shape as it stands in a request; UsageError where it is none."""
    if not isinstance(value, list) or not all(type(size) is int and size >= 0 for size in value):
        raise wrong(f"input {name!r:.80}: shape {value!r:.60}, wanted a list of sizes from 0")
    if not 1 <= len(value) <= _MOST_DIMENSIONS:
        raise wrong(f"input {name!r:.80}: {len(value)} dimensions, wanted rows first, as in [1, 4]")
    return tuple(value)


def from_json(item: Mapping[str, Any]) -> Given:
    """Return a tensor whose elements stand in the JSON, flat or nested as its shape is."""
    name, datatype, shape = head(item)
    data = item.get("data")
    if not isinstance(data, list):
        found = "no data" if data is None else f"data {data!r:.40}"
        raise wrong(f"input {name!r:.80}: {found}, wanted a list, or binary data")
    flat = _flat(name, shape, data) if data and type(data[0]) is list else data
    if len(flat) != prod(shape):
        raise wrong(f"input {name!r:.80}: {len(flat)} elements for shape {list(shape)}")
    _check(name, datatype, flat)
    return Given(name, datatype, shape, flat)


def head(item: Mapping[str, Any]) -> tuple[str, str, tuple[int, ...]]:
    """Return the name, the datatype and the shape of an input; UsageError where one is wrong."""
    name, datatype = item.get("name"), item.get("datatype")
    if not isinstance(name, str):
        raise wrong(f"an input has the name {name!r:.60}, wanted a text")
    if not isinstance(datatype, str) or datatype not in ALL:
        wanted = ", ".join(sorted(ALL))
        raise wrong(f"input {name!r:.80}: datatype {datatype!r:.40}, wanted one of {wanted}")
    return name, datatype, shape_of(name, item.get("shape"))


def _flat(name: str, shape: Sequence[int], data: list[Any]) -> list[Any]:
    """Return the innermost elements of nested lists, every one of which is as its shape says."""
    level = data
    for depth, size in enumerate(shape):
        if depth:
            if not all(type(part) is list and len(part) == size for part in level):
                raise wrong(f"input {name!r:.80}: data is not nested as shape {list(shape)} says")
            level = list(chain.from_iterable(level))
        elif len(level) != size:
            raise wrong(f"input {name!r:.80}: {len(level)} rows for shape {list(shape)}")
    return level


def _check(name: str, datatype: str, flat: list[Any]) -> None:
    """Let elements pass that are of their datatype."""
    bounds = BOUNDS.get(datatype)
    if datatype in FLOATS:
        wanted = _FLOATS
    elif bounds is not None:
        wanted = _INTEGERS
    else:
        wanted = _BOOLEANS if datatype == "BOOL" else _TEXTS
    if not wanted.issuperset(map(type, flat)):
        odd = next(value for value in flat if type(value) not in wanted)
        raise wrong(f"input {name!r:.80}: {odd!r:.60} is not of datatype {datatype}")
    if bounds is not None:
        low, high = bounds
        for value in flat:
            if value is not None and not low <= value <= high:
                raise wrong(f"input {name!r:.80}: {value!r:.40} is beyond {datatype}")
