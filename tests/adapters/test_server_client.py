"""The port to the servers: the real ones over HTTP and the stand-in keep the same promises."""

from __future__ import annotations

import json
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from reconciler.adapters import server_client
from reconciler.adapters.server_client import ServerClient
from reconciler.adapters.targets.local import LocalTarget
from reconciler.bundle.golden import Examples
from reconciler.core.target_plan import Fault
from reconciler.errors import TransientError
from reconciler.ports.servers import BARRED, BUSY, DENIED, DOWN, FOREIGN, REFUSED, State, Tended
from tests.serving.fake import FakeServer, FakeServers
from tests.serving.running import serving
from tests.serving.shelf import Shelf

GONE = "http://127.0.0.1:9"


@pytest.fixture(scope="module")
def real(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Tended, str]]:
    shelf = Shelf(tmp_path_factory.mktemp("real") / "repo")
    shelf.release(shelf.version(1, 2.0))
    with serving(shelf.root) as running:
        running.until(1)
        endpoint = f"http://127.0.0.1:{running.port}"
        yield ServerClient([endpoint, GONE]), endpoint


@pytest.fixture(scope="module")
def fake() -> tuple[Tended, str]:
    up, down = FakeServer(), FakeServer(down=True)
    up.release("m", 1, "d", lambda row: 2.0 * row["a"] + (row["b"] or 0.0))
    servers = FakeServers()
    servers.servers = {"http://up": up, GONE: down}
    return servers, "http://up"


@pytest.fixture(params=[pytest.param("real", marks=pytest.mark.slow), "fake"])
def port(request: pytest.FixtureRequest) -> tuple[Tended, str]:
    found: tuple[Tended, str] = request.getfixturevalue(request.param)
    return found


def test_each_endpoint_is_told_of_in_order_and_one_that_is_away_says_why(
    port: tuple[Tended, str],
) -> None:
    servers, endpoint = port
    up, away = servers.look()
    assert (up.endpoint, up.away, up.ready) == (endpoint, "", True)
    assert up.commit
    assert list(up.models) == ["m"]
    assert up.models["m"].state is State.READY
    assert up.models["m"].champion is not None
    assert up.models["m"].champion.version == 1
    assert (away.endpoint, away.ready, away.models) == (GONE, False, {})
    assert away.away == f"no server answers at {GONE}"


def test_rows_are_answered_in_order_by_a_version_that_is_named(port: tuple[Tended, str]) -> None:
    servers, endpoint = port
    answer = servers.predict(endpoint, "m", [{"a": 1.0, "b": 0.5}, {"a": 2.0, "b": 1.0}])
    assert (answer.version, answer.values, answer.probabilities) == ("1", (2.5, 5.0), None)


def test_a_model_is_loaded_anew_and_is_there_at_the_next_look(port: tuple[Tended, str]) -> None:
    servers, endpoint = port
    digest = servers.look()[0].models["m"].champion
    assert digest is not None
    servers.reload(endpoint, "m")
    servers.reload(endpoint, "m", unless=digest.digest)
    assert servers.look()[0].models["m"].champion == digest


def test_what_there_is_not_is_refused_and_who_is_away_is_down(port: tuple[Tended, str]) -> None:
    servers, endpoint = port
    asks: list[Callable[[], object]] = [
        lambda: servers.reload(endpoint, "nothing"),
        lambda: servers.predict(endpoint, "nothing", [{"a": 1.0}]),
        lambda: servers.reload(GONE, "m"),
        lambda: servers.predict(GONE, "m", [{"a": 1.0}]),
    ]
    reasons = []
    for ask in asks:
        with pytest.raises(TransientError) as caught:
            ask()
        reasons.append(caught.value.reason)
    assert reasons == [REFUSED, REFUSED, DOWN, DOWN]


