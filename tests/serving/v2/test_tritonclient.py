"""The client of Triton, as it is: binary by default, JSON where asked to."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
import tritonclient.http as triton
import tritonclient.http.aio as triton_aio
from tritonclient.utils import InferenceServerException, triton_to_np_dtype

from tests.serving.shops import FLOWER, STAY

# It closes a second time, in whatever thread collects garbage: gevent has none of that.
del triton.InferenceServerClient.__del__

MATRIX = np.array([[1.5, 0.25], [4.5, 1.5], [5.0, 2.0]], np.float32)


@pytest.fixture
def client(address: str) -> Iterator[triton.InferenceServerClient]:
    made = triton.InferenceServerClient(address, connection_timeout=5.0, network_timeout=5.0)
    yield made
    made.close()


def tensor(
    name: str, values: Any, datatype: str, *, binary: bool = True, module: Any = triton
) -> Any:
    array = np.array(values, object if datatype == "BYTES" else None)
    if datatype != "BYTES":
        array = array.astype(triton_to_np_dtype(datatype))
    made = module.InferInput(name, list(array.shape), datatype)
    made.set_data_from_numpy(array, binary_data=binary)
    return made


def stays(*, binary: bool = True) -> list[Any]:
    """Two rows of `stay`, a tensor for each field."""
    kinds = {"age": "FP64", "nights": "INT32", "member": "BOOL"}
    return [
        tensor(name, [[value], [value]], kinds.get(name, "BYTES"), binary=binary)
        for name, value in STAY.items()
    ]


def test_it_finds_server_and_models_ready(client: triton.InferenceServerClient) -> None:
    assert client.is_server_live()
    assert client.is_server_ready()
    assert client.is_model_ready("flower")
    assert client.is_model_ready("flower", "2")
    assert not client.is_model_ready("flower", "1")
    assert not client.is_model_ready("tree")
    assert "binary_tensor_data" in client.get_server_metadata()["extensions"]
    assert [item["name"] for item in client.get_model_repository_index()] == ["flower", "stay"]
    with pytest.raises(InferenceServerException, match="what is released"):
        client.unload_model("flower")


def test_what_metadata_lists_is_what_inference_takes(client: triton.InferenceServerClient) -> None:
    told = client.get_model_metadata("stay")
    inputs = [tensor(i["name"], [STAY[i["name"]]], i["datatype"]) for i in told["inputs"]]
    assert client.infer("stay", inputs).as_numpy("prediction").tolist() == [300.0]


def test_a_matrix_goes_in_and_comes_back_in_binary(client: triton.InferenceServerClient) -> None:
    answer = client.infer("flower", [tensor("input", MATRIX, "FP32")], request_id="seven")
    told = answer.get_response()
    assert (told["id"], told["model_name"], told["model_version"]) == ("seven", "flower", "2")
    assert all("binary_data_size" in output["parameters"] for output in told["outputs"])
    assert answer.as_numpy("prediction").tolist() == [b"setosa", b"virginica", b"virginica"]
    assert answer.as_numpy("probabilities").tolist() == [[0.75, 0.25], [0.25, 0.75], [0.25, 0.75]]


def test_outputs_are_those_asked_for_each_as_it_is_wanted(
    client: triton.InferenceServerClient,
) -> None:
    wanted = [
        triton.InferRequestedOutput("probabilities", binary_data=True),
        triton.InferRequestedOutput("prediction", binary_data=False),
    ]
    answer = client.infer("flower", [tensor("x", MATRIX, "FP64", binary=False)], outputs=wanted)
    likely, labels = answer.get_response()["outputs"]
    assert (likely["name"], likely["shape"]) == ("probabilities", [3, 2])
    assert likely["parameters"] == {"binary_data_size": 48}
    assert labels["data"] == ["setosa", "virginica", "virginica"]
    assert answer.as_numpy("probabilities").sum() == 3.0
    only = client.infer("flower", [tensor("x", MATRIX, "FP64")], outputs=wanted[1:])
    assert [output["name"] for output in only.get_response()["outputs"]] == ["prediction"]


@pytest.mark.parametrize("binary", [True, False])
def test_fields_of_every_type_go_in_together(
    client: triton.InferenceServerClient, binary: bool
) -> None:
    answer = client.infer("stay", stays(binary=binary))
    assert answer.as_numpy("prediction").tolist() == [300.0, 300.0]


def test_some_in_binary_and_some_in_json(client: triton.InferenceServerClient) -> None:
    inputs = [*stays()[:3], *stays(binary=False)[3:]]
    assert client.infer("stay", inputs).as_numpy("prediction").tolist() == [300.0, 300.0]


@pytest.mark.parametrize(
    "datatype",
    ["UINT8", "UINT16", "UINT32", "UINT64", "INT8", "INT16", "INT32", "INT64", "FP16", "FP32",
     "FP64", "BF16"],
)  # fmt: skip
def test_a_number_may_be_of_every_datatype(
    client: triton.InferenceServerClient, datatype: str
) -> None:
    inputs = [tensor(name, [4.0, 1.0], datatype) for name in FLOWER]
    assert client.infer("flower", inputs).as_numpy("prediction").tolist() == [
        b"virginica",
        b"setosa",
    ]


def test_it_is_told_what_is_wrong(client: triton.InferenceServerClient) -> None:
    with pytest.raises(InferenceServerException, match="there is no input 'y'") as refused:
        client.infer("flower", [tensor("y", [1.0], "FP32")])
    assert "400" in str(refused.value.status())
    with pytest.raises(InferenceServerException, match="no output 'logits'"):
        client.infer(
            "flower",
            [tensor("x", MATRIX, "FP32")],
            outputs=[triton.InferRequestedOutput("logits")],
        )
    with pytest.raises(InferenceServerException, match="classification is not offered"):
        client.infer(
            "flower",
            [tensor("x", MATRIX, "FP32")],
            outputs=[triton.InferRequestedOutput("prediction", class_count=2)],
        )


@pytest.mark.parametrize("algorithm", ["gzip", "deflate"])
def test_bodies_may_be_compressed(client: triton.InferenceServerClient, algorithm: str) -> None:
    answer = client.infer(
        "flower",
        [tensor("x", MATRIX, "FP32")],
        request_compression_algorithm=algorithm,
        response_compression_algorithm=algorithm,
    )
    assert answer.as_numpy("probabilities").shape == (3, 2)


def test_many_requests_at_once(address: str) -> None:
    client = triton.InferenceServerClient(address, concurrency=4, network_timeout=5.0)
    waiting = [client.async_infer("flower", [tensor("x", MATRIX, "FP32")]) for _ in range(20)]
    assert all(len(one.get_result().as_numpy("prediction")) == 3 for one in waiting)
    client.close()


def test_its_asynchronous_client_gets_the_same(address: str) -> None:
    async def ask() -> Any:
        async with triton_aio.InferenceServerClient(address, conn_timeout=5.0) as client:
            assert await client.is_model_ready("flower")
            inputs = [tensor("x", MATRIX, "FP32", module=triton_aio)]
            return (await client.infer("flower", inputs)).as_numpy("prediction").tolist()

    assert asyncio.run(ask()) == [b"setosa", b"virginica", b"virginica"]
