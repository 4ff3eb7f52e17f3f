"""What answers gives way to what the records want, and stays where that cannot be had."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path

import pytest

from reconciler.serving.house import House
from reconciler.serving.loaded import Loaded, load
from reconciler.serving.refusal import Refused
from reconciler.serving.table import Entry, Route, Table, from_plain
from reconciler.serving.v2.metadata import index
from tests.serving.bundles import made, route


class Kept:
    """A house, and every entry that it has loaded."""

    def __init__(self) -> None:
        self.loads: list[int] = []
        self.house = House(self._load)

    async def _load(self, entry: Entry) -> Loaded:
        self.loads.append(entry.version)
        return load(entry)

    def follow(self, *routes: Route, again: frozenset[str] = frozenset()) -> None:
        table = Table("c1", {each.model: each for each in routes})
        asyncio.run(self.house.follow(table, again))

    def state(self) -> str:
        return str(self.house.status()["models"]["m"]["state"])


@pytest.fixture
def kept() -> Kept:
    return Kept()


def test_a_table_survives_the_way_to_a_worker(tmp_path: Path) -> None:
    one, two = Entry(1, "a.dir", "/x"), Entry(2, "b.dir", "/y")
    table = Table(
        "c", {"m": Route("m", one, two, 10, True, "now"), "n": Route("n", one)}, {"o": "gone"}
    )
    assert from_plain(table.plain()) == table


def test_what_is_in_memory_is_not_loaded_again(kept: Kept, tmp_path: Path) -> None:
    one, two = made(tmp_path / "1"), made(tmp_path / "2", 3.0, version=2)
    kept.follow(route(one))
    kept.follow(route(one, two, 10))
    kept.follow(route(two))
    assert kept.loads == [1, 2]
    assert kept.house.standing("m").champion.version == "2"
    assert kept.house.ready


def test_a_model_whose_bundle_is_nowhere_to_be_had_is_no_unknown_one(kept: Kept) -> None:
    asyncio.run(kept.house.follow(Table("c1", {}, {"m": "it is in no cache"})))
    with pytest.raises(Refused, match="m is not served yet: it is in no cache") as refused:
        kept.house.standing("m")
    assert (refused.value.status, refused.value.reason) == (503, "NotReady")
    listed = [{"name": "m", "state": "UNAVAILABLE", "reason": "it is in no cache"}]
    assert index(kept.house) == listed
    assert index(kept.house, ready=True) == []
    kept.follow()
    with pytest.raises(Refused, match="there is no model 'm'"):
        kept.house.standing("m")


def test_a_model_that_is_retired_answers_no_more(kept: Kept, tmp_path: Path) -> None:
    kept.follow(route(made(tmp_path / "1")))
    kept.follow()
    with pytest.raises(Refused, match="there is no model 'm'"):
        kept.house.standing("m")


def test_nothing_is_known_before_the_first_table(kept: Kept) -> None:
    with pytest.raises(Refused, match="not loaded yet") as caught:
        kept.house.standing("m")
    assert caught.value.status == 503
    assert not kept.house.ready


def test_a_flipped_byte_is_refused_and_the_former_version_stays(kept: Kept, tmp_path: Path) -> None:
    one, two = made(tmp_path / "1"), made(tmp_path / "2", version=2)
    kept.follow(route(one))
    model = tmp_path / "2" / "model.onnx"
    model.write_bytes(model.read_bytes()[:-1] + b"\0")
    kept.follow(route(two))
    assert kept.house.standing("m").champion.version == "1"
    assert kept.state() == "failed"
    assert kept.house.failures()["m"].reason == "BundleCorrupt"


def test_what_could_not_be_loaded_is_tried_again_with_the_next_table(
    kept: Kept, tmp_path: Path
) -> None:
    one = made(tmp_path / "1")
    whole = (tmp_path / "1" / "model.onnx").read_bytes()
    (tmp_path / "1" / "model.onnx").write_bytes(b"")
    kept.follow(route(one))
    with pytest.raises(Refused, match="cannot be served"):
        kept.house.standing("m")
    (tmp_path / "1" / "model.onnx").write_bytes(whole)
    kept.follow(route(one))
    assert kept.state() == "ready"


def test_a_version_with_other_answers_than_were_recorded_is_refused(
    kept: Kept, tmp_path: Path
) -> None:
    from tests.serving import bundles

    one = made(tmp_path / "1")
    examples = tmp_path / "1" / "examples.json"
    examples.write_text(examples.read_text().replace("2.5", "2.6"))
    bundles.seal(tmp_path / "1")
    kept.follow(route(one))
    assert kept.house.failures()["m"].reason == "WrongAnswer"
    assert "example 1" in kept.house.failures()["m"].message


def test_a_broken_challenger_leaves_the_champion_all_requests(kept: Kept, tmp_path: Path) -> None:
    one, two = made(tmp_path / "1"), made(tmp_path / "2", version=2)
    (tmp_path / "2" / "signature.json").write_text("{}")
    kept.follow(route(one, two, 50))
    standing = kept.house.standing("m")
    assert standing.champion.version == "1"
    assert standing.challenger is None
    assert kept.house.status()["models"]["m"]["failed"]["version"] == 2


def test_a_model_is_loaded_anew_from_disk_when_asked_to(kept: Kept, tmp_path: Path) -> None:
    one = made(tmp_path / "1")
    kept.follow(route(one))
    before = kept.house.standing("m").champion
    kept.follow(route(one), again=frozenset({"m"}))
    assert kept.loads == [1, 1]
    assert kept.house.standing("m").champion is not before


def test_a_breaker_that_has_tripped_stays_so_when_its_model_is_loaded_anew(
    kept: Kept, tmp_path: Path
) -> None:
    routed = route(made(tmp_path / "1"), made(tmp_path / "2", version=2), 10)
    kept.follow(routed)
    for _ in range(5):
        kept.house.standing("m").breaker.note(failed=True)
    kept.follow(routed, again=frozenset({"m"}))
    assert kept.loads == [1, 2, 1, 2]
    assert kept.house.standing("m").breaker.tripped
    kept.follow(replace(routed, since="2026-01-02T00:00:00+00:00"))
    assert not kept.house.standing("m").breaker.tripped


def test_who_asks_while_a_table_is_followed_waits_until_the_newest_one_is_served(
    tmp_path: Path,
) -> None:
    one, two = made(tmp_path / "1"), made(tmp_path / "2", version=2)

    async def go() -> str:
        async def slow(entry: Entry) -> Loaded:
            await asyncio.sleep(0.02)
            return load(entry)

        house = House(slow)
        first = asyncio.ensure_future(house.follow(Table("c1", {"m": route(one)})))
        await asyncio.sleep(0)
        await house.follow(Table("c2", {"m": route(two)}))
        found = house.standing("m").champion.version
        await first
        return found

    assert asyncio.run(go()) == "2"


def test_a_newer_table_takes_over_between_two_models(tmp_path: Path) -> None:
    one = made(tmp_path / "1")
    names = ("a", "b", "c")
    loaded: list[str] = []

    async def play() -> House:
        async def slowly(entry: Entry) -> Loaded:
            loaded.append(entry.folder)
            await asyncio.sleep(0.01)
            return load(entry)

        house = House(slowly)
        every = Table("old", {n: replace(route(one), model=n) for n in names})
        first = asyncio.ensure_future(house.follow(every))
        await asyncio.sleep(0.005)
        await house.follow(Table("new", {"c": every.routes["c"]}))
        await first
        return house

    house = asyncio.run(play())
    assert house.commit == "new"
    assert list(house.standings()) == ["c"]
    assert len(loaded) == 2
