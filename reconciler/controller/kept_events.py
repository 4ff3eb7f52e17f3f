"""Kept events: what happened lately, for `reconciler events`; losing them stops nothing."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from datetime import datetime

from reconciler.adapters.status import StatusStore
from reconciler.controller.events import Event
from reconciler.controller.outbox import Outbox
from reconciler.controller.telling import told
from reconciler.core.told import Level, Told
from reconciler.errors import TransientError

_DELAY_S = 1.0
#: So many are written in one transaction, some 30 ms, for which others who write must wait.
_AT_ONCE = 500


class KeptEvents:
    """Listens to events and keeps them, some at a time; a context manager around the work.

    What only says that something is about to happen is not kept.

    Args:
        store: Opens a status store of its own, so that nobody waits for its lock.
        clock: The time, aware.
    """

    def __init__(self, store: Callable[[], StatusStore], clock: Callable[[], datetime]) -> None:
        self._open = store
        self._store: StatusStore | None = None
        self._clock = clock
        self._box: Outbox[Told] = Outbox(self._write, "events", _DELAY_S)

    def __enter__(self) -> KeptEvents:
        self._box.__enter__()
        return self

    def __exit__(self, *_: object) -> None:
        self._box.__exit__()

    def __call__(self, event: Event) -> None:
        """Have an event kept; any thread may call it."""
        item = told(event, self._clock())
        if item.level is not Level.DEBUG:
            self._box.put(item)

    def _write(self, batch: Sequence[Told], _lost: int) -> None:
        """Write a batch; where the store cannot be written it is lost, as the store may be."""
        with suppress(TransientError):
            self._store = self._store or self._open()
            for start in range(0, len(batch), _AT_ONCE):
                self._store.add_events(batch[start : start + _AT_ONCE])
