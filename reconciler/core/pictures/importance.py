"""Permutation importance: how much worse the answers get when one input is shuffled."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from reconciler.core.metrics import Scored
from reconciler.core.pictures import svg
from reconciler.core.pictures.axes import (
    RIGHT,
    WIDTH,
    Floats,
    Scale,
    box,
    spanned,
    ticks,
)
from reconciler.core.pictures.chance import mean_interval
from reconciler.core.pictures.picture import Picture, rounded
from reconciler.core.pictures.wording import counted, shown, told

#: Inputs that are drawn; the table has all that were shuffled.
_DRAWN = 20
_BAR, _LEFT, _TOP, _BOTTOM = 22.0, 168.0, 8.0, 48.0
_WORDS = 22
_COLUMNS = ("input", "rise", "95 % from", "to")


@dataclass(frozen=True, slots=True)
class Effect:
    """How much the error rises when an input is shuffled, with its 95 % interval."""

    name: str
    rise: float
    low: float
    high: float


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
    height = _TOP + _BAR * max(len(bars), 1) + _BOTTOM
    body = _drawn(of, bars)
    document = svg.document("importance", title, summary, (WIDTH, height), body)
    table = [*ranked, *([rest] if rest else [])]
    cells = tuple((shown(e.name), *map(rounded, (e.rise, e.low, e.high))) for e in table)
    return Picture("importance", title, summary, document, _COLUMNS, cells)


def _short(value: float) -> str:
    """Return a number to two digits: more than chance leaves of it."""
    return told(float(f"{value:.2g}"))


def _root(value: float) -> float:
    return float(np.sqrt(max(value, 0.0)))


def _summary(of: str, ranked: Sequence[Effect], rest: Effect | None, rows: int) -> str:
    if not ranked:
        return "The model has no inputs."
    first = ranked[0]
    said = (
        f"Shuffling {shown(first.name)} among {counted(rows, 'row')} raises the {of} most, by"
        f" {told(first.rise)}."
    )
    idle = sum(e.low <= 0 for e in ranked)
    if idle:
        said += f" For {idle:,} of {counted(len(ranked), 'input')} no rise can be told from chance."
    if len(ranked) > _DRAWN:
        said += f" The greatest {_DRAWN} are drawn."
    return said + (f" {rest.name}: {told(rest.rise)} together." if rest else "")


def _drawn(of: str, bars: Sequence[Effect]) -> list[str]:
    values = np.array([0.0, *(end for e in bars for end in (e.rise, e.high))])
    low, high = spanned(values[np.isfinite(values)], np.array([e.rise for e in bars] or [0.0]))
    x = Scale(min(low, 0.0), high, _LEFT, WIDTH - RIGHT - 46)
    foot = _TOP + _BAR * max(len(bars), 1)
    body = []
    for value in ticks(x.low, x.high, 4):
        body.append(svg.line((x(value), _TOP), (x(value), foot), "grid"))
        body.append(svg.text((x(value), foot + 12), told(value), anchor="middle", width=12))
    for n, one in enumerate(bars):
        middle = _TOP + (n + 0.5) * _BAR
        body.append(
            svg.text((_LEFT - 8, middle), one.name, anchor="end", style="ink", width=_WORDS)
        )
        body.append(box((x(0), middle - 7), (x(one.rise), middle + 7), "one", fill_opacity=0.8))
        body.append(svg.path([(x(one.low), middle), (x(one.high), middle)], "whisker"))
        at = max(x(one.high), x(one.rise)) + 6
        body.append(svg.text((at, middle), _short(one.rise), width=10))
    body.append(svg.line((x(0), _TOP), (x(0), foot), "axis"))
    centre = ((x.start + x.end) / 2, foot + 34)
    return [*body, svg.text(centre, f"rise of the {of}", anchor="middle", style="ink")]
