"""Export: a fitted pipeline as ONNX where that is exact, else as a skops archive.

Exact means: on every row of the test split, and on rows made to be awkward, the labels are equal
and the scores within 1e-6 of scikit-learn's own.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import numpy.typing as npt

from reconciler.bundle import native, words
from reconciler.bundle.predictor import NativeModel, OnnxModel, run_batches
from reconciler.bundle.signature import PREDICTION, PROBABILITIES, Signature, Tensor
from reconciler.errors import TerminalError
from reconciler.pipeline import archive

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

Array = npt.NDArray[Any]
#: The largest difference of scores: absolute below 1, relative above.
TOLERANCE = 1e-6
_OPSET = 18
_ML_OPSET = {"skl2onnx": 3, "TreeEnsemble": 5}


@dataclass(frozen=True, slots=True)
class Exported:
    """A model in its final form."""

    form: Literal["onnx", "native"]
    reason: str
    """Why it has this form, as a sentence without a full stop."""
    content: bytes
    signature: Signature


@dataclass(frozen=True, slots=True)
class Fitted:
    """A fitted pipeline and the layout of the tensors that it was fitted on."""

    pipeline: Any
    signature: Signature
    """As the native form has it."""
    tensors: Mapping[str, Array]
    """The rows on which the two forms must agree."""
    indexed: Any = None
    """The same pipeline answering indices, to be converted; None: it does so itself."""


def export(
    fitted: Fitted,
    wanted: Literal["auto", "onnx", "native"],
    layouts: Sequence[tuple[Tensor, ...]],
) -> Exported:
    """Return the model as ONNX when that is exact, else as a skops archive.

    Args:
        fitted: What to export.
        wanted: The form that the spec asks for.
        layouts: Layouts of the fitted columns to convert with, the best first.

    Raises:
        TerminalError: `NotConvertible` when the spec asks for ONNX, and the model does not convert
            or does not agree; `UntrustedEstimator` when only the native form is left, and it
            holds types that no reader may trust.
    """
    if wanted == "native":
        return _native(fitted, "the spec asks for the native form")
    reasons = []
    for tensors in layouts:
        if any(tensor.name in (PREDICTION, PROBABILITIES) for tensor in tensors):
            reasons.append("a feature has the name of an output")
            continue
        sign = fitted.signature.model_copy(update={"tensors": tensors, "form": "onnx"})
        content, reason = _converted(fitted, sign)
        if content is not None:
            return Exported("onnx", reason, content, sign)
        reasons.append(reason)
    reason = reasons[0]
    if wanted == "onnx":
        raise TerminalError(
            f"the model has no exact ONNX form: {reason}",
            reason="NotConvertible",
            hint="`packaging: {format: auto}` ships the native form instead",
        )
    return _native(fitted, f"no exact ONNX form: {reason}")


def _native(fitted: Fitted, reason: str) -> Exported:
    try:
        content = archive.dumps(fitted.pipeline)
        refused = native.untrusted(content)
    except Exception as error:  # whatever a user's own object raises when it is saved
        raise _untrusted(reason, f"cannot be saved ({_first_line(error)})") from error
    if refused:
        raise _untrusted(reason, f"holds {', '.join(refused)}")
    return Exported("native", reason, content, fitted.signature)


def _untrusted(reason: str, what: str) -> TerminalError:
    return TerminalError(
        f"the model can be shipped in no form: {reason}; and the native form {what}, "
        "which no reader of a bundle may load",
        reason="UntrustedEstimator",
        hint="build it from scikit-learn's own estimators and transformers",
    )


def _converted(fitted: Fitted, sign: Signature) -> tuple[bytes | None, str]:
    """Return the ONNX form and what was checked; or None and the reason why there is none."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of attributes that skl2onnx should no longer read
            convertible = fitted.pipeline if fitted.indexed is None else fitted.indexed
            content = to_onnx(convertible, sign)
    except Exception as error:  # noqa: BLE001 - skl2onnx's converters raise whatever they like
        return None, f"it does not convert ({_first_line(error)})"
    try:
        answers = run_batches(OnnxModel(content, sign), sign, _laid_out(fitted, sign))
    except Exception as error:  # noqa: BLE001 - ONNX Runtime's classes have no base
        return None, f"ONNX Runtime refuses it ({_first_line(error.__cause__ or error)})"
    expected = NativeModel(fitted.pipeline, fitted.signature).run(dict(fitted.tensors))
    rows = len(expected[0])
    difference = disagreement(expected, answers, regression=sign.task == "regression")
    if difference:
        return None, f"it answers differently: {difference} of {rows} rows"
    return content, f"ONNX answers as scikit-learn does on all {rows} rows tried"


