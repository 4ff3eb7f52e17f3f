"""Scored rows: what was true beside what a model said, and the shape every metric takes."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]
Vector = npt.NDArray[np.float64]
Codes = npt.NDArray[np.intp]

Statistic = Callable[[Vector], Vector]
"""From weights, shape (b, rows), each row >= 0, to b values: one metric under b weightings.

Weights count how often a row stands in a resample; all ones give the metric itself. A value is
NaN where the metric is undefined.
"""


@dataclass(frozen=True, slots=True, eq=False)
class Scored:
    """n rows with their truth and a model's answers.

    Args:
        actual: Shape (n,): numbers, or labels of one type.
        prediction: Shape (n,), the same kind of thing.
        probabilities: Shape (n, k) in the order of `classes`; None where the model gives none.
        classes: The labels that the model knows; None for a regression.
        positive: The class that binary metrics count; None: the last of `classes`.
    """

    actual: Array
    prediction: Array
    probabilities: Vector | None = None
    classes: tuple[Hashable, ...] | None = None
    positive: Hashable | None = None

    def __len__(self) -> int:
        return len(self.actual)

    def take(self, rows: Array) -> Self:
        """Return the rows that a mask or an index array selects."""
        probabilities = None if self.probabilities is None else self.probabilities[rows]
        return type(self)(
            self.actual[rows], self.prediction[rows], probabilities, self.classes, self.positive
        )

    def answers_as(self, other: Scored) -> bool:
        """Whether both models gave equal answers, probabilities included, on every row."""
        mine, theirs = self.probabilities, other.probabilities
        if (mine is None) != (theirs is None) or self.classes != other.classes:
            return False
        if mine is not None and theirs is not None and not np.array_equal(mine, theirs):
            return False
        return bool(self.prediction.tolist() == other.prediction.tolist())

    def numbers(self) -> tuple[Vector, Vector]:
        """Return truth and answers of a regression as float64."""
        return _float64(self.actual), _float64(self.prediction)

    def labels(self) -> Labels:
        """Return truth and answers of a classification as codes."""
        index: dict[Hashable, int] = {label: i for i, label in enumerate(self.classes or ())}
        known = len(index)
        actual = _codes(self.actual, index)
        predicted = _codes(self.prediction, index)
        positive = (
            known - 1
            if self.positive is None
            else index.setdefault(_plain(self.positive), len(index))
        )
        return Labels(actual, predicted, len(index), positive, known)


@dataclass(frozen=True, slots=True, eq=False)
class Labels:
    """Labels as codes: those of the classes first, in their order, then any others seen."""

    actual: Codes
    predicted: Codes
    size: int
    """How many different labels there are."""
    positive: int
    """The code of the positive class."""
    known: int
    """How many of the labels the model knows: its classes."""


def _codes(values: Array, index: dict[Hashable, int]) -> Codes:
    found = (index.setdefault(value, len(index)) for value in values.tolist())
    return np.fromiter(found, dtype=np.intp, count=len(values))


def _plain(value: Hashable) -> Hashable:
    return value.item() if isinstance(value, np.generic) else value


def _float64(values: Array) -> Vector:
    return np.asarray(values, dtype=np.float64)


def total(weights: Vector) -> Vector:
    """Return the rows' weights summed, shape (b,)."""
    return np.asarray(weights.sum(axis=1), dtype=np.float64)


@dataclass(frozen=True, slots=True, eq=False)
class Moments:
    """A statistic that is a smooth function of column means: its error can be worked out.

    Args:
        columns: Shape (rows, k).
        value: From means, shape (b, k), to b values.
    """

    columns: Vector
    value: Callable[[Vector], Vector]

    def __call__(self, weights: Vector) -> Vector:
        """Return the statistic under each weighting; see `Statistic`."""
        return self.value(weights @ self.columns / total(weights)[:, None])


def mean(values: Vector) -> Moments:
    """Return the mean of `values`, shape (rows,), as a statistic."""
    return Moments(values[:, None], lambda means: means[:, 0])


def undefined(weights: Vector) -> Vector:
    """Return NaN for every weighting: the statistic of what these rows cannot show."""
    return np.full(len(weights), np.nan)


def ratio(above: Vector, below: Vector, otherwise: float) -> Vector:
    """Return above / below, and `otherwise` where below is 0."""
    out = np.full(np.broadcast_shapes(above.shape, below.shape), otherwise, dtype=np.float64)
    return np.divide(above, below, out=out, where=below != 0)
