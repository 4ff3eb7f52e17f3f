"""What runs apart from the loop: known from how long answers took."""

from __future__ import annotations

from pathlib import Path

import pytest

from reconciler.serving.loaded import SLOW_S, Loaded, load
from tests.serving.bundles import made


@pytest.fixture
def quick(tmp_path: Path) -> Loaded:
    return load(made(tmp_path / "1"))


def test_many_rows_run_apart_only_where_they_take_long_together(quick: Loaded) -> None:
    for _ in range(200):
        quick.took(SLOW_S / 1000, 100)
    assert not quick.slow(1000)
    assert quick.slow(1_000_000)


def test_batches_that_are_quick_row_by_row_do_not_make_a_slow_call_look_quick(
    quick: Loaded,
) -> None:
    for _ in range(200):
        quick.took(2 * SLOW_S, 1)
        quick.took(2 * SLOW_S, 1000)
    assert quick.slow(1)
    assert quick.slow(2)
