"""Bad company: what befalls a daemon, how that shows, and how soon it is well again.

    python bench/company.py [NAME…]

Every misfortune comes to a daemon that is at work, and goes again; nobody starts the daemon anew
or touches anything else. It ends with an error where a daemon is not well again, dies, keeps
busy, says the same twice, or has touched what is the user's. Disks need root, clocks a compiler.
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from common import report

from tests.company import abroad, clocks, commits, disks, space
from tests.company.abroad import Abroad
from tests.company.company import Company, Endured, Misfortune, endure
from tests.company.network import Wire, git_server
from tests.killing.bed import Bed

#: So long each lasts once it has shown.
HOLD_S = 5.0

Place = Callable[[Bed, Path], AbstractContextManager[Company]]


@contextmanager
def _here(bed: Bed, folder: Path) -> Iterator[Company]:
    bed.copy("first", folder / "site")
    with Company(bed, folder / "site", folder) as company:
        yield company


@contextmanager
def _on_disks(bed: Bed, folder: Path) -> Iterator[Company]:
    bed.copy("first", folder / "site")
    with (
        space.on_small_disks(folder / "site" / "repo"),
        Company(bed, folder / "site", folder) as company,
    ):
        yield company


@contextmanager
def _on_one_disk(bed: Bed, folder: Path) -> Iterator[Company]:
    with disks.small_disk(folder / "disk", 64) as disk:
        bed.copy("first", disk / "site")
        with Company(bed, disk / "site", folder) as company:
            yield company


@contextmanager
def _abroad(bed: Bed, folder: Path) -> Iterator[Company]:
    bed.copy("first", folder / "site")
    with (
        git_server(folder / "site", folder / "git.log") as port,
        Wire(port) as wire,
        Abroad(bed, folder / "site", folder, wire) as company,
    ):
        yield company


@contextmanager
def _with_clock(bed: Bed, folder: Path) -> Iterator[Company]:
    bed.copy("first", folder / "site")
    clock = clocks.clock(folder)
    with Company(bed, folder / "site", folder, more=clock) as company:
        yield company


GROUPS: Mapping[Place, tuple[Sequence[Misfortune[Any]], str | None]] = {
    _here: (
        (
            commits.a_spec_that_cannot_be_followed,
            commits.specs_emptied,
            commits.settings_broken,
            commits.settings_gone,
            commits.pipeline_gone,
            commits.records_deleted,
            commits.record_corrupted,
            commits.collected,
            commits.forced_back,
            commits.unrelated,
            commits.branch_recreated,
            commits.moved_away,
            commits.five_hundred_commits,
        ),
        None,
    ),
    _on_disks: (
        (
            space.cache_full,
            space.target_full,
            space.workspace_full,
            space.refs_read_only,
            space.cache_read_only,
            space.target_read_only,
            space.workspace_read_only,
        ),
        disks.unable(),
    ),
    _on_one_disk: ((space.repository_full, space.repository_read_only), disks.unable()),
    _abroad: (
        (
            abroad.refused,
            abroad.silent,
            abroad.cut_while_fetching,
            abroad.cut_while_pushing,
            abroad.answer_lost,
            abroad.forced_to_unrelated,
            abroad.branch_deleted,
            abroad.repository_gone,
        ),
        None,
    ),
    _with_clock: ((clocks.a_year_on, clocks.a_year_back), clocks.unable()),
}


def main() -> None:
    """Have each misfortune come to a daemon, or those that are named."""
    named = set(sys.argv[1:])
    with tempfile.TemporaryDirectory() as folder:
        bed = Bed(Path(folder) / "bed")
        rows = [asdict(one) for one in _all(bed, Path(folder), named)]
    for row in rows:
        row["stated"] = row["stated"].splitlines()[0][:70]
    report("company", rows)


def _all(bed: Bed, folder: Path, named: set[str]) -> Iterator[Endured]:
    for place, (misfortunes, unable) in GROUPS.items():
        chosen = [m for m in misfortunes if not named or m.__name__ in named]
        if chosen and unable:
            print(f"left out: {unable}")
        elif chosen:
            yield from _endured(bed, folder / place.__name__, place, chosen)


def _endured(
    bed: Bed, folder: Path, place: Place, chosen: Sequence[Misfortune[Any]]
) -> Iterator[Endured]:
    folder.mkdir()
    with place(bed, folder) as company:
        company.declare(ada=1, bob=2)
        company.well()
        for misfortune in chosen:
            one = endure(company, misfortune, HOLD_S)
            print(f"{one.name}: {one.stated.splitlines()[0][:90]}: {one.recovered_s:.1f} s")
            yield one


if __name__ == "__main__":
    main()
