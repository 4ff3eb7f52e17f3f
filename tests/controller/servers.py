"""Inference servers that follow a world's records at once, and count what tests have answered."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from reconciler.core.latency import LATENCY_BUCKETS
from reconciler.core.record import Record
from reconciler.core.rollouts import challenger
from reconciler.core.tally import Tally
from reconciler.ports.servers import Answering, Counted, Report, Serves, State, Trying, Unloaded
from tests.controller.world import MemoryStore

BUCKETS = len(LATENCY_BUCKETS) + 1
#: The bucket of an answer after about a millisecond; ten further is ten times as slow.
USUAL = 20


def tally(requests: int, errors: int = 0, slower: int = 0, disagreed: int = 0) -> Tally:
    """Return what so many requests leave behind; each ten of `slower` are ten times as slow."""
    latency = [0] * BUCKETS
    latency[USUAL + slower] = requests - errors
    return Tally(requests, errors, tuple(latency), requests, disagreed)


@dataclass
class Server:
    """One server at one endpoint."""

    store: MemoryStore
    endpoint: str = "http://one"
    away: str = ""
    broken: dict[str, str] = field(default_factory=dict)
    """Why bundles cannot be loaded, as a reason, by digest."""
    fetching: dict[str, str] = field(default_factory=dict)
    """What is said of bundles that are on their way, by digest."""
    tripped: bool = False
    behind: Report | None = None
    """What it goes on saying, because it has not heard of anything since; None: it has."""
    boot: str = "boot 1"
    counted: dict[str, dict[str, dict[str, Counted]]] = field(default_factory=dict)
    _boots: int = 1

    def answers(self, champion: Tally, challenger_: Tally, model: str = "m") -> None:
        """Have requests answered at the step that is on now."""
        record = self.store.snapshot.records[model]
        own = self.counted.setdefault(self.boot, {}).setdefault(model, {})
        tried = challenger(record)
        for version, more in ((record.champion, champion), (tried, challenger_)):
            if version is not None:
                digest, since = str(version.bundle_digest), _since(record)
                before = own.get(digest)
                known = before.tally if before and before.since == since else Tally()
                own[digest] = Counted(since, known + more)

    def lose_worker(self) -> None:
        """Have its worker die: what it had counted is told on by the supervisor."""
        self._boots += 1
        self.boot = f"boot {self._boots}"

    def restart(self) -> None:
        """Have all of it die: what it had counted is gone."""
        self.counted.clear()
        self.lose_worker()

    def report(self) -> Report:
        """Return what its status says."""
        if self.away:
            return Report(self.endpoint, away=self.away)
        if self.behind is not None:
            return self.behind
        records = self.store.snapshot.records
        models = {n: self._serves(r) for n, r in records.items() if r.champion is not None}
        boots = {f"{self.endpoint} {boot}": dict(told) for boot, told in self.counted.items()}
        commit = self.store.snapshot.commit
        return Report(self.endpoint, "", self.endpoint, commit, True, models, boots)

    def _serves(self, record: Record) -> Serves:
        assert record.champion is not None
        champion = Answering(record.champion.number, str(record.champion.bundle_digest))
        tried = challenger(record)
        if tried is None or record.challenger is None:
            return Serves(State.READY, champion)
        digest, since = str(tried.bundle_digest), _since(record)
        if (reason := self.broken.get(digest)) is not None:
            failed = Unloaded(tried.number, digest, reason, "its model.onnx is cut", since)
            return Serves(State.FAILED, champion, None, failed, failed.message)
        if (detail := self.fetching.get(digest)) is not None:
            return Serves(State.LOADING, champion, detail=detail)
        weight = record.challenger.weight
        return Serves(
            State.READY, champion, Trying(tried.number, digest, weight, False, self.tripped, since)
        )


@dataclass
class FakeServers:
    """The servers that params.yaml names."""

    servers: Sequence[Server]
    looks: int = 0

    def look(self) -> tuple[Report, ...]:
        """Return what each endpoint says."""
        self.looks += 1
        return tuple(server.report() for server in self.servers)


def _since(record: Record) -> str:
    return record.challenger.since.isoformat() if record.challenger else ""
