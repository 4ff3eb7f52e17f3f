"""The tour, followed to the letter in a fresh folder: every command, and every line it shows."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path

import pytest

from tests.conftest import ROOT, SHARED, Project

pytestmark = [pytest.mark.slow, pytest.mark.soak]

PAGE = (ROOT / "docs" / "tour.md").read_text()


@dataclass
class Step:
    """One command of the page, and the lines that it is shown to print."""

    command: str
    shown: list[str]


def steps(page: str) -> Iterator[Step]:
    for block in re.findall(r"```console\n(.*?)```", page, re.DOTALL):
        step: Step | None = None
        for line in block.splitlines():
            if line.startswith("$ "):
                if step is not None:
                    yield step
                step = Step(line[2:], [])
            elif step is not None:
                step.shown.append(line)
        if step is not None:
            yield step


def there(page: str) -> str:
    """Return the page for the other table, by the page's own list of what changes."""
    body, _, rest = page.partition("## With another table")
    pairs = re.findall(r"^\| `(.+)` \| `(.+)` \|$", rest, re.MULTILINE)
    assert len(pairs) == 5
    for here, other in sorted(pairs, key=lambda pair: -len(pair[0])):
        body = body.replace(here, other)
    return body


def follow(page: str, where: Path, env: Mapping[str, str]) -> None:
    """Run the page's commands in one shell, and compare what each prints."""
    for step in steps(page):
        wanted = [line for line in step.shown if not line.startswith("[exit ")]
        exits = [line for line in step.shown if line.startswith("[exit ")]
        code = int(exits[0][6:-1]) if exits else 0
        place = where / "place"
        cwd = place.read_text() if place.exists() else str(where)
        script = f"{step.command}\nstatus=$?\npwd > {place}.new\nexit $status\n"
        done = subprocess.run(
            ("bash", "-c", script), cwd=cwd, env=env, capture_output=True, text=True,
            check=False, stdin=subprocess.DEVNULL, timeout=300,
        )  # fmt: skip
        said = done.stdout + done.stderr
        assert done.returncode == code, f"$ {step.command}\n{said}"
        assert matches(wanted, said.splitlines()), (
            f"$ {step.command}\n{said}\nis shown as\n" + "\n".join(wanted)
        )
        place.write_text(Path(f"{place}.new").read_text().strip())


def matches(wanted: list[str], said: list[str]) -> bool:
    """Return whether lines are as shown; `…` stands for any lines, or for any text of one."""
    if not wanted:
        return not said
    first, *rest = wanted
    if first == "…":
        return any(matches(rest, said[n:]) for n in range(len(said) + 1))
    return bool(said) and _like(said[0].rstrip(), first) and matches(rest, said[1:])


def _like(said: str, shown: str) -> bool:
    pattern = re.sub(r"([*?\[])", r"[\1]", shown).replace("…", "*")
    squeezed = re.sub(r" +", " ", said).strip()
    return fnmatchcase(squeezed, re.sub(r" +", " ", pattern).strip())


@pytest.mark.parametrize("table", ["housing", "churn"])
def test_the_tour_holds_to_the_letter(table: str, tmp_path: Path) -> None:
    source = SHARED / {"housing": "housing.csv", "churn": "telco_churn.csv"}[table]
    if not source.exists():
        pytest.skip(f"{source} is not there")
    home = tmp_path / "home"
    (home / "Downloads").mkdir(parents=True)
    shutil.copy(source, home / "Downloads" / f"{table}.csv")
    env = {
        **Project(tmp_path, home).env,
        "GIT_AUTHOR_NAME": "Ada",
        "GIT_AUTHOR_EMAIL": "ada@example.org",
        "GIT_COMMITTER_NAME": "Ada",
        "GIT_COMMITTER_EMAIL": "ada@example.org",
    }
    follow(PAGE if table == "housing" else there(PAGE), tmp_path, env)
