"""Whatever comes as binary tensors: an answer or a refusal that says why, in little memory."""

from __future__ import annotations

import asyncio
import gzip
import struct
import tracemalloc
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reconciler.serving.refusal import Refused
from reconciler.serving.v2.datatypes import ALL, NUMPY
from reconciler.serving.v2.unpacking import unpacked
from tests.serving.shops import FLOWER, STAY, open_bench
from tests.serving.v2.conftest import Reply, call

HEADER = b"inference-header-content-length"
REFUSED = {400, 404, 413, 415}
#: More than any of these requests can need, and far less than what some of them claim.
MOST_BYTES = 8 << 20

Headers = dict[bytes, bytes]
Ask = Callable[[str, bytes, Headers], Reply]


@pytest.fixture(scope="module")
def ask() -> Iterator[Ask]:
    """Ask, and hold the answer and the memory that it took to what they promise."""
    with open_bench() as bench, asyncio.Runner() as runner:

        def checked(model: str, content: bytes, headers: Headers) -> Reply:
            path = f"/v2/models/{model}/infer"
            tracemalloc.reset_peak()
            before, _ = tracemalloc.get_traced_memory()
            told = runner.run(call(bench.app, "POST", path, content, headers.items()))
            _, peak = tracemalloc.get_traced_memory()
            assert peak - before < MOST_BYTES
            assert told.status in REFUSED | {200}, told.body
            if told.status != 200:
                assert 0 < len(told.json()["error"]) < 1000
            return told

        tracemalloc.start()
        yield checked
        tracemalloc.stop()


def packed(inputs: list[Any], tail: bytes, **other: Any) -> tuple[bytes, Headers]:
    """Return a body and its header."""
    head = orjson.dumps({"inputs": inputs, **other})
    return head + tail, {HEADER: b"%d" % len(head)}


def tensor(name: str, datatype: str, shape: Any, size: Any) -> dict[str, Any]:
    return {
        "name": name, "datatype": datatype, "shape": shape, "parameters": {"binary_data_size": size}
    }  # fmt: skip


SIZES = st.sampled_from(
    [0, 1, 2, 3, 4, 8, 16, -1, 2**31, 2**32, 10**12, 2**63, 2**64 - 1, True, 1.5, "2"]
)
NAMES = st.sampled_from([*STAY, *FLOWER, "numbers", "input", "", "ü\0"])
JSON: st.SearchStrategy[Any] = st.sampled_from(
    [None, True, 0, -1, 2**64 - 1, -(2**63), 1.5, 1e308, "", "x", [], [[]], [1, "x"], {}, {"x": 1}]
)
INPUTS = st.fixed_dictionaries(
    {"name": NAMES | JSON, "datatype": st.sampled_from(sorted(ALL)) | JSON,
     "shape": st.lists(SIZES, max_size=4) | JSON},
    optional={
        "data": st.lists(JSON, max_size=4) | JSON,
        "parameters": st.fixed_dictionaries({}, optional={"binary_data_size": SIZES}) | JSON,
    },
)  # fmt: skip
OUTPUTS = st.lists(
    st.fixed_dictionaries(
        {"name": st.sampled_from(["prediction", "probabilities"]) | JSON},
        optional={"parameters": st.fixed_dictionaries({}, optional={"binary_data": JSON})},
    ),
    max_size=3,
)
LENGTHS = st.sampled_from(["", "0", "-1", "1", "+5", "1e3", "99999999", "9" * 30, "٣", "0x10"])


@settings(max_examples=60)
@given(
    model=st.sampled_from(["stay", "flower"]),
    inputs=st.lists(INPUTS, max_size=3),
    tail=st.binary(max_size=40),
    outputs=OUTPUTS | JSON,
    parameters=st.fixed_dictionaries({}, optional={"binary_data_output": JSON}) | JSON,
    length=st.none() | LENGTHS,
)
def test_requests_that_are_almost_right(
    ask: Ask, model: str, inputs: list[Any], tail: bytes, outputs: Any, parameters: Any,
    length: str | None,
) -> None:  # fmt: skip
    content, headers = packed(inputs, tail, outputs=outputs, parameters=parameters)
    if length is not None:
        headers = {HEADER: length.encode()}
    ask(model, content, headers)


@settings(max_examples=40)
@given(data=st.data(), datatype=st.sampled_from(sorted(ALL)), rows=st.integers(0, 3))
def test_every_datatype_in_just_so_many_bytes(
    ask: Ask, data: st.DataObject, datatype: str, rows: int
) -> None:
    width = 4 if datatype == "BYTES" else NUMPY[datatype].itemsize
    raw = data.draw(st.binary(min_size=rows * width, max_size=rows * width))
    inputs = [tensor(name, datatype, [rows], len(raw)) for name in FLOWER]
    told = ask("flower", *packed(inputs, raw * 2, parameters={"binary_data_output": True}))
    if told.status == 200:
        sizes = [output["parameters"]["binary_data_size"] for output in told.json()["outputs"]]
        assert len(told.body) == int(told.headers[HEADER.decode()]) + sum(sizes)


