"""Pictures: what they show is what scikit-learn computes, whatever stands in labels and numbers."""

from __future__ import annotations

import re
from collections.abc import Iterator
from xml.etree import ElementTree

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.calibration import calibration_curve
from sklearn.metrics import confusion_matrix, roc_auc_score, roc_curve

from reconciler.core.metrics import Scored
from reconciler.core.pictures import (
    actual,
    axes,
    calibration,
    confusion,
    importance,
    learning,
    residuals,
    roc,
)
from reconciler.core.pictures.bars import Effect
from reconciler.core.pictures.picture import Picture
from reconciler.core.pictures.wording import clipped, columns, shown, told

HOSTILE = (
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "x" * 300,
    "\u05e9\u05dc\u05d5\u05dd \u202egnp.exe",
    "\U0001f468\u200d\U0001f469\u200d\U0001f467 \U0001f600" * 20,
    "a\x00b\x1b[31mc\nd",
    "]]> &amp; <!-- ${jndi}",
    "",
)


def binary(rows: int = 500, seed: int = 1) -> Scored:
    random = np.random.default_rng(seed)
    truth = random.random(rows) < 0.3
    chance = np.clip(0.3 + 0.3 * truth + random.normal(0, 0.2, rows), 0, 1).round(2)
    names = np.array(["no", "yes"])
    given_ = names[(chance > 0.5).astype(int)]
    both = np.stack([1 - chance, chance], axis=1)
    return Scored(names[truth.astype(int)], given_, both, ("no", "yes"), "yes")


def many(classes: int, rows: int = 2_000) -> Scored:
    random = np.random.default_rng(2)
    truth = random.integers(0, classes, rows)
    scores = random.random((rows, classes)) + 2 * (truth[:, None] == np.arange(classes))
    chances = scores / scores.sum(axis=1, keepdims=True)
    return Scored(truth, scores.argmax(axis=1), chances, tuple(range(classes)))


def numbers(rows: int = 300) -> Scored:
    random = np.random.default_rng(3)
    truth = random.normal(50, 10, rows)
    return Scored(truth, truth + random.normal(0, 3, rows))


def drawn(scored: Scored) -> Iterator[Picture]:
    if scored.classes is None:
        yield from (actual.draw(scored), residuals.draw(scored))
    else:
        yield confusion.draw(scored)
        yield from (p for p in (roc.draw(scored), calibration.draw(scored)) if p)
    if (found := learning.draw(scored, scored)) is not None:
        yield found
    names = [shown(name) for name in scored.classes or ("x",)][:64]
    effects = [Effect(name, 0.1 * n, -0.1, 0.2) for n, name in enumerate(names)]
    yield importance.draw(scored, effects, Effect("(3 other inputs)", 0.1, 0, 0.2), 100)


def parsed(picture: Picture) -> ElementTree.Element:
    """Return the document, with every coordinate checked to be a finite number."""
    root = ElementTree.fromstring(picture.svg)
    for attribute in ("x", "y", "width", "height", "cx", "cy", "r", "x1", "y2"):
        for element in root.iter():
            if (value := element.get(attribute)) is not None:
                assert np.isfinite(float(value)), (picture.name, attribute, value)
    assert "nan" not in picture.svg.lower()
    return root


def text(root: ElementTree.Element) -> str:
    return " ".join(root.itertext())


def test_the_confusion_matrix_is_scikit_learns() -> None:
    for scored in (binary(), many(7)):
        names, counts = confusion.matrix(scored)
        expected = confusion_matrix(scored.actual, scored.prediction, labels=scored.classes)
        assert np.array_equal(counts, expected)
        assert names == tuple(map(str, scored.classes or ()))
        rows = np.array([row[1:] for row in confusion.draw(scored).rows])
        assert np.array_equal(rows, expected)


def test_what_is_drawn_in_a_cell_is_what_was_counted() -> None:
    scored = binary()
    _, counts = confusion.matrix(scored)
    words = text(parsed(confusion.draw(scored)))
    for count in counts.ravel():
        assert re.search(rf"\b{count}\b", words)


