"""The binary tensor extension: elements as bytes behind the JSON, little-endian and row-major."""

from __future__ import annotations

import struct
from collections.abc import Mapping
from math import prod
from typing import Any

import numpy as np
import numpy.typing as npt

from reconciler.serving.v2.datatypes import NUMPY, shown, widened, wrong
from reconciler.serving.v2.tensors import Given, head

Array = npt.NDArray[Any]

_LENGTH = struct.Struct("<I")


class Tail:
    """What comes behind the JSON, taken from the front, input by input."""

    def __init__(self, content: memoryview) -> None:
        self._content = content
        self._taken = 0

    @property
    def left(self) -> int:
        """How many bytes nobody has taken."""
        return len(self._content) - self._taken

    def take(self, name: str, size: object) -> memoryview:
        """Return the next `size` bytes; UsageError where there are not so many."""
        if type(size) is not int or size < 0:
            raise wrong(f"input {shown(name)}: binary_data_size {shown(size)}, wanted bytes from 0")
        if size > self.left:
            raise wrong(
                f"input {shown(name)}: {size} bytes of binary data announced, {self.left} are there"
            )
        self._taken += size
        return self._content[self._taken - size : self._taken]


def from_tail(item: Mapping[str, Any], size: object, tail: Tail) -> Given:
    """Return the tensor whose elements are the next `size` bytes of `tail`."""
    name, datatype, shape = head(item)
    if item.get("data") is not None:
        raise wrong(f"input {shown(name)}: data and binary_data_size, wanted one of them")
    return from_bytes(name, datatype, shape, tail.take(name, size))


def from_bytes(name: str, datatype: str, shape: tuple[int, ...], raw: memoryview) -> Given:
    """Return the tensor whose elements are `raw`; UsageError where they are not of its shape."""
    count = prod(shape)
    if datatype == "BYTES":
        return Given(name, datatype, shape, _texts(name, count, raw))
    dtype = NUMPY[datatype]
    if count * dtype.itemsize != len(raw):
        found = f"{len(raw)} bytes for shape {list(shape)} of {datatype}"
        raise wrong(f"input {shown(name)}: {found}, wanted {count * dtype.itemsize}")
    values = np.frombuffer(raw, dtype)
    if datatype == "BOOL" and count and values.view(np.uint8).max() > 1:
        raise wrong(f"input {shown(name)}: a BOOL is a byte of 0 or 1")
    return Given(name, datatype, shape, widened(values) if datatype == "BF16" else values)


def _texts(name: str, count: int, raw: memoryview) -> list[str]:
    """Return the elements of a BYTES tensor: each its length in four bytes, then its text."""
    content, at = bytes(raw), 0
    texts: list[str] = []
    try:
        while at < len(content):
            (length,) = _LENGTH.unpack_from(content, at)
            start, at = at + 4, at + 4 + length
            if at > len(content):
                raise wrong(f"input {shown(name)}: element {len(texts) + 1} of BYTES is cut off")
            texts.append(content[start:at].decode())
    except struct.error:
        message = f"input {shown(name)}: the length of element {len(texts) + 1} of BYTES is cut off"
        raise wrong(message) from None
    except UnicodeDecodeError:
        message = f"input {shown(name)}: element {len(texts) + 1} of BYTES is not UTF-8"
        raise wrong(message) from None
    if len(texts) != count:
        raise wrong(f"input {shown(name)}: {len(texts)} elements of BYTES, its shape says {count}")
    return texts


def to_bytes(datatype: str, values: Array) -> bytes:
    """Return the elements of `values` as the extension writes them."""
    if datatype == "BYTES":
        texts = values.ravel().tolist()
        prefixed = {text: _prefixed(text) for text in set(texts)}  # labels are few
        return b"".join([prefixed[text] for text in texts])
    return values.astype(NUMPY[datatype], copy=False).tobytes()


def _prefixed(text: str) -> bytes:
    raw = text.encode()
    return _LENGTH.pack(len(raw)) + raw