VALID = packed(
    [tensor("input", "FP32", [2, 2], 16)], np.arange(4, dtype="<f4").tobytes(), id="seven"
)


@settings(max_examples=60)
@given(data=st.data(), cut=st.integers(0, len(VALID[0])), flips=st.integers(0, 3))
def test_requests_that_were_cut_or_damaged(
    ask: Ask, data: st.DataObject, cut: int, flips: int
) -> None:
    content = bytearray(VALID[0][:cut])
    for _ in range(flips if content else 0):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    told = ask("flower", bytes(content), VALID[1])
    assert told.status != 200 or cut == len(VALID[0])


@settings(max_examples=25)
@given(content=st.binary(max_size=60), encoding=st.sampled_from(["gzip", "deflate", "br", "\xff"]))
def test_bodies_of_any_bytes(ask: Ask, content: bytes, encoding: str) -> None:
    assert ask("flower", content, {}).status == 400
    headers = {b"content-encoding": encoding.encode("latin-1")}
    assert ask("flower", content, headers).status in (400, 415)


@pytest.mark.parametrize(
    "shape",
    [[10**12], [10**6, 10**6], [2**63 - 1, 2**63 - 1], [0, 10**12], [10**12, 0], [1] * 100_000,
     [10**12] * 8, [-1, 2], [-(2**63), 2]],
)  # fmt: skip
@pytest.mark.parametrize("datatype", ["FP64", "BYTES", "BOOL"])
@pytest.mark.parametrize("name", ["input", "numbers", "petal length"])
def test_a_shape_that_is_claimed_costs_nothing(
    ask: Ask, shape: list[int], datatype: str, name: str
) -> None:
    told = ask("flower", *packed([tensor(name, datatype, shape, 8)], b"\0" * 8))
    assert told.status != 200
    data = {"name": name, "datatype": datatype, "shape": shape, "data": []}
    assert ask("flower", *packed([data], b"")).status != 200


@pytest.mark.parametrize("length", [0xFFFFFFFF, 0x7FFFFFFF, 5])
def test_a_text_that_is_claimed_costs_nothing(ask: Ask, length: int) -> None:
    raw = struct.pack("<I", length) + b"Oslo"
    told = ask("stay", *packed([tensor("city", "BYTES", [1], len(raw))], raw))
    assert "city" in told.json()["error"]


def test_a_body_is_unpacked_no_further_than_it_may_be_large() -> None:
    bomb = gzip.compress(b" " * (64 << 20), 1)
    tracemalloc.start()
    tracemalloc.reset_peak()
    before, _ = tracemalloc.get_traced_memory()
    with pytest.raises(Refused, match="larger than 1048576 bytes"):
        unpacked(bomb, b"gzip", 1 << 20)
    assert tracemalloc.get_traced_memory()[1] - before < MOST_BYTES
    tracemalloc.stop()


@settings(max_examples=40)
@given(
    raw=st.lists(st.sampled_from([0, 1, 2, 65, 255]), max_size=12).map(bytes),
    rows=st.integers(0, 2),
    datatype=st.sampled_from(["BYTES", "INT8", "BOOL"]),
)
def test_texts_of_any_bytes(ask: Ask, raw: bytes, rows: int, datatype: str) -> None:
    inputs = [
        tensor(name, "BYTES" if name in ("note", "arrives") else datatype, [rows], len(raw))
        for name in STAY
    ]
    ask("stay", *packed(inputs, raw * len(STAY)))


@pytest.mark.parametrize("value", ["x" * 10**6, [0] * 10**5, {str(n): n for n in range(1000)}])
@pytest.mark.parametrize("key", ["name", "datatype", "shape", "data", "parameters"])
def test_what_is_too_long_to_be_shown_is_not_shown(ask: Ask, key: str, value: object) -> None:
    item = {"name": "input", "datatype": "FP32", "shape": [1, 2], "data": [1, 2, 3], key: value}
    assert ask("flower", orjson.dumps({"inputs": [item]}), {}).status == 400


def test_a_request_of_nothing_but_lists_is_not_read(ask: Ask) -> None:
    content = b'{"inputs": [' + b"[]," * 10**6 + b"[]]}"
    assert "500000 lists" in ask("flower", content, {}).json()["error"]


@pytest.mark.parametrize("depth", [200, 1000, 100_000])
@pytest.mark.parametrize("key", ["name", "datatype", "shape", "data", "parameters"])
def test_lists_that_are_nested_too_deep(ask: Ask, depth: int, key: str) -> None:
    item = {"name": "input", "datatype": "FP32", "shape": [1, 2], "data": [1, 2], key: "?"}
    content = orjson.dumps({"inputs": [item]}).replace(b'"?"', b"[" * depth + b"]" * depth)
    assert ask("flower", content, {}).status == 400
