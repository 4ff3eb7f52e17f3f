"""A daemon that follows a remote repository over a line that is not to be relied on."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from tests.company.company import Company
from tests.company.network import FINE, Fault, Wire
from tests.company.running import Running
from tests.conftest import Project
from tests.killing.bed import Bed


class Abroad(Company):
    """One repository that people push to, and a daemon that mirrors it.

    Args:
        bed: Where repository and bundles come from.
        place: The folder of the repository, made by `bed.copy`.
        logs: Where the daemon's log goes.
        wire: The line to the server of that folder.
        interval_s: How often the daemon asks.
    """

    def __init__(
        self, bed: Bed, place: Path, logs: Path, wire: Wire, interval_s: float = 1.0
    ) -> None:
        self.wire = wire
        self._mirror = place / "mirror"
        super().__init__(bed, place, logs, interval_s)
        self.watched = Project(self._mirror, place / "home")
        self.watched.env = self.project.env
        self.releases = self._mirror / "reconciler" / "releases"

    def _started(self) -> Running:
        root = self.project.root
        self.project.git("init", "-q", "--bare", "-b", "main", str(root.parent / "host.git"))
        Project(root.parent / "host.git", root).git("config", "receive.denyDeleteCurrent", "ignore")
        self.project.git("remote", "add", "host", str(root.parent / "host.git"))
        self.project.git("push", "-q", "host", "main")
        url = f"git://127.0.0.1:{self.wire.port}/host.git"
        where = ("--repo", url, "--branch", "main", "--state", str(self._mirror))
        options = (*where, "--interval", str(self._interval_s), "--jobs", "2")
        return Running(root.parent, self.project.env, self._logs / "abroad.log", *options)

    def committed(self) -> None:
        """Push what was committed, by another way than the daemon's."""
        self.project.git("push", "-q", "--force", "host", "HEAD:main")

    def left(self) -> list[str]:
        """Return what was left behind in the mirror."""
        locks = (*self._mirror.glob("*.lock"), *(self._mirror / "refs").rglob("*.lock"))
        return [str(path) for path in locks]


def silent(company: Abroad) -> Iterator[str]:
    """It takes what is asked and never answers."""
    yield from _faulty(company, Fault(silent=True), "RemoteUnreachable")


def refused(company: Abroad) -> Iterator[str]:
    """Nobody listens there."""
    yield from _faulty(company, Fault(refused=True), "RemoteUnreachable")


def cut_while_fetching(company: Abroad) -> Iterator[str]:
    """It vanishes while commits are fetched."""
    fault = Fault(service=b"git-upload-pack", down=20_000)
    yield from _faulty(company, fault, "RemoteUnreachable", large=True)


def cut_while_pushing(company: Abroad) -> Iterator[str]:
    """It vanishes while a lease or a record is pushed."""
    fault = Fault(service=b"git-receive-pack", up=400)
    yield from _faulty(company, fault, "RemoteUnreachable", word="git push")


def answer_lost(company: Abroad) -> Iterator[str]:
    """It takes what is pushed, and vanishes before it says so."""
    company.wire.be(Fault(service=b"git-receive-pack", deaf=True))
    name = company.declare_another()
    company.daemon.told(lambda line: line.get("reason") == "Released" and line["model"] == name)
    yield company.goes_on()
    company.wire.be(FINE)


def _faulty(
    company: Abroad, fault: Fault, reason: str, *, large: bool = False, word: str = ""
) -> Iterator[str]:
    seen = len(company.daemon.lines())
    company.wire.be(fault)
    if large:
        company.project.write("notes", os.urandom(200_000))
    company.declare_another()
    line = company.daemon.told(
        lambda line: line.get("reason") == reason and word in line["message"], seen
    )
    assert company.serves("ada", 1)
    yield f"{reason}: {line['message']}"
    company.wire.be(FINE)


def forced_to_unrelated(company: Abroad) -> Iterator[str]:
    """The branch on the remote is forced to another history."""
    project = company.project
    root = project.git("commit-tree", "HEAD^{tree}", "-m", "Another beginning")
    project.git("reset", "-q", "--hard", root)
    company.declare_another()
    yield company.goes_on()


def branch_deleted(company: Abroad) -> Iterator[str]:
    """The branch is deleted on the remote, and pushed again."""
    seen = len(company.daemon.lines())
    company.project.git("push", "-q", "host", ":main")
    company.daemon.told(lambda line: line.get("reason") == "BranchGone", seen)
    assert company.serves("ada", 1)
    yield "BranchGone, in the log"
    company.declare_another()


def repository_gone(company: Abroad) -> Iterator[str]:
    """The repository is moved away on its server."""
    seen = len(company.daemon.lines())
    host = company.project.root.parent / "host.git"
    host.rename(host.with_suffix(".away"))
    line = company.daemon.told(lambda line: line.get("reason") == "RemoteUnreachable", seen)
    yield f"{line['reason']}: {line['message']}"
    host.with_suffix(".away").rename(host)
    company.declare_another()
