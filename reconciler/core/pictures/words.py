"""Words: how far a single word of a text moves the answer."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from reconciler.core.pictures import svg
from reconciler.core.pictures.bars import Effect, chart, size
from reconciler.core.pictures.picture import Picture, rounded
from reconciler.core.pictures.wording import brief, counted, shown, told

_DRAWN = 20


@dataclass(frozen=True, slots=True)
class Moved:
    """What leaving a word out did to the texts that have it."""

    effect: Effect
    """Of the answer with the word above the answer without it."""
    rows: int
    """Texts that have it."""


def draw(of: str, name: str, words: Sequence[Moved], rows: int) -> Picture:
    """Return bars, the words that move most first, whichever way.

    Args:
        of: What moves, such as a probability.
        name: The input that holds the text.
        words: Those that were left out.
        rows: Texts that were looked at.
    """
    ranked = sorted(words, key=lambda w: (-abs(w.effect.rise), w.effect.name))
    bars = [word.effect for word in ranked[:_DRAWN]]
    title = "Words that move the answer"
    summary = _summary(of, brief(name), ranked, rows)
    drawn = chart(bars, f"{of}: with the word, less without")
    document = svg.document("words", title, summary, size(len(bars)), drawn)
    table = tuple(
        (shown(w.effect.name), w.rows, *map(rounded, (w.effect.rise, w.effect.low, w.effect.high)))
        for w in ranked
    )
    columns = ("word", "texts", "change", "95 % from", "to")
    return Picture("words", title, summary, document, columns, table)


def _summary(of: str, name: str, ranked: Sequence[Moved], rows: int) -> str:
    if not ranked:
        return f"No word of {name} is in enough of {counted(rows, 'text')} to tell."
    first = ranked[0]
    way = "raises" if first.effect.rise >= 0 else "lowers"
    return (
        f"Of the words of {name} in {counted(rows, 'text')}, {brief(first.effect.name)} moves most:"
        f" it {way} the {of} by {told(abs(first.effect.rise))} on average, in the"
        f" {counted(first.rows, 'text')} that have it."
    )
