"""The protocol's datatypes: how wide they are, what numpy calls them, and what JSON may hold."""

from __future__ import annotations

import reprlib
from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from reconciler.errors import UsageError

Array = npt.NDArray[Any]

#: Every datatype of a fixed width; in binary all of them are little-endian.
NUMPY: Mapping[str, np.dtype[Any]] = {
    "BOOL": np.dtype("?"),
    "UINT8": np.dtype("<u1"),
    "UINT16": np.dtype("<u2"),
    "UINT32": np.dtype("<u4"),
    "UINT64": np.dtype("<u8"),
    "INT8": np.dtype("<i1"),
    "INT16": np.dtype("<i2"),
    "INT32": np.dtype("<i4"),
    "INT64": np.dtype("<i8"),
    "FP16": np.dtype("<f2"),
    "FP32": np.dtype("<f4"),
    "FP64": np.dtype("<f8"),
    "BF16": np.dtype("<u2"),  # the upper half of a float32; see `widened`
}
ALL = frozenset({*NUMPY, "BYTES"})
INTEGERS = frozenset(name for name, dtype in NUMPY.items() if dtype.kind in "iu") - {"BF16"}
FLOATS = frozenset({"FP16", "FP32", "FP64", "BF16"})

#: Lowest and highest integer of each datatype.
BOUNDS: Mapping[str, tuple[int, int]] = {
    name: (int(np.iinfo(NUMPY[name]).min), int(np.iinfo(NUMPY[name]).max)) for name in INTEGERS
}


def widened(halves: Array) -> Array:
    """Return the float32 numbers of which `halves` (uint16) are the upper halves: BF16."""
    return (halves.astype(np.uint32) << 16).view(np.float32)


_short = reprlib.Repr()
_short.maxlevel, _short.maxlist, _short.maxdict, _short.maxstring = 2, 4, 2, 60


def shown(value: object) -> str:
    """Return a value from a request as a message shows it, however long or deep it is."""
    return _short.repr(value)


def wrong(message: str) -> UsageError:
    """Return the error for a request that does not follow the protocol, or not the model."""
    return UsageError(
        message, reason="BadInput", hint="GET /v2/models/<name> lists inputs and outputs"
    )
