"""A repository with a daemon at work in it, and what must hold of both whatever befalls them."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from reconciler.bundle.manifest import verify
from reconciler.errors import ReconcilerError
from tests.company.running import LIMIT_S, Running, until
from tests.conftest import Project
from tests.killing.bed import Bed, declared
from tests.killing.state import differing, mess, yours

#: Of one core, by the daemon itself, while it waits for something to pass.
MOST_BUSY = 0.25
#: How often the same complaint may be logged while its cause lasts.
MOST_REPEATED = 1


class Company:
    """One repository; its models take the bundles that trainings of the same alpha have left.

    Args:
        bed: Where repository and bundles come from.
        place: The folder of the repository, made by `bed.copy`.
        logs: Where the daemon's log goes.
        interval_s: How often the daemon looks without being asked.
        more: Variables that only the daemon has.
    """

    def __init__(
        self,
        bed: Bed,
        place: Path,
        logs: Path,
        interval_s: float = 1.0,
        more: Mapping[str, str] | None = None,
    ) -> None:
        self.project: Project = bed.at(place)
        self._logs = logs
        self._outputs = bed.outputs / "models"
        self._wanted: dict[str, int] = {}
        self._interval_s = interval_s
        self._others = 0
        self.releases = self.project.root / "releases"
        self.watched = self.project
        """The repository that the daemon works in."""
        self.daemon_env = self.project.env | dict(more or {})
        self.daemon = self._started()

    def _started(self) -> Running:
        log = self._logs / "watch.log"
        options = ("--interval", str(self._interval_s), "--jobs", "2")
        return Running(self.project.root, self.daemon_env, log, *options)

    def __enter__(self) -> Company:
        self.daemon.__enter__()
        return self

    def __exit__(self, *why: object) -> None:
        self.daemon.__exit__(*why)

    def declare(self, **alphas: int) -> None:
        """Commit models with these alphas."""
        for name, alpha in alphas.items():
            self.write(name, declared(name, alpha))
        self.project.commit(f"Declare {alphas}")
        self.committed()
        self.expect(**alphas)

    def declare_another(self) -> str:
        """Commit one more model, and return its name."""
        self._others += 1
        name = f"m{self._others}"
        self.declare(**{name: 1 + self._others % 3})
        return name

    def committed(self) -> None:
        """Have the daemon be able to see what was committed."""

    def left(self) -> list[str]:
        """Return what was left behind; processes are the daemon's own."""
        crashes = (self.project.root / ".git").glob("fast_import_crash_*")
        return [what for what in mess(self.project) if not what.isdigit()] + [*map(str, crashes)]

    def write(self, name: str, spec: str) -> None:
        """Write a model's spec into the working tree."""
        self.project.write(f"specs/{name}.yaml", spec)

    def expect(self, **alphas: int) -> None:
        """Have these alphas be what is to come of the models."""
        self._wanted |= alphas

    def serves(self, model: str, alpha: int) -> bool:
        """Return whether the whole bundle of an alpha is served."""
        served = self.releases / model / "current"
        wanted = self._outputs / f"v{alpha}" / "manifest.json"
        try:
            same = (served / "manifest.json").read_bytes() == wanted.read_bytes()
            verify(served)
        except (OSError, ReconcilerError):
            return False
        return same

    def stands(self, model: str, **facts: str) -> dict[str, object]:
        """Wait until `status` says this of a model, and return all that it says."""

        def found() -> dict[str, object] | None:
            said = self.watched.status().get(model, {})
            return said if facts.items() <= said.items() else None

        said: dict[str, object] = until(found, LIMIT_S, self.tail)
        return said

    def well(self, limit_s: float = LIMIT_S) -> None:
        """Wait until every model is as declared and served so, and said to be."""
        until(lambda: all(self.serves(*want) for want in self._wanted.items()), limit_s, self.tail)
        until(self._said_well, limit_s, self.tail)

    def goes_on(self) -> str:
        """Wait until all is well although the cause is still there, and return that it is."""
        began = time.monotonic()
        self.well()
        return f"nothing: well after {time.monotonic() - began:.1f} s"

    def _said_well(self) -> bool:
        said = self.watched.status()
        good = [(said[m]["sync"], said[m]["health"]) for m in self._wanted if m in said]
        return good == [("Synced", "Healthy")] * len(self._wanted)

    def tail(self) -> str:
        """Return what may tell why something did not come to be."""
        said = self.watched.reconciler("status", check=False)
        return f"wanted {self._wanted}\n{said.stdout}{said.stderr}\n{self.daemon.tail()}"


@dataclass
class Endured:
    """What a misfortune was like."""

    name: str
    stated: str
    """How it showed."""
    recovered_s: float
    """Seconds from the moment that the cause was gone until all was well."""
    busy: float
    """Of one core, by the daemon itself, while it lasted."""
    repeated: int
    """How often the same complaint was logged while it lasted."""


C = TypeVar("C", bound=Company)
#: Befalls what it is given, yields how that shows, and takes the cause away.
Misfortune = Callable[[C], Iterator[str]]


def _busy(company: Company, seconds: float) -> float:
    """Return the share of a core that the daemon takes for a while."""
    spent, began = company.daemon.cpu_s(), time.monotonic()
    time.sleep(seconds)
    return (company.daemon.cpu_s() - spent) / (time.monotonic() - began)


def endure(company: C, misfortune: Misfortune[C], hold_s: float = 2.0) -> Endured:
    """Have a misfortune come and go, and return how it was borne.

    Raises:
        AssertionError: Something that must hold did not.
    """
    daemon, lines = company.daemon, len(company.daemon.lines())
    course = misfortune(company)
    stated = next(course)
    before, busy = yours(company.project), _busy(company, hold_s)
    if busy > MOST_BUSY:  # what was under way ends; a loop does not
        busy = _busy(company, hold_s + 2)
    complaints = Counter(
        (line["event"], line.get("model"), line.get("reason"), line["message"])
        for line in daemon.lines(lines)
        if line["level"] == "warning" and line["event"] != "Moved"
    )
    assert daemon.code is None, company.tail()
    assert daemon.answer("livez")[0] == 200, daemon.answer("livez")
    assert not differing(before, yours(company.project))
    next(course, None)
    gone = time.monotonic()
    company.well()
    recovered_s = time.monotonic() - gone
    assert daemon.answer("livez")[0] == 200, daemon.answer("livez")
    assert daemon.answer("readyz")[0] == 200, daemon.answer("readyz")
    assert not daemon.stderr(), daemon.stderr()
    until(lambda: not company.left(), 10, lambda: str(company.left()))
    worst, repeated = max(complaints.items(), key=lambda c: c[1], default=((), 0))
    assert repeated <= MOST_REPEATED, f"said {repeated} times: {worst}"
    assert busy <= MOST_BUSY, f"{misfortune.__name__}: busy for {busy:.0%} of the time"
    return Endured(misfortune.__name__, stated, recovered_s, busy, repeated)
