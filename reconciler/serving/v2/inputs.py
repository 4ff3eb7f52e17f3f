"""From tensors to answers: the forms in which a model takes its rows.

One tensor per feature; one matrix of all features, where all are numeric; or the tensors of the
bundle's own model.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy.typing as npt

from reconciler.serving.v2.datatypes import FLOATS, INTEGERS, wrong

if TYPE_CHECKING:
    from reconciler.bundle.predictor import Predictions, Predictor
    from reconciler.bundle.signature import Input
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


def predict(predictor: Predictor, inputs: Sequence[Given]) -> Predictions:
    """Return the answers of a model to the rows of `inputs`.

    Raises:
        UsageError: `BadInput`, naming the input that the model does not take.
    """
    sign = predictor.signature
    features = {item.name: item for item in sign.inputs}
    if len(inputs) == 1 and _is_matrix(predictor, inputs[0]):
        given = inputs[0]
        return predictor.predict_matrix(given.numbers().reshape(given.shape))
    if len({given.name for given in inputs}) != len(inputs):
        raise wrong("two inputs have the same name")
    if inputs[0].shape[0] == 1 and all(given.name in features for given in inputs):
        return predictor.predict_one({g.name: _values(features[g.name], g, 1)[0] for g in inputs})
    rows = inputs[0].shape[0]
    for given in inputs:
        if given.name not in features:
            raise _unknown(predictor, given)
    return predictor.predict({g.name: _values(features[g.name], g, rows) for g in inputs})


def _is_matrix(predictor: Predictor, given: Given) -> bool:
    wide = len(given.shape) == 2 and given.shape[1] == len(predictor.signature.inputs)
    return wide and predictor.takes_matrix and given.datatype in _NUMBERS


def _unknown(predictor: Predictor, given: Given) -> Exception:
    sign = predictor.signature
    wanted = ", ".join(item.name for item in sign.inputs)
    if predictor.takes_matrix:
        wanted += f"; or one numeric input of shape [rows, {len(sign.inputs)}]"
    found = f"{given.datatype} of shape {list(given.shape)}"
    return wrong(f"there is no input {given.name!r:.80} ({found}); wanted {wanted:.2000}")


def _values(item: Input, given: Given, rows: int) -> Any:
    """Return the values of one feature, as `Predictor.predict` takes them."""
    if given.datatype not in TAKEN[item.type]:
        wanted = "BYTES" if "BYTES" in TAKEN[item.type] else "a numeric datatype"
        found = f"{item.name}: datatype {given.datatype} for a {item.type}"
        raise wrong(f"{found}, wanted {wanted}")
    if given.shape != (rows,) and given.shape != (rows, 1):
        found = f"{item.name}: shape {list(given.shape)}"
        raise wrong(f"{found}, wanted [{rows}] or [{rows}, 1]")
    return given.values
