"""From answers to tensors: what a model answers, as the protocol writes it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import numpy.typing as npt

from reconciler.bundle.signature import PREDICTION, PROBABILITIES
from reconciler.serving.v2.datatypes import shown, wrong

if TYPE_CHECKING:
    from collections.abc import Sequence

    from reconciler.bundle.predictor import Predictions
    from reconciler.serving.v2.request import Wanted

Array = npt.NDArray[Any]

#: The datatype of labels, by the kind of the numpy array that holds them.
_LABELS: Mapping[str, str] = {"b": "BOOL", "i": "INT64", "f": "FP64", "U": "BYTES"}


class Output(NamedTuple):
    """One tensor of an answer."""

    name: str
    datatype: str
    values: Array
    """Of the shape that is answered."""
    binary: bool = False
    """Whether it is wanted behind the JSON."""


def chosen(
    predictions: Predictions, wanted: Sequence[Wanted] | None, *, binary: bool = False
) -> list[Output]:
    """Return the outputs that are wanted, in that order.

    Args:
        predictions: The answers for n rows.
        wanted: None: all that there are.
        binary: Whether all that there are is wanted in binary.

    Raises:
        UsageError: `BadInput`: there is no output of that name.
    """
    values, likely = predictions.values, predictions.probabilities
    found = {PREDICTION: Output(PREDICTION, datatype(values), values, binary)}
    if likely is not None:
        found[PROBABILITIES] = Output(
            PROBABILITIES, "FP64", likely.astype(np.float64, copy=False), binary
        )
    if wanted is None:
        return list(found.values())
    return [_named(found, item) for item in wanted]


def _named(found: Mapping[str, Output], item: Wanted) -> Output:
    output = found.get(item.name)
    if output is None:
        raise wrong(f"there is no output {shown(item.name)}; wanted {', '.join(found)}")
    return Output(output.name, output.datatype, output.values, item.binary)


def datatype(values: Array) -> str:
    """Return the datatype of numbers or of labels."""
    return _LABELS[values.dtype.kind]
