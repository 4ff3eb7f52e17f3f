"""The predictor: a bundle that was verified, loaded and is ready to answer.

One row costs little more than the model itself: a plain row takes the quick path of `quick`, and
only what looks odd the careful one of `encoding`.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
import numpy.typing as npt
from pydantic import ValidationError

from reconciler.bundle import encoding, matrix, native, quick, signature
from reconciler.bundle.manifest import Manifest, verify
from reconciler.bundle.signature import PREDICTION, PROBABILITIES, Input, Label, Signature, Tensor
from reconciler.bundle.tensors import checked
from reconciler.errors import TerminalError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from concurrent.futures import Executor
    from pathlib import Path

    import polars as pl

Array = npt.NDArray[Any]
Tensors = dict[str, Array]
#: Rows per run of the model: bounds the memory of one-hot, kernel and vocabulary matrices.
_ROWS, _ROWS_OF_WORDS = 1024, 128
#: Rows that are worth another thread.
_ROWS_OF_A_THREAD = 256


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

    def run(self, tensors: Tensors) -> Sequence[Array]:
        """Return the numbers or class indices, shape (n,), then any probabilities."""


@dataclass(frozen=True, slots=True)
class Threads:
    """Threads that runs of many rows are divided among; nothing else may wait in them."""

    pool: Executor
    ways: int


class Predictor:
    """A loaded bundle; safe to share between threads."""

    def __init__(self, manifest: Manifest, sign: Signature, model: Model) -> None:
        self.manifest = manifest
        self.signature = sign
        self._model = model
        self._run = model.run
        self._threads: Threads | None = None
        self._labels = None if sign.classes is None else label_array(sign.classes)
        self._fast = quick.encoder(sign)
        self._matrix = matrix.encoder(sign)
        self.inputs: Mapping[str, Input] = {item.name: item for item in sign.inputs}
        self.takes_matrix = self._matrix is not None
        """Whether every feature is numeric, so that rows can be given as one matrix."""
        self.tensors: Mapping[str, Tensor] = {tensor.name: tensor for tensor in sign.tensors}

    def predict(self, rows: Mapping[str, Any] | pl.DataFrame) -> Predictions:
        """Return the answers for a table given by columns.

        Args:
            rows: Name to values for every input of the signature, all of one length.

        Raises:
            UsageError: `BadInput`, naming the field that does not fit the signature.
        """
        return self.answer(encoding.encode(self.signature, rows))

    def answer(self, tensors: Mapping[str, Array]) -> Predictions:
        """Return the answers for rows that `encode` has made tensors of."""
        if not len(next(iter(tensors.values()))):
            return self._nothing()
        return self._answer(run_batches(self._model, self.signature, tensors, self._threads))

    def spread(self, threads: Threads) -> None:
        """Have many rows answered in several threads, where the model leaves Python alone."""
        if isinstance(self._model, OnnxModel):
            self._threads = threads

    def predict_one(self, row: Mapping[str, object]) -> Predictions:
        """Return the answer for one row given by fields, as predictions of length 1.

        Raises:
            UsageError: `BadInput`, naming the field that does not fit the signature.
        """
        tensors = self._fast(row)
        if tensors is None:
            return self.predict({name: [value] for name, value in row.items()})
        return self._answer(self._run(tensors))

    def plain(self, row: Mapping[str, object]) -> Tensors | None:
        """Return one row that has every field in its usual type as tensors; None for others."""
        return self._fast(row)

    def answer_each(self, several: Sequence[Tensors]) -> list[Predictions]:
        """Return the answers for rows that were made tensors of one by one, by one run of all.

        The last bits may not be those of a row alone: some models add up many rows in another
        order. A model that takes words cannot be asked this way.

        Args:
            several: At least one, each of one row.
        """
        if len(several) == 1:
            return [self._answer(self._run(several[0]))]
        whole = {name: np.concatenate([one[name] for one in several]) for name in several[0]}
        return _parts(self._answer(self._run(whole)), len(several))

    def predict_matrix(self, numbers: Array) -> Predictions:
        """Return the answers for rows of which every feature is numeric; see `takes_matrix`.

        Args:
            numbers: Shape (rows, inputs), any numeric type, columns in the signature's order.

        Raises:
            UsageError: `BadInput`, naming the field that does not fit the signature.
        """
        tensors = self.of_matrix(numbers)
        return self._answer(self._run(tensors)) if len(numbers) == 1 else self.answer(tensors)

    def of_matrix(self, numbers: Array) -> Tensors:
        """Return the tensors of rows as `predict_matrix` takes them, and raises."""
        assert self._matrix is not None, "takes_matrix says no"
        return self._matrix(numbers)

    def predict_tensors(self, tensors: Mapping[str, Array]) -> Predictions:
        """Return the answers for the tensors that the model itself takes.

        Args:
            tensors: By name, every one of them, as `tensors.checked` takes them.

        Raises:
            UsageError: `BadInput`, naming the tensor or the field that does not fit.
        """
        return self.answer(checked(self.signature, tensors))

    def _answer(self, raw: Sequence[Array]) -> Predictions:
        values = raw[0].ravel() if self._labels is None else self._labels[raw[0]]
        return Predictions(values, raw[1] if len(raw) > 1 else None, self.signature.classes)

    def _nothing(self) -> Predictions:
        sign = self.signature
        values = np.empty(0) if self._labels is None else self._labels[:0]
        shape = (0, len(sign.classes or ()))
        return Predictions(values, np.empty(shape) if sign.probabilities else None, sign.classes)


def _parts(answer: Predictions, rows: int) -> list[Predictions]:
    """Return the answers for several rows one by one."""
    values, likely, classes = answer.values, answer.probabilities, answer.classes
    if likely is None:
        return [Predictions(values[i : i + 1], None, classes) for i in range(rows)]
    return [Predictions(values[i : i + 1], likely[i : i + 1], classes) for i in range(rows)]


def label_array(classes: Sequence[Label]) -> Array:
    """Return the classes as an array of their own type: text, integer, boolean or float."""
    return np.array(list(classes))


def run_batches(
    model: Model, sign: Signature, tensors: Mapping[str, Array], threads: Threads | None = None
) -> Sequence[Array]:
    """Return the raw answers for any number of rows > 0, in bounded memory.

    Args:
        model: What runs.
        sign: Its signature.
        tensors: By name, all of one length.
        threads: What runs of many rows are divided among; None: they are made one by one.
    """
    height = len(next(iter(tensors.values())))
    size = _ROWS_OF_WORDS if any(tensor.words for tensor in sign.tensors) else _ROWS
    if threads is not None:
        size = min(size, max(ceil(height / threads.ways), _ROWS_OF_A_THREAD))
    if height <= size:
        return model.run(dict(tensors))

    def part(start: int) -> Sequence[Array]:
        return model.run({name: some[start : start + size] for name, some in tensors.items()})

    each = map if threads is None else threads.pool.map
    parts = list(each(part, range(0, height, size)))
    return [np.concatenate(outputs) for outputs in zip(*parts, strict=True)]


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

    def run(self, tensors: Tensors) -> Sequence[Array]:
        """Return the raw answers; see `Model`."""
        answer: Sequence[Array] = self._run(self._outputs, tensors)
        return answer


class NativeModel:
    """A scikit-learn pipeline that was fitted on the indices of the classes, or on the labels."""

    def __init__(self, pipeline: Any, sign: Signature) -> None:
        self._pipeline = pipeline
        self._signature = sign
        self._own = None if indexed(pipeline) else np.asarray(pipeline.classes_)
        """Its own labels, ascending; None: it answers indices."""

    def run(self, tensors: Tensors) -> Sequence[Array]:
        """Return the raw answers; see `Model`."""
        table = native.frame(self._signature, tensors)
        if self._signature.task == "regression":
            return [np.asarray(self._pipeline.predict(table), dtype=np.float64).ravel()]
        answers = np.asarray(self._pipeline.predict(table))
        if self._own is not None:
            answers = np.searchsorted(self._own, answers)
        if not self._signature.probabilities:
            return [answers]
        return [answers, np.asarray(self._pipeline.predict_proba(table))]


def indexed(pipeline: Any) -> bool:
    """Return whether a fitted pipeline answers numbers, or the indices of its classes."""
    own = getattr(pipeline, "classes_", None)
    if own is None:
        return True
    known = np.asarray(own)
    return known.dtype.kind in "iu" and np.array_equal(known, np.arange(len(known)))
