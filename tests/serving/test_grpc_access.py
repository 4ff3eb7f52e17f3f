"""Who may ask over gRPC: the same tokens, rates and certificates as over HTTP."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from hashlib import sha256
from pathlib import Path
from typing import Any

import grpc
import pytest
from tritonclient.grpc import service_pb2, service_pb2_grpc

from reconciler.adapters.tokens import Right, Token, TokenFile
from tests.serving.bundles import made, route
from tests.serving.certificates import certificate
from tests.serving.crews import Running, crew, until

Metadata = Sequence[tuple[str, str]]


def request(model: str = "m") -> Any:
    made = service_pb2.ModelInferRequest(model_name=model)
    made.inputs.add(name="x", datatype="FP64", shape=[1, 2]).contents.fp64_contents.extend([1, 1])
    return made


def code(ask: Callable[[], object]) -> tuple[grpc.StatusCode, str]:
    with pytest.raises(grpc.RpcError) as caught:
        ask()
    return caught.value.code(), caught.value.details()


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    folder = tmp_path_factory.mktemp("guarded")
    tokens = TokenFile(folder / "tokens.json")
    predict, admin = Right.PREDICT, Right.ADMIN
    for name, right, secret, rate in (
        ("quick", predict, "s1", None), ("slow", predict, "s2", 0.01), ("ops", admin, "s4", None),
    ):  # fmt: skip
        tokens.add(Token(name, right, sha256(secret.encode()).hexdigest(), 0, "", rate=rate))
    with crew(tokens=str(tokens.path)) as found:
        found.serve(route(made(folder / "1")))
        yield found


@pytest.fixture
def stub(guarded: Running) -> Iterator[Any]:
    with grpc.insecure_channel(guarded.grpc) as channel:
        yield service_pb2_grpc.GRPCInferenceServiceStub(channel)


def test_without_a_token_only_health_is_told(stub: Any) -> None:
    assert stub.ServerLive(service_pb2.ServerLiveRequest()).live
    assert code(lambda: stub.ModelInfer(request())) == (
        grpc.StatusCode.UNAUTHENTICATED,
        "this needs a token",
    )
    ask = service_pb2.ModelMetadataRequest(name="m")
    assert code(lambda: stub.ModelMetadata(ask))[0] is grpc.StatusCode.UNAUTHENTICATED


def test_a_token_lets_in_and_another_does_not(stub: Any) -> None:
    answer = stub.ModelInfer(request(), metadata=[("authorization", "Bearer s1")])
    assert list(answer.outputs[0].contents.fp64_contents) == [3.0]
    wrong = [("authorization", "Bearer s3")]
    assert code(lambda: stub.ModelInfer(request(), metadata=wrong)) == (
        grpc.StatusCode.UNAUTHENTICATED,
        "there is no such token",
    )


def test_a_token_that_asks_too_often_is_refused(stub: Any) -> None:
    slow = [("authorization", "Bearer s2")]
    stub.ModelInfer(request(), metadata=slow)
    found, said = code(lambda: stub.ModelInfer(request(), metadata=slow))
    assert found is grpc.StatusCode.RESOURCE_EXHAUSTED
    assert "more than 0.01 requests a second" in said


def test_only_an_admin_may_send_what_counts_nowhere(
    guarded: Running, stub: Any, tmp_path: Path
) -> None:
    entry = made(tmp_path / "2", 3.0, version=2)
    guarded.serve(route(entry), commit="c2")
    for secret in ("s4", "s1"):
        metadata = [("authorization", f"Bearer {secret}"), ("x-reconciler-probe", "1")]
        stub.ModelInfer(request(), metadata=metadata)

    def counted() -> int:
        tallies = [boot.get("m", {}) for boot in guarded.crew.counts().values()]
        return sum(tally.get(entry.digest, {}).get("requests", 0) for tally in tallies)

    until(lambda: counted() > 0)
    assert counted() == 1


def test_it_is_served_over_tls_and_a_renewed_certificate_is_taken_up(tmp_path: Path) -> None:
    files = certificate(tmp_path)

    def answers() -> bool:
        trusted = grpc.ssl_channel_credentials(Path(files["cert"]).read_bytes())
        with grpc.secure_channel(found.grpc, trusted) as channel:
            stub = service_pb2_grpc.GRPCInferenceServiceStub(channel)
            try:
                return bool(stub.ServerLive(service_pb2.ServerLiveRequest(), timeout=5).live)
            except grpc.RpcError:
                return False

    with crew(tls=files) as found:
        found.serve(route(made(tmp_path / "1")))
        assert answers()
        certificate(tmp_path, "renewed")
        until(answers, 10)
        with grpc.insecure_channel(found.grpc) as channel:
            stub = service_pb2_grpc.GRPCInferenceServiceStub(channel)
            live = service_pb2.ServerLiveRequest()
            assert code(lambda: stub.ServerLive(live))[0] is grpc.StatusCode.UNAVAILABLE
