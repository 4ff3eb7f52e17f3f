"""Scoring: how much of the target one column explains by itself, on rows it was not fitted to."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]

_MIN_ROWS = 30
_MIN_MEMBERS = 5
_MIN_COVERAGE = 0.5


@dataclass(frozen=True, slots=True)
class Half:
    """Rows of one side."""

    answers: Floats
    """Shape (rows, k): a number (k = 1), or memberships of the classes, each 0 or 1."""
    rows: npt.NDArray[Any]
    """Their positions in the table, shape (rows,)."""

    def where(self, mask: npt.NDArray[np.bool_]) -> Half:
        """Return the rows for which `mask`, shape (rows,), holds."""
        return Half(self.answers[mask], self.rows[mask])


def explained(values: tuple[Floats, bool], train: Half, test: Half) -> float:
    """Return R² (numbers) or AUC (classes, one against the rest, averaged) of one column.

    The best of three: the values themselves along a line, the mean answer at each value (between
    values, in a straight line), and whether there is a value at all.

    Args:
        values: Shape (all rows,), NaN where there is none; and whether their order means
            anything. Where it does not, a value that training has not seen counts as average.
        train: The rows to fit to.
        test: The rows to score on.

    Returns:
        At most 1; 0 where there are too few rows or members of a class to say.
    """
    column, ordered = values
    missing = np.isnan(column)
    best = 0.0
    if missing.any():
        best = _score(test.answers, _means(missing.astype(np.float64), train, test, ordered=True))
    seen, known = ~missing[train.rows], ~missing[test.rows]
    if min(seen.mean(), known.mean()) < _MIN_COVERAGE:
        return best
    train, test = train.where(seen), test.where(known)
    best = max(best, _score(test.answers, _means(column, train, test, ordered=ordered)))
    return max(best, _score(test.answers, _line(column, train, test))) if ordered else best


def _means(column: Floats, train: Half, test: Half, *, ordered: bool) -> Floats:
    """Predict the mean answer of the training rows with the same value."""
    distinct, index = np.unique(column[train.rows], return_inverse=True)
    counts = np.bincount(index)
    asked = column[test.rows]
    predicted = np.empty_like(test.answers)
    for k in range(predicted.shape[1]):
        means = np.bincount(index, weights=train.answers[:, k]) / counts
        predicted[:, k] = np.interp(asked, distinct, means)
        if not ordered:
            predicted[~np.isin(asked, distinct), k] = train.answers[:, k].mean()
    return predicted


def _line(column: Floats, train: Half, test: Half) -> Floats:
    """Predict by the straight line through the training rows."""
    fitted = column[train.rows]
    centre = fitted.mean()
    spread = float(((fitted - centre) ** 2).sum())
    slopes = (fitted - centre) @ (train.answers - train.answers.mean(axis=0)) / (spread or 1.0)
    line: Floats = np.outer(column[test.rows] - centre, slopes) + train.answers.mean(axis=0)
    return line


def _score(answers: Floats, predicted: Floats) -> float:
    if len(answers) < _MIN_ROWS:
        return 0.0
    if answers.shape[1] == 1 and not np.isin(answers, (0.0, 1.0)).all():
        return _r2(answers[:, 0], predicted[:, 0])
    areas = [_auc(answers[:, k] > 0, predicted[:, k]) for k in range(answers.shape[1])]
    known = [area for area in areas if area is not None]
    return float(np.mean(known)) if known else 0.0


def _r2(answers: Floats, predicted: Floats) -> float:
    total = float(((answers - answers.mean()) ** 2).sum())
    return 1.0 - float(((answers - predicted) ** 2).sum()) / total if total else 0.0


def _auc(members: npt.NDArray[np.bool_], predicted: Floats) -> float | None:
    """Return the area under the ROC curve; None where a side has hardly any rows."""
    inside, outside = int(members.sum()), int((~members).sum())
    if min(inside, outside) < _MIN_MEMBERS:
        return None
    _, index, counts = np.unique(predicted, return_inverse=True, return_counts=True)
    ranks = (np.cumsum(counts) - (counts - 1) / 2)[index]
    area: float = (ranks[members].sum() - inside * (inside + 1) / 2) / (inside * outside)
    return float(area)
