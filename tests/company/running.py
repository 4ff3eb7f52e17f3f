"""A daemon that runs as a process: what it logs, what its probes answer, what it costs."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil

from tests.conftest import BIN

LIMIT_S = 60.0
_POLL_S = 0.05

Line = dict[str, Any]


class Running:
    """One `reconciler watch`, from its start to its end; a context manager.

    Args:
        root: Where it is started.
        env: Its environment.
        log: A file for its log.
        options: Further options.
    """

    def __init__(self, root: Path, env: dict[str, str], log: Path, *options: str) -> None:
        self._log = log
        argv = [str(BIN / "reconciler"), "watch", "--log-format", "json", "--probes-port", "0"]
        with log.open("wb") as out, log.with_suffix(".err").open("wb") as err:
            self._child = subprocess.Popen(
                [*argv, *options], cwd=root, env=env, start_new_session=True,
                stdin=subprocess.DEVNULL, stdout=out, stderr=err,
            )  # fmt: skip
        self._process = psutil.Process(self._child.pid)
        self._url = ""

    def __enter__(self) -> Running:
        try:
            started = self.told(lambda line: line.get("reason") == "Started")
        except AssertionError:
            self._child.kill()
            self._child.wait()
            raise
        self._url = started["message"].partition("probes on ")[2].partition(",")[0].split()[0]
        return self

    def __exit__(self, *_: object) -> None:
        self._child.send_signal(signal.SIGTERM)
        try:
            self._child.wait(10)
        except subprocess.TimeoutExpired:
            os.killpg(self._child.pid, signal.SIGKILL)
            self._child.wait()
            raise AssertionError("the daemon did not end within ten seconds") from None

    @property
    def code(self) -> int | None:
        """How it ended; None: it runs."""
        return self._child.poll()

    def stderr(self) -> str:
        """Return what it said beside its log."""
        return self._log.with_suffix(".err").read_text()

    def lines(self, since: int = 0) -> list[Line]:
        """Return the lines of its log, without the first `since`."""
        whole = self._log.read_bytes().split(b"\n")[:-1]
        return [json.loads(line) for line in whole[since:]]

    def told(
        self, wanted: Callable[[Line], object], since: int = 0, limit_s: float = LIMIT_S
    ) -> Line:
        """Wait for a line and return it."""
        found: Line = until(
            lambda: next((line for line in self.lines(since) if wanted(line)), None),
            limit_s,
            lambda: f"no such line; {self.tail()}",
        )
        return found

    def tail(self) -> str:
        """Return the end of what it said."""
        last = "\n".join(json.dumps(line) for line in self.lines()[-12:])
        return f"exit {self.code}\n{last}\n{self.stderr()[-2000:]}"

    def answer(self, probe: str) -> tuple[int, str]:
        """Return status and text of a probe."""
        try:
            with urllib.request.urlopen(f"{self._url}/{probe}", timeout=5) as said:
                return int(said.status), said.read().decode()
        except urllib.error.HTTPError as error:
            return error.code, error.read().decode()

    def cpu_s(self) -> float:
        """Return the processor seconds of the daemon, and of those of its children that ended."""
        times = self._process.cpu_times()
        return float(times.user + times.system + times.children_user + times.children_system)


def until(
    found: Callable[[], Any], limit_s: float = LIMIT_S, else_: Callable[[], str] = lambda: ""
) -> Any:
    """Wait for what is not None and not False, and return it."""
    end = time.monotonic() + limit_s
    while True:
        if (value := found()) is not None and value is not False:
            return value
        if time.monotonic() > end:
            raise AssertionError(f"not within {limit_s:g} s: {else_()}")
        time.sleep(_POLL_S)
