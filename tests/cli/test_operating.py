"""A daemon is operated: its log, its events, its probes and its metrics, while it works."""

from __future__ import annotations

import json
import signal
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from reconciler.adapters.metrics import Metrics
from reconciler.cli.operating import CountedSource, Counts, port
from reconciler.controller.events import Decided, Served, Warned
from reconciler.errors import TransientError, UsageError
from reconciler.ports.source import Sighting
from tests.adapters.test_metrics import read, value
from tests.conftest import BIN, Project, Specify


class Watched:
    """A daemon at work, which logs to a file."""

    def __init__(self, log: Path, process: subprocess.Popen[bytes]) -> None:
        self._log = log
        self.process = process

    def lines(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self._log.read_text().splitlines()]

    def reasons(self) -> list[str]:
        return [line.get("reason", line["event"]) for line in self.lines()]

    def moves(self) -> list[tuple[str, str]]:
        return [(x["sync"], x["health"]) for x in self.lines() if x["event"] == "Moved"]

    def ask(self, path: str) -> tuple[int, str]:
        started = next(line for line in self.lines() if line.get("reason") == "Started")
        try:
            url = started["message"].rpartition("probes on ")[2]
            with urllib.request.urlopen(f"{url}{path}", timeout=5) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            return error.code, error.read().decode()

    def until(self, reached: Callable[[], bool], within_s: float = 60) -> None:
        end = time.monotonic() + within_s
        while not reached():
            assert self.process.poll() is None, self._log.read_text()
            assert time.monotonic() < end, self._log.read_text()
            time.sleep(0.05)


@contextmanager
def watching(project: Project, log: Path, *options: str) -> Iterator[Watched]:
    command = (str(BIN / "reconciler"), "watch", "--log-format", "json", *options)
    with (
        log.open("wb") as out,
        subprocess.Popen(command, cwd=project.root, env=project.env, stdout=out) as process,
    ):
        watched = Watched(log, process)
        try:
            yield watched
        finally:
            process.send_signal(signal.SIGTERM)


@pytest.mark.slow
def test_whoever_operates_a_daemon_is_told_what_it_does(
    project: Project, specify: Specify, tmp_path: Path
) -> None:
    project.write("specs/m.yaml", specify("m"))
    project.reconciler("compile")
    revision = project.commit()

    options = ("--probes-port", "0", "--interval", "1")
    with watching(project, tmp_path / "log", *options) as watched:
        watched.until(lambda: ("Synced", "Healthy") in watched.moves())
        assert watched.ask("/livez") == (200, '{"ok": true, "reasons": []}\n')
        assert watched.ask("/readyz")[0] == 200
        released = next(x for x in watched.lines() if x.get("reason") == "Released")
        assert (released["model"], released["version"]) == ("m", 1)
        assert released["revision"] == revision
        status, text = watched.ask("/metrics")
        assert status == 200
        for line in (
            'reconciler_models{health="Healthy",sync="Synced"} 1.0',
            "reconciler_record_commits_total 1.0",
            "reconciler_trainings_running 0.0",
            "reconciler_remote_errors_total 0.0",
        ):
            assert f"\n{line}\n" in text

        served = project.root / "releases" / "m" / "current" / "manifest.json"
        served.write_bytes(b"damaged")
        watched.until(lambda: "Healed" in watched.reasons())
        assert 'reconciler_heals_total{reason="BundleDamaged"} 1.0' in watched.ask("/metrics")[1]

        def told() -> list[str]:
            rows = json.loads(project.reconciler("events", "m", "-o", "json").stdout)
            return [row.get("reason", row["event"]) for row in rows]

        watched.until(lambda: "Healed" in told())
        assert [reason for reason in told() if reason in ("Released", "Healed")] == [
            "Released", "Healed",
        ]  # fmt: skip
    assert watched.process.returncode == 0
    assert watched.reasons()[0] == "Started"
    assert watched.reasons()[-1] == "Stopping"


@pytest.mark.slow
def test_a_daemon_can_do_without_probes_and_refuses_what_is_no_port(
    project: Project, tmp_path: Path
) -> None:
    project.commit()
    with watching(project, tmp_path / "log", "--probes-port", "off") as watched:
        watched.until(lambda: "Started" in watched.reasons())
        assert "probes" not in watched.lines()[0]["message"]
    done = project.reconciler("watch", "--probes-port", "http", check=False)
    assert done.returncode == 2
    assert "no port" in done.stderr


@pytest.mark.parametrize("text", ["", "-1", "65536", "9" * 5000, "http", "\u0661", "1.0", "OFF "])
def test_what_is_no_port_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match="no port") as caught:
        port(text)
    assert "off" in caught.value.hint


def test_a_port_is_a_number_or_left_to_the_program() -> None:
    assert [port(text) for text in (None, "0", "9464", "65535")] == [None, 0, 9464, 65535]


def test_heals_cut_trainings_commits_and_failures_of_the_remote_are_counted() -> None:
    metrics = Metrics()
    counts = Counts(metrics)
    counts.hear(Served("wine", "directory", "RolledOut", "is served"))
    counts.hear(Served("wine", "directory", "Healed", "is whole again", "BundleDamaged"))
    counts.hear(Decided("wine", "Superseded", "training cut short", good=True))
    counts.hear(Warned("wine", "a column is constant"))
    counts.wrote(None)
    counts.wrote(TransientError("it hangs", reason="RemoteUnreachable"))
    counts.wrote(TransientError("the disk is full", reason="DiskFull"))
    found = read(metrics)
    for name in ("trainings_superseded", "record_commits", "remote_errors"):
        assert value(found, f"{name}_total") == 1
    assert value(found, "heals_total", reason="BundleDamaged") == 1


def test_every_look_that_a_remote_does_not_answer_is_counted() -> None:
    class Away:
        def look(self) -> Sighting:
            raise TransientError("it is away", reason="RemoteUnreachable")

    metrics = Metrics()
    source = CountedSource(Away(), Counts(metrics))
    for _ in range(3):
        with pytest.raises(TransientError):
            source.look()
    assert value(read(metrics), "remote_errors_total") == 3
