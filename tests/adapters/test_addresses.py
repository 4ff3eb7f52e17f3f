"""Servers of a state folder are found wherever they listen, while they run."""

from __future__ import annotations

from pathlib import Path

import pytest

from reconciler.adapters.addresses import Addresses
from reconciler.adapters.binding import listening_socket, reached
from reconciler.adapters.targets import VARIABLE, open_servers
from reconciler.serving.succession import place, succeed

USUAL = "http://127.0.0.1:8080"


def test_a_server_is_found_while_it_runs_and_looked_for_there_when_it_is_away(
    tmp_path: Path,
) -> None:
    addresses = Addresses(tmp_path, [USUAL])
    assert addresses() == (USUAL,)
    with listening_socket("127.0.0.1", 0, "--port") as listen:
        server = succeed(place(tmp_path, listen), address := reached(listen))
        assert server is not None
        assert addresses() == (address,)
        server.close()
    assert addresses() == (address,)
    assert Addresses(tmp_path, [USUAL])() == (USUAL,)


def test_who_comes_second_on_a_socket_takes_nothing_from_the_first(tmp_path: Path) -> None:
    with listening_socket("127.0.0.1", 0, "--port") as listen:
        lock = place(tmp_path, listen)
        with succeed(lock, "http://127.0.0.1:1") as first:  # type: ignore[union-attr]
            assert first is not None
            assert succeed(lock, "http://127.0.0.1:2") is None
            assert Addresses(tmp_path, [])() == ("http://127.0.0.1:1",)


def test_a_server_at_every_address_is_asked_on_loopback() -> None:
    with listening_socket("0.0.0.0", 0, "--port") as listen:
        assert reached(listen, "https") == f"https://127.0.0.1:{listen.getsockname()[1]}"


@pytest.mark.parametrize("named", ["settings", "variable", "nothing"])
def test_servers_that_are_named_come_before_those_that_are_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, named: str
) -> None:
    monkeypatch.delenv(VARIABLE, raising=False)
    other = "http://127.0.0.1:1"
    with listening_socket("127.0.0.1", 0, "--port") as listen:
        found = reached(listen)
        with succeed(place(tmp_path, listen), found):  # type: ignore[union-attr]
            listen.close()
            if named == "variable":
                monkeypatch.setenv(VARIABLE, other)
            settings = {"endpoints": [other]} if named == "settings" else {}
            (report,) = open_servers(settings, tmp_path).look()
    assert report.endpoint == (found if named == "nothing" else other)
