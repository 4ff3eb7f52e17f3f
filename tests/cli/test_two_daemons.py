"""Two daemons on two clones of one remote, random commits, and one of them killed now and then.

`python bench/two.py` does the same with fifty commits.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.killing.bed import Bed
from tests.pair.play import Size, play

pytestmark = [pytest.mark.slow, pytest.mark.soak]

SIZE = Size(
    commits=5, kills=1, steers=1, pause_s=0.4, training_s=0.3, intervals_s=(0.5, 0.5), rest_s=1.5,
    longest_s=120.0,
)  # fmt: skip


def test_two_daemons_lose_no_decision_train_nothing_twice_and_end_up_alike(
    tmp_path_factory: pytest.TempPathFactory, tmp_path: Path
) -> None:
    base = tmp_path_factory.getbasetemp()
    shared = base.parent if "PYTEST_XDIST_WORKER" in os.environ else base

    played = play(tmp_path, Bed(shared / "bed").trained(), SIZE, seed=1)

    assert played.faults == (), played.said
