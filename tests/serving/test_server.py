"""The server follows the records whatever comes between: real workers, records that a test sets."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from reconciler.adapters.snapshot import Snapshot
from reconciler.core import record as records
from reconciler.core.record import Outcome, Pointer, Record, Version
from reconciler.serving import server as module
from reconciler.serving.server import Server
from reconciler.serving.stock import Stock
from tests.serving.bundles import made
from tests.serving.crews import crew, until
from tests.serving.shelf import NOW


class Shelf:
    """Records that a test sets, and bundles that it makes; what goes wrong, it sets too."""

    def __init__(self, place: Path) -> None:
        self._place = place
        self._known: dict[str, Record] = {}
        self._commits = 0
        self.read_fails: Exception | None = None
        self.fetch_fails: dict[str, Exception] = {}
        """By digest."""
        self.told: list[tuple[str, str]] = []

    def release(self, model: str, number: int) -> str:
        """Make a new version the champion, and return its bundle's digest."""
        factor = float(ord(model) + number)  # so that no two bundles are alike
        entry = made(self._place / f"{model}-{number}", factor, version=number)
        version = Version(
            number=number, outcome=Outcome.RELEASED, fingerprint=f"{model}{number}",
            revision="0" * 40, created=NOW,
            bundle=Pointer(md5=entry.digest, size=1, nfiles=1),
        )  # fmt: skip
        before = self._known.get(model) or records.empty(model)
        before = before.model_copy(update={"next_version": number})
        after = records.promote(records.with_version(before, version), number, "0" * 40)
        self._known = {**self._known, model: after}
        self._commits += 1
        return entry.digest

    def read(self) -> Snapshot:
        if self.read_fails is not None:
            raise self.read_fails
        return Snapshot(f"c{self._commits}", self._known)

    def fetch(self, version: Version, _: Callable[[str], None]) -> Path:
        assert version.bundle is not None
        if (error := self.fetch_fails.get(version.bundle.md5)) is not None:
            raise error
        return self._place / f"{version.fingerprint[:-1]}-{version.number}"


@pytest.fixture
def shelf(tmp_path: Path) -> Shelf:
    return Shelf(tmp_path)


@contextmanager
def following(shelf: Shelf) -> Iterator[Server]:
    """Have real workers serve what is on the shelf."""
    with crew() as running:
        made = Server(
            shelf,
            Stock(shelf.fetch),
            running.crew,
            lambda reason, message: shelf.told.append((reason, message)),
            lambda _answering, _models: None,
            interval_s=60.0,
        )
        made.start()
        try:
            yield made
        finally:
            made.end()


def version(server: Server, model: str) -> int | None:
    champion = (server.status()["models"].get(model) or {}).get("champion")
    return champion["version"] if champion else None


def test_a_bug_on_the_way_to_the_records_is_told_and_they_are_followed_again(
    shelf: Shelf, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_PAUSE_S", 0.05)
    shelf.release("m", 1)
    with following(shelf) as server:
        until(lambda: version(server, "m") == 1)
        assert server.status()["behind"] == ""
        shelf.read_fails = KeyError("odd")
        server.wake()
        until(lambda: server.status()["behind"] != "")
        assert "bug of reconciler: KeyError: 'odd' (server.py:" in server.status()["behind"]
        shelf.release("m", 2)
        until(lambda: len(shelf.told) == 1)  # however often it is tried again
        assert shelf.told[0][0] == "InternalError"
        shelf.read_fails = None  # and nobody wakes the server
        assert until(lambda: version(server, "m") == 2) < 5.0
        assert server.status()["behind"] == ""


def test_a_bug_over_one_model_stops_no_other(shelf: Shelf) -> None:
    shelf.release("m", 1)
    shelf.release("n", 1)
    with following(shelf) as server:
        until(lambda: version(server, "m") == version(server, "n") == 1)
        shelf.fetch_fails[shelf.release("m", 2)] = RecursionError("too deep")
        shelf.release("n", 2)
        server.wake()
        until(lambda: version(server, "n") == 2)
        found = server.status()["models"]["m"]
        assert (found["champion"]["version"], found["failed"]["reason"]) == (1, "InternalError")
        assert "RecursionError: too deep" in found["detail"]
