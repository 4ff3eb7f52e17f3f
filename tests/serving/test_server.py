"""The server follows the records whatever comes between: real workers, records that a test sets."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest

from reconciler.adapters.snapshot import Snapshot
from reconciler.core import record as records
from reconciler.core.record import Outcome, Pointer, Record, Version
from reconciler.errors import TerminalError, TransientError
from reconciler.serving import bringing
from reconciler.serving import server as module
from reconciler.serving.bringing import Bringing
from reconciler.serving.server import Server
from reconciler.serving.stock import ABSENT, Stock
from tests.serving import bundles
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
        self.away: set[str] = set()
        """Digests of bundles that only the remote has."""
        self.answers = threading.Event()
        """Whether the remote does."""
        self.told: list[tuple[str, str]] = []

    def release(self, model: str, number: int) -> str:
        """Make a new version the champion, and return its bundle's digest."""
        factor = float(10 * ord(model) + number)  # so that no two bundles are alike
        entry = bundles.made(self._place / f"{model}-{number}", factor, version=number)
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

    def back(self, model: str, number: int) -> None:
        """Make an earlier version the champion again."""
        after = records.promote(self._known[model], number, "0" * 40)
        self._known = {**self._known, model: after}
        self._commits += 1

    def read(self) -> Snapshot:
        if self.read_fails is not None:
            raise self.read_fails
        return Snapshot(f"c{self._commits}", self._known)

    def fetch(self, version: Version, _: Callable[[str], None]) -> Path:
        assert version.bundle is not None
        if (error := self.fetch_fails.get(version.bundle.md5)) is not None:
            raise error
        if version.bundle.md5 in self.away:
            raise TerminalError("it is in no cache", reason=ABSENT)
        return self._place / f"{version.fingerprint[:-1]}-{version.number}"

    def bring(self, digests: Sequence[str], back: threading.Event) -> None:
        while not self.answers.wait(0.01):
            if back.is_set():
                raise TransientError("called back", reason="Stopped")
        self.away -= set(digests)


@pytest.fixture
def shelf(tmp_path: Path) -> Shelf:
    return Shelf(tmp_path)


@contextmanager
def following(shelf: Shelf) -> Iterator[Server]:
    """Have real workers serve what is on the shelf."""
    with crew() as running:
        made = Server(
            shelf,
            Stock(shelf.fetch, Bringing(shelf.bring, lambda: made.wake())),
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
        time.sleep(0.2)  # it is tried again meanwhile
        shelf.read_fails = None  # and nobody wakes the server
        assert until(lambda: version(server, "m") == 2) < 5.0
        until(lambda: server.status()["behind"] == "")
        assert [reason for reason, _ in shelf.told] == ["InternalError"]


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


def test_a_bundle_that_hangs_on_its_remote_holds_up_no_other_model(
    shelf: Shelf, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bringing, "OVERDUE_S", 0.5)
    shelf.release("m", 1)
    shelf.release("n", 1)
    with following(shelf) as server:
        until(lambda: version(server, "m") == version(server, "n") == 1)
        shelf.away.add(shelf.release("m", 2))
        server.wake()
        until(lambda: server.status()["models"]["m"]["state"] == "loading")
        shelf.release("n", 2)
        server.wake()
        assert until(lambda: version(server, "n") == 2) < 2.0
        shelf.back("n", 1)
        server.wake()
        assert until(lambda: version(server, "n") == 1) < 2.0

        until(lambda: any(reason == "FetchOverdue" for reason, _ in shelf.told))
        found = server.status()["models"]["m"]
        assert found["detail"].startswith("version 2 is being fetched (since 20")
        assert found["detail"].endswith("; overdue)")
        assert (version(server, "m"), found["failed"]) == (1, None)
        shelf.answers.set()
        until(lambda: version(server, "m") == 2)
        assert server.status()["models"]["m"]["state"] == "ready"
        assert [reason for reason, _ in shelf.told] == ["FetchOverdue"]


def test_a_withdrawal_does_not_wait_for_what_it_takes_back(shelf: Shelf) -> None:
    shelf.release("m", 1)
    with following(shelf) as server:
        until(lambda: version(server, "m") == 1)
        shelf.away.add(shelf.release("m", 2))
        server.wake()
        until(lambda: server.status()["models"]["m"]["state"] == "loading")
        shelf.back("m", 1)
        server.wake()
        assert until(lambda: server.status()["models"]["m"]["state"] == "ready") < 2.0
        assert shelf.told == []


def test_a_server_is_ready_with_all_that_can_be_had_and_waits_for_nothing_overdue(
    shelf: Shelf, monkeypatch: pytest.MonkeyPatch
) -> None:
    shelf.release("m", 1)
    shelf.away.add(shelf.release("n", 1))
    with following(shelf) as server:
        until(lambda: server.status()["models"].get("m", {}).get("state") == "ready")
        assert not server.status()["ready"]
        assert server.status()["models"]["n"]["state"] == "loading"
        monkeypatch.setattr(bringing, "OVERDUE_S", 0.0)
        server.wake()
        until(lambda: server.status()["ready"])
        assert version(server, "n") is None


def test_whoever_has_a_model_loaded_anew_waits_for_what_is_fetched(shelf: Shelf) -> None:
    shelf.release("m", 1)
    with following(shelf) as server:
        until(lambda: version(server, "m") == 1)
        shelf.away.add(shelf.release("m", 2))
        threading.Timer(0.3, shelf.answers.set).start()
        done = server.reload("m")
        assert done is not None
        assert (done["done"], done["state"], done["champion"]["version"]) == (True, "ready", 2)


def test_what_the_remote_lacks_is_told_and_served_once_it_is_there(shelf: Shelf) -> None:
    shelf.release("m", 1)
    with following(shelf) as server:
        until(lambda: version(server, "m") == 1)
        digest = shelf.release("m", 2)
        shelf.fetch_fails[digest] = TerminalError("it is in no cache", reason=ABSENT)
        shelf.answers.set()
        server.wake()
        until(lambda: server.status()["models"]["m"]["state"] == "failed")
        assert shelf.told == [(ABSENT, "m: it is in no cache")]
        del shelf.fetch_fails[digest]
        server.wake()
        until(lambda: version(server, "m") == 2)


def test_clients_are_told_why_nothing_is_served_and_no_path_of_ours(shelf: Shelf) -> None:
    where = "/srv/models/.dvc/cache"
    shelf.fetch_fails[shelf.release("m", 1)] = TerminalError(f"not in {where}", reason="Gone")
    snapshot = Snapshot("c", shelf.read().records, {"n": f"{where} cannot be parsed"})
    stock = Stock(shelf.fetch, Bringing(shelf.bring, lambda: None))
    assert stock.table(snapshot).lacking == {"m": "version 1: Gone", "n": "RecordCorrupt"}
    assert all(where in trouble.message for trouble in stock.troubles.values())