def test_beyond_thirty_classes_the_rare_ones_are_counted_together() -> None:
    scored = many(1_000, rows=20_000)
    names, counts = confusion.matrix(scored)
    assert counts.shape == (30, 30)
    assert names[-1] == "(971 others)"
    assert counts.sum() == 20_000
    assert len(confusion.draw(scored).svg) < 300_000
    kept = [int(name) for name in names[:-1]]
    full = confusion_matrix(scored.actual, scored.prediction, labels=range(1_000))
    assert np.array_equal(counts[:-1, :-1], full[np.ix_(kept, kept)])


def test_a_label_that_the_model_does_not_know_has_a_row() -> None:
    scored = Scored(np.array(["a", "c"]), np.array(["a", "b"]), None, ("a", "b"), "b")
    names, counts = confusion.matrix(scored)
    assert names == ("a", "b", "c")
    assert counts.tolist() == [[1, 0, 0], [0, 0, 0], [0, 1, 0]]


def test_the_roc_curve_is_scikit_learns() -> None:
    scored = binary()
    assert scored.probabilities is not None
    truth, score = scored.actual == "yes", scored.probabilities[:, 1]
    found = roc.curve(truth, score)
    assert found is not None
    false, true, thresholds = roc_curve(truth, score, drop_intermediate=True)
    assert np.allclose(found.false, false)
    assert np.allclose(found.true, true)
    assert np.allclose(found.thresholds[1:], thresholds[1:])
    assert found.area == pytest.approx(roc_auc_score(truth, score))
    picture = roc.draw(scored)
    assert picture is not None
    assert [row[1] for row in picture.rows] == pytest.approx(false.tolist(), rel=1e-5)


def test_the_area_of_every_class_is_scikit_learns() -> None:
    scored = many(5)
    assert scored.probabilities is not None
    picture = roc.draw(scored)
    assert picture is not None
    for name, rows, area in picture.rows:
        mine = scored.actual == int(str(name))
        assert rows == mine.sum()
        expected = roc_auc_score(mine, scored.probabilities[:, int(str(name))])
        assert area == pytest.approx(expected, rel=1e-5)


def test_calibration_is_scikit_learns() -> None:
    scored = binary()
    assert scored.probabilities is not None
    truth, chance = scored.actual == "yes", scored.probabilities[:, 1]
    share, said = calibration_curve(truth, chance, n_bins=10, strategy="uniform")
    found = calibration.bins(truth, chance)
    assert np.allclose(found.true, share)
    assert np.allclose(found.said, said)
    assert found.rows.sum() == len(truth)


def test_learning_ends_at_the_metric_of_all_held_out_rows() -> None:
    scored = numbers()
    errors = scored.actual - scored.prediction
    last = learning.steps(scored)[-1]
    assert last.rows == len(errors)
    assert last.value == pytest.approx(np.sqrt(np.mean(errors**2)))
    assert last.low < last.value < last.high
    labels = binary()
    right = float(np.mean(labels.actual == labels.prediction))
    assert learning.steps(labels)[-1].value == pytest.approx(right)


def test_learning_says_that_training_rows_score_better_only_beyond_chance() -> None:
    held = numbers()
    same = learning.draw(numbers(), held)
    exact = learning.draw(Scored(held.actual, held.actual + 0.1), held)
    assert same is not None
    assert exact is not None
    assert "chance" in same.summary
    assert "for those rows alone" in exact.summary


def test_residuals_are_the_quantiles_of_each_tenth() -> None:
    scored = numbers(1_000)
    order = np.argsort(scored.prediction, kind="stable")[:100]
    expected = np.quantile(
        (scored.actual - scored.prediction)[order], (0.05, 0.25, 0.5, 0.75, 0.95)
    )
    first = residuals.draw(scored).rows[0]
    assert first[2] == 100
    assert list(first[3:]) == pytest.approx(expected.tolist(), rel=1e-5)


def test_an_effect_is_the_rise_of_the_error_itself() -> None:
    before, after = np.array([1.0, 3.0]), np.array([9.0, 9.0])
    assert importance.effect("x", before, after, squared=False).rise == pytest.approx(7.0)
    root = importance.effect("x", before, after, squared=True)
    assert root.rise == pytest.approx(3.0 - np.sqrt(2.0))
    assert root.low <= root.rise <= root.high


