"""A short way to write ONNX nodes inside a converter of skl2onnx."""

from __future__ import annotations

from typing import Any

import numpy as np
from skl2onnx.common.data_types import DoubleTensorType, guess_proto_type
from skl2onnx.proto import onnx_proto

FLOAT = onnx_proto.TensorProto.FLOAT
DOUBLE = onnx_proto.TensorProto.DOUBLE
INT64 = onnx_proto.TensorProto.INT64
#: What skl2onnx knows of ai.onnx.ml; `export` raises it for the operators that are newer.
_ML_VERSION = 3
_TYPES = {"float64": DOUBLE, "int64": INT64, "float32": FLOAT}


class Inconvertible(Exception):  # noqa: N818  no error: the model is shipped natively instead
    """How a model is set has no form in ONNX; the message is the reason that its manifest gives."""


class Emitter:
    """Writes nodes for one scikit-learn model, in double precision throughout."""

    def __init__(self, scope: Any, operator: Any, container: Any) -> None:
        self.model = operator.raw_operator
        self._scope = scope
        self._operator = operator
        self._container = container

    def op(self, kind: str, inputs: list[str], *, domain: str = "", **attributes: Any) -> str:
        """Add a node with one output, and return the output's name."""
        output: str = self._scope.get_unique_variable_name(kind.lower())
        name = self._scope.get_unique_operator_name(kind)
        version = _ML_VERSION if domain else self._container.target_opset
        self._container.add_node(
            kind, inputs, output, name=name, op_domain=domain, op_version=version, **attributes
        )
        return output

    def constant(self, values: Any) -> str:
        """Add a constant of type float64, float32 or int64, and return its name."""
        array = np.asarray(values)
        name: str = self._scope.get_unique_variable_name("constant")
        kind = _TYPES[array.dtype.name]
        self._container.add_initializer(name, kind, list(array.shape), array.ravel().tolist())
        return name

    def doubles(self, *values: float) -> str:
        """Add a constant of doubles, shape (values,), and return its name."""
        return self.constant(np.array(values, dtype=np.float64))

    def integers(self, *values: int) -> str:
        """Add a constant of integers, shape (values,), and return its name."""
        return self.constant(np.array(values, dtype=np.int64))

    def cast(self, name: str, kind: int) -> str:
        """Return `name` cast to FLOAT, DOUBLE or INT64."""
        return self.op("Cast", [name], to=kind)

    def features(self) -> str:
        """Return the model's input in double precision, shape (rows, features)."""
        parts = [self._double(variable) for variable in self._operator.inputs]
        return parts[0] if len(parts) == 1 else self.op("Concat", parts, axis=1)

    def _double(self, variable: Any) -> str:
        name: str = variable.full_name
        return name if isinstance(variable.type, DoubleTensorType) else self.cast(name, DOUBLE)

    def answer(self, *names: str) -> None:
        """Make `names` the model's outputs, in order, each in the type that was declared."""
        for name, variable in zip(names, self._operator.outputs, strict=False):
            kind = guess_proto_type(variable.type)
            self._container.add_node(
                "Cast",
                [name],
                variable.full_name,
                to=kind,
                op_version=self._container.target_opset,
                name=self._scope.get_unique_operator_name("Cast"),
            )

    def classify(self, index: str, scores: str) -> None:
        """Answer the class at `index` (int64, shape (rows,)) and `scores` (rows, classes)."""
        classes = self.constant(np.asarray(self.model.classes_).astype(np.int64))
        self.answer(self.op("Gather", [classes, index], axis=0), scores)
