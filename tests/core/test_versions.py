"""Two versions side by side: which two, and what the common rows say of each metric."""

from __future__ import annotations

from datetime import UTC, datetime

import numpy as np
import pytest

from reconciler.core.case import Rivalry, Unscorable
from reconciler.core.metrics import Scored
from reconciler.core.record import Outcome, Pointer, Record, Version, empty, promote, with_version
from reconciler.core.versions import Pair, chosen, common, pairs
from reconciler.errors import UsageError


def record(count: int, champion: int | None) -> Record:
    made = empty("wine")
    for number in range(1, count + 1):
        version = Version(
            number=number,
            outcome=Outcome.REJECTED,
            fingerprint=f"f{number}",
            revision="r",
            created=datetime(2026, 3, 1, tzinfo=UTC),
            bundle=Pointer(md5=f"{number:032x}.dir"),
            metrics={"rmse": float(number), "odd": 1.0},
        )
        made = with_version(made, version)
    return made if champion is None else promote(made, champion, "r")


def numbers(found: tuple[Version, Version]) -> tuple[int, int]:
    return found[0].number, found[1].number


@pytest.mark.parametrize(
    ("champion", "one", "other", "expected"),
    [
        (1, None, None, (1, 3)),
        (3, None, None, (2, 3)),
        (None, None, None, (2, 3)),
        (2, 1, None, (1, 3)),
        (2, 3, None, (2, 3)),
        (2, 3, 1, (3, 1)),
    ],
)
def test_the_champion_is_compared_with_the_newest_unless_versions_are_named(
    champion: int | None, one: int | None, other: int | None, expected: tuple[int, int]
) -> None:
    assert numbers(chosen(record(3, champion), one, other)) == expected


def test_one_version_alone_and_a_version_beside_itself_are_refused() -> None:
    with pytest.raises(UsageError, match="wine has 1 version: nothing to compare"):
        chosen(record(1, 1), None, None)
    with pytest.raises(UsageError, match="compared with itself"):
        chosen(record(3, 1), 2, 2)
    with pytest.raises(UsageError, match="no version 7"):
        chosen(record(3, 1), 7, None)


def answers(error: float, rows: int = 400) -> Scored:
    rng = np.random.default_rng(3)
    actual = rng.normal(size=rows)
    noise = np.random.default_rng(5).normal(size=rows)
    return Scored(actual, actual + error * noise)


def test_a_better_version_is_told_with_an_interval_that_excludes_none() -> None:
    versions = record(2, 1).versions
    found = pairs(versions[0], versions[1], Rivalry(answers(0.1), answers(0.5)))
    rmse = next(pair for pair in found if pair.metric == "rmse")
    assert rmse.low is not None
    assert rmse.high is not None
    assert 0 < rmse.low < 0.4 < rmse.high
    assert rmse.said().startswith("better by")
    assert common(found) == 400


def test_equal_answers_are_the_same_and_swapped_ones_are_worse() -> None:
    versions = record(2, 1).versions
    same = pairs(versions[0], versions[1], Rivalry(answers(0.1), answers(0.1)))
    assert same[0].said() == "the same answers"
    worse = pairs(versions[0], versions[1], Rivalry(answers(0.5), answers(0.1)))
    assert worse[0].said().startswith("worse by")


def test_without_common_rows_the_values_stand_with_the_reason() -> None:
    versions = record(2, 1).versions
    for rival in (Unscorable("only 3 rows"), "version 1 has no bundle"):
        found = pairs(versions[0], versions[1], rival)
        assert [(p.metric, p.old, p.new, p.low) for p in found] == [
            ("rmse", 1.0, 2.0, None),
            ("odd", 1.0, 1.0, None),
        ]
        assert found[0].said() in ("only 3 rows", "version 1 has no bundle")
        assert common(found) == 0


def test_an_interval_around_none_says_how_far_either_way() -> None:
    pair = Pair("rmse", 1.0, 1.0, low=-0.5, high=0.25)
    assert pair.said() == "not told apart: 0.5 worse to 0.25 better"
