"""What servers count is kept in the status store, and adds up over their runs and machines."""

from __future__ import annotations

from pathlib import Path

import pytest

from reconciler.adapters.status import StatusStore
from reconciler.core.tally import Tally

FIRST, SECOND, THIRD = (f"2026-03-01T12:00:0{n}+00:00" for n in range(3))


@pytest.fixture
def status(tmp_path: Path) -> StatusStore:
    return StatusStore(tmp_path / "status.db")


def tally(requests: int, errors: int = 0) -> Tally:
    return Tally(requests, errors, (requests, 0), 1, 1)


def test_boots_add_up_whichever_of_them_still_runs(status: StatusStore) -> None:
    status.count("m", FIRST, {"a": {"old": tally(10)}, "b": {"old": tally(5), "new": tally(2)}})
    found = status.count("m", FIRST, {"c": {"new": tally(3)}})

    assert found == {FIRST: {"old": Tally(15, 0, (15, 0), 2, 2), "new": Tally(5, 0, (5, 0), 2, 2)}}


def test_a_look_takes_the_place_of_the_one_before_and_nothing_goes_back(
    status: StatusStore,
) -> None:
    status.count("m", FIRST, {"a": {"new": tally(10, errors=1)}})
    status.count("m", FIRST, {"a": {"new": tally(12, errors=1)}})
    status.count("m", FIRST, {"a": {"new": tally(4)}})  # an answer that was long on its way

    assert status.counted("m")[FIRST]["new"].requests == 12
    assert status.counted("m")[FIRST]["new"].errors == 1


def test_the_next_process_goes_on_with_what_was_counted(tmp_path: Path) -> None:
    StatusStore(tmp_path / "status.db").count("m", FIRST, {"a": {"new": tally(10)}})

    found = StatusStore(tmp_path / "status.db").count("m", FIRST, {"b": {"new": tally(1)}})

    assert found[FIRST]["new"].requests == 11


def test_a_step_and_the_one_before_it_are_kept_and_told_apart(status: StatusStore) -> None:
    for number, since in enumerate((FIRST, SECOND, THIRD)):
        status.count("m", since, {"a": {"old": tally(number + 1)}})

    assert {since: t["old"].requests for since, t in status.counted("m").items()} == {
        SECOND: 2,
        THIRD: 3,
    }


def test_what_has_ended_is_dropped_and_nothing_else(status: StatusStore) -> None:
    for model in ("m", "n", "o"):
        status.count(model, FIRST, {"a": {"old": tally(1)}})

    status.end_count("m")
    status.forget("n")

    assert status.counting() == {"o"}


def test_what_was_counted_before_the_store_was_lost_is_told_again_by_whoever_runs(
    tmp_path: Path,
) -> None:
    path = tmp_path / "status.db"
    status = StatusStore(path)
    status.count("m", FIRST, {"gone": {"new": tally(7)}, "runs": {"new": tally(4)}})
    status.close()
    path.write_bytes(b"no database")

    found = status.count("m", FIRST, {"runs": {"new": tally(5)}})

    assert found[FIRST]["new"].requests == 5
