"""Releases and rollbacks while eight clients ask without a pause.

    python bench/serving/swaps.py [--releases N] [--rollbacks N] [--workers N]

Ends with 1 when a request failed or an answer belongs to no version that was served.
"""

from __future__ import annotations

import argparse
import random
import sys
import tempfile
import time
from pathlib import Path

import psutil

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from common import ROOT, report

sys.path.insert(0, str(ROOT))

from tests.serving.running import Clients, Running, serving
from tests.serving.shelf import Shelf


def main() -> int:
    asked = _arguments()
    with tempfile.TemporaryDirectory(prefix="swaps-") as aside:
        shelf = Shelf(Path(aside) / "repo")
        shelf.release(shelf.version(1, 2.0))
        with serving(shelf.root, "--workers", str(asked.workers)) as server:
            server.until(1)
            with Clients(server.port, shelf.factors) as clients:
                return _played(shelf, server, clients, asked)


def _played(shelf: Shelf, server: Running, clients: Clients, asked: argparse.Namespace) -> int:
    drawn, memory, waits = random.Random(0), [], []
    turns = [True] * asked.releases + [False] * asked.rollbacks
    drawn.shuffle(turns)
    newest = 1
    for turn, fresh in enumerate(turns):
        began = time.perf_counter()
        if fresh:
            newest += 1
            current = newest
            shelf.release(shelf.version(newest, 1.0 + newest))
        else:
            current = drawn.choice(range(max(1, newest - 8), newest + 1))
            shelf.back(current)
        server.until(current)
        waits.append(time.perf_counter() - began)
        if turn % 10 == 9:
            memory.append(_memory(server))
    time.sleep(1)
    report("serving-swaps", [{
        "releases": asked.releases, "rollbacks": asked.rollbacks, "answers": clients.count,
        "failed": len(clients.failed), "wrong": len(clients.wrong),
        "s to be served (median)": sorted(waits)[len(waits) // 2],
        "MB of workers, first tenth": memory[0], "MB, last tenth": memory[-1],
    }])  # fmt: skip
    for line in (*clients.failed[:5], *clients.wrong[:5]):
        print(line, file=sys.stderr)
    return int(bool(clients.failed or clients.wrong))


def _memory(server: Running) -> float:
    """Return the MB that the workers hold."""
    children = psutil.Process(server.child.pid).children()
    held: int = sum(child.memory_info().rss for child in children)
    return round(held / 1e6, 1)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--releases", type=int, default=100)
    parser.add_argument("--rollbacks", type=int, default=20)
    parser.add_argument("--workers", type=int, default=1)
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
