"""Watching: puts a daemon together from its parts."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime

from reconciler.adapters.metrics import Gauges, Metrics
from reconciler.adapters.probes import Answers
from reconciler.cli.grounds import Grounds
from reconciler.cli.operating import CountedSource, Counts
from reconciler.cli.wiring import Site
from reconciler.controller.board import Board
from reconciler.controller.committing import Committer
from reconciler.controller.daemon import Daemon
from reconciler.controller.events import Listen
from reconciler.controller.following import Follower
from reconciler.controller.keys import Key, release, target, urgent
from reconciler.controller.leasing import Leasing
from reconciler.controller.looks import Looks
from reconciler.controller.queue import WorkQueue
from reconciler.controller.standings import Standings
from reconciler.controller.telling import everyone
from reconciler.controller.troubles import Troubles
from reconciler.ports.leases import Leases, NoLeases
from reconciler.ports.source import Source

#: The refs were followed at least this many intervals ago, or the daemon is not ready.
_STALE = 3
#: Leases that are held for each training at a time: the next one is ready when one ends.
_AHEAD = 2


@dataclass(frozen=True, slots=True)
class Pace:
    """How much is done at once, and how often refs are looked at without a hint."""

    jobs: int
    """Trainings at a time; as many models are looked at side by side, and at least two."""
    memory: int | None
    """Bytes that each training may take; None: most of what there is."""
    interval_s: float
    rollout_poll_s: float
    """Servers are asked this often how a rollout fares."""
    everything: bool
    """Changes of any size are allowed, whatever the commit."""


class Watching:
    """A daemon, and what can be asked of it while it runs."""

    def __init__(
        self,
        site: Site,
        source: Source,
        pace: Pace,
        listen: Listen,
        leases: Callable[[Callable[[str, str], None]], Leases] = lambda _lost: NoLeases(),
    ) -> None:
        self._metrics = Metrics()
        counts = Counts(self._metrics)
        listen = everyone(listen, counts.hear)
        self._interval_s = pace.interval_s
        self._began = time.monotonic()
        self._queue: WorkQueue[Key] = WorkQueue(urgent=urgent)
        self._trainer = site.trainer(
            pace.jobs, listen, lambda model: self._queue.add(release(model)), pace.memory
        )
        self._leasing = Leasing(leases(self._lost), _AHEAD * pace.jobs)
        grounds = Grounds(site, self._trainer, self._leasing, listen, everything=pace.everything)
        self._standings = Standings(site.status, listen, lambda: datetime.now(UTC))
        board = self._board = Board()
        committer = Committer(lambda: grounds.site.store, wrote=counts.wrote, turn=board.turn)
        looks = Looks(
            board, self._queue, committer.submit, self._standings,
            Troubles(self._queue, listen), listen, self._metrics.passed,
            lambda: self.follower.wake(), lambda name: self.follower.missed(name),
            rollout_poll_s=pace.rollout_poll_s,
        )  # fmt: skip
        self.follower = Follower(
            CountedSource(source, counts),
            grounds,
            board,
            looks.changed,
            lambda names: self._queue.add(*map(target, names)),
            listen,
            pace.interval_s,
        )
        self.daemon = Daemon(
            self._queue, self.follower, looks, committer, self._trainer, max(2, pace.jobs)
        )
        self._metrics.ask(
            Gauges(
                self._queued, self._standings.counts, looks.rolling.states, self._trainings,
                self._age_s,
            )
        )  # fmt: skip

    def answers(self) -> Answers:
        """Return what its probes tell."""
        return Answers(self.daemon.lifeless, self._unready, self._metrics.render)

    def unwell(self) -> tuple[str, ...]:
        """Return the models that are not as declared, and what is wrong with the refs."""
        latest, view = self._standings.latest(), self._board.view
        told = {name for name in view.names() if view.tells(name)} if view else set()
        wrong = {n for n, s in latest.items() if not (s.as_declared or s.rolling_out)}
        trouble = self.follower.trouble
        return (*sorted(wrong | told - latest.keys()), *((trouble,) if trouble else ()))

    def _lost(self, fingerprint: str, said: str) -> None:
        """End a training whose lease somebody else has by now."""
        for model in self._leasing.whose(fingerprint):
            self._trainer.cancel(model, f"cut short: {said}")
            self._queue.add(release(model))

    def _queued(self) -> Counter[str]:
        return Counter(key.kind.value for key in self._queue.waiting())

    def _trainings(self) -> int:
        return len(self._trainer.models())

    def _age_s(self) -> float:
        return time.monotonic() - (self.follower.synced_at or self._began)

    def _unready(self) -> tuple[str, ...]:
        """Return why it does not keep up; a look that failed once is no reason by itself."""
        why = (trouble,) if (trouble := self.follower.trouble) else ()
        if self.follower.synced_at is None:
            return ("the refs were not followed yet", *why)
        if (age := self._age_s()) > _STALE * self._interval_s + 5:
            return (f"the refs were last followed {age:.0f} s ago", *why)
        return ()
