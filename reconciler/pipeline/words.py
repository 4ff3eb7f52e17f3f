"""Words of a text input: what leaving one out does to a bundle's answers, at a bounded cost."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl

from reconciler.bundle.encoding import encode
from reconciler.bundle.predictor import Predictions, Predictor
from reconciler.bundle.signature import Signature
from reconciler.bundle.words import PADDING
from reconciler.core.pictures import words
from reconciler.core.pictures.bars import Effect
from reconciler.core.pictures.chance import mean_interval
from reconciler.core.pictures.picture import Picture
from reconciler.core.pictures.wording import shown

Array = npt.NDArray[Any]
Floats = npt.NDArray[np.float64]

#: Texts that are looked at, words that are left out, texts that must have one, and texts that are
#: answered again in all.
_ROWS, _WORDS, _LEAST, _ANSWERED = 1_000, 40, 5, 4_000


def draw(predictor: Predictor, test: pl.DataFrame) -> Picture | None:
    """Return the words of the first text input that move the answer; None without such an input."""
    sign = predictor.signature
    tensor = next((t for t in sign.tensors if t.words), None)
    if tensor is None or not test.height:
        return None
    places = np.unique(np.linspace(0, test.height - 1, min(test.height, _ROWS)).astype(int))
    tensors = encode(sign, test[places.tolist()])
    plain = predictor.answer(tensors)
    before = _followed(sign, plain, plain)
    moved, left = [], _ANSWERED
    for word, rows in _telling(tensors[tensor.name], before):
        left -= len(rows)
        if left < 0:
            break
        some = {name: values[rows] for name, values in tensors.items()}
        some[tensor.name] = np.where(some[tensor.name] == word, PADDING, some[tensor.name])
        after = _followed(sign, predictor.answer(some), plain, rows)
        change = before[rows] - after
        effect = Effect(word, float(change.mean()), *mean_interval(change))
        moved.append(words.Moved(effect, len(rows)))
    return words.draw(_name(sign), tensor.columns[0].input, moved, len(places))


def _telling(table: Array, answers: Floats) -> list[tuple[str, Array]]:
    """Return words with the rows that have them, those first that go with the answers most."""
    rows: dict[str, list[int]] = {}
    for place, line in enumerate(table.tolist()):
        for word in dict.fromkeys(line):
            rows.setdefault(word, []).append(place)
    rows.pop(PADDING, None)
    mean = float(answers.mean())
    pull: Mapping[str, float] = {
        word: round(abs(float((answers[places] - mean).sum())) / np.sqrt(len(places)), 9)
        for word, places in rows.items()
        if len(places) >= _LEAST
    }
    ranked = sorted(pull, key=lambda word: (-pull[word], word))[:_WORDS]
    return [(word, np.array(rows[word])) for word in ranked]


def _followed(
    sign: Signature, found: Predictions, plain: Predictions, rows: Array | None = None
) -> Floats:
    """Return what is followed of each row: a number, a probability, or whether a label stays."""
    if found.classes is None:
        return np.asarray(found.values, dtype=np.float64)
    if found.probabilities is None:
        known = plain.values if rows is None else plain.values[rows]
        return np.asarray(found.values == known, dtype=np.float64)
    if sign.task == "binary":
        positive = found.classes.index(sign.positive) if sign.positive in found.classes else -1
        return np.asarray(found.probabilities[:, positive], dtype=np.float64)
    assert plain.probabilities is not None
    best = plain.probabilities.argmax(axis=1)
    best = best if rows is None else best[rows]
    return np.asarray(found.probabilities[np.arange(len(best)), best], dtype=np.float64)


def _name(sign: Signature) -> str:
    if sign.classes is None:
        return shown(sign.target)
    if not sign.probabilities:
        return "share of equal answers"
    whose = shown(sign.positive) if sign.task == "binary" else "the answer"
    return f"probability of {whose}"
