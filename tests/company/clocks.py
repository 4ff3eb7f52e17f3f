"""Misfortunes of the system's clock: it jumps, for the daemon and all that it starts."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

from tests.company.company import Company

YEAR_S = 365 * 24 * 3600
_SOURCE = Path(__file__).with_name("clock.c")


def unable() -> str | None:
    """Return why no clock can be made to jump here; None: one can be."""
    if not sys.platform.startswith("linux"):
        return "clocks are made to jump by the loader of Linux"
    return None if shutil.which("cc") else "there is no C compiler to make a clock with"


def clock(folder: Path) -> dict[str, str]:
    """Return the environment in which the clock is as `jump` has set it.

    Args:
        folder: Where the clock is kept.
    """
    library = folder / "clock.so"
    argv = ["cc", "-shared", "-fPIC", "-o", str(library), str(_SOURCE), "-ldl"]
    subprocess.run(argv, check=True)
    (folder / "clock").write_text("0")
    return {"LD_PRELOAD": str(library), "COMPANY_CLOCK": str(folder / "clock")}


def jump(company: Company, seconds: int) -> None:
    """Have the clock be so many seconds off."""
    file = Path(company.daemon_env["COMPANY_CLOCK"])
    aside = file.with_suffix(".new")
    aside.write_text(str(seconds))
    aside.replace(file)


def a_year_on(company: Company) -> Iterator[str]:
    """It jumps a year forward, and back."""
    yield from _jumped(company, YEAR_S)


def a_year_back(company: Company) -> Iterator[str]:
    """It jumps a year back, and forward again."""
    yield from _jumped(company, -YEAR_S)


def _jumped(company: Company, seconds: int) -> Iterator[str]:
    jump(company, seconds)
    name = company.declare_another()
    company.stands(name, sync="Synced", health="Healthy")
    created = company.project.status()[name]["record"]["champion"]["created"]
    off = datetime.fromisoformat(created) - datetime.now(UTC)
    assert abs(off.total_seconds() - seconds) < 600
    last = datetime.fromisoformat(company.daemon.lines()[-1]["ts"]) - datetime.now(UTC)
    assert abs(last - timedelta(seconds=seconds)) < timedelta(minutes=10)
    yield company.goes_on()
    jump(company, 0)
    company.declare_another()
