"""Foreign ONNX: a graph that the user's own stages have written, behind a bundle's own ends.

A bundle's graph takes doubles (or texts) under fixed names and answers a number, or the index of a
class and probabilities. What the user's graph takes and answers is cast to that; the graph between
stays as it is.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from reconciler.bundle.predictor import OnnxModel, run_batches
from reconciler.bundle.signature import PREDICTION, PROBABILITIES, Signature
from reconciler.errors import TerminalError
from reconciler.pipeline.export import Exported, disagreement

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

Array = npt.NDArray[Any]

_THEIRS = "theirs/"
_LABELS = {"classlabels_int64s", "classlabels_ints", "classlabels_strings"}
_ML, _ML_OPSET = "ai.onnx.ml", 3  # the first in which a LabelEncoder maps any type to any
_HINT = (
    "a classifier answers labels and then probabilities, as skl2onnx writes it; a single matrix "
    "of scores needs training.task: classification"
)


@dataclass(frozen=True, slots=True)
class Graph:
    """A user's graph, taken apart as far as it must be known."""

    proto: Any
    inputs: tuple[str, ...]
    width: int | None
    """Columns of its only input; None: not stated, or it has an input for each column."""
    task: str
    """`regression` or `multiclass`, as long as its classes are not counted."""
    classes: tuple[Any, ...] | None
    """Its labels, in the order of its probabilities; None: a regression."""
    label: str
    """The value that is a number, a label, or a matrix of scores."""
    scores: str | None
    """The value that holds a score for each class; None: there is none."""
    labelled: bool
    """Whether `label` holds labels; False: numbers, or scores whose greatest one decides."""

    @property
    def features(self) -> tuple[str, ...] | None:
        """The columns that it has an input for; None: it takes them all in one."""
        names = tuple(name.removeprefix(_THEIRS) for name in self.inputs)
        return names if len(names) > 1 else None


def load(path: Path, said: str, task: str | None) -> Graph:
    """Return the graph in a file.

    Args:
        path: The file.
        said: What to call it in a message.
        task: `regression` or `classification`, as the spec says it; None: the graph tells.

    Raises:
        TerminalError: `ModelUnreadable`, or `UnknownAnswers`: it answers in a way not known here.
    """
    import onnx

    try:
        proto = onnx.load(str(path))
        onnx.checker.check_model(proto)
    except Exception as error:  # a forged file makes the library raise whatever it stumbles over
        words = " ".join(str(error).split())
        message = f"{said}, is not an ONNX model: {words:.300}"
        raise TerminalError(message, reason="ModelUnreadable") from error
    proto = onnx.compose.add_prefix(proto, _THEIRS)
    fed = {item.name for item in proto.graph.initializer}
    inputs = tuple(value.name for value in proto.graph.input if value.name not in fed)
    answers = _answers(proto, said, task)
    width = _width(_value(proto.graph.input, inputs[0])) if len(inputs) == 1 else None
    return Graph(proto, inputs, width, *answers)


def export(graph: Graph, sign: Signature, tensors: Mapping[str, Array], said: str) -> Exported:
    """Return the graph behind a bundle's own ends, once both answer alike.

    Args:
        graph: The user's.
        sign: As the bundle has it.
        tensors: Rows to try, as the bundle takes them.
        said: What to call it in a message.

    Raises:
        TerminalError: `ModelRefusesRows`, or `NotConvertible`: the answers differ.
    """
    if len(sign.tensors) != len(graph.inputs):
        texts = ", ".join(i.name for i in sign.inputs if i.type in ("category", "text"))
        message = f"{said}; it takes one matrix of numbers, and the table has texts: {texts}"
        raise TerminalError(message, reason="ModelRefusesRows", hint="see data.ignore")
    expected = _raw(graph, sign, tensors, said)
    chances = graph.scores is not None and bool(
        np.allclose(expected[1].sum(axis=1), 1.0, atol=1e-3) and (expected[1] >= -1e-6).all()
    )
    sign = sign.model_copy(update={"form": "onnx", "probabilities": chances})
    content = _wrapped(graph, sign, chances=chances)
    answers = run_batches(OnnxModel(content, sign), sign, dict(tensors))
    wanted = expected if chances else expected[:1]
    difference = disagreement(wanted, answers, regression=sign.task == "regression")
    rows = len(expected[0])
    if difference:
        message = f"{said}; behind our ends it answers differently: {difference} of {rows} rows"
        raise TerminalError(message, reason="NotConvertible")
    return Exported(
        "onnx", f"the stages wrote ONNX; it answers alike on {rows} rows", content, sign
    )


