"""What may befall a daemon: it says so, goes on with the rest, and is well again by itself.

`python bench/company.py` has more of it, and takes minutes.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import TypeVar

import pytest

from tests.company import abroad, clocks, commits, disks, space
from tests.company.abroad import Abroad
from tests.company.company import Company, Misfortune, endure
from tests.company.network import Wire, git_server
from tests.killing.bed import Bed

pytestmark = pytest.mark.slow

C = TypeVar("C", bound=Company)


@pytest.fixture(scope="module")
def bed(tmp_path_factory: pytest.TempPathFactory) -> Bed:
    """Return a bed that all processes of this test run share."""
    base = tmp_path_factory.getbasetemp()
    shared = base.parent if "PYTEST_XDIST_WORKER" in os.environ else base
    return Bed(shared / "bed")


def _endured(company: C, misfortunes: Sequence[Misfortune[C]]) -> None:
    with company:
        company.declare(ada=1, bob=2)
        company.well()
        for misfortune in misfortunes:
            endure(company, misfortune, hold_s=1.0)


def test_a_daemon_bears_whatever_is_done_to_what_it_follows(bed: Bed, tmp_path: Path) -> None:
    bed.copy("first", tmp_path / "site")
    misfortunes = (
        commits.a_spec_that_cannot_be_followed,
        commits.specs_emptied,
        commits.settings_broken,
        commits.record_corrupted,
        commits.branch_recreated,
        commits.moved_away,
        commits.a_hundred_commits,
    )
    _endured(Company(bed, tmp_path / "site", tmp_path), misfortunes)


@pytest.mark.soak
def test_a_daemon_bears_disks_that_cannot_be_written(bed: Bed, tmp_path: Path) -> None:
    if (why := disks.unable()) is not None:
        pytest.skip(why)
    bed.copy("first", tmp_path / "site")
    misfortunes = (space.workspace_full, space.refs_read_only, space.target_full)
    with space.on_small_disks(tmp_path / "site" / "repo"):
        _endured(Company(bed, tmp_path / "site", tmp_path), misfortunes)


@pytest.mark.soak
def test_a_daemon_bears_a_remote_that_comes_and_goes(bed: Bed, tmp_path: Path) -> None:
    bed.copy("first", tmp_path / "site")
    misfortunes = (abroad.refused, abroad.cut_while_fetching, abroad.answer_lost)
    with git_server(tmp_path / "site", tmp_path / "git.log") as port, Wire(port) as wire:
        _endured(Abroad(bed, tmp_path / "site", tmp_path, wire), misfortunes)


@pytest.mark.soak
def test_a_daemon_bears_a_clock_that_jumps(bed: Bed, tmp_path: Path) -> None:
    if (why := clocks.unable()) is not None:
        pytest.skip(why)
    bed.copy("first", tmp_path / "site")
    clock = clocks.clock(tmp_path)
    _endured(Company(bed, tmp_path / "site", tmp_path, more=clock), (clocks.a_year_back,))
