"""Bundles made by hand, without any training: y = factor x a + b, and ways for it to go wrong."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import numpy as np
from onnx import NodeProto, TensorProto, helper, numpy_helper

from reconciler.bundle import golden, manifest, signature
from reconciler.bundle.signature import Column, Input, Signature, Tensor
from reconciler.serving.table import Entry, Route

OPSET, IR = 18, 8


def made(
    folder: Path,
    factor: float = 2.0,
    limit: int | None = None,
    drag: int = 0,
    version: int = 1,
    crowd: float = 0.0,
) -> Entry:
    """Make a bundle in `folder` and return the entry that serves it.

    Args:
        folder: Made; must not be there.
        factor: y = factor x a + b.
        limit: The model raises where a is not below it; None: never.
        drag: How many products of large matrices it computes for nothing, each about 2 ms.
        version: The entry's.
        crowd: What each further row of a run adds to all answers of it.
    """
    folder.mkdir(parents=True)
    (folder / "model.onnx").write_bytes(onnx_model(factor, limit, drag, crowd))
    (folder / signature.FILE).write_text(_signature().model_dump_json())
    rows = [{"a": 1.0, "b": 0.5}, {"a": 2.0, "b": 0.25}]
    answers = [factor * row["a"] + row["b"] for row in rows]
    (folder / golden.FILE).write_text(json.dumps({"rows": rows, "predictions": answers}))
    reference = {"predictions": {"rows": 2, "std": 1.0}}
    (folder / "reference.json").write_text(json.dumps(reference))
    seal(folder)
    return Entry(version, digest(folder), str(folder))


def route(champion: Entry, challenger: Entry | None = None, weight: int = 0) -> Route:
    """Return the route of model `m`."""
    return Route("m", champion, challenger, weight, since="2026-01-01T00:00:00+00:00")


def seal(folder: Path) -> None:
    """Write the manifest of what is in `folder`."""
    statement = manifest.Manifest(
        format=1, model="m", form="onnx", form_reason="made by hand",
        files=manifest.checksums(folder), runtime={}, seed=0, inputs="0" * 64,
    )  # fmt: skip
    (folder / manifest.FILE).write_text(statement.model_dump_json())


def digest(folder: Path) -> str:
    """Return something like DVC's digest of a folder."""
    return hashlib.md5((folder / manifest.FILE).read_bytes()).hexdigest() + ".dir"


def _signature() -> Signature:
    inputs = (
        Input(name="a", type="number", nullable=False, null=None),
        Input(name="b", type="number", nullable=True, null="NaN"),
    )
    columns = tuple(Column(name=item.name, input=item.name, rounded=True) for item in inputs)
    return Signature(
        model="m", task="regression", form="onnx", precision="float32", inputs=inputs,
        tensors=(Tensor(name="numbers", dtype="float64", columns=columns),), target="y",
    )  # fmt: skip


def onnx_model(
    factor: float,
    limit: int | None = None,
    drag: int = 0,
    crowd: float = 0.0,
    *,
    float_input: bool = False,
) -> bytes:
    """Return y = factor x a + b as an ONNX model; see `made`.

    Args:
        factor: What a is multiplied by.
        limit: The model raises where a is not below it.
        drag: How much it computes for nothing.
        crowd: What it adds for each further row.
        float_input: Whether its input is float32, called `X`, as other tools write them.
    """
    constants = {"weights": np.array([[factor], [1.0]])}
    nodes = [helper.make_node("MatMul", ["numbers", "weights"], ["y0"])]
    if float_input:
        nodes.insert(0, helper.make_node("Cast", ["X"], ["numbers"], to=TensorProto.DOUBLE))
    last = "y0"
    if limit is not None:  # an index that is out of range makes the runtime raise
        constants |= {"zeros": np.zeros((limit, 1)), "column": np.array([0])}
        nodes += [
            helper.make_node("Gather", ["numbers", "column"], ["as"], axis=1),
            helper.make_node("Cast", ["as"], ["index"], to=TensorProto.INT64),
            helper.make_node("Squeeze", ["index", "axis"], ["place"]),
            helper.make_node("Gather", ["zeros", "place"], ["nothing"]),
            helper.make_node("Add", [last, "nothing"], ["y1"]),
        ]
        constants["axis"] = np.array([1])
        last = "y1"
    for turn in range(drag):
        constants["wide"] = np.zeros((1, 1000))
        constants["square"] = np.zeros((1000, 1000))
        nodes += [
            helper.make_node("MatMul", [last, "wide"], [f"w{turn}"]),
            *_products(turn, 4),
            helper.make_node("ReduceSum", [f"p{turn}_4", "axes"], [f"s{turn}"], keepdims=1),
            helper.make_node("Add", [last, f"s{turn}"], [f"d{turn}"]),
        ]
        constants["axes"] = np.array([1])
        last = f"d{turn}"
    if crowd:
        constants |= {"one": np.array([1.0]), "crowd": np.array([crowd]), "first": np.array([0])}
        nodes += [
            helper.make_node("Shape", ["numbers"], ["shape"]),
            helper.make_node("Gather", ["shape", "first"], ["height"]),
            helper.make_node("Cast", ["height"], ["rows"], to=TensorProto.DOUBLE),
            helper.make_node("Sub", ["rows", "one"], ["others"]),
            helper.make_node("Mul", ["others", "crowd"], ["more"]),
            helper.make_node("Add", [last, "more"], ["crowded"]),
        ]
        last = "crowded"
    kind = TensorProto.FLOAT if float_input else TensorProto.DOUBLE
    nodes.append(helper.make_node("Cast", [last], ["prediction"], to=kind))
    graph = helper.make_graph(
        nodes,
        "model",
        [helper.make_tensor_value_info("X" if float_input else "numbers", kind, [None, 2])],
        [helper.make_tensor_value_info("prediction", kind, [None, 1])],
        [numpy_helper.from_array(value, name) for name, value in constants.items()],
    )
    opset = helper.make_opsetid("", OPSET)
    model = helper.make_model(graph, opset_imports=[opset], ir_version=IR)
    content: bytes = model.SerializeToString()
    return content


def _products(turn: int, count: int) -> list[NodeProto]:
    names = [f"w{turn}", *(f"p{turn}_{n}" for n in range(1, count + 1))]
    return [helper.make_node("MatMul", [names[n], "square"], [names[n + 1]]) for n in range(count)]
