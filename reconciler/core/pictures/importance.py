"""Permutation importance: how much worse the answers get when one input is shuffled."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from reconciler.core.metrics import Scored
from reconciler.core.pictures import svg
from reconciler.core.pictures.axes import Floats
from reconciler.core.pictures.bars import Effect, chart, size
from reconciler.core.pictures.chance import mean_interval
from reconciler.core.pictures.picture import Picture, rounded
from reconciler.core.pictures.wording import brief, counted, shown, told

#: Inputs that are drawn; the table has all that were shuffled.
_DRAWN = 20
_COLUMNS = ("input", "rise", "95 % from", "to")


def error(scored: Scored) -> str:
    """Return the error that rises, in words."""
    if scored.classes is None:
        return "rmse"
    return "Brier score" if scored.probabilities is not None else "share of wrong answers"


def losses(scored: Scored) -> Floats:
    """Return what each row adds: its squared error, its Brier score, or 1 for a wrong answer."""
    if scored.classes is None:
        actual, predicted = scored.numbers()
        with np.errstate(over="ignore", invalid="ignore"):
            return np.asarray((actual - predicted) ** 2, dtype=np.float64)
    labels = scored.labels()
    if scored.probabilities is None:
        return np.asarray(labels.actual != labels.predicted, dtype=np.float64)
    truth = labels.actual[:, None] == np.arange(labels.known)
    squared = ((scored.probabilities - truth) ** 2).sum(axis=1)
    return np.asarray(squared / 2 if labels.known == 2 else squared, dtype=np.float64)


def effect(name: str, before: Floats, after: Floats, *, squared: bool) -> Effect:
    """Return the effect of shuffling an input.

    Args:
        name: The input.
        before: Losses as it stands, shape (rows,).
        after: Losses once it is shuffled, shape (rows,), a mean where it was shuffled repeatedly.
        squared: The error is the root of the mean loss.
    """
    both = np.isfinite(before) & np.isfinite(after)
    before, after = before[both], after[both]
    if not len(before):
        return Effect(name, 0.0, 0.0, 0.0)
    base, rises = (
        float(before.mean()),
        (float((after - before).mean()), *mean_interval(after - before)),
    )
    if not squared:
        return Effect(name, *rises)
    return Effect(name, *(_root(base + rise) - _root(base) for rise in rises))


def draw(scored: Scored, effects: Sequence[Effect], rest: Effect | None, rows: int) -> Picture:
    """Return bars, the greatest effect first.

    Args:
        scored: The rows that were answered, for the name of the error.
        effects: Of every input that was shuffled.
        rest: Of all other inputs, shuffled together; None: there are none.
        rows: How many rows were answered each time.
    """
    ranked = sorted(effects, key=lambda e: (-e.rise, e.name))
    bars = [*ranked[:_DRAWN], *([rest] if rest else [])]
    title, of = "Permutation importance", error(scored)
    summary = _summary(of, ranked, rest, rows)
    drawn = chart(bars, f"rise of the {of}")
    document = svg.document("importance", title, summary, size(len(bars)), drawn)
    table = [*ranked, *([rest] if rest else [])]
    cells = tuple((shown(e.name), *map(rounded, (e.rise, e.low, e.high))) for e in table)
    return Picture("importance", title, summary, document, _COLUMNS, cells)


def _root(value: float) -> float:
    return float(np.sqrt(max(value, 0.0)))


def _summary(of: str, ranked: Sequence[Effect], rest: Effect | None, rows: int) -> str:
    if not ranked:
        return "The model has no inputs."
    first = ranked[0]
    said = (
        f"Shuffling {brief(first.name)} among {counted(rows, 'row')} raises the {of} most, by"
        f" {told(first.rise)}."
    )
    idle = sum(e.low <= 0 for e in ranked)
    if idle:
        said += f" For {idle:,} of {counted(len(ranked), 'input')} no rise can be told from chance."
    if len(ranked) > _DRAWN:
        said += f" The greatest {_DRAWN} are drawn."
    return said + (f" {rest.name}: {told(rest.rise)} together." if rest else "")
