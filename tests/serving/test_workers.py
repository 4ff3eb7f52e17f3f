"""Several workers of one server: they share the load, add up, and replace one another."""

from __future__ import annotations

import http.client
import json
import os
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from reconciler.serving.table import Entry, Route, Table
from tests.serving.bundles import made, route
from tests.serving.crews import Running, crew, until

BODY = json.dumps({"a": 1.0, "b": 0.5})
RIGHT = 2.5


@dataclass
class Seen:
    """What clients have been answered."""

    right: int = 0
    wrong: list[object] = field(default_factory=list)
    cut: int = 0
    """Connections that ended without an answer."""


class Client:
    """Asks on one connection, and on another where that one ends."""

    def __init__(self, port: int, seen: Seen) -> None:
        self._port, self._seen = port, seen
        self._line = http.client.HTTPConnection("127.0.0.1", port, timeout=20)

    def ask(self) -> None:
        """Ask once."""
        try:
            self._line.request("POST", "/predict/m", BODY, {"content-type": "application/json"})
            answer = self._line.getresponse()
            found = json.loads(answer.read())
        except (OSError, http.client.HTTPException):
            self._line.close()
            self._seen.cut += 1
            return
        value = found.get("predictions", [{}])[0].get("prediction")
        if answer.status == 200 and value == RIGHT:
            self._seen.right += 1
        else:
            self._seen.wrong.append((answer.status, found))

    def close(self) -> None:
        self._line.close()


@contextmanager
def asking(port: int, count: int) -> Iterator[Seen]:
    """Have clients ask without a pause for the length of the block."""
    seen, ended = Seen(), threading.Event()

    def ask() -> None:
        client = Client(port, seen)
        while not ended.is_set():
            client.ask()
        client.close()

    threads = [threading.Thread(target=ask) for _ in range(count)]
    for thread in threads:
        thread.start()
    try:
        yield seen
    finally:
        ended.set()
        for thread in threads:
            thread.join()


@pytest.fixture(scope="module")
def two(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    with crew(2) as found:
        found.serve(route(made(tmp_path_factory.mktemp("m") / "1")))
        yield found


def test_clients_are_shared_out_and_counts_add_up(two: Running) -> None:
    before, seen = two.requests(), Seen()
    clients = [Client(two.port, seen) for _ in range(8)]
    together = threading.Barrier(8)

    def ask(client: Client) -> None:
        together.wait()
        for _ in range(20):
            client.ask()

    threads = [threading.Thread(target=ask, args=(client,)) for client in clients]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    until(lambda: two.requests() - before == 160)
    assert (seen.right, seen.wrong, seen.cut) == (160, [], 0)
    until(lambda: sum(worker.connections for worker in two.crew.workers()) == 8)
    assert all(worker.connections >= 2 for worker in two.crew.workers())
    for client in clients:
        client.close()


def test_a_killed_worker_is_replaced_and_no_answer_is_wrong(two: Running) -> None:
    with asking(two.port, 4) as seen:
        until(lambda: seen.right > 50)
        killed = two.crew.workers()[0].pid
        os.kill(killed, signal.SIGKILL)
        until(lambda: _workers(two, killed))
        done = seen.right
        until(lambda: seen.right > done + 50)
    assert two.lost == [killed]
    assert seen.wrong == []
    assert seen.cut <= 4, "more was cut than was under way"
    until(lambda: two.requests() > done)  # of the killed one too


def _workers(running: Running, killed: int) -> bool:
    pids = [worker.pid for worker in running.crew.workers()]
    ready = [house.get("ready") for house in running.crew.loaded()]
    return killed not in pids and ready == [True, True]


@pytest.mark.slow
def test_while_the_only_worker_is_replaced_requests_wait_and_none_is_refused(
    tmp_path: Path,
) -> None:
    with crew() as one:
        one.serve(route(made(tmp_path / "1")))
        with asking(one.port, 4) as seen:
            until(lambda: seen.right > 50)
            os.kill(one.crew.workers()[0].pid, signal.SIGKILL)
            done = seen.right
            until(lambda: seen.right > done + 50)
    assert seen.wrong == []
    assert seen.cut <= 4 * 2, "more was cut than was under way, or waited just then"


def many(folder: Path, count: int) -> Table:
    """Return a table longer than what a socket holds; its models are not there."""
    gone = Entry(1, "0" * 32 + ".dir", str(folder / "gone" / ("x" * 250)))
    return Table("c2", {f"m{n}": Route(f"m{n}", gone) for n in range(count)})


@pytest.mark.slow
def test_a_table_of_many_models_reaches_the_workers_that_come_later_too(tmp_path: Path) -> None:
    with crew() as one:
        one.crew.serve(many(tmp_path, 1500))
        until(lambda: _commit(one) == "c2", 30)
        os.kill(one.crew.workers()[0].pid, signal.SIGKILL)
        until(lambda: one.lost != [])
        until(lambda: _commit(one) == "c2", 30)
        assert len(one.crew.loaded()[0]["models"]) == 1500


def _commit(running: Running) -> object:
    houses = running.crew.loaded()
    return houses[0].get("commit") if houses else None


@pytest.mark.slow
def test_a_worker_that_takes_nothing_in_holds_up_no_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("reconciler.serving.crew._DEAF_S", 1)
    with crew(2) as two:
        two.serve(route(made(tmp_path / "1")))
        deaf = two.crew.workers()[0].pid
        os.kill(deaf, signal.SIGSTOP)
        two.crew.serve(many(tmp_path, 1500))
        until(lambda: two.lost == [deaf], 30)
        until(_all_at(two, "c2"), 30)


def _all_at(running: Running, commit: str) -> Callable[[], bool]:
    def claim() -> bool:
        houses = running.crew.loaded()
        return len(houses) == 2 and all(house.get("commit") == commit for house in houses)

    return claim
