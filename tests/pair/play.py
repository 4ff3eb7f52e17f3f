"""One play: two daemons, a script of commits, and everything that must hold afterwards."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tests.hosts import git
from tests.pair import checks
from tests.pair.script import Script, waited
from tests.pair.team import Kill, Team

NAMES = ("a", "b")


@dataclass(frozen=True)
class Size:
    """How much happens."""

    commits: int
    kills: int
    steers: int
    pause_s: float
    """Mean pause between commits."""
    training_s: float
    intervals_s: tuple[float, float]
    """How often each daemon looks."""
    rest_s: float
    """How long daemons at rest are watched."""
    longest_s: float
    """By when both must have converged after the last commit."""


@dataclass(frozen=True)
class Played:
    """What came of it."""

    faults: tuple[str, ...]
    said: tuple[str, ...]
    """What people and the dice did."""
    kills: tuple[Kill, ...]
    commits: int
    """On the branch of records."""
    decisions: int
    races: int
    """Pushes of records that another was faster than."""
    trained: checks.Trained
    converged_s: float
    stopped_s: float
    ticks: tuple[float, ...]
    """That were due for each while the daemons were watched at rest."""
    looks: tuple[int, ...]
    """How often each asked the remote meanwhile."""
    asked: tuple[checks.Asked, ...]
    """How often each has started git in all."""


def play(place: Path, outputs: Path, size: Size, seed: int) -> Played:
    """Play a script in an empty folder; see `checks` for what is looked at."""
    intervals_s = dict(zip(NAMES, size.intervals_s, strict=True))
    team = Team(place, outputs, intervals_s, size.training_s)
    script = Script(team, seed, size.commits, size.pause_s, size.kills, size.steers)
    script.begin()
    with team.at_work(*NAMES):
        script.play()
        converged_s = waited(_unrest(team), size.longest_s)
        ticks, looks = _watched(team, size)
        often = any(n > due * 1.5 + 2 for n, due in zip(looks, ticks, strict=True))
        faults = [f"{ticks} ticks, {looks} looks"] if often else []
        stopped_s = team.stop()
        faults += [f"{pid} runs still: {what}" for pid, what in team.processes().items()]
        faults += _steered(team)
        faults += [f"{lock} is left" for lock in checks.locks(team, *NAMES)]
        faults += _compared(team)
    kills = tuple(kill for daemon in team.daemons.values() for kill in daemon.kills)
    history = checks.history(team)
    faults += [*history.faults, *checks.untold(team, history, len(kills), *NAMES)]
    trained = checks.trained(team, kills)
    faults += [f"trained again: {what}" for what in trained.again]
    asked = tuple(checks.asked(team, name) for name in NAMES)
    pushed = sum(each.recorded for each in asked)
    races = pushed - sum(author == "reconciler" for author in history.authors)
    return Played(
        tuple(faults), tuple(script.said), kills, len(history.commits), len(history.decisions),
        races, trained, converged_s, stopped_s, ticks, looks,
        asked,
    )  # fmt: skip


def _unrest(team: Team) -> Iterator[list[str]]:
    while True:
        yield checks.unrest(team, *NAMES)


def _watched(team: Team, size: Size) -> tuple[tuple[float, ...], tuple[int, ...]]:
    """Return how many ticks of each were due while nothing happened, and how often it asked."""
    before, began = [checks.asked(team, name) for name in NAMES], time.monotonic()
    time.sleep(size.rest_s)
    after, passed_s = [checks.asked(team, name) for name in NAMES], time.monotonic() - began
    ticks = tuple(passed_s / interval_s for interval_s in size.intervals_s)
    pairs = zip(before, after, strict=True)
    return ticks, tuple(b.looks + b.questions - a.looks - a.questions for a, b in pairs)


def _steered(team: Team) -> list[str]:
    """Return what people have decided and is not in the history."""
    lost = [
        commit for commit in team.steered
        if git(team.hub, "rev-list", "-1", commit, f"^{checks.DEPLOYED}")
    ]  # fmt: skip
    return [f"{commit} of a person is lost" for commit in lost]


def _compared(team: Team) -> list[str]:
    """Return what a lone daemon finds otherwise: by the same records, and from the start."""
    before = git(team.hub, "rev-parse", checks.DEPLOYED)
    runs = len(checks.runs(team))
    team.start("third", "--once").wait(120)
    moved = git(team.hub, "rev-parse", checks.DEPLOYED) != before
    faults = ["a third daemon decides otherwise by the same records"] if moved else []
    like = checks.standing(team, "third")
    faults += [
        f"{model} stands {stands} for {name} and {like.get(model)} for a third daemon"
        for name in NAMES for model, stands in checks.standing(team, name).items()
        if stands != like.get(model)
    ]  # fmt: skip
    lone = team.place / "lone.git"
    git(
        team.place,
        "clone",
        "-q",
        "--bare",
        "--single-branch",
        "-b",
        "main",
        str(team.hub),
        str(lone),
    )
    team.start("lone", "--once", hub=lone.name).wait(120)
    faults += checks.likeness(team.hub, lone)
    return faults + [f"a lone daemon had to train: {run}" for run in checks.runs(team)[runs:]]
