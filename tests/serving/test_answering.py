"""Every request gets an answer from the version that it falls to, or from the champion."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.bundle.predictor import Predictions
from reconciler.errors import UsageError
from reconciler.serving.answering import Answered, Answering, Ask, falls
from reconciler.serving.house import House
from reconciler.serving.loaded import Loaded, load
from reconciler.serving.refusal import Refused
from reconciler.serving.table import Entry, Route, Table
from reconciler.serving.tallies import Tallies
from tests.serving.bundles import made, route

Work = Callable[[Loaded], Predictions]


class Place:
    """One worker's core, without HTTP."""

    def __init__(self) -> None:
        self.tallies = Tallies()
        self.seen: Counter[tuple[str, str]] = Counter()
        self.house = House(self._load)
        self.apart = ThreadPoolExecutor(2)
        self.answering = Answering(self.house, self.tallies, self.apart, self._observe, 5.0)

    async def _load(self, entry: Entry) -> Loaded:
        return load(entry)

    def _observe(self, model: str, version: str, outcome: str, seconds: float, rows: int) -> None:
        self.seen[version, outcome] += 1

    def serve(self, one: Route) -> None:
        asyncio.run(self.house.follow(Table("c", {"m": one})))

    def ask(self, a: object = 1.0, times: int = 1, work: Work | None = None, **ask: Any) -> Any:
        """Ask `times` times, under keys of their own, and return the last answer."""
        return asyncio.run(self._ask(a, times, work, ask))

    async def _ask(self, a: object, times: int, work: Work | None, ask: dict[str, Any]) -> Answered:
        row = {"a": a, "b": 0.0}
        work = work or (lambda loaded: loaded.predictor.predict_one(row))
        for number in range(times):
            asked = Ask(**{"model": "m", "version": None, "key": str(number), "rows": 1, **ask})
            answered = await self.answering.answer(asked, work)
        while self.answering._mirrors:  # what nobody waits for
            await asyncio.sleep(0.001)
        return answered

    def tally(self, entry: Entry) -> dict[str, Any]:
        return self.tallies.of("m", entry.digest).plain("")


@pytest.fixture
def place() -> Iterator[Place]:
    made_here = Place()
    yield made_here
    made_here.apart.shutdown()


def pair(tmp_path: Path, **challenger: Any) -> tuple[Entry, Entry]:
    return made(tmp_path / "1"), made(tmp_path / "2", version=2, **challenger)


@given(key=st.text(), weight=st.integers(0, 100), more=st.integers(0, 100))
def test_a_key_that_falls_to_the_challenger_does_so_at_every_larger_weight(
    key: str, weight: int, more: int
) -> None:
    ask = Ask("m", None, key, 1)
    first, later = (falls(ask, "d", w) for w in sorted((weight, more)))
    assert later >= first
    assert falls(ask, "d", 100)
    assert not falls(ask, "d", 0)


def test_keys_are_divided_as_the_weight_says_and_anew_for_each_challenger() -> None:
    asks = [Ask("m", None, f"key-{n}", 1) for n in range(20_000)]
    drawn = [{n for n, ask in enumerate(asks) if falls(ask, d, 10)} for d in ("d1", "d2")]
    assert all(1850 < len(found) < 2150 for found in drawn)
    assert len(drawn[0] & drawn[1]) < 300


def test_requests_are_divided_and_each_answer_names_its_version(
    place: Place, tmp_path: Path
) -> None:
    one, two = pair(tmp_path, factor=3.0)
    place.serve(route(one, two, 50))
    found = {
        (answered.loaded.version, answered.predictions.values[0])
        for answered in (place.ask(key=str(n)) for n in range(50))
    }
    assert found == {("1", 2.0), ("2", 3.0)}
    assert place.tally(one)["requests"] + place.tally(two)["requests"] == 50
    assert sum(place.tally(two)["latency"]) == place.tally(two)["requests"] > 10


def test_the_champion_answers_where_the_challenger_raises(place: Place, tmp_path: Path) -> None:
    one, two = pair(tmp_path, limit=10)
    place.serve(route(one, two, 100))
    assert place.ask(5.0).loaded.version == "2"
    answered = place.ask(20.0)
    assert (answered.loaded.version, answered.predictions.values[0]) == ("1", 40.0)
    assert place.tally(two)["errors"] == 1
    assert place.tally(one)["errors"] == 0
    assert place.seen["2", "ModelFailed"] == 1


def test_what_both_refuse_is_the_client_s_fault(place: Place, tmp_path: Path) -> None:
    one, two = pair(tmp_path)
    place.serve(route(one, two, 100))
    with pytest.raises(UsageError, match="a: 'x' is not a number"):
        place.ask("x")
    assert place.tally(two)["errors"] == 0
    assert place.seen == {("1", "BadInput"): 1}


