"""The positive class of two: the one that people look for."""

from __future__ import annotations

from typing import Any

import polars as pl

from reconciler.pipeline.target import Target

_YES = (
    "yes", "y", "true", "1", "positive", "pos", "spam", "fraud", "churn", "churned", "malignant",
    "default", "bad", "fail", "failed", "failure", "sick", "disease", "anomaly", "attack", "won",
)  # fmt: skip


def positive(target: Target, values: pl.Series) -> tuple[Any, str]:
    """Return the class that is looked for, and why it is that one.

    Args:
        target: A target of two classes.
        values: Its column.
    """
    assert target.classes is not None
    shares = {label: float((values == label).mean() or 0) for label in target.classes}
    named = [label for label in target.classes if str(label).strip().lower() in _YES]
    if len(named) == 1:
        return named[0], f"in {shares[named[0]]:.1%} of the rows"
    rare = min(shares, key=lambda label: shares[label])
    return rare, f"the rarer class, in {shares[rare]:.1%} of the rows: is it what is looked for?"
