"""The script: what people do while the daemons work; all of it follows from a seed."""

from __future__ import annotations

import random
import time
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from itertools import count
from pathlib import Path

from tests.conftest import Project, spec
from tests.killing.bed import ALPHAS
from tests.pair.checks import records
from tests.pair.team import How, Team

TABLE = "data/table.csv"
#: How often each kind of commit is made, of a hundred.
CHANGES = {"alpha": 46, "bar": 14, "data": 10, "add": 8, "remove": 8, "revert": 14}
_MOST_MODELS = 6


@dataclass(frozen=True)
class Model:
    """What is declared of a model."""

    alpha: int
    tol: float = 0.001
    """Without consequence to what is trained: another fingerprint that leaves the same bytes."""
    least_r2: float = 0.2
    shared: bool = False
    """Whether its data are the table that several models are trained on."""

    def text(self, name: str) -> str:
        """Return its spec."""
        return spec(
            name,
            source=TABLE if self.shared else "sklearn:diabetes",
            hyperparameters={"alpha": self.alpha, "tol": self.tol},
            acceptance=f"[{{metric: r2, min: {self.least_r2}}}]",
        )


@dataclass(frozen=True)
class Declared:
    """What one commit declares."""

    models: dict[str, Model]
    rows: int = 20
    """Of the table."""

    def write(self, ada: Project, before: Declared | None) -> None:
        """Write the files that differ from those of an earlier commit."""
        known = before.models if before else {}
        for name in known.keys() - self.models.keys():
            (ada.root / f"specs/{name}.yaml").unlink()
        for name, model in self.models.items():
            ada.write(f"specs/{name}.yaml", model.text(name))
        if before is None or self.rows != before.rows:
            lines = (f"{n / 7:.6f},{n % 5},{n * 2 % 9}" for n in range(self.rows))
            ada.write(TABLE, "age,bmi,target\n" + "\n".join(lines) + "\n")