def test_what_only_the_challenger_refuses_is_its_own_fault(place: Place, tmp_path: Path) -> None:
    one, two = pair(tmp_path)
    place.serve(route(one, two, 100))

    def work(loaded: Loaded) -> Predictions:
        if loaded.version == "2":
            raise UsageError("c: the field is missing", reason="BadInput")
        return loaded.predictor.predict_one({"a": 1.0, "b": 0.0})

    assert place.ask(work=work).loaded.version == "1"
    assert place.tally(two)["errors"] == 1


def test_a_challenger_that_fails_again_and_again_gets_no_more_requests(
    place: Place, tmp_path: Path
) -> None:
    one, two = pair(tmp_path, limit=3)
    place.serve(route(one, two, 100))
    assert place.ask(5.0, times=20).loaded.version == "1"
    assert place.tally(two)["errors"] == 5
    assert place.house.status()["models"]["m"]["challenger"]["tripped"]
    place.serve(route(one, two, 100))  # the same record once more
    assert place.ask(0.0).loaded.version == "1"
    place.serve(replace(route(one, two, 100), since="2026-01-02T00:00:00+00:00"))
    assert place.ask(0.0).loaded.version == "2"


def test_a_shadow_is_asked_and_compared_and_never_answers(place: Place, tmp_path: Path) -> None:
    one, two = pair(tmp_path, factor=2.5)
    place.serve(replace(route(one, two), mirrored=True))
    assert place.ask(0.1, times=3).loaded.version == "1"  # 0.2 and 0.25 are close, std is 1
    assert place.ask(4.0, times=2).predictions.values[0] == 8.0
    tally = place.tally(two)
    assert (tally["compared"], tally["disagreed"], tally["requests"]) == (5, 2, 5)
    assert place.seen["2", "ok"] == 0


def test_a_shadow_that_raises_is_counted_and_noticed_by_nobody(
    place: Place, tmp_path: Path
) -> None:
    one, two = pair(tmp_path, limit=3)
    place.serve(replace(route(one, two), mirrored=True))
    assert place.ask(4.0).predictions.values[0] == 8.0
    assert place.tally(two)["errors"] == 1


def test_a_version_that_is_named_is_asked_and_counts_in_no_rollout(
    place: Place, tmp_path: Path
) -> None:
    one, two = pair(tmp_path)
    place.serve(route(one, two, 0))
    assert place.ask(version="2").loaded.version == "2"
    assert place.tally(two)["requests"] == 0
    assert place.seen["2", "ok"] == 1
    with pytest.raises(Refused, match="version '7' of m is not served"):
        place.ask(version="7")


def test_probes_count_nowhere(place: Place, tmp_path: Path) -> None:
    one, two = pair(tmp_path)
    place.serve(replace(route(one, two, 50), mirrored=True))
    place.ask(times=20, probe=True)
    assert place.tally(one)["requests"] == place.tally(two)["requests"] == 0
    assert not place.seen


def test_a_slow_version_holds_up_nobody(place: Place, tmp_path: Path) -> None:
    one = made(tmp_path / "1")
    place.serve(route(one))
    slow = place.house.standing("m").champion
    slow.one_s = 1.0

    async def play() -> list[str]:
        ended: list[str] = []

        def drag(loaded: Loaded) -> Predictions:
            import time

            time.sleep(0.2)
            return loaded.predictor.predict_one({"a": 1.0, "b": 0.0})

        async def one_ask() -> None:
            await place.answering.answer(Ask("m", None, "k", 1), drag)
            ended.append("slow")

        task = asyncio.ensure_future(one_ask())
        await asyncio.sleep(0.01)
        ended.append("quick")
        await task
        return ended

    assert asyncio.run(play()) == ["quick", "slow"]


def test_an_answer_that_takes_too_long_is_not_waited_for(place: Place, tmp_path: Path) -> None:
    import threading

    place.serve(route(made(tmp_path / "1")))
    place.house.standing("m").champion.one_s = 1.0
    place.answering = Answering(
        place.house, place.tallies, place.apart, lambda *_: None, limit_s=0.05
    )
    free = threading.Event()

    def hang(loaded: Loaded) -> Predictions:
        free.wait(5)
        return loaded.predictor.predict_one({"a": 1.0, "b": 0.0})

    with pytest.raises(Refused, match="no answer within") as caught:
        place.ask(work=hang)
    free.set()
    assert caught.value.status == 504


def test_a_champion_that_raises_is_told_without_a_traceback(place: Place, tmp_path: Path) -> None:
    place.serve(route(made(tmp_path / "1", limit=3)))
    with pytest.raises(Refused, match="version 1 of m has failed") as caught:
        place.ask(4.0)
    assert caught.value.status == 500
