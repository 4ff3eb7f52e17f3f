"""Probes answer over real HTTP, also while clients are slow, rude or gone."""

from __future__ import annotations

import http.client
import json
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator

import pytest

from reconciler.adapters import listening as listens
from reconciler.adapters import probes
from reconciler.adapters.listening import Server
from reconciler.adapters.probes import Answers, probing
from reconciler.errors import TransientError, UsageError


class Daemon:
    """What the probes tell of."""

    def __init__(self) -> None:
        self.dead: list[str] = []
        self.behind: list[str] = []

    def answers(self) -> Answers:
        return Answers(
            lifeless=lambda: self.dead,
            unready=lambda: self.behind,
            metrics=lambda accept: (f"text/{accept or 'plain'}", b"counted 1\n"),
        )


@pytest.fixture
def daemon() -> Daemon:
    return Daemon()


@pytest.fixture
def server(daemon: Daemon) -> Iterator[Server]:
    with probing(daemon.answers(), port=0) as server:
        yield server


def ask(
    server: Server, path: str, method: str = "GET", **headers: str
) -> tuple[int, http.client.HTTPMessage, bytes]:
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=10)
    connection.request(method, path, headers=headers)
    response = connection.getresponse()
    try:
        return response.status, response.headers, response.read()
    finally:
        connection.close()


def raw(server: Server, sent: bytes) -> bytes:
    with socket.create_connection(("127.0.0.1", server.port), timeout=10) as client:
        client.sendall(sent)
        client.shutdown(socket.SHUT_WR)
        return b"".join(iter(lambda: client.recv(65536), b""))


def test_a_daemon_that_does_well_is_alive_and_ready(server: Server) -> None:
    for path in ("/livez", "/readyz", "/readyz?verbose"):
        status, _, body = ask(server, path)
        assert (status, json.loads(body)) == (200, {"ok": True, "reasons": []})


def test_a_daemon_that_does_not_says_why(server: Server, daemon: Daemon) -> None:
    daemon.dead = ["worker-1 should have been heard of 9 s ago"]
    daemon.behind = ["the last sync was 700 s ago", "the remote is away"]

    status, _, body = ask(server, "/livez")
    assert (status, json.loads(body)["reasons"]) == (503, daemon.dead)
    status, _, body = ask(server, "/readyz")
    assert (status, json.loads(body)) == (503, {"ok": False, "reasons": daemon.behind})


def test_metrics_are_given_in_the_form_that_is_asked_for(server: Server) -> None:
    status, headers, body = ask(server, "/metrics", Accept="odd")
    assert (status, headers["Content-Type"], body) == (200, "text/odd", b"counted 1\n")


def test_a_head_is_the_answer_without_its_body(server: Server) -> None:
    _, whole, body = ask(server, "/metrics")
    status, headers, nothing = ask(server, "/metrics", "HEAD")
    assert (status, nothing) == (200, b"")
    assert headers["Content-Length"] == whole["Content-Length"] == str(len(body))


def test_other_paths_and_methods_are_refused(server: Server) -> None:
    status, _, body = ask(server, "/")
    assert status == 404
    assert b"/livez" in body
    for method in ("POST", "PUT", "PATCH", "DELETE", "OPTIONS"):
        status, headers, _ = ask(server, "/livez", method)
        assert (status, headers["Allow"]) == (405, "GET, HEAD")
    assert ask(server, "/livez", "BREW")[0] == 501


def test_nothing_tells_by_what_version_of_what_it_is_answered(server: Server) -> None:
    for path, method in (("/livez", "GET"), ("/none", "GET"), ("/livez", "BREW")):
        _, headers, body = ask(server, path, method)
        assert headers["Server"] == "reconciler"
        assert "python" not in f"{headers}{body!r}".lower()


@pytest.mark.parametrize(
    "garbage",
    [
        b"",
        b"\r\n",
        b"\x00\xff\xfe\r\n\r\n",
        b"GET\r\n\r\n",
        b"GET /livez HTTP/9.9\r\n\r\n",
        b"GET /livez HTTP/1.1\r\nno colon\r\n\r\n",
        b"GET /" + b"x" * 70_000,
        b"GET /livez HTTP/1.1\r\n" + b"a: b\r\n" * 200 + b"\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",  # how TLS begins
    ],
)
def test_garbage_stops_nothing(
    server: Server, garbage: bytes, capfd: pytest.CaptureFixture[str]
) -> None:
    answered = raw(server, garbage)
    assert b"Traceback" not in answered
    assert ask(server, "/livez")[0] == 200
    assert capfd.readouterr() == ("", "")


