"""From tensors to answers: the forms in which a model takes its rows.

One tensor per feature; one matrix of all features, where all are numeric; or the tensors of the
bundle's own model, by their names.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from reconciler.serving.v2.datatypes import FLOATS, INTEGERS, shown, wrong

if TYPE_CHECKING:
    from reconciler.bundle.predictor import Predictions, Predictor, Tensors
    from reconciler.bundle.signature import Tensor
    from reconciler.serving.v2.tensors import Given

Array = npt.NDArray[Any]

_NUMBERS = INTEGERS | FLOATS
#: The datatypes that a feature takes, by its type.
TAKEN: Mapping[str, frozenset[str]] = {
    "number": _NUMBERS,
    "integer": _NUMBERS,
    "boolean": _NUMBERS | {"BOOL"},
    "category": INTEGERS | {"BYTES"},
    "text": frozenset({"BYTES"}),
    "datetime": frozenset({"BYTES"}),
}
_ONE_ROW = ((1,), (1, 1))


def predict(predictor: Predictor, inputs: Sequence[Given]) -> Predictions:
    """Return the answers of a model to the rows of `inputs`.

    Raises:
        UsageError: `BadInput`, naming the input that the model does not take.
    """
    first = inputs[0]
    if len(inputs) == 1 and _is_matrix(predictor, first):
        return predictor.predict_matrix(first.numbers().reshape(first.shape))
    given = {item.name: item for item in inputs}
    if len(given) < len(inputs):
        raise wrong("two inputs have the same name")
    if not given.keys() <= predictor.inputs.keys():
        return predictor.predict_tensors(_own_tensors(predictor, given))
    if first.shape[0] == 1:
        return predictor.predict_one(_row(predictor, inputs))
    return predictor.predict(_columns(predictor, inputs, first.shape[0]))


def plain(predictor: Predictor, inputs: Sequence[Given]) -> Tensors | None:
    """Return one row as tensors where that is easily done; None where `predict` has to tell."""
    first = inputs[0]
    if len(inputs) == 1 and _is_matrix(predictor, first):
        return predictor.of_matrix(first.numbers().reshape(first.shape))
    if len(inputs) == len(predictor.inputs) == len({item.name for item in inputs}) and all(
        item.name in predictor.inputs for item in inputs
    ):
        return predictor.plain(_row(predictor, inputs))
    return None


def _is_matrix(predictor: Predictor, given: Given) -> bool:
    return (
        predictor.takes_matrix
        and len(given.shape) == 2
        and given.shape[1] == len(predictor.inputs)
        and given.datatype in _NUMBERS
        and given.name not in predictor.tensors
    )


def _row(predictor: Predictor, inputs: Iterable[Given]) -> dict[str, Any]:
    """Return the one row that `inputs` are the features of."""
    row, features = {}, predictor.inputs
    for given in inputs:
        name, datatype, shape, values = given
        kind = features[name].type
        if shape not in _ONE_ROW or datatype not in TAKEN[kind]:
            _check(given, kind, 1)
        value = values[0]
        row[name] = value if type(values) is list else value.item()
        if value == "" and kind == "datetime":
            row[name] = None
    return row


def _columns(predictor: Predictor, inputs: Iterable[Given], rows: int) -> dict[str, Any]:
    """Return the features of all rows, by name."""
    columns = {}
    for given in inputs:
        kind = predictor.inputs[given.name].type
        _check(given, kind, rows)
        columns[given.name] = given.values
        if kind == "datetime":
            columns[given.name] = [text or None for text in given.values]
    return columns


def _check(given: Given, kind: str, rows: int) -> None:
    """Let a tensor pass that can be a feature of type `kind`."""
    if given.datatype not in TAKEN[kind]:
        wanted = "BYTES" if "BYTES" in TAKEN[kind] else "a numeric datatype"
        raise wrong(f"{given.name}: datatype {given.datatype} for a {kind}, wanted {wanted}")
    if given.shape not in ((rows,), (rows, 1)):
        found = f"{given.name}: shape {list(given.shape)}"
        raise wrong(f"{found}, wanted [{rows}] or [{rows}, 1]")


def _own_tensors(predictor: Predictor, given: Mapping[str, Given]) -> dict[str, Array]:
    """Return the tensors of the bundle's own model; they are neither features nor a matrix."""
    for name, item in given.items():
        if name not in predictor.tensors and name not in predictor.inputs:
            raise _unknown(predictor, item)
    if missing := predictor.tensors.keys() - given:
        raise wrong(f"{', '.join(sorted(missing))}: the input is missing")
    return {name: _own(tensor, given[name]) for name, tensor in predictor.tensors.items()}


def _own(tensor: Tensor, given: Given) -> Array:
    width = given.shape[1] if len(given.shape) == 2 else 0
    if not width or (width != len(tensor.columns) and not tensor.words):
        wanted = "[rows, words]" if tensor.words else f"[rows, {len(tensor.columns)}]"
        raise wrong(f"{given.name}: shape {list(given.shape)}, wanted {wanted}")
    if tensor.dtype == "string":
        if given.datatype != "BYTES":
            raise wrong(f"{given.name}: datatype {given.datatype}, wanted BYTES")
        texts = np.empty(len(given.values), object)
        texts[:] = [text or "" for text in given.values]
        return texts.reshape(given.shape)
    if given.datatype not in TAKEN["boolean"]:
        raise wrong(f"{given.name}: datatype {given.datatype}, wanted a numeric datatype")
    return given.numbers().reshape(given.shape)


def _unknown(predictor: Predictor, given: Given) -> Exception:
    wanted = ", ".join(predictor.inputs)
    if predictor.takes_matrix:
        wanted += f"; or one numeric input of shape [rows, {len(predictor.inputs)}]"
    found = f"{given.datatype} of shape {list(given.shape)}"
    return wrong(f"there is no input {shown(given.name)} ({found}); wanted {wanted:.2000}")