@pytest.mark.parametrize("scored", [binary(), many(12), many(200), numbers(), numbers(2_000)])
def test_equal_numbers_give_equal_bytes_and_every_picture_can_be_read_out(scored: Scored) -> None:
    for one, again in zip(drawn(scored), drawn(scored), strict=True):
        assert one == again
        root = parsed(one)
        names = root.get("aria-labelledby", "").split()
        said = [element.text for element in root.iter() if element.get("id") in names]
        assert said == [one.title, one.summary]
        assert root.get("role") == "img"
        assert all(len(row) == len(one.columns) for row in one.rows)


def test_hostile_labels_are_shown_and_do_nothing() -> None:
    size = len(HOSTILE)
    places = np.arange(200) % size
    labels = np.array(HOSTILE, dtype=object)
    chances = np.full((200, size), 0.5 / (size - 1))
    chances[np.arange(200), places] = 0.5
    scored = Scored(labels[places], labels[(places + places % 3) % size], chances, HOSTILE)
    pair = Scored(labels[places % 2], labels[places % 2], chances[:, :2], HOSTILE[:2], HOSTILE[0])
    for picture in (*drawn(scored), *drawn(pair)):
        root = parsed(picture)
        tags = {element.tag.rpartition("}")[2] for element in root.iter()}
        assert tags <= {
            "svg",
            "title",
            "desc",
            "style",
            "text",
            "rect",
            "line",
            "path",
            "circle",
            "g",
        }
        assert all(not key.lower().startswith("on") for e in root.iter() for key in e.attrib)
        assert "\u202e" not in picture.svg
        assert "href" not in picture.svg


@pytest.mark.parametrize(
    ("truth", "given_"),
    [
        ([1.0, 1.0], [1.0, 1.0]),
        ([0.0, 0.0], [1.0, np.nan]),
        ([np.inf, 2.0], [1.0, -np.inf]),
        ([1e308, -1e308], [-1e308, 1e308]),
        ([1e-300, 2e-300], [1e-300, 3e-300]),
        ([5.0], [4.0]),
        ([], []),
        ([1e15, 1e15 + 1], [1e15, 1e15]),
    ],
)
def test_numbers_that_have_no_place_are_left_out(truth: list[float], given_: list[float]) -> None:
    scored = Scored(np.array(truth, dtype=float), np.array(given_, dtype=float))
    for picture in drawn(scored):
        parsed(picture)


@pytest.mark.parametrize("rows", [0, 1, 2])
def test_one_class_and_next_to_no_rows_are_drawn_as_far_as_they_go(rows: int) -> None:
    one = np.array(["yes", "yes"], dtype=object)[:rows]
    scored = Scored(one, one, np.full((rows, 2), 0.5), ("no", "yes"), "yes")
    assert roc.draw(scored) is None
    for picture in drawn(scored):
        parsed(picture)


@given(st.floats(allow_nan=False, allow_infinity=False), st.floats(0, 1e300))
def test_ticks_are_a_few_round_values_within_the_range(low: float, width: float) -> None:
    low, high = axes.widened(low, low + width)
    if not (np.isfinite(high - low) and high > low):
        return
    found = axes.ticks(low, high)
    assert len(found) <= 12
    assert list(found) == sorted(found)
    assert all(low - 1e-6 * (high - low) <= v <= high + 1e-6 * (high - low) for v in found)


@given(st.text(), st.integers(2, 40))
def test_a_clipped_text_fits_and_holds_no_character_that_controls_others(
    words: str, width: int
) -> None:
    cut = clipped(shown(words), width)
    assert columns(cut) <= width
    assert not set(cut) & set("\x00\x1b\n\r\u202e\u2066\u200f")


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (0.8355, "0.8355"), (57326.9, "57,327"), (0.0, "0"), (1.0, "1"), (-0.5, "-0.5"),
        (1e-9, "1e-09"), (123456789.0, "1.23e+08"), (float("nan"), "\u2013"), (None, "\u2013"),
        (float("inf"), "inf"), (0.05, "0.05"),
    ],
)  # fmt: skip
def test_numbers_are_told_as_people_write_them(value: float | None, expected: str) -> None:
    assert told(value) == expected
