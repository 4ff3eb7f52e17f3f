"""A daemon, a server and clients: a bad challenger is withdrawn, a good one is promoted."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.serving.rolling import LARGEST, delivering
from tests.serving.running import Clients

pytestmark = pytest.mark.slow

ROLLOUT = "{strategy: canary, steps: [30, 60], hold: 1s, min_requests: 40}"


def test_a_challenger_that_fails_is_withdrawn_and_a_good_one_is_promoted(tmp_path: Path) -> None:
    with delivering(tmp_path, ROLLOUT) as team:
        factors = {1: 2.0, 2: 3.0, 3: 4.0}
        with Clients(team.server.port, factors, count=4, tolerance=1e-3) as clients:
            ended = team.play(2, factors[2], limit=LARGEST - 2)  # clients ask for a up to 49
            assert ended.outcome == "withdrawn"
            assert ended.reason in ("TooManyErrors", "BreakerTripped")
            assert ended.steps == 1

            ended = team.play(3, factors[3])
            assert ended.outcome == "released"
            assert ended.steps == 2
            assert ended.seconds > 1  # steps x hold; moments on record are cut to the second
            team.server.until(3, wait_s=60)
        assert clients.failed == []
        assert clients.wrong == []
        assert {"1", "2", "3"} == set().union(*(a.versions for a in clients.seen))
