"""The Open Inference Protocol over gRPC, asked by the client that Triton's keepers publish."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import grpc
import numpy as np
import pytest
import tritonclient.grpc as triton
from tritonclient.grpc import service_pb2, service_pb2_grpc
from tritonclient.utils import InferenceServerException

from reconciler.serving.grpc.generate import HERE, generate
from tests.serving.bundles import made, route
from tests.serving.crews import Running, crew, until

ROWS = np.array([[1.0, 0.5], [2.0, 0.25], [3.0, 1.0]])
ANSWERS = [2.5, 4.25, 7.0]


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    with crew() as found:
        found.serve(route(made(tmp_path_factory.mktemp("m") / "1")))
        yield found


@pytest.fixture(scope="module")
def client(running: Running) -> Iterator[Any]:
    with triton.InferenceServerClient(running.grpc) as found:
        yield found


@pytest.fixture(scope="module")
def stub(running: Running) -> Iterator[Any]:
    with grpc.insecure_channel(running.grpc) as channel:
        yield service_pb2_grpc.GRPCInferenceServiceStub(channel)


def matrix(values: np.ndarray[Any, Any] = ROWS, datatype: str = "FP64") -> Any:
    found = triton.InferInput("x", list(values.shape), datatype)
    found.set_data_from_numpy(values)
    return found


def features(values: np.ndarray[Any, Any] = ROWS) -> list[Any]:
    found = []
    for name, column in zip("ab", values.T, strict=True):
        found.append(triton.InferInput(name, [len(values)], "FP64"))
        found[-1].set_data_from_numpy(np.ascontiguousarray(column))
    return found


def refused(ask: Callable[[], object]) -> tuple[str, str]:
    """Return the code and the sentence that a client is refused with."""
    with pytest.raises(InferenceServerException) as caught:
        ask()
    return caught.value.status().removeprefix("StatusCode."), caught.value.message()


def code(ask: Callable[[], object]) -> grpc.StatusCode:
    with pytest.raises(grpc.RpcError) as caught:
        ask()
    found: grpc.StatusCode = caught.value.code()
    return found


def test_a_server_tells_that_it_is_alive_and_ready(client: Any) -> None:
    assert client.is_server_live()
    assert client.is_server_ready()
    assert client.is_model_ready("m")
    assert client.is_model_ready("m", "1")
    assert not client.is_model_ready("m", "2")
    assert not client.is_model_ready("n")


def test_a_server_tells_what_it_has(client: Any) -> None:
    assert client.get_server_metadata().name == "reconciler"
    about = client.get_model_metadata("m")
    assert [(item.name, item.datatype, list(item.shape)) for item in about.inputs] == [
        ("a", "FP64", [-1]),
        ("b", "FP64", [-1]),
    ]
    assert [item.name for item in about.outputs] == ["prediction"]
    assert (list(about.versions), about.platform) == (["1"], "onnx_onnxv1")
    (listed,) = client.get_model_repository_index().models
    assert (listed.name, listed.version, listed.state) == ("m", "1", "READY")


@pytest.mark.parametrize("inputs", [[matrix()], features()], ids=["matrix", "features"])
def test_rows_come_in_as_one_matrix_or_one_tensor_a_feature(client: Any, inputs: Any) -> None:
    answer = client.infer("m", inputs, request_id="q1")
    assert answer.as_numpy("prediction").tolist() == ANSWERS
    assert answer.get_response().model_version == "1"
    assert answer.get_response().id == "q1"


@pytest.mark.parametrize("datatype", ["FP16", "FP32", "INT8", "INT64", "UINT8", "UINT64"])
def test_every_numeric_datatype_is_taken(client: Any, datatype: str) -> None:
    values = np.array([[1, 1]], triton.triton_to_np_dtype(datatype))
    answer = client.infer("m", [matrix(values, datatype)])
    assert answer.as_numpy("prediction").tolist() == [3.0]


def test_a_request_in_typed_contents_is_answered_in_typed_contents(stub: Any) -> None:
    request = service_pb2.ModelInferRequest(model_name="m")
    tensor = request.inputs.add(name="x", datatype="FP64", shape=[3, 2])
    tensor.contents.fp64_contents.extend(ROWS.ravel())
    answer = stub.ModelInfer(request)
    assert list(answer.outputs[0].contents.fp64_contents) == ANSWERS
    assert not answer.raw_output_contents


def test_a_compressed_request_is_answered(client: Any) -> None:
    answer = client.infer("m", [matrix()], compression_algorithm="gzip")
    assert answer.as_numpy("prediction").tolist() == ANSWERS


def test_what_is_wrong_is_said_with_its_code(client: Any) -> None:
    assert refused(lambda: client.infer("n", [matrix()])) == ("NOT_FOUND", "there is no model 'n'")
    assert refused(lambda: client.infer("m", [matrix()], model_version="7")) == (
        "NOT_FOUND",
        "version '7' of m is not served",
    )
    assert refused(lambda: client.infer("m", [matrix(ROWS[:, :1])])) == (
        "INVALID_ARGUMENT",
        "there is no input 'x' (FP64 of shape [3, 1]); wanted a, b; or one numeric input of "
        "shape [rows, 2]",
    )
    many = matrix(np.zeros((1001, 2)))
    assert refused(lambda: client.infer("m", [many])) == (
        "RESOURCE_EXHAUSTED",
        "1001 rows in one request, at most 1000 are taken",
    )


def test_a_body_above_the_limit_is_refused_unread(client: Any) -> None:
    found, said = refused(lambda: client.infer("m", [matrix(np.zeros((1 << 17, 2)))]))
    assert found == "RESOURCE_EXHAUSTED"
    assert "larger than max" in said


def test_what_is_no_message_is_the_clients_fault(running: Running) -> None:
    with grpc.insecure_channel(running.grpc) as channel:
        for method in ("ModelInfer", "ModelReady", "ServerLive"):
            ask = channel.unary_unary(f"/inference.GRPCInferenceService/{method}")
            assert code(partial(ask, b"\xff\xff")) is grpc.StatusCode.INVALID_ARGUMENT


def test_many_empty_inputs_are_refused_before_they_take_memory(running: Running) -> None:
    with grpc.insecure_channel(running.grpc) as channel:
        ask = channel.unary_unary("/inference.GRPCInferenceService/ModelInfer")
        with pytest.raises(grpc.RpcError, match="more than 10000 inputs") as caught:
            ask(b"\x2a\x00" * 100_000)
    assert caught.value.code() is grpc.StatusCode.INVALID_ARGUMENT


def test_health_is_told_as_load_balancers_ask_for_it(running: Running) -> None:
    with grpc.insecure_channel(running.grpc) as channel:
        check = channel.unary_unary("/grpc.health.v1.Health/Check")
        assert check(b"") == b"\x08\x01"  # SERVING
        assert code(lambda: check(b"\x0a\x01x")) is grpc.StatusCode.NOT_FOUND


def test_the_same_key_gets_the_same_version(tmp_path: Path) -> None:
    champion, challenger = made(tmp_path / "1"), made(tmp_path / "2", 3.0, version=2)
    with crew() as found, triton.InferenceServerClient(found.grpc) as client:
        found.serve(route(champion, challenger, 50))
        for key in range(20):
            answered = {
                client.infer("m", [matrix()], headers={"x-request-key": str(key)})
                .get_response()
                .model_version
                for _ in range(3)
            }
            assert len(answered) == 1
        pinned = client.infer("m", [matrix()], model_version="2")
        assert pinned.as_numpy("prediction").tolist() == [3.5, 6.25, 10.0]


def test_a_deadline_is_heeded(tmp_path: Path) -> None:
    slow = made(tmp_path / "1", drag=80)
    with crew(seconds=0.02) as found, triton.InferenceServerClient(found.grpc) as client:
        found.serve(route(slow))
        one = matrix(ROWS[:1])
        assert refused(lambda: client.infer("m", [one], client_timeout=0.01))[0] == (
            "DEADLINE_EXCEEDED"
        )
        assert refused(lambda: client.infer("m", [one])) == (
            "DEADLINE_EXCEEDED",
            "there was no answer within 0.02 s",
        )


def test_what_is_under_way_is_answered_before_a_worker_ends(tmp_path: Path) -> None:
    with crew() as found, grpc.insecure_channel(found.grpc) as channel:
        found.serve(route(made(tmp_path / "1", drag=80)))
        request = service_pb2.ModelInferRequest(model_name="m")
        tensor = request.inputs.add(name="x", datatype="FP64", shape=[1, 2])
        tensor.contents.fp64_contents.extend([1.0, 0.5])
        stub = service_pb2_grpc.GRPCInferenceServiceStub(channel)
        pending = stub.ModelInfer.future(request)
        stub.ServerLive(service_pb2.ServerLiveRequest())  # comes behind it on the same connection
        assert not pending.done()
        found.crew.end()
        assert list(pending.result(5).outputs[0].contents.fp64_contents) == [2.5]


@pytest.mark.slow
def test_when_a_worker_is_killed_its_clients_are_answered_by_the_next(tmp_path: Path) -> None:
    with crew() as found, triton.InferenceServerClient(found.grpc) as client:
        found.serve(route(made(tmp_path / "1")))
        assert _answers(client)
        os.kill(found.crew.workers()[0].pid, signal.SIGKILL)
        until(lambda: _answers(client))


def _answers(client: Any) -> bool:
    try:
        answer = client.infer("m", [matrix()], client_timeout=5)
    except InferenceServerException:
        return False
    assert answer.as_numpy("prediction").tolist() == ANSWERS
    return True


def test_the_generated_code_is_that_of_the_definitions(tmp_path: Path) -> None:
    pytest.importorskip("grpc_tools", reason="grpcio-tools, which makes it, is not installed")
    generate(tmp_path)
    for file in tmp_path.iterdir():
        again = "python -m reconciler.serving.grpc.generate"
        assert file.read_text() == (HERE / file.name).read_text(), f"renew it: {again}"
