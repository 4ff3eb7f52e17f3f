"""Agreement: whether two versions give the same answer to one request."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from reconciler.bundle.predictor import Predictions

#: Numbers agree within this part of what predictions vary by on the test split.
APART = 0.1


def agree(first: Predictions, second: Predictions, spread: float | None) -> bool:
    """Return whether all rows got the same label, or numbers that are close.

    Args:
        first: Answers for n rows.
        second: The other version's answers for the same rows.
        spread: Standard deviation of the champion's predictions on its test split; None where it
            is not known: then numbers agree within a tenth of themselves.
    """
    if first.classes is not None or second.classes is not None:
        return bool(first.values.tolist() == second.values.tolist())
    allowed = APART * (spread or np.maximum(np.abs(first.values), 1e-12))
    return bool((np.abs(first.values - second.values) <= allowed).all())