def _laid_out(fitted: Fitted, sign: Signature) -> dict[str, Array]:
    """Return the rows of `fitted` in the tensors of `sign`: the same columns, grouped otherwise."""
    columns = {
        column.name: fitted.tensors[tensor.name][:, [index]]
        for tensor in fitted.signature.tensors
        for index, column in enumerate(tensor.columns)
    }
    return {tensor.name: _tensor(tensor, columns) for tensor in sign.tensors}


def _tensor(tensor: Tensor, columns: Mapping[str, Array]) -> Array:
    if tensor.words:
        return words.split(columns[tensor.columns[0].name][:, 0].tolist())
    return np.concatenate([columns[column.name] for column in tensor.columns], axis=1)


def disagreement(expected: Sequence[Array], answers: Sequence[Array], *, regression: bool) -> str:
    """Return how two models' raw answers differ; empty when they agree.

    Args:
        expected: Numbers or class indices, then any probabilities; see `Model.run`.
        answers: The same, of the other model.
        regression: Whether the first array holds numbers.
    """
    first, second = np.ravel(expected[0]), np.ravel(answers[0])
    if len(expected) != len(answers) or first.shape != second.shape:
        return "the number of answers, in all"
    if not regression and (first != second).any():
        return f"the label in {int((first != second).sum())}"
    scores = (
        (first, second)
        if regression
        else tuple(pair[1] for pair in (expected, answers) if len(pair) > 1)
    )
    if not scores:
        return ""
    with np.errstate(invalid="ignore"):
        gap = np.abs(scores[0] - scores[1]) / np.maximum(1.0, np.abs(scores[0]))
    wrong = ~(gap <= TOLERANCE)  # "not <=" so that NaN disagrees
    rows = int(wrong.reshape(len(first), -1).any(axis=1).sum())
    return f"scores by up to {np.nanmax(gap):.1e} in {rows}" if rows else ""


def to_onnx(pipeline: Any, sign: Signature) -> bytes:
    """Return `pipeline` as an ONNX model with fixed names, the same bytes every time."""
    import skl2onnx
    from skl2onnx.common.data_types import DoubleTensorType, StringTensorType

    from reconciler.pipeline import converters

    converters.register()
    kinds = {"float64": DoubleTensorType, "string": StringTensorType}
    model = skl2onnx.to_onnx(
        pipeline,
        initial_types=[(t.name, kinds[t.dtype]([None, len(t.columns)])) for t in sign.tensors],
        options=None if sign.task == "regression" else {"zipmap": False},
        name="model",
        target_opset={"": _OPSET, "ai.onnx.ml": _ML_OPSET["skl2onnx"]},
    )
    _tidy(model, sign.tensors, [PREDICTION, PROBABILITIES] if sign.probabilities else [PREDICTION])
    content: bytes = model.SerializeToString(deterministic=True)
    return content


def _tidy(model: Any, tensors: Sequence[Tensor], outputs: Sequence[str]) -> None:
    """Give a converted model its fixed names, in place, and cut what no output needs."""
    graph = model.graph
    del graph.output[len(outputs) :]
    names = [*(tensor.name for tensor in tensors), *outputs]
    values = [*graph.input, *graph.output]
    renamed = {value.name: name for value, name in zip(values, names, strict=True)}
    for value in values:
        value.name = renamed[value.name]
    for node in graph.node:
        node.input[:] = [renamed.get(name, name) for name in node.input]
        node.output[:] = [renamed.get(name, name) for name in node.output]
    _prune(graph)
    newer = any(node.op_type == "TreeEnsemble" for node in graph.node)
    for value, tensor in zip(graph.input, tensors, strict=True):
        if tensor.words:  # skl2onnx was told of one column, for it counts the columns
            value.type.tensor_type.shape.dim[1].Clear()
    for opset in model.opset_import:
        if opset.domain == "ai.onnx.ml" and newer:
            opset.version = _ML_OPSET["TreeEnsemble"]
    model.producer_name, model.producer_version, model.doc_string = "reconciler", "", ""


def _prune(graph: Any) -> None:
    needed = {value.name for value in graph.output}
    kept = []
    for node in reversed(graph.node):
        if needed.intersection(node.output):
            needed.update(node.input)
            kept.append(node)
    del graph.node[:]
    graph.node.extend(reversed(kept))
    constants = [item for item in graph.initializer if item.name in needed]
    del graph.initializer[:]
    graph.initializer.extend(constants)
    del graph.value_info[:]


def _first_line(error: BaseException) -> str:
    text = str(error).strip().splitlines()
    return f"{type(error).__name__}: {text[0]:.160}" if text else type(error).__name__