@dataclass
class Script:
    """Commits, steering and kills in random order.

    Args:
        team: Whose remote they are pushed to.
        seed: What all of it follows from.
        pause_s: Mean time between two commits.
        kills: How many daemons are killed during `commits`.
        steers: How many decisions are made by hand during `commits`.
    """

    team: Team
    seed: int
    commits: int
    pause_s: float
    kills: int = 0
    steers: int = 0
    said: list[str] = field(default_factory=list)
    """What was done, in order."""

    def __post_init__(self) -> None:
        self._dice = random.Random(self.seed)
        self._history: list[Declared] = []
        self._cut: set[str] = set()
        self._names = (f"m{n}" for n in count())

    @property
    def declared(self) -> Declared:
        """What the last commit declares."""
        return self._history[-1]

    def begin(self) -> None:
        """Push the first commit."""
        models = {
            next(self._names): Model(1 + n % len(ALPHAS), shared=n % 2 == 0) for n in range(4)
        }
        self._declare(Declared(models), "Begin")

    def play(self) -> None:
        """Push all commits, and steer and kill in between; what people hold is resumed last."""
        kinds = self._dice.choices(list(CHANGES), list(CHANGES.values()), k=self.commits)
        killed = self._some(self.kills)
        steered = self._some(self.steers)
        for number, kind in enumerate(kinds):
            time.sleep(self._dice.expovariate(1 / self.pause_s))
            self._change(kind)
            if number in steered:
                self._steer()
            if number in killed:
                time.sleep(self._dice.uniform(0, 2 * self.pause_s))
                self._kill()
        self.resume()

    def resume(self) -> None:
        """End what people hold, so that what is declared decides alone."""
        for name in sorted(n for n, record in records(self.team.hub).items() if record.holds):
            self.said.append(f"resume {name}: {self.team.steer('resume', name)}")

    def _some(self, how_many: int) -> frozenset[int]:
        return frozenset(self._dice.sample(range(self.commits), how_many))

    def _change(self, kind: str) -> None:
        now = self.declared
        if kind == "revert" and len(self._history) > 1:
            self.team.ada.git("revert", "--no-edit", "HEAD")
            self.team.ada.git("push", "-q", "origin", "main")
            self._history.append(self._history[-2])
            self.said.append("revert")
            return
        name = self._dice.choice(sorted(now.models))
        models = dict(now.models)
        match kind:
            case "data":
                self._declare(replace(now, rows=now.rows + 1), "data")
                return
            case "bar":
                bars = [bar for bar in (0.1, 0.2, 0.9) if bar != models[name].least_r2]
                models[name] = replace(models[name], least_r2=self._dice.choice(bars))
            case "add" if len(models) < _MOST_MODELS:
                name = next(self._names)
                models[name] = Model(self._dice.choice(ALPHAS), shared=self._dice.random() < 0.5)
            case "remove" if len(models) > 2:
                del models[name]
            case _:
                models[name] = self._other(models[name])
        self._declare(replace(now, models=models), f"{kind} {name}")

    def _other(self, model: Model) -> Model:
        pairs = [(a, t) for a in ALPHAS for t in (0.001, 0.002, 0.003, 0.004)]
        pairs.remove((model.alpha, model.tol))
        alpha, tol = self._dice.choice(pairs)
        return replace(model, alpha=alpha, tol=tol)

    def _declare(self, declared: Declared, message: str) -> None:
        declared.write(self.team.ada, self._history[-1] if self._history else None)
        self.team.push(message)
        self._history.append(declared)
        self.said.append(message)

    def _steer(self) -> None:
        verb = self._dice.choice(("suspend", "resume", "rollback", "rollback"))
        name = self._dice.choice(sorted(self.declared.models))
        self.said.append(f"{verb} {name}: {self.team.steer(verb, name)}")

    def _training(self) -> str | None:
        """Return a daemon whose stage has begun since the last kill and not ended; None: none."""
        now = _open_runs(Path(self.team.ada.env["PAIR_STAGES"]))
        fresh = [
            daemon for run, daemon in now.items()
            if run not in self._cut and run.startswith("train ")
        ]  # fmt: skip
        return fresh[0] if fresh else None

    def _kill(self) -> None:
        """Kill a daemon and start it again: at any time, or while it trains."""
        how: How = self._dice.choice(("alone", "all"))
        name = self._dice.choice(sorted(self.team.daemons))
        until = time.monotonic() + self._dice.choice((0, 5, 5))
        while time.monotonic() < until:
            if (training := self._training()) is not None:
                name = training
                time.sleep(self._dice.uniform(0, self.team.training_s / 2))
                break
            time.sleep(0.02)
        self.team.kill(name, how)
        self._cut |= _open_runs(Path(self.team.ada.env["PAIR_STAGES"])).keys()
        time.sleep(self._dice.uniform(0, self.pause_s))
        self.team.start(name)
        self.said.append(f"kill {name} {how}")


def _open_runs(file: Path) -> dict[str, str]:
    """Return which daemon's stages have begun and not ended, by what they are."""
    found: dict[str, str] = {}
    for line in file.read_text().splitlines() if file.exists() else ():
        word, what = line.split(" ", 1)
        *run, _ = what.split()
        if word == "start":
            found[" ".join(run)] = run[3]
        else:
            found.pop(" ".join(run), None)
    return found


def waited(claims: Iterator[list[str]], seconds: float, every_s: float = 0.3) -> float:
    """Wait until nothing is missing, and return the seconds that took.

    Args:
        claims: Gives what is missing each time it is asked.
        seconds: The longest to wait.
        every_s: Pause between two questions.
    """
    began = time.monotonic()
    for missing in claims:
        if not missing:
            return time.monotonic() - began
        assert time.monotonic() - began < seconds, missing
        time.sleep(every_s)
    raise AssertionError("never asked")
