"""The daemon and the server kept together, each killed, asked to end, or left alone."""

from __future__ import annotations

import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest

from reconciler.adapters.targets import open_servers
from reconciler.adapters.tokens import Right, Token, TokenFile, digest
from tests.processes import gone
from tests.serving.running import Clients, Running, ask
from tests.serving.shelf import Shelf
from tests.serving.test_tls import issue

pytestmark = pytest.mark.slow


@contextmanager
def up(root: Path, *options: str) -> Iterator[Running]:
    """Run both for the length of the block; nothing of them is left after it."""
    both = Running(root, ("up", "--port", "0", "--probes-port", "off", *options))
    try:
        yield both
    finally:
        if both.child.poll() is None:
            left = family(both)
            both.child.send_signal(signal.SIGINT)
            try:
                both.child.wait(10)
            except subprocess.TimeoutExpired:
                both.child.kill()
                both.child.wait()
            assert gone(left, 5.0)


def family(both: Running) -> list[psutil.Process]:
    """Return every process that was started for both."""
    found: list[psutil.Process] = psutil.Process(both.child.pid).children(recursive=True)
    return found


def of(verb: str, processes: list[psutil.Process]) -> psutil.Process:
    """Return the process that runs a verb."""
    return next(p for p in processes if verb in p.cmdline())


def told(both: Running, text: str, times: int = 1, wait_s: float = 20.0) -> None:
    """Wait until the log says something so many times."""
    end = time.monotonic() + wait_s
    while sum(text in line for line in both.log) < times:
        assert time.monotonic() < end, "".join(both.log)
        time.sleep(0.02)


def test_nobody_notices_that_the_server_and_the_daemon_are_killed(tmp_path: Path) -> None:
    shelf = Shelf(tmp_path / "repo")
    shelf.release(shelf.version(1, 2.0))
    with up(shelf.root) as both:
        boot = both.until(1)["boot"]
        told(both, "daemon |")
        former = family(both)
        with Clients(both.port, shelf.factors, count=4) as clients:
            for program in (of("serve", former), of("watch", former)):
                program.kill()
            told(both, "Ready: ", times=2)
            assert gone(former, 5.0)  # the workers of the killed one as well
            answered = clients.count
            told(both, "follows HEAD", times=2)
            time.sleep(0.1)
        assert clients.failed == []
        assert clients.wrong == []
        assert clients.count > answered
        assert both.until(1)["boot"] != boot
        told(both, "Restarting: the daemon")
        began, everybody = time.monotonic(), family(both)
        both.child.send_signal(signal.SIGINT)
        assert both.child.wait(6) == 0
        assert time.monotonic() - began < 5
        assert gone(everybody, 0.0)


def test_both_end_when_their_keeper_is_killed_and_at_once_on_a_second_signal(
    tmp_path: Path,
) -> None:
    shelf = Shelf(tmp_path / "repo")
    with up(shelf.root, "--log-format", "json") as both:
        told(both, '"reason": "Ready", "message": "http://')
        told(both, '{"program": "daemon", ')
        everybody = family(both)
        assert len(everybody) == 3
        both.child.kill()
        of("serve", everybody).kill()  # its worker would wait for another one
        both.child.wait()
        assert gone(everybody, 5.0)
    with up(shelf.root) as both:
        told(both, "nothing is released yet")
        told(both, "follows HEAD")
        everybody = family(both)
        both.child.send_signal(signal.SIGTERM)
        told(both, "up     | ", times=2)
        both.child.send_signal(signal.SIGINT)
        assert both.child.wait(2) == 128 + signal.SIGINT
        assert gone(everybody, 1.0)


def test_what_can_never_be_done_is_said_once(tmp_path: Path) -> None:
    shelf = Shelf(tmp_path / "repo")
    with up(shelf.root, "--probes-host", "203.0.113.1", "--probes-port", "1") as both:
        assert both.child.wait(20) == 2
        time.sleep(0.05)
    assert sum("error: " in line for line in both.log) == 1


#: Nothing is trained by it, and it says all the same where the model is served.
SPEC = """\
apiVersion: reconciler/v1
kind: Model
metadata: {name: m}
spec: {deployment: {target: local}}
"""


def test_the_daemon_is_let_in_where_all_others_need_a_token(tmp_path: Path) -> None:
    shelf = Shelf(tmp_path / "repo")
    shelf.release(shelf.version(1, 2.0))
    shelf.declare("m", SPEC)
    token = Token("shop", Right.PREDICT, digest(b"shop"), 0, "")
    TokenFile(shelf.root / ".reconciler" / "tokens.json").add(token)
    with up(shelf.root, "--interval", "0.5", "--access-log", "1", "--rate", "0.1") as both:
        told(both, "GET /status 200")
        former = family(both)
        for process in former:
            assert "rec_" not in " ".join((*process.cmdline(), *process.environ().values()))
        for program in (of("serve", former), of("watch", former)):
            program.kill()
        told(both, "Ready: ", times=2)
        told(both, "follows HEAD", times=2)
        told(both, "GET /status 200", times=1 + sum("GET /status 200" in line for line in both.log))
        assert ask(both.port, "GET", "/status")[0] == 401
        told(both, "GET /status 401")
    said = [line for line in both.log if "/status" in line]
    assert sum("401" in line for line in said) == 1
    assert all("token of up" in line for line in said if "401" not in line)


def test_the_daemon_trusts_the_certificate_of_the_server_beside_it(tmp_path: Path) -> None:
    shelf = Shelf(tmp_path / "repo")
    shelf.release(shelf.version(1, 2.0))
    shelf.declare("m", SPEC)
    made = issue(tmp_path, "self-signed")
    tls = ("--tls-cert", made.cert, "--tls-key", made.key)
    with up(shelf.root, "--interval", "0.5", "--access-log", "1", *tls) as both:
        told(both, "GET /status 200")
        (report,) = open_servers({}, shelf.root / ".reconciler").look()
        assert (report.endpoint, report.away) == (f"https://127.0.0.1:{both.port}", "")
