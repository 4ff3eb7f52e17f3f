"""Chance: how far a share or a mean of some rows can be off."""

from __future__ import annotations

import math

import numpy as np

from reconciler.core.pictures.axes import Floats

#: Of a standard normal: 95 % lie within this distance.
_Z = 1.959963984540054


def share_interval(share: float, rows: int) -> tuple[float, float]:
    """Return the 95 % interval of a share observed on `rows` rows.

    Source:
        Wilson, doi:10.1080/01621459.1927.10502953.
    """
    if not rows:
        return 0.0, 1.0
    weight = _Z * _Z / rows
    middle = (share + weight / 2) / (1 + weight)
    reach = _Z * math.sqrt(share * (1 - share) / rows + weight / (4 * rows)) / (1 + weight)
    return max(middle - reach, 0.0), min(middle + reach, 1.0)


def mean_interval(values: Floats) -> tuple[float, float]:
    """Return the 95 % interval of a mean by the normal approximation; unbounded for one row."""
    if len(values) < 2:
        return -math.inf, math.inf
    mean = float(values.mean())
    reach = _Z * float(np.std(values, ddof=1)) / math.sqrt(len(values))
    return mean - reach, mean + reach
