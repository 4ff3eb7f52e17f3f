"""Elements as bytes: what is written is read again, and nothing else is read."""

from __future__ import annotations

import struct

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from reconciler.errors import UsageError
from reconciler.serving.v2.binary import from_bytes, to_bytes
from reconciler.serving.v2.datatypes import NUMPY

FEW = st.integers(0, 6)


@given(data=st.data(), datatype=st.sampled_from(sorted(NUMPY.keys() - {"BF16"})), count=FEW)
def test_numbers_come_back_as_they_went(data: st.DataObject, datatype: str, count: int) -> None:
    values = data.draw(arrays(NUMPY[datatype], count))
    read = from_bytes("a", datatype, (count,), memoryview(to_bytes(datatype, values)))
    assert isinstance(read.values, np.ndarray)
    assert read.values.tobytes() == values.tobytes()


@given(st.lists(st.floats(-(2.0**100), 2.0**100, width=32), max_size=4))
def test_a_bf16_is_the_upper_half_of_a_float32(numbers: list[float]) -> None:
    upper = (np.array(numbers, "<f4").view("<u4") >> 16).astype("<u2")
    read = from_bytes("a", "BF16", (len(numbers),), memoryview(upper.tobytes()))
    for value, number in zip(np.asarray(read.values), numbers, strict=True):
        assert abs(value - number) <= max(abs(number) / 128, 1e-37)


@given(st.lists(st.text(max_size=5), min_size=1, max_size=4))
def test_texts_come_back_as_they_went(texts: list[str]) -> None:
    raw = b"".join(struct.pack("<I", len(t.encode())) + t.encode() for t in texts)
    assert from_bytes("a", "BYTES", (len(texts),), memoryview(raw)).values == texts
    if not any(text.endswith("\0") for text in texts):  # numpy drops these
        assert to_bytes("BYTES", np.array(texts)) == raw


@given(raw=st.lists(st.sampled_from([0, 1, 2, 65, 0xC3, 255]), max_size=12).map(bytes), count=FEW)
def test_texts_that_do_not_add_up_are_refused(raw: bytes, count: int) -> None:
    try:
        read = from_bytes("a", "BYTES", (count,), memoryview(raw))
    except UsageError:
        return
    assert sum(4 + len(text.encode()) for text in read.values) == len(raw)
    assert len(read.values) == count


@pytest.mark.parametrize(
    ("datatype", "raw", "said"),
    [
        ("FP32", b"\0" * 7, "7 bytes for shape [2] of FP32, wanted 8"),
        ("BOOL", b"\1\2", "a BOOL is a byte of 0 or 1"),
        ("BYTES", b"\1\0\0\0a\1\0", "the length of element 2 of BYTES is cut off"),
        ("BYTES", b"\2\0\0\0a", "element 1 of BYTES is cut off"),
        ("BYTES", b"\1\0\0\0\xff", "element 1 of BYTES is not UTF-8"),
        ("BYTES", b"\1\0\0\0a", "1 elements of BYTES, its shape says 2"),
    ],
)
def test_what_is_wrong_with_bytes_is_said(datatype: str, raw: bytes, said: str) -> None:
    with pytest.raises(UsageError) as refused:
        from_bytes("a", datatype, (2,), memoryview(raw))
    assert said in refused.value.message
