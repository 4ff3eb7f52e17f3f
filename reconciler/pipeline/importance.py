"""Permutation importance of a bundle's inputs, measured on its own answers at a bounded cost.

What it costs is counted in rows that are answered, never in seconds: equal inputs give equal
numbers on any machine.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl

from reconciler.bundle.encoding import encode
from reconciler.bundle.predictor import Predictions, Predictor
from reconciler.bundle.signature import Signature
from reconciler.core.metrics import Scored
from reconciler.core.pictures.bars import Effect
from reconciler.core.pictures.importance import effect, losses

Array = npt.NDArray[Any]
Tensors = Mapping[str, Array]

#: Rows that are answered in all, and cells that are copied for it.
_ANSWERED, _CELLS = 20_000, 20_000_000
#: Native models answer slowly, some by going through all training rows: so many times the test
#: rows are answered at most, but for the least.
_TIMES, _FEWEST = 4, 2_000
#: Rows of the sample, inputs that are shuffled one by one, and times that each is.
_ROWS, _INPUTS, _REPEATS = 1_000, 64, 3
_LEAST = 100


@dataclass(frozen=True, slots=True)
class Importance:
    """What shuffling did."""

    effects: tuple[Effect, ...]
    rest: Effect | None
    """Of all inputs that were not shuffled one by one, together; None: there are none."""
    rows: int


def measure(predictor: Predictor, test: pl.DataFrame) -> Importance:
    """Return the effect of shuffling each input among a sample of the test rows.

    Of more than 64 inputs those are shuffled one by one that move most with the answers, and the
    others together, so that it shows when they matter after all.
    """
    sign = predictor.signature
    answered = _ANSWERED
    if sign.form == "native":
        answered = min(answered, max(_TIMES * test.height, _FEWEST))
    rows, repeats = budget(test.height, len(sign.inputs), _width(sign), answered)
    sample = test[_places(test.height, rows)]
    tensors = encode(sign, sample)
    actual = sample[sign.target].to_numpy()
    plain = predictor.answer(tensors)
    names = [item.name for item in sign.inputs]
    single = names if len(names) <= _INPUTS else _moving(sign, tensors, plain)
    orders = [np.random.default_rng([0, n]).permutation(rows) for n in range(repeats)]
    before = losses(_scored(sign, actual, plain))

    def shuffled(label: str, inputs: Sequence[str]) -> Effect:
        parts = [
            losses(_scored(sign, actual, predictor.answer(_shuffled(sign, tensors, inputs, order))))
            for order in orders
        ]
        squared = sign.task == "regression"
        return effect(label, before, np.mean(parts, axis=0), squared=squared)

    others = [name for name in names if name not in set(single)]
    rest = shuffled(f"({len(others):,} other inputs)", others) if others else None
    return Importance(tuple(shuffled(name, [name]) for name in single), rest, rows)


def budget(rows: int, inputs: int, width: int, answered: int) -> tuple[int, int]:
    """Return how many rows are answered how often for each input.

    Args:
        rows: Rows there are.
        inputs: Inputs there are.
        width: Cells of an encoded row.
        answered: Rows that may be answered in all; a hundred for each input may be at any rate.
    """
    tried = max(min(inputs, _INPUTS), 1)
    copied = max(_CELLS // (tried * max(width, 1)), _LEAST // 4)
    each = min(max(answered // tried, _LEAST), copied, _ROWS)
    sample = max(min(rows, each), 1)
    return sample, min(max(each // sample, 1), _REPEATS)


def _width(sign: Signature) -> int:
    return sum(len(tensor.columns) for tensor in sign.tensors)


def _places(height: int, rows: int) -> list[int]:
    return sorted(np.random.default_rng(0).permutation(height)[:rows].tolist())


def _scored(sign: Signature, actual: Array, found: Predictions) -> Scored:
    return Scored(actual, found.values, found.probabilities, sign.classes, sign.positive)


def _shuffled(sign: Signature, tensors: Tensors, inputs: Sequence[str], order: Array) -> Tensors:
    """Return the tensors with every column of these inputs in another order of rows."""
    wanted, changed = set(inputs), dict(tensors)
    for tensor in sign.tensors:
        columns = [n for n, column in enumerate(tensor.columns) if column.input in wanted]
        if columns and tensor.words:
            changed[tensor.name] = tensors[tensor.name][order]
        elif columns:
            copy = tensors[tensor.name].copy()
            copy[:, columns] = copy[order][:, columns]
            changed[tensor.name] = copy
    return changed


def _moving(sign: Signature, tensors: Tensors, found: Predictions) -> list[str]:
    """Return the inputs whose values move most with the answers, in the order of the table."""
    answers = _centred(_numbers(found))
    strength: dict[str, float] = {}
    for tensor in sign.tensors:
        values = tensors[tensor.name]
        for n, column in enumerate(tensor.columns):
            codes = values if tensor.words else values[:, n : n + 1]
            moved = _association(_coded(codes), answers)
            strength[column.input] = max(strength.get(column.input, 0.0), moved)
    ranked = sorted(strength, key=lambda name: (-strength[name], name))[:_INPUTS]
    return [item.name for item in sign.inputs if item.name in set(ranked)]


def _numbers(found: Predictions) -> npt.NDArray[np.float64]:
    if found.probabilities is not None:
        return np.asarray(found.probabilities, dtype=np.float64)
    if found.classes is None:
        return np.asarray(found.values, dtype=np.float64)[:, None]
    return np.stack([found.values == label for label in found.classes], axis=1).astype(np.float64)


def _coded(values: Array) -> npt.NDArray[np.float64]:
    """Return one column as numbers: texts as how often they occur."""
    if values.dtype.kind == "f":
        return np.nan_to_num(np.asarray(values[:, 0], dtype=np.float64))
    _, index, counts = np.unique(values[:, 0].astype(str), return_inverse=True, return_counts=True)
    return np.asarray(counts[index], dtype=np.float64)


def _association(column: npt.NDArray[np.float64], answers: npt.NDArray[np.float64]) -> float:
    """Return the greatest correlation, without its sign, to nine digits."""
    with np.errstate(over="ignore", invalid="ignore"):
        moved = _centred(column[:, None])
        size = np.sqrt((moved**2).sum() * (answers**2).sum(axis=0))
        shared = np.abs((moved * answers).sum(axis=0))
    known = np.isfinite(shared) & np.isfinite(size) & (size > 0)
    return round(float((shared[known] / size[known]).max()), 9) if known.any() else 0.0


def _centred(values: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    return np.asarray(values - values.mean(axis=0), dtype=np.float64)
