"""The quick path from one plain row to tensors; it leaves whatever looks odd to `encoding`.

It answers what `encoding.encode` answers, or None. A client sends its rows in the same types again
and again, so the types of a row are compared as a whole with those that were accepted before.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from operator import itemgetter
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from reconciler.bundle import dates, words

if TYPE_CHECKING:
    from reconciler.bundle.signature import Signature, Tensor

Array = npt.NDArray[Any]
Row = Mapping[str, object]
Encoder = Callable[[Row], dict[str, Array] | None]
TensorEncoder = Callable[[Row], Array | None]

_NUMBERS = frozenset({float, int, np.float64, np.float32, np.int64, np.int32})
_TYPES: Mapping[str, frozenset[type]] = {
    "number": _NUMBERS,
    "integer": frozenset({int}),
    "boolean": frozenset({bool}),
    "datetime": frozenset({datetime, str}),
}
_MOST_TYPES = 1024
#: A sum of squares below this holds no NaN, no infinity, and no integer beyond 2**53.
_SAFE = 2.0**106


def encoder(sign: Signature) -> Encoder:
    """Return what encodes one row of a model with the signature `sign`."""
    encoders = [(tensor.name, _tensor(sign, tensor)) for tensor in sign.tensors]
    if len(encoders) == 1:
        ((only_name, only),) = encoders

        def encode_only(row: Row) -> dict[str, Array] | None:
            array = only(row)
            return None if array is None else {only_name: array}

        return encode_only

    def encode(row: Row) -> dict[str, Array] | None:
        tensors = {}
        for name, one in encoders:
            array = one(row)
            if array is None:
                return None
            tensors[name] = array
        return tensors

    return encode


def _tensor(sign: Signature, tensor: Tensor) -> TensorEncoder:
    if tensor.words:
        return _words(tensor)
    if tensor.dtype == "string":
        return _texts(tensor)
    columns = tensor.columns
    numbers = all(sign.input(column.input).type == "number" for column in columns)
    if numbers and len({column.rounded for column in columns}) == 1:
        return _numbers(tensor)
    plain = [column.part is None for column in columns]
    return _mixed(sign, tensor) if plain == sorted(plain, reverse=True) else lambda _row: None


def _getter(names: list[str]) -> Callable[[Row], tuple[Any, ...]]:
    match names:
        case []:
            return lambda _row: ()
        case [name]:
            only = itemgetter(name)
            return lambda row: (only(row),)
        case _:
            return itemgetter(*names)


def _numbers(tensor: Tensor) -> TensorEncoder:
    """Return an encoder of numbers alone, which are all rounded to float32, or none."""
    values_of = _getter([column.input for column in tensor.columns])
    dtype = np.float32 if tensor.columns[0].rounded else np.float64
    ravel = np.ravel

    def encode(row: Row) -> Array | None:
        try:
            values = values_of(row)
        except KeyError:
            return None
        if not _NUMBERS.issuperset(map(type, values)):
            return None
        try:
            array = np.array((values,), dtype).astype(np.float64)
        except OverflowError:
            return None
        flat = ravel(array)
        return array if flat.dot(flat) < _SAFE else None

    return encode


def _mixed(sign: Signature, tensor: Tensor) -> TensorEncoder:
    """Return an encoder of numbers, integers and booleans, followed by parts of dates."""
    columns = tensor.columns
    plain = [column.input for column in columns if column.part is None]
    parts: dict[str, list[str]] = {}
    for column in columns:
        if column.part is not None:
            parts.setdefault(column.input, []).append(column.part)
    names = [*plain, *parts]
    values_of = _getter(names)
    wanted = [_TYPES[sign.input(name).type] for name in names]
    rounded = _places([index for index, column in enumerate(columns) if column.rounded])
    accepted: set[tuple[type, ...]] = set()
    count = len(plain)
    groups = [[dates.PART_OF[part] for part in found] for found in parts.values()]

    def encode(row: Row) -> Array | None:
        try:
            values = values_of(row)
            types = tuple(map(type, values))
            if types not in accepted:
                if any(kind not in some for kind, some in zip(types, wanted, strict=True)):
                    return None
                if len(accepted) < _MOST_TYPES:
                    accepted.add(types)
            if groups:
                values = (*values[:count], *_date_parts(values[count:], groups))
            array = np.array((values,), np.float64)
        except (KeyError, ValueError, OverflowError):
            return None
        flat = array[0]
        if rounded is not None:
            flat[rounded] = flat[rounded].astype(np.float32)
        return array if flat.dot(flat) < _SAFE else None

    return encode


def _places(indices: list[int]) -> slice | list[int] | None:
    """Return an index for `indices`, ascending: a slice where they are neighbours."""
    if not indices:
        return None
    neighbours = indices == list(range(indices[0], indices[-1] + 1))
    return slice(indices[0], indices[-1] + 1) if neighbours else indices


def _date_parts(
    values: tuple[Any, ...], groups: list[list[Callable[[datetime], float]]]
) -> list[float]:
    found: list[float] = []
    for value, parts in zip(values, groups, strict=True):
        moment = dates.moment(value)
        assert moment is not None
        found += [part(moment) for part in parts]
    return found


def _words(tensor: Tensor) -> TensorEncoder:
    name = tensor.columns[0].input

    def encode(row: Row) -> Array | None:
        text = row.get(name)
        return words.split((text,)) if type(text) is str else None

    return encode


def _texts(tensor: Tensor) -> TensorEncoder:
    values_of = _getter([column.input for column in tensor.columns])
    strings = frozenset({str})

    def encode(row: Row) -> Array | None:
        try:
            values = values_of(row)
        except KeyError:
            return None
        return np.array((values,), object) if strings.issuperset(map(type, values)) else None

    return encode
