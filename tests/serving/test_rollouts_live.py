"""A daemon, a server and clients: bad challengers are withdrawn, a good one is promoted."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import Project
from tests.serving.rolling import LARGEST, change, rolling
from tests.serving.running import Clients, Running, free_port, until

pytestmark = pytest.mark.slow

ROLLOUT = "{strategy: canary, steps: [30, 60], hold: 1s, min_requests: 40, max_latency_ratio: 3}"


@contextmanager
def delivering(place: Path) -> Iterator[tuple[Project, Running, Running]]:
    """Give a repository with version 1 in production, its daemon and its server."""
    port = free_port()
    project = rolling(place, ROLLOUT, port)
    project.reconciler("apply")
    with (
        Running(project.root, ("serve", "--port", str(port)), project.env) as server,
        Running(project.root, ("watch", "--probes-port", "off"), project.env) as daemon,
    ):
        server.until(1)
        yield project, server, daemon


def outcome(project: Project, number: int) -> dict[str, Any]:
    """Return what is on record of a version; empty while it is none."""
    record = project.status()["m"]["record"] or {}
    found = [v for v in record.get("versions", ()) if v["number"] == number]
    return dict(found[0]) if found else {}


def test_challengers_that_fail_or_are_slow_are_withdrawn_and_a_good_one_is_promoted(
    tmp_path: Path,
) -> None:
    with delivering(tmp_path) as (project, server, daemon):
        factors = {1: 2.0, 2: 3.0, 3: 4.0, 4: 5.0}
        with Clients(server.port, factors, count=4, tolerance=1e-3) as clients:
            change(project, factors[2], limit=LARGEST - 2)  # clients ask for a up to 49
            until(lambda: outcome(project, 2).get("outcome") == "withdrawn", 40, daemon.log)
            assert outcome(project, 2)["reason"] in ("TooManyErrors", "BreakerTripped")

            change(project, factors[3], drag=3)
            until(lambda: outcome(project, 3).get("outcome") == "withdrawn", 40, daemon.log)
            assert outcome(project, 3)["reason"] == "TooSlow"

            began = time.monotonic()
            change(project, factors[4])
            until(lambda: outcome(project, 4).get("outcome") == "released", 40, daemon.log)
            assert time.monotonic() - began > 2  # steps x hold
            server.until(4)
        assert clients.failed == []
        assert clients.wrong == []
        assert {"1", "2", "3", "4"} == set().union(*(a.versions for a in clients.seen))
        steps = [line for line in daemon.log if "60 %" in line]
        assert len(steps) == 1, "".join(daemon.log)
