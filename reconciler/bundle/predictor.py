"""The predictor: a bundle that was verified, loaded and is ready to answer.

One row costs little more than the model itself: a row of plain numbers goes straight into one
array, and only what looks odd takes the careful path of `encoding`.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from operator import itemgetter
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
import numpy.typing as npt
from pydantic import ValidationError

from reconciler.bundle import dates, encoding, native, signature
from reconciler.bundle.manifest import Manifest, verify
from reconciler.bundle.signature import PREDICTION, PROBABILITIES, Label, Signature, Tensor
from reconciler.errors import TerminalError

if TYPE_CHECKING:
    from pathlib import Path

    import polars as pl

Array = npt.NDArray[Any]
#: Rows per run of the model: bounds the memory of one-hot and kernel matrices.
_BATCH = 4096


@dataclass(frozen=True, slots=True)
class Predictions:
    """The answers for n rows."""

    values: Array
    """Shape (n,): numbers (float64), or labels as they stand in the table."""
    probabilities: npt.NDArray[np.float64] | None
    """Shape (n, classes), rows sum to 1; None for numbers, and for classifiers without any."""
    classes: tuple[Label, ...] | None
    """The classes in the order of the columns of `probabilities`; None for a regression."""


class Model(Protocol):
    """What turns tensors into raw answers."""

    def run(self, tensors: dict[str, Array]) -> Sequence[Array]:
        """Return the numbers or class indices, shape (n,), then any probabilities."""


class Predictor:
    """A loaded bundle; safe to share between threads."""

    def __init__(self, manifest: Manifest, sign: Signature, model: Model) -> None:
        self.manifest = manifest
        self.signature = sign
        self._model = model
        self._labels = None if sign.classes is None else label_array(sign.classes)
        self._fast = _fast_path(sign)

    def predict(self, rows: Mapping[str, Any] | pl.DataFrame) -> Predictions:
        """Return the answers for a table given by columns.

        Args:
            rows: Name to values for every input of the signature, all of one length.

        Raises:
            UsageError: `BadInput`, naming the field that does not fit the signature.
        """
        tensors = encoding.encode(self.signature, rows)
        height = len(next(iter(tensors.values())))
        if height <= _BATCH:
            return self._answer(self._model.run(tensors)) if height else self._nothing()
        parts = [
            self._model.run({name: t[start : start + _BATCH] for name, t in tensors.items()})
            for start in range(0, height, _BATCH)
        ]
        return self._answer([np.concatenate(outputs) for outputs in zip(*parts, strict=True)])

    def predict_one(self, row: Mapping[str, object]) -> Predictions:
        """Return the answer for one row given by fields, as predictions of length 1.

        Raises:
            UsageError: `BadInput`, naming the field that does not fit the signature.
        """
        tensors = self._fast(row)
        if tensors is None:
            return self.predict({name: [value] for name, value in row.items()})
        return self._answer(self._model.run(tensors))

    def _answer(self, raw: Sequence[Array]) -> Predictions:
        values = raw[0].ravel() if self._labels is None else self._labels[raw[0]]
        return Predictions(values, raw[1] if len(raw) > 1 else None, self.signature.classes)

    def _nothing(self) -> Predictions:
        sign = self.signature
        values = np.empty(0) if self._labels is None else self._labels[:0]
        shape = (0, len(sign.classes or ()))
        return Predictions(values, np.empty(shape) if sign.probabilities else None, sign.classes)


def label_array(classes: Sequence[Label]) -> Array:
    """Return the classes as an array of their own type: text, integer, boolean or float."""
    return np.array(list(classes))


def open_bundle(directory: Path, threads: int = 1) -> Predictor:
    """Return a predictor for the bundle in `directory`, every byte of which was verified first.

    Args:
        directory: Where `manifest.json` is.
        threads: How many threads one prediction may use, >= 1.

    Raises:
        TerminalError: `BundleMissing`, `BundleCorrupt` or `UntrustedType`.
    """
    manifest = verify(directory)
    try:
        sign = signature.read(directory)
    except ValidationError as error:
        message = f"the bundle in {directory} has no readable signature"
        raise TerminalError(message, reason="BundleCorrupt") from error
    path = directory / manifest.model_file
    if manifest.form == "onnx":
        return Predictor(manifest, sign, OnnxModel(path.read_bytes(), sign, threads))
    return Predictor(manifest, sign, NativeModel(native.load(path), sign))


class OnnxModel:
    """A model in ONNX Runtime, on the CPU."""

    def __init__(self, content: bytes, sign: Signature, threads: int = 1) -> None:
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        options.inter_op_num_threads = 1
        options.log_severity_level = 4
        providers = ["CPUExecutionProvider"]
        try:
            session = onnxruntime.InferenceSession(content, options, providers=providers)
        except Exception as error:  # the runtime raises classes without a base
            message = f"ONNX Runtime does not load the model of {sign.model}: {error}"
            raise TerminalError(message, reason="BundleCorrupt") from error
        self._run = session.run
        self._outputs = [PREDICTION, PROBABILITIES] if sign.probabilities else [PREDICTION]

    def run(self, tensors: dict[str, Array]) -> Sequence[Array]:
        """Return the raw answers; see `Model`."""
        answer: Sequence[Array] = self._run(self._outputs, tensors)
        return answer


class NativeModel:
    """A scikit-learn pipeline that was fitted on the indices of the classes."""

    def __init__(self, pipeline: Any, sign: Signature) -> None:
        self._pipeline = pipeline
        self._signature = sign

    def run(self, tensors: dict[str, Array]) -> Sequence[Array]:
        """Return the raw answers; see `Model`."""
        table = native.frame(self._signature, tensors)
        if self._signature.task == "regression":
            return [np.asarray(self._pipeline.predict(table), dtype=np.float64).ravel()]
        if not self._signature.probabilities:
            return [np.asarray(self._pipeline.predict(table))]
        probabilities = self._pipeline.predict_proba(table)
        return [np.asarray(self._pipeline.predict(table)), np.asarray(probabilities)]


Fast = Callable[[Mapping[str, object]], dict[str, Array] | None]
_NUMBERS = frozenset({float, int, np.float64, np.float32, np.int64, np.int32})
_TEXTS = frozenset({str})


def _fast_path(sign: Signature) -> Fast:
    """Return an encoder of one plain row; it answers None for what needs the careful path."""
    types = {item.name: item.type for item in sign.inputs}
    encoders: list[tuple[str, Callable[[Mapping[str, object]], Array | None]]] = []
    for tensor in sign.tensors:
        kinds = {types[column.input] for column in tensor.columns}
        if tensor.dtype == "string":
            encoders.append((tensor.name, _fast_texts(tensor)))
        elif kinds == {"number"}:
            encoders.append((tensor.name, _fast_numbers(tensor)))
        else:
            encoders.append((tensor.name, _fast_mixed(sign, tensor)))

    def encode(row: Mapping[str, object]) -> dict[str, Array] | None:
        tensors = {}
        for name, encoder in encoders:
            array = encoder(row)
            if array is None:
                return None
            tensors[name] = array
        return tensors

    return encode


def _values_of(tensor: Tensor) -> Callable[[Mapping[str, object]], tuple[object, ...]]:
    names = [column.input for column in tensor.columns]
    if len(names) == 1:
        only = itemgetter(names[0])
        return lambda row: (only(row),)
    return itemgetter(*names)


def _fast_numbers(tensor: Tensor) -> Callable[[Mapping[str, object]], Array | None]:
    """Return an encoder of numbers that are all there: float64, or rounded to float32."""
    values_of = _values_of(tensor)
    dtype = np.float32 if tensor.columns[0].rounded else np.float64

    def encode(row: Mapping[str, object]) -> Array | None:
        try:
            values = values_of(row)
        except KeyError:
            return None
        if not _NUMBERS.issuperset(map(type, values)):
            return None
        array = np.array((values,), dtype).astype(np.float64)
        return array if math.isfinite(array.sum()) else None

    return encode


def _fast_mixed(sign: Signature, tensor: Tensor) -> Callable[[Mapping[str, object]], Array | None]:
    """Return an encoder of numbers, integers, booleans and dates that are all there."""
    plan = [(c.input, *_SCALARS[sign.input(c.input).type], c.part) for c in tensor.columns]
    rounded = np.array([i for i, c in enumerate(tensor.columns) if c.rounded], dtype=np.intp)

    def encode(row: Mapping[str, object]) -> Array | None:
        values = []
        for name, types, convert, part in plan:
            value = row.get(name)
            if type(value) not in types:
                return None
            values.append(value if convert is None else convert(value, part))
        array = np.array((values,), np.float64)
        if len(rounded):
            array[0, rounded] = array[0, rounded].astype(np.float32)
        return array if math.isfinite(array.sum()) else None

    return encode


def _integer(value: int, _part: str | None) -> float:
    return value if -(2**53) <= value <= 2**53 else math.nan  # NaN: to the careful path


def _date(value: object, part: str | None) -> float:
    try:
        moment = dates.moment(value)
    except ValueError:
        return math.nan
    return math.nan if moment is None or part is None else dates.part_of(moment, part)


_SCALARS: Mapping[str, tuple[frozenset[type], Callable[[Any, str | None], float] | None]] = {
    "number": (_NUMBERS, None),
    "integer": (frozenset({int}), _integer),
    "boolean": (frozenset({bool}), None),
    "datetime": (frozenset({datetime, str}), _date),
}


def _fast_texts(tensor: Tensor) -> Callable[[Mapping[str, object]], Array | None]:
    values_of = _values_of(tensor)

    def encode(row: Mapping[str, object]) -> Array | None:
        try:
            values = values_of(row)
        except KeyError:
            return None
        return np.array((values,), object) if _TEXTS.issuperset(map(type, values)) else None

    return encode
