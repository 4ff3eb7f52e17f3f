"""A server alone, and servers elsewhere: what each does without the others."""

from __future__ import annotations

import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from tests.processes import gone
from tests.serving.running import Running, ask, serving
from tests.serving.shelf import Shelf

pytestmark = pytest.mark.slow


def until(claim: Callable[[], object], wait_s: float = 20.0) -> float:
    """Return the seconds until a claim is true."""
    began = time.monotonic()
    while not claim():
        assert time.monotonic() - began < wait_s
        time.sleep(0.02)
    return time.monotonic() - began


def says(server: Running, text: str) -> Callable[[], bool]:
    return lambda: any(text in line for line in server.log)


def test_a_server_picks_up_the_first_release_and_its_workers_end_soon_after_it_is_killed(
    tmp_path: Path,
) -> None:
    shelf = Shelf(tmp_path / "repo")
    with serving(shelf.root) as server:
        until(says(server, "answers: nothing is released yet"))
        assert ask(server.port, "POST", "/predict/m", {"a": 1.0, "b": 1.0})[0] == 404
        shelf.release(shelf.version(1, 2.0))
        began = time.monotonic()
        status = server.until(1)
        assert time.monotonic() - began < 1.0
        own = {"server", "boot", "host", "pid", "version", "workers", "ready", "orphaned"}
        assert own <= status.keys()
        assert (status["pid"], status["orphaned"]) == (server.child.pid, False)

        other = Running(shelf.root, ("serve", "--port", str(server.port)))
        assert other.child.wait(20) == 1
        until(says(other, f"is taken by process {server.child.pid} ("))

        workers = psutil.Process(server.child.pid).children()
        server.child.send_signal(signal.SIGKILL)
        server.child.wait()
        alone = server.until(1)
        assert (alone["orphaned"], alone["boot"]) == (True, status["boot"])
        assert ask(server.port, "POST", "/predict/m", {"a": 1.0, "b": 1.0})[0] == 200
        assert gone(workers, 5.0)


@pytest.fixture
def silent() -> Iterator[str]:
    """Give the address of a remote that takes connections and never answers."""
    with socket.create_server(("127.0.0.1", 0)) as found:  # the system accepts, nobody reads
        yield f"http://127.0.0.1:{found.getsockname()[1]}/store"


def test_a_remote_that_never_answers_holds_up_no_other_model_and_is_given_up_at_the_end(
    tmp_path: Path, silent: str
) -> None:
    shelf = Shelf(tmp_path / "repo")
    shelf.share(silent)
    shelf.release(shelf.version(1, 2.0))
    shelf.release(shelf.version(1, 3.0, model="n"), "n")
    with serving(shelf.root) as server:
        server.until(1)
        away = shelf.version(2, 4.0)
        shelf.lose(away)
        shelf.release(away)
        until(lambda: server.status()["models"]["m"]["state"] == "loading")
        shelf.release(shelf.version(2, 5.0, model="n"), "n")
        began = time.monotonic()
        server.until(2, model="n")
        assert time.monotonic() - began < 2.0
        shelf.back(1, "n")
        server.until(1, model="n")
        assert time.monotonic() - began < 4.0

        served = server.status()["models"]["m"]
        assert served["detail"].startswith("version 2 is being fetched (since ")
        assert (served["champion"]["version"], served["failed"]) == (1, None)
        process = psutil.Process(server.child.pid)
        until(lambda: any("fetch" in child.cmdline() for child in process.children()))
        under = process.children(recursive=True)
        server.child.send_signal(signal.SIGTERM)
        assert server.child.wait(5) == 0
        assert gone(under, 1.0)


def test_a_server_elsewhere_needs_the_records_and_the_dvc_remote_and_goes_on_without_them(
    tmp_path: Path,
) -> None:
    shelf = Shelf(tmp_path / "host")
    shelf.share(tmp_path / "store")
    shelf.cache = tmp_path / "store" / "files" / "md5"
    shelf.release(shelf.version(1, 2.0))
    away = tmp_path / "away"
    options = ("--repo", f"file://{shelf.root}", "--state", "state", "--poll", "0.3")
    (tmp_path / "here").mkdir()
    with serving(tmp_path / "here", *options) as server:
        server.until(1)
        shelf.root.rename(away)
        until(says(server, "RemoteUnreachable: "))
        assert server.status()["ready"]
    with serving(tmp_path / "here", *options) as server:
        server.until(1)
        away.rename(shelf.root)
        until(says(server, "RemoteBack: "))
        shelf.release(shelf.version(2, 3.0))
        server.until(2)
    refs = ("git", "-C", str(tmp_path / "here" / "state"), "for-each-ref", "--format=%(refname)")
    said = subprocess.run(refs, capture_output=True, text=True, check=True).stdout.split()
    assert said == ["refs/heads/deployed"]
