"""Servers of a state folder are found wherever they listen, while they run."""

from __future__ import annotations

from pathlib import Path

import pytest

from reconciler.adapters.addresses import Addresses, Neighbour
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


@pytest.mark.parametrize(
    ("address", "endpoint", "meant"),
    [
        (USUAL, "http://127.0.0.1:8080/", True),
        (USUAL, "http://localhost:8080", True),
        (USUAL, "HTTP://LocalHost.:8080", True),
        ("http://[::1]:8080", "http://localhost:8080", True),
        ("http://[::1]:8080", "http://[0:0:0:0:0:0:0:1]:8080", True),
        ("https://127.0.0.1:443", "https://localhost", True),
        (USUAL, "http://[::1]:8080", False),
        (USUAL, "http://localhost:8081", False),
        (USUAL, "http://localhost", False),
        (USUAL, "https://localhost:8080", False),
        (USUAL, "http://localhost:8080/below", False),
        (USUAL, "http://localhost.example.org:8080", False),
        (USUAL, "http://ann@localhost:8080", False),
        (USUAL, "http://127.0.0.2:8080", False),
        (USUAL, "http://localhost:no", False),
        ("http://10.0.0.7:8080", "http://10.0.0.7:8080", True),
        ("http://10.0.0.7:8080", "http://localhost:8080", False),
        ("odd:no", "odd:no", True),
    ],
)
def test_an_endpoint_means_the_server_here_whose_address_it_is(
    address: str, endpoint: str, meant: bool
) -> None:
    assert Neighbour(address).meant(endpoint) == meant
