"""The report: pictures of how a bundle does on its held-out rows, in a folder of their own.

`report.json` has the numbers and words, every picture is an SVG beside it, and `card.md` is the
bundle's own card with the pictures in it.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import polars as pl

from reconciler.bundle.predictor import Predictor
from reconciler.core import tables
from reconciler.core.metrics import Scored
from reconciler.core.pictures import (
    actual,
    calibration,
    confusion,
    importance,
    learning,
    residuals,
    roc,
)
from reconciler.core.pictures.picture import Picture
from reconciler.core.pictures.report import FILE, FORMAT, HEADING, to_plain
from reconciler.pipeline import words
from reconciler.pipeline.importance import measure

#: Training rows that are answered to be compared with the held-out ones, at most as many.
_TRAINING = 2_000


def write(
    folder: Path,
    predictor: Predictor,
    test: pl.DataFrame,
    answers: pl.DataFrame,
    training: Path,
    card: str,
) -> None:
    """Write the report of one bundle to `folder`, in place of what is there.

    Args:
        folder: Where to.
        predictor: The bundle, opened.
        test: The test split.
        answers: What the bundle answers on it, as `tables.table` keeps it.
        training: The training split; where there is no such file, nothing is said of it.
        card: The bundle's own card, in Markdown.
    """
    sign = predictor.signature
    scored = tables.scored(answers, sign.classes, sign.positive)
    train = _training(predictor, training, min(test.height, _TRAINING))
    drawn = tuple(_pictures(predictor, test, scored, train))
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    for picture in drawn:
        (folder / f"{picture.name}.svg").write_text(picture.svg, encoding="utf-8")
    (folder / "card.md").write_text(_card(card, drawn), encoding="utf-8")
    plain = {"format": FORMAT, "model": sign.model, "task": sign.task, "rows": test.height}
    text = json.dumps({**plain, "pictures": to_plain(drawn)}, indent=1, ensure_ascii=False)
    (folder / FILE).write_text(text + "\n", encoding="utf-8")


def _pictures(
    predictor: Predictor, test: pl.DataFrame, scored: Scored, train: Scored | None
) -> Iterator[Picture]:
    if scored.classes is None:
        yield actual.draw(scored)
        yield residuals.draw(scored)
    else:
        yield confusion.draw(scored)
        yield from (p for p in (roc.draw(scored), calibration.draw(scored)) if p is not None)
    if (split := learning.draw(train, scored)) is not None:
        yield split
    if test.height:
        found = measure(predictor, test)
        yield importance.draw(scored, found.effects, found.rest, found.rows)
    if (text := words.draw(predictor, test)) is not None:
        yield text


def _training(predictor: Predictor, path: Path, most: int) -> Scored | None:
    """Return the answers on evenly spaced training rows; None where there are none."""
    if not path.is_file() or not most:
        return None
    rows = pl.read_parquet(path)
    places = np.unique(np.linspace(0, rows.height - 1, min(rows.height, most)).astype(int))
    sample, sign = rows[places.tolist()], predictor.signature
    found = predictor.predict(sample)
    truth = sample[sign.target].to_numpy()
    return Scored(truth, found.values, found.probabilities, sign.classes, sign.positive)


def _card(card: str, drawn: tuple[Picture, ...]) -> str:
    parts = [card.partition(HEADING)[0].rstrip("\n"), HEADING]
    parts += [f"### {p.title}\n\n![{p.title}]({p.name}.svg)\n\n{_plain(p.summary)}" for p in drawn]
    return "\n\n".join(parts) + "\n"


def _plain(text: str) -> str:
    """Return text that Markdown shows as it is."""
    return "".join(f"\\{c}" if c in "\\`*_{}[]<>#|!~&$" else c for c in text)
