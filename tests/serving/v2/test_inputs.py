"""However a client sends a row, the model sees the tensors that training saw."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from reconciler.bundle.manifest import Manifest
from reconciler.bundle.predictor import Predictor
from reconciler.errors import UsageError
from reconciler.serving.v2.binary import from_bytes, to_bytes
from reconciler.serving.v2.inputs import predict
from reconciler.serving.v2.tensors import Given, from_json
from tests.serving.shops import STAY, stay

Array = npt.NDArray[Any]

ROW: dict[str, Any] = dict(STAY)
OTHER = {**ROW, "age": None, "nights": 14, "city": "Rome", "note": "no view", "member": False}
DATATYPES = {"age": "FP32", "nights": "INT64", "member": "BOOL"}


class Seen:
    """A model that keeps what it was given."""

    def run(self, tensors: dict[str, Array]) -> Sequence[Array]:
        self.tensors = tensors
        return [np.zeros(len(tensors["numbers"]))]


@pytest.fixture
def seen() -> Seen:
    return Seen()


@pytest.fixture
def predictor(seen: Seen) -> Predictor:
    manifest = Manifest(
        format=1, model="stay", form="onnx", form_reason="", files={}, runtime={}, seed=0, inputs=""
    )
    return Predictor(manifest, stay(), seen)


def in_json(rows: Sequence[dict[str, Any]], shape: list[int]) -> list[Given]:
    return [
        from_json({"name": name, "datatype": DATATYPES.get(name, "BYTES"), "shape": shape,
                   "data": [row[name] for row in rows]})
        for name in ROW
    ]  # fmt: skip


def in_binary(rows: Sequence[dict[str, Any]], shape: tuple[int, ...]) -> list[Given]:
    given = []
    for name in ROW:
        datatype = DATATYPES.get(name, "BYTES")
        missing = float("nan") if datatype == "FP32" else ""
        values = np.array([missing if row[name] is None else row[name] for row in rows])
        given.append(from_bytes(name, datatype, shape, memoryview(to_bytes(datatype, values))))
    return given


def wanted(predictor: Predictor, seen: Seen, rows: Sequence[dict[str, Any]]) -> dict[str, Any]:
    predictor.predict({name: [row[name] for row in rows] for name in ROW})
    return {name: values.tolist() for name, values in seen.tensors.items()}


@pytest.mark.parametrize("rows", [[ROW], [OTHER], [ROW, OTHER], []])
def test_features_of_every_type_are_read_in_json_and_in_binary(
    predictor: Predictor, seen: Seen, rows: list[dict[str, Any]]
) -> None:
    expected = str(wanted(predictor, seen, rows)) if rows else ""
    for shape in ((len(rows),), (len(rows), 1)):
        for given in (in_json(rows, list(shape)), in_binary(rows, shape)):
            assert len(predict(predictor, given).values) == len(rows)
            if rows:
                found = {name: values.tolist() for name, values in seen.tensors.items()}
                assert str(found) == expected


def test_the_tensors_of_the_model_itself_are_taken_by_their_names(
    predictor: Predictor, seen: Seen
) -> None:
    expected = wanted(predictor, seen, [ROW, OTHER])
    given = [
        from_json({"name": "numbers", "datatype": "FP64", "shape": [2, 4],
                   "data": [[40.5, 3, 1, 2024], [None, 14, 0, 2024]]}),
        from_json({"name": "city", "datatype": "BYTES", "shape": [2, 1], "data": ["Oslo", "Rome"]}),
        from_json({"name": "note", "datatype": "BYTES", "shape": [2, 2],
                   "data": ["sea", "view", "no", "view"]}),
    ]  # fmt: skip
    predict(predictor, given)
    found = {name: values.tolist() for name, values in seen.tensors.items()}
    assert str(found) == str(expected)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"datatype": "BYTES", "data": ["x"] * 8}, "numbers: datatype BYTES, wanted a numeric"),
        ({"shape": [4, 2]}, "numbers: shape [4, 2], wanted [rows, 4]"),
        ({"data": [1, 0.5, 1, 2024] * 2}, "nights: 0.5 is not an integer"),
        ({"data": [1, None, 1, 2024] * 2}, "nights: 2 missing"),
        ({"data": [1, 1, 3, 2024] * 2}, "member: 3.0 is not true or false"),
        ({"data": [1e300, 1, 1, 2024] * 2}, "age: a number is beyond the range of float32"),
        ({"shape": [1, 4], "data": [1, 1, 1, 2024]}, "the tensors differ in length: numbers 1"),
        ({"name": "figures"}, "there is no input 'figures' (FP64 of shape [2, 4])"),
    ],
)
def test_what_is_wrong_with_a_model_s_own_tensor_is_said(
    predictor: Predictor, change: dict[str, Any], said: str
) -> None:
    numbers = {"name": "numbers", "datatype": "FP64", "shape": [2, 4], "data": [1, 1, 1, 2024] * 2}
    texts = {"datatype": "BYTES", "shape": [2, 1], "data": ["Oslo", "Rome"]}
    given = [{**numbers, **change}, {"name": "city", **texts}, {"name": "note", **texts}]
    with pytest.raises(UsageError) as refused:
        predict(predictor, [from_json(item) for item in given])
    assert said in refused.value.message


def test_a_missing_tensor_of_the_model_is_named(predictor: Predictor) -> None:
    numbers = {"name": "numbers", "datatype": "FP64", "shape": [1, 4], "data": [1, 1, 1, 2024]}
    with pytest.raises(UsageError, match="city, note: the input is missing"):
        predict(predictor, [from_json(numbers)])