def test_clients_that_are_slow_are_cut_off_and_hold_up_nobody(
    daemon: Daemon, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(listens, "_LONGEST_S", 0.5)
    monkeypatch.setattr(listens.Handler, "timeout", 0.5)
    with probing(daemon.answers(), port=0) as server:
        slow = [socket.create_connection(("127.0.0.1", server.port)) for _ in range(100)]
        dripping = slow[-1]
        dripping.sendall(b"GET /livez HT")
        began = time.monotonic()
        assert ask(server, "/livez")[0] == 200
        assert time.monotonic() - began < 2
        assert _cut_off(dripping, within_s=2)
        for client in slow:
            client.close()
    assert capfd.readouterr() == ("", "")


def _cut_off(client: socket.socket, within_s: float) -> bool:
    """Return whether a client that goes on sending is cut off."""
    until = time.monotonic() + within_s
    while time.monotonic() < until:
        try:
            client.sendall(b"T")
        except OSError:
            return True
        time.sleep(0.05)
    return False


def test_it_starts_and_stops_within_a_second_and_leaves_no_thread(daemon: Daemon) -> None:
    before = threading.active_count()
    began = time.monotonic()
    with probing(daemon.answers(), port=0) as server:
        held = socket.create_connection(("127.0.0.1", server.port))
        assert ask(server, "/livez")[0] == 200
    assert time.monotonic() - began < 1
    with held:
        assert held.recv(1) == b"", "it does not wait for who is connected"
    until = time.monotonic() + 2
    while threading.active_count() > before and time.monotonic() < until:
        time.sleep(0.01)
    assert threading.active_count() == before
    with pytest.raises(ConnectionRefusedError):
        ask(server, "/livez")


def test_a_port_that_is_taken_is_named_with_the_option(daemon: Daemon, server: Server) -> None:
    with pytest.raises(TransientError) as caught, probing(daemon.answers(), port=server.port):
        pass
    assert str(server.port) in caught.value.message
    assert "taken" in caught.value.message
    assert "--probes-port" in caught.value.hint
    assert caught.value.reason == "PortTaken"


def test_where_nobody_chose_a_port_a_second_daemon_takes_a_free_one(
    daemon: Daemon, monkeypatch: pytest.MonkeyPatch
) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        monkeypatch.setattr(probes, "PORT", taken.getsockname()[1])
        with probing(daemon.answers()) as server:
            assert server.port != probes.PORT
            assert ask(server, "/livez")[0] == 200


@pytest.mark.parametrize("host", ["203.0.113.1", "no.such.host.invalid", "a" * 300])
def test_a_host_that_is_not_this_machine_is_refused(daemon: Daemon, host: str) -> None:
    with pytest.raises(UsageError, match="nothing can listen"), probing(daemon.answers(), host, 0):
        pass


@pytest.mark.skipif(not socket.has_ipv6, reason="this machine has no IPv6")
def test_it_listens_on_ipv6_where_that_is_asked_for(daemon: Daemon) -> None:
    try:
        with probing(daemon.answers(), "::1", 0) as server:
            connection = http.client.HTTPConnection("::1", server.port, timeout=5)
            connection.request("GET", "/livez")
            assert connection.getresponse().status == 200
            connection.close()
    except UsageError as error:
        pytest.skip(f"no IPv6 loopback here: {error}")


def test_it_is_reached_from_this_machine_alone_unless_asked_otherwise(server: Server) -> None:
    assert server.server_address[0] == "127.0.0.1"


def test_a_bug_in_what_is_told_ends_one_request_and_shows() -> None:
    code = """
import http.client
from reconciler.adapters.probes import Answers, probing
def broken(): raise KeyError("a bug of ours")
with probing(Answers(broken, list, lambda accept: ("text/plain", b"")), port=0) as server:
    for path, fine in (("/livez", False), ("/readyz", True)):
        connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=5)
        connection.request("GET", path)
        try:
            assert connection.getresponse().status == 200 and fine
        except http.client.HTTPException:
            assert not fine
"""
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False, timeout=60
    )
    assert done.returncode == 0, done.stderr
    assert "a bug of ours" in done.stderr
