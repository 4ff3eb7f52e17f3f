"""Golden examples: rows of the test split with the bundle's own answers, for smoke tests."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from pathlib import Path

    from reconciler.bundle.predictor import Predictions

FILE = "examples.json"
#: Scores of one model on two machines differ by less: relative, absolute below 1.
TOLERANCE = 1e-6

Row = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Examples:
    """Rows as clients send them, and what must be answered."""

    rows: tuple[Row, ...]
    predictions: tuple[Any, ...]
    """Numbers, or labels as they stand in the table; one per row."""
    probabilities: tuple[Sequence[float], ...] | None
    """Of the classes in the signature's order; None where the model has none."""

    def wrong(self, predict: Callable[[Row], Predictions]) -> str:
        """Return how the answers of `predict` differ, as a sentence; empty when they do not."""
        for number, row in enumerate(self.rows):
            found = predict(row)
            likely = None if found.probabilities is None else found.probabilities[0]
            if said := self.differs(number, found.values[0], likely):
                return said
        return ""

    def differs(self, number: int, value: Any, likely: Any) -> str:
        """Return how an answer to example `number` (from 0) differs; empty when it does not."""
        wanted = self.predictions[number]
        number_wanted = isinstance(wanted, float) and not isinstance(wanted, bool)
        same = close(wanted, value) if number_wanted else bool(wanted == value)
        if not same:
            return f"example {number + 1}: {value!r:.60} instead of {wanted!r:.60}"
        if self.probabilities is not None and not close(self.probabilities[number], likely):
            return f"example {number + 1}: other probabilities than were recorded"
        return ""


def close(wanted: Any, found: Any) -> bool:
    """Return whether two scores, or rows of scores, are the same but for rounding."""
    if found is None:
        return False
    first, second = np.asarray(wanted, np.float64), np.asarray(found, np.float64)
    if first.shape != second.shape:
        return False
    with np.errstate(invalid="ignore"):
        near = np.abs(first - second) <= TOLERANCE * np.maximum(1.0, np.abs(first))
    return bool((near | (np.isnan(first) & np.isnan(second))).all())


def read(directory: Path) -> Examples:
    """Return the examples of the bundle in `directory`; ValueError when they are not there."""
    return parse((directory / FILE).read_bytes())


def parse(content: bytes) -> Examples:
    """Return what a file of examples holds; KeyError, TypeError, ValueError where it is none."""
    plain = json.loads(content)
    likely = plain.get("probabilities")
    return Examples(
        tuple(plain["rows"]), tuple(plain["predictions"]), None if likely is None else tuple(likely)
    )