def _answers(
    proto: Any, said: str, task: str | None
) -> tuple[str, tuple[Any, ...] | None, str, str | None, bool]:
    """Return task, classes, the value of labels or numbers, that of scores, and which it is."""
    from onnx import TensorProto

    outputs = list(proto.graph.output)
    kinds = [value.type.tensor_type.elem_type for value in outputs]
    if kinds[0] in (TensorProto.INT64, TensorProto.INT32, TensorProto.STRING):
        scores, named = _scores(proto, outputs[1].name) if len(outputs) > 1 else (None, None)
        labels = named or _labels(proto) or _counted(outputs, kinds[0])
        if labels is not None and task != "regression":
            return "multiclass", labels, outputs[0].name, scores, True
    elif len(outputs) == 1 and kinds[0] in (TensorProto.FLOAT, TensorProto.DOUBLE):
        width = _width(outputs[0])
        if task == "classification" and width is not None and width > 1:
            return "multiclass", tuple(range(width)), outputs[0].name, outputs[0].name, False
        if task != "classification" and width in (None, 1):
            return "regression", None, outputs[0].name, None, False
    listed = ", ".join(value.name.removeprefix(_THEIRS) for value in outputs)
    message = f"{said}, answers {listed} in a way that is not known here"
    raise TerminalError(message, reason="UnknownAnswers", hint=_HINT)


def _scores(proto: Any, name: str) -> tuple[str, tuple[Any, ...] | None]:
    """Return the matrix of scores and the labels, where it was made into mappings for each row."""
    for node in proto.graph.node:
        if node.op_type == "ZipMap" and name in node.output:
            return node.input[0], _labels_of(node)
    return name, None


def _labels(proto: Any) -> tuple[Any, ...] | None:
    found = (labels for node in proto.graph.node if (labels := _labels_of(node)))
    return next(found, None)


def _labels_of(node: Any) -> tuple[Any, ...] | None:
    from onnx import helper

    for attribute in node.attribute:
        if attribute.name in _LABELS:
            values = helper.get_attribute_value(attribute)
            if values:
                return tuple(v.decode() if isinstance(v, bytes) else int(v) for v in values)
    return None


def _counted(outputs: Sequence[Any], kind: int) -> tuple[Any, ...] | None:
    """Return 0, 1, … where the width of the scores says how many classes there are."""
    from onnx import TensorProto

    width = _width(outputs[1]) if len(outputs) > 1 else None
    return tuple(range(width)) if width and kind != TensorProto.STRING else None


def _raw(graph: Graph, sign: Signature, tensors: Mapping[str, Array], said: str) -> list[Array]:
    """Return what the user's own graph answers: numbers or indices, then any scores."""
    import onnxruntime

    proto = _ending(graph)
    fed = {}
    for name, tensor in zip(graph.inputs, sign.tensors, strict=True):
        kind = _value(proto.graph.input, name).type.tensor_type.elem_type
        values = tensors[tensor.name]
        fed[name] = values if tensor.dtype == "string" else values.astype(_dtype(kind))
    try:
        session = onnxruntime.InferenceSession(
            proto.SerializeToString(), providers=["CPUExecutionProvider"]
        )
        answers = session.run(None, fed)
    except Exception as error:  # the runtime's classes have no base
        words = " ".join(str(error).split())
        message = f"{said}; it does not answer the rows: {words:.300}"
        hint = "the table must have the columns that the model takes, in its order"
        raise TerminalError(message, reason="ModelRefusesRows", hint=hint) from error
    first = np.asarray(answers[0])
    if graph.classes is None:
        return [first.astype(np.float64).ravel()]
    if graph.labelled:
        index = {label: n for n, label in enumerate(graph.classes)}
        indices = np.array([index[label] for label in first.ravel().tolist()])
    else:
        indices = first.argmax(axis=1)
    return [indices, *(np.asarray(a, dtype=np.float64) for a in answers[-1:] if graph.scores)]


def _dtype(kind: int) -> Any:
    from onnx import helper

    return helper.tensor_dtype_to_np_dtype(kind)


def _ending(graph: Graph) -> Any:
    """Return a copy of the graph that answers its labels and scores as tensors."""
    import onnx

    proto = onnx.ModelProto()
    proto.CopyFrom(graph.proto)
    wanted = dict.fromkeys(name for name in (graph.label, graph.scores) if name)
    nodes = [node for node in proto.graph.node if node.op_type != "ZipMap"]
    del proto.graph.output[:]
    proto.graph.output.extend(onnx.ValueInfoProto(name=name) for name in wanted)
    del proto.graph.node[:]
    proto.graph.node.extend(nodes)
    return proto