class Odd(ThreadingHTTPServer):
    """Answers everything with one status and one body, and notes what it was sent."""

    daemon_threads = True

    def __init__(self, status: int, content: bytes) -> None:
        self.said, self.heard = (status, content), list[dict[str, Any]]()
        super().__init__(("127.0.0.1", 0), Told)

    @property
    def endpoint(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"


class Told(BaseHTTPRequestHandler):
    """One request of it."""

    def do_GET(self) -> None:
        assert isinstance(self.server, Odd)
        status, content = self.server.said
        size = int(self.headers.get("content-length") or 0)
        heard = {"path": self.path, "body": self.rfile.read(size), "headers": dict(self.headers)}
        self.server.heard.append(heard)
        self.send_response(status)
        self.send_header("content-length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    do_POST = do_GET  # noqa: N815  as the base class has it

    def log_message(self, *_: object) -> None:
        pass


@contextmanager
def odd(status: int, content: bytes = b"{}") -> Iterator[Odd]:
    server = Odd(status, content)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()
        thread.join(5)


@pytest.mark.parametrize(
    ("status", "content", "words", "reason"),
    [
        (200, b"hello", "no server of ours", FOREIGN),
        (200, b"[]", "no server of ours", FOREIGN),
        (200, b'{"commit": null, "ready": true, "models": {"m": 1}}', "no server of ours", FOREIGN),
        (
            200,
            b'{"commit": 1, "ready": 1, "models": {"m": {"state": "odd"}}}',
            "no server of ours",
            FOREIGN,
        ),
        (401, b'{"error": "a token, please"}', "token_env", DENIED),
        (500, b'{"error": "it broke"}', "status 500: it broke", REFUSED),
    ],
)
def test_whoever_does_not_speak_as_our_servers_do_is_away(
    status: int, content: bytes, words: str, reason: str
) -> None:
    with odd(status, content) as server:
        (report,) = ServerClient([server.endpoint]).look()
    assert words in report.away
    assert report.models == {}
    assert report.why == reason


@pytest.mark.parametrize(
    ("status", "said", "reason", "words"),
    [
        (401, b'{"error": "there is no such token", "reason": "Unauthorized"}', DENIED,
         "does not take the token whose variable `targets.local.token_env` of params.yaml names: "
         "there is no such token"),
        (403, b'{"error": "this needs admin", "reason": "WrongScope"}', DENIED, "needs admin"),
        (401, b"go away", DENIED, "without a word"),
        (403, b'{"error": "Host is not this server", "reason": "ForeignHost"}', BARRED,
         "does not go by that name: start it with `--allow-host 127.0.0.1`"),
        (403, b"[]", BARRED, "without a word; it, or a proxy before it, has to let"),
        (429, b'{"error": "too many", "reason": "RateLimited"}', BUSY, "too many; it is asked ag"),
        (503, b"", BUSY, "status 503: without a word; it is asked again later"),
        (302, b"", BARRED, "status 302: without a word; wanted the address of the server itself"),
        (500, b'{"error": "a mistake"}', REFUSED, "status 500: a mistake; its log says more"),
        (404, b'{"error": "no such", "reason": "NoSuchModel"}', REFUSED, "status 404: no such"),
        (404, b"<html>", FOREIGN, "another program answers at "),
        (405, b"", FOREIGN, "no server of ours"),
    ],
)  # fmt: skip
def test_a_token_that_is_not_taken_is_told_from_other_refusals(
    status: int, said: bytes, reason: str, words: str
) -> None:
    with odd(status, said) as server:
        client = ServerClient([server.endpoint], "s3cret")
        (report,) = client.look()
        with pytest.raises(TransientError) as caught:
            client.predict(server.endpoint, "m", [{"a": 1.0}])
    assert (caught.value.reason, report.why) == (reason, reason)
    assert words in report.away


@pytest.mark.parametrize(
    ("status", "content", "reason"),
    [(503, b"", BUSY), (429, b"", BUSY), (400, b"", REFUSED), (200, b"{}", REFUSED),
     (200, b'{"version": 1, "predictions": [1]}', REFUSED)],
)  # fmt: skip
def test_predictions_that_are_none_say_whether_to_ask_again(
    status: int, content: bytes, reason: str
) -> None:
    with odd(status, content) as server, pytest.raises(TransientError) as caught:
        ServerClient([server.endpoint]).predict(server.endpoint, "m", [{"a": 1.0}])
    assert caught.value.reason == reason


def test_a_token_is_sent_to_the_servers_and_told_to_nobody() -> None:
    with odd(401, b'{"error": "no"}') as server:
        client = ServerClient([server.endpoint], "s3cret")
        (report,) = client.look()
        with pytest.raises(TransientError) as caught:
            client.reload(server.endpoint, "m")
    assert {heard["headers"]["Authorization"] for heard in server.heard} == {"Bearer s3cret"}
    assert "s3cret" not in f"{report} {caught.value} {client!r}"


def test_probes_say_that_they_are_some_and_send_null_for_what_is_no_number() -> None:
    answered = {"prediction": "b", "probabilities": {"a": 0.25, "b": 0.75}}
    with odd(200, json.dumps({"version": "3", "predictions": [answered]}).encode()) as server:
        client = ServerClient([f"{server.endpoint}/below"])
        answer = client.predict(f"{server.endpoint}/below", "a b", [{"x": float("nan"), "y": "é"}])
    assert (answer.version, answer.values, answer.probabilities) == ("3", ("b",), ((0.25, 0.75),))
    (heard,) = server.heard
    assert heard["path"] == "/below/predict/a%20b"
    assert json.loads(heard["body"]) == [{"x": None, "y": "é"}]
    assert heard["headers"]["X-Reconciler-Probe"] == "1"


def test_one_look_serves_all_who_ask_at_once_and_a_reload_makes_it_old() -> None:
    status = b'{"commit": null, "ready": true, "models": {}, "boots": {}}'
    with odd(200, status) as server:
        client = ServerClient([server.endpoint])
        threads = [threading.Thread(target=client.look) for _ in range(20)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(5)
        assert [heard["path"] for heard in server.heard] == ["/status"]
        client.reload(server.endpoint, "m")
        client.look()
    assert [heard["path"] for heard in server.heard[1:]] == ["/admin/reload/m", "/status"]


def test_a_server_that_hangs_holds_nobody_up_for_long(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server_client, "_ANSWER_S", 0.2)
    with socket.create_server(("127.0.0.1", 0)) as listening:
        client = ServerClient([f"http://127.0.0.1:{listening.getsockname()[1]}"])
        began = time.monotonic()
        (report,) = client.look()
        assert "in time" in report.away
        assert client.look() == (report,)
        assert time.monotonic() - began < 2


def test_a_look_that_took_long_is_not_believed_for_long() -> None:
    times = iter([0.0, 2.0, 2.0, 4.9, 5.1, 5.1, 5.1])
    status = b'{"commit": null, "ready": true, "models": {}, "boots": {}}'
    with odd(200, status) as server:
        client = ServerClient([server.endpoint], clock=lambda: next(times))
        for _ in range(3):
            client.look()
    assert len(server.heard) == 2


def test_a_server_that_says_it_serves_another_bundle_is_told_to_load_and_then_is_not_believed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(server_client, "_FRESH_S", 0.0)
    monkeypatch.setattr(server_client, "_FRESH_TIMES", 0.0)

    def status(digest: str) -> bytes:
        champion = {"version": 3, "digest": digest}
        model = {"state": "ready", "champion": champion, "challenger": None}
        answer = {"version": "3", "predictions": [{"prediction": 5.0}]}
        plain = {"commit": "c", "ready": True, "models": {"m": model}, "boots": {}, **answer}
        return json.dumps(plain).encode()

    examples = Examples(({"a": 1.0},), (2.0,), None)
    with odd(200, status("old.dir")) as server:
        target = LocalTarget(ServerClient([server.endpoint]), lambda _: examples)
        assert target.observe("m", "old.dir").fault is Fault.WRONG_ANSWER
        server.said = 200, status("new.dir")
        assert target.observe("m", "old.dir").digest == "new.dir"
        target.mend("m", "old.dir")
        asked = [heard["path"] for heard in server.heard]
    assert "/admin/reload/m?unless=old.dir" in asked
    assert "/predict/m" in asked


@pytest.mark.parametrize(
    ("said", "reason", "words"),
    [
        (b"SSH-2.0-OpenSSH_9.6\r\n", FOREIGN, "another program answers"),
        (b"", DOWN, "ends the connection before it answers; if it speaks TLS"),
    ],
)
def test_who_speaks_no_http_is_told_from_who_hangs_up(said: bytes, reason: str, words: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def answer() -> None:
            line, _ = listening.accept()
            with line:
                line.recv(1 << 16)
                line.sendall(said)

        thread = threading.Thread(target=answer)
        thread.start()
        (report,) = ServerClient([f"http://127.0.0.1:{listening.getsockname()[1]}"]).look()
        thread.join(5)
    assert report.why == reason
    assert words in report.away


def test_nothing_is_asked_where_no_endpoint_is_named() -> None:
    assert ServerClient([]).look() == ()
