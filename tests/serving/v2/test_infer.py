"""Inference over the protocol's JSON: every form of a row, and what is said of a wrong one."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from reconciler.serving.table import Route
from tests.serving.bundles import made
from tests.serving.v2.conftest import Place, Worker

INFER = "/v2/models/m/infer"


def tensor(name: str, data: list[Any], datatype: str = "FP64", **other: Any) -> dict[str, Any]:
    return {"name": name, "datatype": datatype, "shape": [len(data)], "data": data, **other}


def test_a_tensor_per_feature_is_answered_with_a_tensor(worker: Worker) -> None:
    inputs = [tensor("a", [1.0, 2.0]), tensor("b", [0.5, 0.25], "FP32", shape=[2, 1])]
    reply = worker.post(INFER, {"id": "7", "inputs": inputs})
    assert reply.status == 200
    assert reply.json() == {
        "model_name": "m",
        "model_version": "1",
        "id": "7",
        "outputs": [{"name": "prediction", "datatype": "FP64", "shape": [2], "data": [2.5, 4.25]}],
    }


@pytest.mark.parametrize("data", [[1, 0.5, 2, 0.25], [[1, 0.5], [2, 0.25]]])
def test_a_matrix_of_all_features_is_taken_flat_and_nested(worker: Worker, data: list[Any]) -> None:
    reply = worker.post(INFER, {"inputs": [tensor("x", data, shape=[2, 2])]})
    assert reply.json()["outputs"][0]["data"] == [2.5, 4.25]


def test_the_named_version_answers_and_one_that_is_not_served_does_not(worker: Worker) -> None:
    body = {"inputs": [tensor("x", [1, 0.5], shape=[1, 2])]}
    assert worker.post("/v2/models/m/versions/1/infer", body).json()["model_version"] == "1"
    refused = worker.post("/v2/models/m/versions/9/infer", body)
    assert (refused.status, refused.json()["reason"]) == (404, "NoSuchVersion")
    assert worker.post("/v2/models/other/infer", body).status == 404


@pytest.mark.parametrize(
    ("inputs", "said"),
    [
        ([], "inputs is empty"),
        ([tensor("a", [1.0], "FP65")], "datatype 'FP65'"),
        ([tensor("a", [1.0], shape=[-1])], "shape [-1]"),
        ([tensor("a", [1.0], shape=[2])], "1 elements for shape [2]"),
        ([tensor("a", ["x"])], "'x' is not of datatype FP64"),
        ([tensor("a", [300], "UINT8")], "300 is beyond UINT8"),
        ([tensor("a", ["x"], "BYTES")], "a: datatype BYTES for a number"),
        ([tensor("a", [1.0, 2.0]), tensor("b", [1.0])], "b: shape [1], wanted [2] or [2, 1]"),
        ([tensor("a", [1.0]), tensor("a", [1.0])], "two inputs have the same name"),
        ([tensor("a", [1.0]), tensor("c", [1.0])], "no input 'c'"),
        ([tensor("b", [1.0])], "a: the field is missing"),
        ([tensor("a", [None])], "a: 1 missing"),
        ([tensor("a", [[1.0], [2.0, 3.0]], shape=[2, 1])], "not nested as shape [2, 1]"),
        ([tensor("x", [1.0, 2.0, 3.0], shape=[1, 3])], "numeric input of shape [rows, 2]"),
    ],
)
def test_what_is_wrong_with_an_input_is_said_precisely(
    worker: Worker, inputs: list[Any], said: str
) -> None:
    reply = worker.post(INFER, {"inputs": inputs})
    assert reply.status == 400
    assert said in reply.json()["error"]


def test_a_key_keeps_its_version_while_a_rollout_stands(place: Place, tmp_path: Path) -> None:
    challenger = made(tmp_path / "2", version=2, factor=3.0)
    worker = place(Route("m", made(tmp_path / "1"), challenger, 50))
    body = {"inputs": [tensor("x", [1, 0.5], shape=[1, 2])]}
    first, again = (
        [worker.post(INFER, body, x_request_key=f"k{n}").json() for n in range(40)]
        for _ in range(2)
    )
    versions = [told["model_version"] for told in first]
    assert [told["model_version"] for told in again] == versions
    assert set(versions) == {"1", "2"}
    for told in first:  # and the answer is that version's
        assert told["outputs"][0]["data"] == [2.5 if told["model_version"] == "1" else 3.5]
    named = worker.post("/v2/models/m/versions/2/infer", body, x_request_key="k0").json()
    assert named["model_version"] == "2"


def test_without_an_id_of_its_own_a_request_gets_that_of_its_header(worker: Worker) -> None:
    body = {"inputs": [tensor("x", [1, 0.5], shape=[1, 2])]}
    assert worker.post(INFER, body, x_request_id="abc").json()["id"] == "abc"
    assert worker.post(INFER, {**body, "id": "7"}, x_request_id="abc").json()["id"] == "7"
    ids = {worker.post(INFER, body).json()["id"] for _ in range(3)}
    assert len(ids) == 3


def test_more_rows_than_may_be_are_refused(place: Place, tmp_path: Path) -> None:
    worker = place(Route("m", made(tmp_path / "1")))
    inputs = [tensor("a", [1.0] * 100_001)]
    reply = worker.post(INFER, {"inputs": inputs})
    assert (reply.status, reply.json()["reason"]) == (413, "TooManyRows")


def test_many_rows_are_answered_as_one_by_one(worker: Worker) -> None:
    numbers = [n / 7 for n in range(10_000)]
    reply = worker.post(INFER, {"inputs": [tensor("x", numbers, shape=[5000, 2])]})
    found = reply.json()["outputs"][0]
    assert found["shape"] == [5000]
    for n in (0, 1023, 1024, 4999):
        one = {"inputs": [tensor("x", numbers[2 * n : 2 * n + 2], shape=[1, 2])]}
        assert worker.post(INFER, one).json()["outputs"][0]["data"] == [found["data"][n]]


def test_what_is_left_out_may_be_missing_and_says_nothing_about_the_others(worker: Worker) -> None:
    reply = worker.post(INFER, {"inputs": [tensor("a", [1.0, 2.0])]})
    assert reply.json()["outputs"][0]["data"] == [None, None]  # the model adds nothing up to NaN
