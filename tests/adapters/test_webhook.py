"""The webhook, over real connections: what wakes, what is refused, and what nobody can hold up."""

from __future__ import annotations

import contextlib
import hashlib
import hmac
import http.client
import itertools
import json
import socket
import threading
import time
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor

import pytest

from reconciler.adapters import listening, webhook
from reconciler.adapters.webhook import receiving
from reconciler.errors import TransientError, UsageError

SECRET = b"it is a secret to everybody"
BODY = json.dumps({"ref": "refs/heads/main"}).encode()


class Hook:
    """A receiver, and how often it has woken."""

    def __init__(self) -> None:
        self.port = 0
        self.wakes: list[float] = []

    def post(
        self, headers: Mapping[str, str], body: bytes = BODY, path: str = "/", method: str = "POST"
    ) -> tuple[int, str]:
        """Post as a forge does and return what is answered, head and body."""
        caller = http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)
        try:
            caller.request(method, path, body, dict(headers))
            answer = caller.getresponse()
            text = answer.read().decode()
            return answer.status, f"{answer.headers}{text}"
        finally:
            caller.close()

    def raw(self, text: bytes) -> bytes:
        """Send bytes, then nothing more, and return all that is answered."""
        with socket.create_connection(("127.0.0.1", self.port), timeout=10) as line:
            line.sendall(text)
            line.shutdown(socket.SHUT_WR)
            return b"".join(iter(lambda: line.recv(4096), b""))


@contextlib.contextmanager
def hooked() -> Iterator[Hook]:
    hook = Hook()
    with receiving(0, lambda: hook.wakes.append(time.monotonic()), SECRET) as server:
        hook.port = server.port
        yield hook


@pytest.fixture
def hook() -> Iterator[Hook]:
    with hooked() as made:
        yield made


def signed(body: bytes = BODY, secret: bytes = SECRET) -> dict[str, str]:
    digest = hmac.new(secret, body, hashlib.sha256).hexdigest()
    return {"X-Hub-Signature-256": f"sha256={digest}"}


def head(headers: Mapping[str, object]) -> bytes:
    lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    return f"POST / HTTP/1.1\r\nHost: a\r\n{lines}\r\n".encode()


@pytest.mark.parametrize("path", ["/", "/webhook", "/webhook?source=forge"])
def test_a_signed_post_wakes(hook: Hook, path: str) -> None:
    assert hook.post(signed(), path=path)[0] == 200
    assert len(hook.wakes) == 1


def test_a_post_with_the_token_wakes(hook: Hook) -> None:
    assert hook.post({"X-Gitlab-Token": SECRET.decode()})[0] == 200
    assert len(hook.wakes) == 1


def test_a_ping_is_answered_and_wakes_nobody(hook: Hook) -> None:
    assert hook.post({"X-GitHub-Event": "ping", **signed()})[0] == 200
    assert hook.wakes == []


@pytest.mark.parametrize(
    "claims",
    [
        {},
        signed(secret=b"another"),
        signed(body=b"another"),
        {"X-Hub-Signature-256": ""},
        {"X-Hub-Signature-256": "sha256="},
        {"X-Hub-Signature-256": "caf\xe9"},
        {"X-Gitlab-Token": "another"},
        {"X-Gitlab-Token": ""},
        {**signed(secret=b"another"), "X-Gitlab-Token": SECRET.decode()},
    ],
)
def test_who_does_not_know_the_secret_is_refused_without_a_word(
    hook: Hook, claims: Mapping[str, str]
) -> None:
    status, said = hook.post(claims)
    assert status == 403
    assert said.endswith("\n\n403 Forbidden\n")
    assert hook.wakes == []


def test_a_ping_must_be_signed_too(hook: Hook) -> None:
    assert hook.post({"X-GitHub-Event": "ping"})[0] == 403


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/", 405),
        ("GET", "/x", 404),
        ("POST", "/x", 404),
        ("DELETE", "/", 405),
        ("BREW", "/", 501),
    ],
)
def test_nothing_else_is_there(hook: Hook, method: str, path: str, status: int) -> None:
    assert hook.post(signed(), method=method, path=path)[0] == status


