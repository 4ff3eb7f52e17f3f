"""Whatever is sent over gRPC, the server goes on answering, and says that the client is wrong."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import grpc
import psutil
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tritonclient.grpc import service_pb2

from reconciler.serving.grpc.reading import FIELDS
from tests.serving.bundles import made, route
from tests.serving.crews import Running, crew

INFER = "/inference.GRPCInferenceService/ModelInfer"
#: What a client may be told; never INTERNAL or UNKNOWN.
CODES = {
    grpc.StatusCode.OK,
    grpc.StatusCode.INVALID_ARGUMENT,
    grpc.StatusCode.NOT_FOUND,
    grpc.StatusCode.RESOURCE_EXHAUSTED,
}
DATATYPES = (*FIELDS, "FP16", "BF16", "FP128", "")
SHAPES = st.lists(st.one_of(st.integers(0, 4), st.integers(-(1 << 63), (1 << 63) - 1)), max_size=10)
VALUES: dict[str, st.SearchStrategy[Any]] = {
    "bool_contents": st.booleans(),
    "int_contents": st.integers(-(1 << 31), (1 << 31) - 1),
    "int64_contents": st.integers(-(1 << 63), (1 << 63) - 1),
    "uint_contents": st.integers(0, (1 << 32) - 1),
    "uint64_contents": st.integers(0, (1 << 64) - 1),
    "fp32_contents": st.floats(width=32),
    "fp64_contents": st.floats(),
    "bytes_contents": st.binary(max_size=8),
}


@st.composite
def requests(draw: st.DrawFn) -> bytes:
    """Draw a request of which everything may be wrong, and much is often right."""
    asked = service_pb2.ModelInferRequest(
        model_name=draw(st.sampled_from(["m", "m", "m", "n", "\0", "a/b"])),
        model_version=draw(st.sampled_from(["", "", "1", "2", "x"])),
        id=draw(st.text(max_size=8)),
    )
    names = st.one_of(st.sampled_from(["a", "b", "x", "numbers"]), st.text(max_size=8))
    for _ in range(draw(st.integers(0, 4))):
        tensor = asked.inputs.add(
            name=draw(names), datatype=draw(st.sampled_from(DATATYPES)),
            shape=draw(st.one_of(st.just([1]), st.just([1, 2]), SHAPES)),
        )  # fmt: skip
        if draw(st.booleans()):
            field = draw(st.sampled_from([FIELDS.get(tensor.datatype, "fp64_contents"), *VALUES]))
            getattr(tensor.contents, field).extend(draw(st.lists(VALUES[field], max_size=9)))
        if draw(st.integers(0, 9)) == 0:
            tensor.parameters["shared_memory_region"].string_param = "x"
    if draw(st.booleans()):
        asked.raw_input_contents.extend(draw(st.lists(st.binary(max_size=40), max_size=5)))
    for _ in range(draw(st.integers(0, 2))):
        output = asked.outputs.add(name=draw(st.sampled_from(["prediction", "probabilities", ""])))
        if draw(st.integers(0, 9)) == 0:
            output.parameters["classification"].int64_param = 1
    content: bytes = asked.SerializeToString()
    return content


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    with crew() as found:
        found.serve(route(made(tmp_path_factory.mktemp("m") / "1")))
        yield found


@pytest.fixture(scope="module")
def infer(running: Running) -> Iterator[Any]:
    with grpc.insecure_channel(
        running.grpc, options=[("grpc.max_metadata_size", 1 << 20)]
    ) as channel:
        yield channel.unary_unary(INFER)


def code(infer: Any, content: bytes) -> grpc.StatusCode:
    try:
        infer(content, timeout=10)
    except grpc.RpcError as error:
        found: grpc.StatusCode = error.code()
        return found
    return grpc.StatusCode.OK


@given(requests())
@settings(max_examples=400)
def test_any_request_is_answered_or_refused_as_the_clients_fault(
    infer: Any, content: bytes
) -> None:
    assert code(infer, content) in CODES


@given(requests(), st.data())
@settings(max_examples=200)
def test_a_damaged_request_is_answered_or_refused_too(
    infer: Any, content: bytes, data: st.DataObject
) -> None:
    at = data.draw(st.integers(0, len(content)))
    damaged = content[:at] + data.draw(st.binary(max_size=4)) + content[at + 1 :]
    assert code(infer, damaged) in CODES


def test_requests_that_claim_or_hold_too_much_cost_no_memory(running: Running, infer: Any) -> None:
    size = 1 << 20  # the limit of a body

    def claiming(shape: list[int], datatype: str = "FP64") -> bytes:
        asked = service_pb2.ModelInferRequest(model_name="m")
        asked.inputs.add(name="x", datatype=datatype, shape=shape)
        content: bytes = asked.SerializeToString()
        return content

    greedy = [
        b"\x2a\x00" * (size // 2 - 64),  # inputs
        b"\x32\x00" * (size // 2 - 64),  # outputs
        b"\x3a\x00" * (size // 2 - 64),  # raw contents
        b"\x22\x00" * (size // 2 - 64),  # parameters
        claiming([1000, 1 << 40]),
        claiming([0, 1 << 62, 1 << 62]),
        claiming([1000, (1 << 63) - 1], "BYTES"),
    ]
    (worker,) = running.crew.workers()
    process = psutil.Process(worker.pid)
    for content in greedy:
        assert code(infer, content) is grpc.StatusCode.INVALID_ARGUMENT
    before = process.memory_info().rss
    for _ in range(5):
        for content in greedy:
            code(infer, content)
    assert process.memory_info().rss - before < 32 << 20


def test_odd_metadata_is_no_reason_to_fail(tmp_path: Path, infer: Any) -> None:
    asked = service_pb2.ModelInferRequest(model_name="m")
    asked.inputs.add(name="x", datatype="FP64", shape=[1, 2]).contents.fp64_contents.extend([1, 1])
    for value in ("", " &%", "~" * 4000):
        metadata = [("x-request-key", value), ("x-request-id", value), ("odd-bin", b"\xff\x00")]
        infer(asked.SerializeToString(), metadata=metadata)
