"""Our server by itself: latency at half load, two workers, batches, many models, cold start.

    python bench/serving/figures.py [latency|workers|batch|many|cold]…

`wrk` must be installed for `latency` and `workers`.
"""

from __future__ import annotations

import http.client
import json
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import psutil
from contenders import free_port, ours, ours_v2, released, row, running
from paced import paced, share
from wrk import load

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from common import ROOT, report

sys.path.insert(0, str(ROOT))

from reconciler.adapters.deployed import Change, DeployedStore
from reconciler.adapters.git import Git

SECONDS = 5.0
ROWS = 1000


def main() -> None:
    asked = sys.argv[1:] or list(KINDS)
    with tempfile.TemporaryDirectory(prefix="figures-") as aside:
        repo = released(Path(aside) / "repo")
        report("serving-figures", [line for name in asked for line in KINDS[name](repo)])


def _line(what: str, figure: float, unit: str, reach: str = "") -> dict[str, object]:
    return {"what": what, "figure": figure, "unit": unit, "reach": reach}


def latency(repo: Path) -> list[dict[str, object]]:
    """Measure p99 at half of what the server can take at most."""
    port = free_port()
    us = ours(repo, port)
    assert us.body is not None
    with running(us, port):
        load(port, us.path, us.body, 1.0)
        most = load(port, us.path, us.body, SECONDS).per_s
        found, failed = paced(port, us.path, us.body, most / 2, SECONDS)
    assert not failed
    return [
        _line("saturation, 8 connections", most, "requests/s"),
        _line("p50 at half of it", share(found, 0.5) * 1e3, "ms"),
        _line("p99 at half of it", share(found, 0.99) * 1e3, "ms", "<= 3"),
    ]


def workers(repo: Path) -> list[dict[str, object]]:
    """Measure two workers against one, client and servers on the same cores."""
    found = []
    for count in (1, 2):
        port = free_port()
        us = ours(repo, port, "--workers", str(count))
        with running(us, port):
            load(port, us.path, us.body, 1.0)
            found.append(load(port, us.path, us.body, SECONDS).per_s)
    cores = psutil.cpu_count()
    return [_line(f"two workers / one, on {cores} cores", found[1] / found[0], "x")]


def batch(repo: Path) -> list[dict[str, object]]:
    """Measure a thousand rows a request, in binary tensors, one request at a time."""
    port = free_port()
    us = ours_v2(repo, port)
    table = np.tile(np.array(list(row(repo).values()), np.float32), (ROWS, 1))
    tensor = {
        "name": "input", "shape": list(table.shape), "datatype": "FP32",
        "parameters": {"binary_data_size": table.nbytes},
    }  # fmt: skip
    head = json.dumps({"inputs": [tensor], "parameters": {"binary_data_output": True}}).encode()
    headers = {"Inference-Header-Content-Length": str(len(head))}
    with running(us, port):
        line = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
        took = [_asked(line, us.path, head + table.tobytes(), headers) for _ in range(200)]
    took.sort()
    return [
        _line("1,000 rows in binary, median", took[len(took) // 2] * 1e3, "ms"),
        _line("rows/s", ROWS / took[len(took) // 2], "rows/s", ">= 300,000"),
    ]


def _asked(
    line: http.client.HTTPConnection, path: str, body: bytes, headers: dict[str, str]
) -> float:
    began = time.perf_counter()
    line.request("POST", path, body, headers)
    answer = line.getresponse()
    content = answer.read()
    assert answer.status == 200, content[:300]
    return time.perf_counter() - began


def many(repo: Path) -> list[dict[str, object]]:
    """Measure the memory of a hundred models."""
    _copied(repo, 100)
    port = free_port()
    with running(ours(repo, port), port) as pid:
        status = _until_all(port, 101)
        family = [psutil.Process(pid), *psutil.Process(pid).children(recursive=True)]
        held = sum(process.memory_info().rss for process in family) / 1e6
    assert all(model["state"] == "ready" for model in status["models"].values())
    return [_line(f"{len(status['models'])} models, all processes", held, "MB", "<= 1,000")]


def cold(repo: Path) -> list[dict[str, object]]:
    """Measure from the start of the program to its first answer."""
    found = []
    for _ in range(5):
        port = free_port()
        us = ours(repo, port)
        began = time.perf_counter()
        with running(us, port, every_s=0.005):
            line = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
            _asked(
                line, us.path, json.dumps(us.body).encode(), {"Content-Type": "application/json"}
            )
            found.append(time.perf_counter() - began)
    return [_line("cold start to the first answer, median of 5", sorted(found)[2], "s", "<= 2")]


def _copied(repo: Path, count: int) -> None:
    """Release one model under many names."""
    store = DeployedStore(Git.open(repo))
    record = store.read().records["breast"]
    names = [f"breast-{number:03}" for number in range(count)]

    def named(name: str) -> Change:
        return lambda _: record.model_copy(update={"model": name})

    store.commit({name: named(name) for name in names})


def _until_all(port: int, count: int) -> dict[str, dict[str, dict[str, object]]]:
    end = time.monotonic() + 60
    while time.monotonic() < end:
        line = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
        line.request("GET", "/status")
        status: dict[str, dict[str, dict[str, object]]] = json.loads(line.getresponse().read())
        if len(status["models"]) == count and status["ready"]:
            return status
        time.sleep(0.1)
    sys.exit(f"only {len(status['models'])} of {count} models are served")


KINDS = {"latency": latency, "workers": workers, "batch": batch, "many": many, "cold": cold}

if __name__ == "__main__":
    main()