def test_no_answer_names_a_program_or_repeats_what_was_sent(hook: Hook) -> None:
    for answer in (hook.post(signed())[1], hook.raw(b"NONSENSE / HTTP/9.9 x\r\n\r\n").decode()):
        assert "Server" not in answer
        assert "Python" not in answer
        assert "NONSENSE" not in answer


def test_a_body_that_is_too_large_is_refused_by_its_length_alone(hook: Hook) -> None:
    said = hook.raw(head({"Content-Length": (1 << 20) + 1, **signed()}))
    assert said.startswith(b"HTTP/1.0 413 ")


def test_who_sends_a_large_body_nonetheless_can_read_the_answer(hook: Hook) -> None:
    body = bytes(3 << 20)
    assert hook.post(signed(body), body)[0] == 413


def test_the_largest_body_is_taken(hook: Hook) -> None:
    body = bytes(1 << 20)
    assert hook.post(signed(body), body)[0] == 200


@pytest.mark.parametrize(
    "length",
    ["-1", "+5", "1_0", "0x10", "5.0", "", "٣", "9" * 19, "5, 6", "5\r\nContent-Length: 6"],
)
def test_a_length_that_is_no_number_is_refused(hook: Hook, length: str) -> None:
    text = f"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: {length}\r\n\r\n{{}}"
    assert hook.raw(text.encode()).startswith(b"HTTP/1.0 400 ")


def test_a_body_without_a_length_is_refused(hook: Hook) -> None:
    assert hook.raw(head(signed())).startswith(b"HTTP/1.0 411 ")


@pytest.mark.parametrize("extra", [{}, {"Content-Length": 2}])
def test_a_body_in_chunks_is_refused(hook: Hook, extra: Mapping[str, int]) -> None:
    text = (
        head({"Transfer-Encoding": "chunked", **signed(b"{}"), **extra}) + b"2\r\n{}\r\n0\r\n\r\n"
    )
    assert hook.raw(text).startswith(b"HTTP/1.0 411 ")


def test_a_body_shorter_than_its_length_is_refused(hook: Hook) -> None:
    said = hook.raw(head({"Content-Length": 100, **signed(b"{}")}) + b"{}")
    assert said.startswith(b"HTTP/1.0 400 ")


def test_a_body_longer_than_its_length_is_judged_by_the_part_that_was_announced(
    hook: Hook,
) -> None:
    said = hook.raw(head({"Content-Length": 2, **signed(b"{}{}")}) + b"{}{}")
    assert said.startswith(b"HTTP/1.0 403 ")
    assert hook.wakes == []


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", b"HTTP/1.0 400 "),
        (b"\r\n\r\n", b""),
        (b"", b""),
        (b"POST / HTTP/1.1\r\n" + b"X: y\r\n" * 200 + b"\r\n", b"HTTP/1.0 431 "),
        (b"POST / HTTP/1.1\r\nX: " + b"y" * 100_000, b"HTTP/1.0 431 "),
        (b"POST /" + b"y" * 100_000, b"HTTP/1.0 431 "),
    ],
)
def test_junk_is_refused_and_the_next_post_is_taken(hook: Hook, text: bytes, answer: bytes) -> None:
    assert hook.raw(text)[:13] == answer
    assert hook.post(signed())[0] == 200


@pytest.fixture
def brief(monkeypatch: pytest.MonkeyPatch) -> None:
    """Give connections half a second in place of five."""
    monkeypatch.setattr(listening, "_LONGEST_S", 0.5)


@pytest.mark.usefixtures("brief")
@pytest.mark.parametrize("sent", [b"", b"POST / HT", head({"Content-Length": 100, **signed()})])
def test_who_sends_slowly_is_cut_off_in_time(hook: Hook, sent: bytes) -> None:
    with socket.create_connection(("127.0.0.1", hook.port), timeout=10) as line:
        line.sendall(sent)
        before = time.monotonic()
        with contextlib.suppress(ConnectionError):
            assert b" 200 " not in b"".join(iter(lambda: line.recv(4096), b""))
        assert time.monotonic() - before < 4