def _wrapped(graph: Graph, sign: Signature, *, chances: bool) -> bytes:
    """Return the graph with a bundle's inputs and outputs."""
    from onnx import TensorProto, helper

    proto = _ending(graph)
    made = proto.graph
    before, inputs = [], []
    for name, tensor in zip(graph.inputs, sign.tensors, strict=True):
        kind = _value(made.input, name).type.tensor_type.elem_type
        own = TensorProto.STRING if tensor.dtype == "string" else TensorProto.DOUBLE
        inputs.append(helper.make_tensor_value_info(tensor.name, own, [None, len(tensor.columns)]))
        operator = helper.make_node("Cast", [tensor.name], [name], to=kind)
        before.append(
            operator if kind != own else helper.make_node("Identity", [tensor.name], [name])
        )
    after, outputs = _ends(graph, chances=chances)
    fed = [value for value in made.input if value.name not in graph.inputs]
    nodes = [*before, *made.node, *after]
    for field, items in (("input", [*inputs, *fed]), ("output", outputs), ("node", nodes)):
        del getattr(made, field)[:]
        getattr(made, field).extend(items)
    del made.value_info[:]
    _allow_labels(proto)
    proto.producer_name, proto.producer_version, proto.doc_string = "reconciler", "", ""
    content: bytes = proto.SerializeToString(deterministic=True)
    return content


def _ends(graph: Graph, *, chances: bool) -> tuple[list[Any], list[Any]]:
    """Return the nodes that turn the user's answers into a bundle's, and the outputs."""
    from onnx import TensorProto, helper

    flat = helper.make_node("Constant", [], ["ours/flat"], value_ints=[-1])
    if graph.classes is None:
        column = helper.make_node("Constant", [], ["ours/column"], value_ints=[-1, 1])
        cast = helper.make_node("Cast", [graph.label], ["ours/number"], to=TensorProto.DOUBLE)
        shape = helper.make_node("Reshape", ["ours/number", "ours/column"], [PREDICTION])
        answer = helper.make_tensor_value_info(PREDICTION, TensorProto.DOUBLE, [None, 1])
        return [column, cast, shape], [answer]
    nodes = [
        flat,
        *_index(graph),
        helper.make_node("Reshape", ["ours/index", "ours/flat"], [PREDICTION]),
    ]
    outputs = [helper.make_tensor_value_info(PREDICTION, TensorProto.INT64, [None])]
    if chances and graph.scores is not None:
        cast = helper.make_node("Cast", [graph.scores], [PROBABILITIES], to=TensorProto.DOUBLE)
        wide = [None, len(graph.classes)]
        nodes.append(cast)
        outputs.append(helper.make_tensor_value_info(PROBABILITIES, TensorProto.DOUBLE, wide))
    return nodes, outputs


def _index(graph: Graph) -> list[Any]:
    """Return the nodes from labels, or from scores, to the index of the class."""
    from onnx import TensorProto, helper

    assert graph.classes is not None
    if not graph.labelled:
        return [helper.make_node("ArgMax", [graph.label], ["ours/index"], axis=1, keepdims=0)]
    indices = list(range(len(graph.classes)))
    if isinstance(graph.classes[0], str):
        keys: dict[str, Any] = {"keys_strings": list(graph.classes)}
        cast, label = [], graph.label
    else:
        keys, label = {"keys_int64s": list(graph.classes)}, "ours/label"
        cast = [helper.make_node("Cast", [graph.label], [label], to=TensorProto.INT64)]
    encoder = helper.make_node(
        "LabelEncoder", [label], ["ours/index"], domain=_ML, values_int64s=indices, **keys
    )
    return [*cast, encoder]


def _allow_labels(proto: Any) -> None:
    from onnx import helper

    for opset in proto.opset_import:
        if opset.domain == _ML:
            opset.version = max(opset.version, _ML_OPSET)
            return
    proto.opset_import.append(helper.make_opsetid(_ML, _ML_OPSET))


def _value(values: Any, name: str) -> Any:
    return next(value for value in values if value.name == name)


def _width(value: Any) -> int | None:
    dims = value.type.tensor_type.shape.dim
    return int(dims[1].dim_value) if len(dims) == 2 and dims[1].dim_value else None
