"""A real server in the background, and clients that ask it without a pause."""

from __future__ import annotations

import http.client
import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

BIN = Path(sys.executable).parent


class Running:
    """`reconciler serve`, or another verb that says where it listens."""

    def __init__(
        self, root: Path, argv: tuple[str, ...], env: Mapping[str, str] | None = None
    ) -> None:
        self.log: list[str] = []
        env = env or {**os.environ, "GIT_CONFIG_NOSYSTEM": "1", "HOME": str(root.parent)}
        self.child = subprocess.Popen(
            [str(BIN / "reconciler"), *argv], cwd=root, env=env, text=True,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL,
        )  # fmt: skip
        self._port: int | None = None
        self._said = threading.Event()
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self) -> None:
        assert self.child.stdout is not None
        for line in self.child.stdout:
            self.log.append(line)
            found = re.search(r"https?://[^ ]*:(\d+)", line)
            if found and self._port is None:
                self._port = int(found[1])
                self._said.set()

    @property
    def port(self) -> int:
        """Where it listens, once it has said so."""
        assert self._said.wait(20), "".join(self.log)
        assert self._port is not None
        return self._port

    def get(self, path: str) -> Any:
        """Return what a path says; an error raises."""
        return ask(self.port, "GET", path)[1]

    def status(self) -> dict[str, Any]:
        """Return its status; empty while there is none."""
        try:
            code, found = ask(self.port, "GET", "/status")
        except OSError:
            return {}
        return dict(found) if code == 200 else {}

    def until(self, version: int, wait_s: float = 20.0, model: str = "m") -> dict[str, Any]:
        """Wait until a version is what answers, and return the status."""
        end = time.monotonic() + wait_s
        while time.monotonic() < end:
            status = self.status()
            champion = (status.get("models", {}).get(model) or {}).get("champion")
            if champion and champion["version"] == version and status["ready"]:
                return status
            time.sleep(0.02)
        raise AssertionError(f"version {version} is not served: {status}\n{''.join(self.log)}")

    def __enter__(self) -> Running:
        return self

    def __exit__(self, *_: object) -> None:
        if self.child.poll() is None:
            self.child.send_signal(signal.SIGTERM)
            try:
                self.child.wait(15)
            except subprocess.TimeoutExpired:
                self.child.kill()
                self.child.wait()


def serving(root: Path, *options: str) -> Running:
    """Return a server of a repository, to be used in a `with`."""
    return Running(root, ("serve", "--port", "0", *options))


def until(holds: Callable[[], bool], wait_s: float, log: Sequence[str] = ()) -> bool:
    """Wait until something holds; fail, with what was logged, where it does not in time."""
    end = time.monotonic() + wait_s
    while time.monotonic() < end:
        if holds():
            return True
        time.sleep(0.2)
    raise AssertionError(f"not within {wait_s:g} s:\n{''.join(log)}")


def free_port() -> int:
    """Return a port that nobody listens on."""
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


def ask(
    port: int, method: str, path: str, body: Any = None, headers: Mapping[str, str] | None = None
) -> tuple[int, Any]:
    """Return the status and the JSON of one answer."""
    line = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    try:
        text = None if body is None else json.dumps(body)
        line.request(method, path, text, {"content-type": "application/json", **(headers or {})})
        answer = line.getresponse()
        content = answer.read()
        return answer.status, json.loads(content) if content[:1] in (b"{", b"[") else content
    finally:
        line.close()


@dataclass
class Answers:
    """What clients have seen."""

    count: int = 0
    failed: list[str] = field(default_factory=list)
    """What went wrong, and when."""
    gaps: list[float] = field(default_factory=list)
    """Seconds between an answer that failed and the next one that did not."""
    versions: dict[str, int] = field(default_factory=dict)


class Clients:
    """Threads that ask `POST /predict/m` on kept connections, each answer checked.

    Args:
        port: Where.
        factors: What each version multiplies by; an answer with another value is wrong.
        count: How many threads.
        fresh: Whether a lost connection is opened again (a server is being killed).
        tolerance: How far an answer may be off.
    """

    def __init__(
        self,
        port: int,
        factors: Mapping[int, float],
        count: int = 8,
        *,
        fresh: bool = False,
        tolerance: float = 1e-6,
    ) -> None:
        self._tolerance = tolerance
        self._port = port
        self._factors = factors
        self._fresh = fresh
        self._stop = threading.Event()
        self.wrong: list[str] = []
        self.seen = [Answers() for _ in range(count)]
        self._threads = [
            threading.Thread(target=self._run, args=(answers, n), daemon=True)
            for n, answers in enumerate(self.seen)
        ]

    def __enter__(self) -> Clients:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join(15)

    @property
    def count(self) -> int:
        """How many answers there were."""
        return sum(answers.count for answers in self.seen)

    @property
    def failed(self) -> list[str]:
        """All that went wrong."""
        return [why for answers in self.seen for why in answers.failed]

    def _run(self, answers: Answers, number: int) -> None:
        line: http.client.HTTPConnection | None = None
        turn, broken = 0, None
        while not self._stop.is_set():
            turn += 1
            try:
                if line is None:
                    line = http.client.HTTPConnection("127.0.0.1", self._port, timeout=10)
                self._ask(line, answers, number, turn)
                if broken is not None:
                    answers.gaps.append(time.monotonic() - broken)
                    broken = None
            except (OSError, http.client.HTTPException) as error:
                answers.failed.append(f"{type(error).__name__}: {error}")
                broken = broken or time.monotonic()
                line = None
                if not self._fresh:
                    return
                time.sleep(0.01)

    def _ask(
        self, line: http.client.HTTPConnection, answers: Answers, number: int, turn: int
    ) -> None:
        a, b = float(turn % 50), float(number)
        headers = {"content-type": "application/json", "x-request-key": f"{number}-{turn}"}
        line.request("POST", "/predict/m", json.dumps({"a": a, "b": b}), headers)
        answer = line.getresponse()
        content = answer.read()
        if answer.status != 200:
            answers.failed.append(f"{answer.status}: {content[:200]!r}")
            return
        found = json.loads(content)
        answers.count += 1
        version, value = str(found["version"]), found["predictions"][0]["prediction"]
        answers.versions[version] = answers.versions.get(version, 0) + 1
        wanted = self._factors[int(version)] * a + b
        if abs(value - wanted) > self._tolerance:
            self.wrong.append(f"version {version}: {value} instead of {wanted}")