@pytest.mark.usefixtures("brief")
def test_a_byte_now_and_then_wins_no_time(hook: Hook) -> None:
    with socket.create_connection(("127.0.0.1", hook.port), timeout=10) as line:
        line.sendall(head({"Content-Length": 1000, **signed()}))
        before = time.monotonic()
        with contextlib.suppress(OSError):  # reset or broken, as the system has it
            while time.monotonic() - before < 10:
                line.sendall(b".")
                time.sleep(0.05)
        assert time.monotonic() - before < 5


def test_slow_ones_are_few_and_others_get_through(hook: Hook) -> None:
    before = threading.active_count()
    lines = [socket.create_connection(("127.0.0.1", hook.port)) for _ in range(60)]
    try:
        assert hook.post(signed())[0] == 200
        assert threading.active_count() - before <= 33
    finally:
        for line in lines:
            line.close()


def test_a_replay_wakes_no_more_than_any_other_hint(hook: Hook) -> None:
    assert [hook.post(signed())[0] for _ in range(5)] == [200] * 5
    assert len(hook.wakes) == 1


def test_a_flood_of_posts_becomes_a_wake_per_second_and_the_last_is_not_lost(hook: Hook) -> None:
    claims, before = signed(), time.monotonic()

    def post(_: int) -> int:
        return hook.post(claims)[0]

    with ThreadPoolExecutor(8) as callers:
        assert set(callers.map(post, range(1000))) == {200}
    last = time.monotonic()
    while hook.wakes[-1] < last and time.monotonic() < last + 5:
        time.sleep(0.05)
    assert len(hook.wakes) <= 2 + (hook.wakes[-1] - before)
    assert all(two - one >= 0.99 for one, two in itertools.pairwise(hook.wakes))


def test_nothing_is_printed(hook: Hook, capfd: pytest.CaptureFixture[str]) -> None:
    hook.post(signed())
    hook.post({})
    hook.raw(b"\x00\xff nonsense\r\n")
    assert capfd.readouterr() == ("", "")


def test_the_end_waits_for_nobody_and_leaves_no_thread() -> None:
    before = threading.active_count()
    with hooked() as hook:
        line = socket.create_connection(("127.0.0.1", hook.port))
        line.sendall(b"POST")
        time.sleep(0.1)
        begun = time.monotonic()
    assert time.monotonic() - begun < 3
    until = time.monotonic() + 2
    while threading.active_count() > before and time.monotonic() < until:
        time.sleep(0.01)
    assert threading.active_count() == before
    line.close()
    with pytest.raises(OSError):  # noqa: PT011  nobody listens any more
        socket.create_connection(("127.0.0.1", hook.port), timeout=1)


def test_a_port_that_is_taken_is_named_with_its_option() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(TransientError) as error, receiving(port, print, SECRET):
            pass
    assert f"port {port} of 127.0.0.1" in error.value.message
    assert "--webhook-port" in error.value.hint


def test_a_host_that_is_not_of_this_machine_is_an_error_of_usage() -> None:
    with (
        pytest.raises(UsageError, match="no such host"),
        receiving(0, print, SECRET, "no such host"),
    ):
        pass


def test_it_listens_to_this_machine_alone_unless_told_otherwise(hook: Hook) -> None:
    with socket.create_server(("127.0.0.2", hook.port)):
        pass  # it would be taken, were the post open to every address


@pytest.mark.parametrize("environ", [{}, {webhook.SECRET: ""}, {webhook.SECRET: " \n"}])
def test_without_a_secret_it_does_not_start(environ: Mapping[str, str]) -> None:
    with pytest.raises(UsageError, match=webhook.SECRET):
        webhook.secret(environ)


def test_the_secret_comes_from_the_environment() -> None:
    assert webhook.secret({webhook.SECRET: "häßlich"}) == "häßlich".encode()
