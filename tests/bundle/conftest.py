"""A bundle made by hand: y = 2 a + b, without any training."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from reconciler.bundle import manifest, signature
from reconciler.bundle.signature import Column, Input, Signature, Tensor


def linear_model() -> bytes:
    """An ONNX model of two numbers."""
    import numpy as np
    from onnx import TensorProto, helper, numpy_helper

    weights = numpy_helper.from_array(np.array([[2.0], [1.0]]), "weights")
    graph = helper.make_graph(
        [helper.make_node("MatMul", ["numbers", "weights"], ["prediction"])],
        "model",
        [helper.make_tensor_value_info("numbers", TensorProto.DOUBLE, [None, 2])],
        [helper.make_tensor_value_info("prediction", TensorProto.DOUBLE, [None, 1])],
        [weights],
    )
    opset = helper.make_opsetid("", 18)
    model = helper.make_model(graph, opset_imports=[opset], ir_version=8)
    content: bytes = model.SerializeToString()
    return content


def two_numbers() -> Signature:
    """The signature of `linear_model`; `b` may be missing."""
    inputs = (
        Input(name="a", type="number", nullable=False, null=None),
        Input(name="b", type="number", nullable=True, null="NaN"),
    )
    columns = tuple(Column(name=item.name, input=item.name, rounded=True) for item in inputs)
    return Signature(
        model="m",
        task="regression",
        form="onnx",
        precision="float32",
        inputs=inputs,
        tensors=(Tensor(name="numbers", dtype="float64", columns=columns),),
        target="y",
    )


def seal(folder: Path, form: Any = "onnx") -> None:
    """Write the manifest of what is in `folder`."""
    statement = manifest.Manifest(
        format=1,
        model="m",
        form=form,
        form_reason="made by hand",
        files=manifest.checksums(folder),
        runtime={},
        seed=0,
        inputs="0" * 64,
    )
    (folder / manifest.FILE).write_text(statement.model_dump_json())


@pytest.fixture
def bundle(tmp_path: Path) -> Path:
    """A sealed bundle."""
    folder = tmp_path / "m"
    folder.mkdir()
    (folder / "model.onnx").write_bytes(linear_model())
    (folder / signature.FILE).write_text(two_numbers().model_dump_json())
    (folder / "split.json").write_text(json.dumps({"method": "random"}))
    seal(folder)
    return folder


@pytest.fixture
def sealed() -> Any:
    """The function that seals a bundle again."""
    return seal
