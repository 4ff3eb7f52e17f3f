"""Committing: decisions of many passes go on record, those that come close together at once."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass

from reconciler.adapters.deployed import DeployedStore
from reconciler.adapters.snapshot import Snapshot
from reconciler.controller import decisions
from reconciler.controller.decisions import Decision
from reconciler.controller.passes import guarded
from reconciler.core.record import Record
from reconciler.errors import TransientError

WINDOW_S = 0.2
_MOST = 500  # decisions in one commit: what is lost to a faster writer is bounded


@dataclass(frozen=True, slots=True)
class Entry:
    """A decision, and the record that it was made on."""

    decision: Decision
    seen: Record | None


#: Told of entries that were written together: the branch after that, or what went wrong.
Settled = Callable[[Sequence[Entry], Snapshot | Exception], None]


class Committer:
    """Writes what is submitted from a thread of its own, so that no pass waits for a commit.

    A lone decision is written at once; further ones wait until `window_s` after the last commit.

    Args:
        store: Gives where records are.
        window_s: Least seconds between two commits.
        wrote: Told of each commit; what went wrong where there is none.
        turn: Held from before a commit until it has been told of.
    """

    def __init__(
        self,
        store: Callable[[], DeployedStore],
        window_s: float = WINDOW_S,
        wrote: Callable[[Exception | None], None] = lambda _: None,
        turn: AbstractContextManager[object] | None = None,
    ) -> None:
        self._store = store
        self._wrote = wrote
        self._window_s = window_s
        self._alone = turn or nullcontext()
        self._turn = threading.Condition()
        self._pending: list[Entry] = []
        self._writing = False
        self._closed = False
        self._last = float("-inf")

    def submit(self, decision: Decision, seen: Record | None) -> None:
        """Have a decision put on record; at most one of each model at a time."""
        with self._turn:
            self._pending.append(Entry(decision, seen))
            self._turn.notify_all()

    def at_rest(self) -> bool:
        """Return whether nothing waits to be written."""
        with self._turn:
            return not self._pending and not self._writing

    def run(self, settled: Settled, rested: Callable[[], None] = lambda: None) -> None:
        """Write until closed; every entry is told of once, from the thread that runs this.

        Args:
            settled: Told of entries.
            rested: Called after each batch, once it no longer counts as being written.
        """
        while batch := self._next():
            with self._alone:
                self._write(batch, settled)
            with self._turn:
                self._writing = False
            rested()

    def close(self) -> None:
        """Write nothing more: what waits follows again from what is declared."""
        with self._turn:
            self._closed = True
            self._turn.notify_all()

    def _next(self) -> Sequence[Entry]:
        with self._turn:
            self._turn.wait_for(lambda: self._pending or self._closed)
            left = self._last + self._window_s - time.monotonic()
            if left > 0:
                self._turn.wait_for(lambda: self._closed, left)
            if self._closed:
                return ()
            batch, self._pending = self._pending[:_MOST], self._pending[_MOST:]
            self._writing = True
            return batch

    def _write(self, batch: Sequence[Entry], settled: Settled) -> None:
        changes = {
            e.decision.model: decisions.unless_steered(e.decision.change, e.seen) for e in batch
        }
        written: list[Snapshot] = []
        with guarded(lambda error: self._unwritten(batch, error, settled)):
            written.append(self._store().commit(changes))
        self._last = time.monotonic()
        for snapshot in written:
            self._wrote(None)
            settled(batch, snapshot)

    def _unwritten(self, batch: Sequence[Entry], error: Exception, settled: Settled) -> None:
        """Write each decision by itself where that may help: one bad change spoils no other."""
        self._wrote(error)
        if len(batch) > 1 and not isinstance(error, TransientError):
            for entry in batch:
                self._write([entry], settled)
        else:
            settled(batch, error)
