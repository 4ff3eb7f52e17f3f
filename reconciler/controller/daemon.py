"""The daemon: the threads that follow, look and commit, and how all of them come to an end."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

from reconciler.controller.committing import Committer
from reconciler.controller.following import Follower
from reconciler.controller.keys import Key
from reconciler.controller.looks import Looks
from reconciler.controller.queue import WorkQueue
from reconciler.controller.training import Trainer

#: A follower that was not seen for so long is stuck: a remote may take ten minutes to answer.
STUCK_S = 900.0


class Daemon:
    """Keeps a fleet as it is declared, until it is stopped.

    Args:
        queue: What is to be looked at.
        follower: Says what that is.
        looks: Looks at it.
        committer: Puts decisions on record.
        trainer: Trains.
        workers: Keys that are looked at side by side, at least 1; urgent ones have a worker more,
            so that what is in production waits for no gate and no remote.
    """

    def __init__(
        self,
        queue: WorkQueue[Key],
        follower: Follower,
        looks: Looks,
        committer: Committer,
        trainer: Trainer,
        workers: int,
    ) -> None:
        self._queue = queue
        self._follower = follower
        self._looks = looks
        self._committer = committer
        self._trainer = trainer
        self._lock = threading.Lock()
        self._busy = False
        """Something was looked at since the follower was last told that all is at rest."""
        self._threads = [
            _thread("following", follower.run),
            _thread("committing", lambda: committer.run(looks.committed, self._rest)),
            *(_thread(f"looking-{n}", self._work) for n in range(workers)),
            _thread("serving", lambda: self._work(urgent=True)),
        ]

    def start(self) -> None:
        """Begin."""
        for thread in self._threads:
            thread.start()

    def at_rest(self) -> bool:
        """Return whether the refs were looked at and nothing is left that can be done now."""
        with self._lock:  # the follower first: what it asks for is queued before it has settled
            return not self._follower.settling and not self._busy and self._idle()

    def lifeless(self) -> tuple[str, ...]:
        """Return what has died or is stuck, in sentences."""
        dead = [f"the thread `{t.name}` has ended" for t in self._threads if not t.is_alive()]
        silent = time.monotonic() - self._follower.beat
        if silent > STUCK_S:
            dead.append(f"the refs were not looked at for {silent:.0f} s")
        return tuple(dead)

    def stop(self, within_s: float) -> bool:
        """End everything, trainings too, and return whether it had ended in time.

        What is left undone follows again from what is declared and on record.
        """
        end = time.monotonic() + within_s
        self._follower.stop()
        self._queue.close()
        self._committer.close()
        ending = _thread("stopping", self._trainer.stop)
        ending.start()
        for thread in (ending, *self._threads):
            thread.join(max(0.0, end - time.monotonic()))
        return not any(thread.is_alive() for thread in (ending, *self._threads))

    def _work(self, *, urgent: bool = False) -> None:
        while (key := self._queue.take(urgent=urgent)) is not None:
            with self._lock:
                self._busy = True
            if self._looks.look(key):
                self._queue.done(key)
            self._rest()

    def _rest(self) -> None:
        """Tell the follower if nothing is left to be done: each thread asks that once it is."""
        with self._lock:
            if self._busy and self._idle():
                self._busy = False
                self._follower.drained()

    def _idle(self) -> bool:
        return (
            self._queue.at_rest()
            and not self._trainer.busy()
            and self._committer.at_rest()
            and self._looks.at_rest()
        )


def _thread(name: str, run: Callable[[], None]) -> threading.Thread:
    return threading.Thread(target=run, name=name, daemon=True)
