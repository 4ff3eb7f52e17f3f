"""A real server with tokens, two workers and metrics: who may ask changes while it runs."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path
from typing import Any

import pytest

from reconciler.adapters.tokens import Right, Token, TokenFile, digest
from tests.serving.running import ask, serving
from tests.serving.shelf import Shelf
from tests.serving.test_metrics import parsed, value

pytestmark = pytest.mark.slow

ROW = {"a": 2.0, "b": 1.0}


def grant(file: TokenFile, name: str, scope: Right) -> dict[str, str]:
    file.add(Token(name, scope, digest(name.encode()), 0, ""))
    return {"authorization": f"Bearer {name}"}


def until(wanted: Any, get: Any, wait_s: float = 5.0) -> None:
    end = time.monotonic() + wait_s
    while (found := get()) != wanted:
        assert time.monotonic() < end, f"{found} and not {wanted}"
        time.sleep(0.05)


def test_tokens_are_followed_and_counts_survive_a_worker(tmp_path: Path) -> None:
    shelf = Shelf(tmp_path / "repo")
    shelf.release(shelf.version(1, 2.0))
    file = TokenFile(shelf.root / ".reconciler" / "tokens.json")
    with serving(shelf.root, "--workers", "2", "--log-format", "json", "--access-log", "1") as it:
        it.until(1)

        def predict(headers: dict[str, str] | None = None) -> int:
            return ask(it.port, "POST", "/predict/m", ROW, headers)[0]

        assert predict() == 200  # on loopback, without any token
        ops = grant(file, "ops", Right.ADMIN)
        until(401, predict)
        shop = grant(file, "shop", Right.PREDICT)
        until([200] * 8, lambda: [predict(shop) for _ in range(8)])  # by either worker
        assert ask(it.port, "GET", "/metrics", headers=shop)[0] == 403
        assert ask(it.port, "GET", "/v2/health/live")[0] == 200

        def metrics() -> Any:
            code, text = ask(it.port, "GET", "/metrics", headers=ops)
            assert code == 200
            return parsed(text.decode())

        asked = {"model": "m", "version": "1"}
        time.sleep(0.6)
        before = metrics()
        assert (value(before, "requests_total", **asked) or 0) >= 9
        os.kill(workers(it.child.pid)[0], signal.SIGKILL)
        until(1.0, lambda: value(metrics(), "worker_restarts_total"), 15.0)
        after = metrics()
        assert value(after, "requests_total", **asked) == value(before, "requests_total", **asked)
        file.remove("shop")
        until(401, lambda: predict(shop))
        assert predict(ops) == 200
    log = "".join(it.log)
    assert '"reason": "TokensChanged"' in log
    assert '"event": "Asked"' in log
    assert '"token": "shop"' in log
    assert "Bearer" not in log


def workers(pid: int) -> list[int]:
    """Return the processes that a server has started."""
    found = []
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit():
            try:
                state = (folder / "stat").read_text().rpartition(")")[2].split()
            except OSError:
                continue
            if state[1] == str(pid):
                found.append(int(folder.name))
    return found
