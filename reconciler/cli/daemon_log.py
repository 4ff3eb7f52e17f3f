"""The daemon's log: one line per event on a file descriptor that may be slow, full or gone."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from datetime import UTC, datetime

from reconciler.cli.options import LogFormat
from reconciler.cli.telling import as_json, line
from reconciler.controller.events import Event
from reconciler.controller.outbox import Outbox
from reconciler.controller.telling import told
from reconciler.core.told import Level, Told

Clock = Callable[[], datetime]


def now() -> datetime:
    """Return the time in UTC."""
    return datetime.now(UTC)


class DaemonLog:
    """Listens to events and writes each as a line; a context manager around the work.

    Any thread may tell it events, and none waits: a log that cannot be written loses lines, says
    how many once it can be, and never stops the daemon.

    Args:
        form: Lines for people, or JSON objects.
        file: The file descriptor; 1 is standard output.
        clock: The time, aware.
    """

    def __init__(self, form: LogFormat, file: int = 1, clock: Clock = now) -> None:
        self._write_told = as_json if form is LogFormat.JSON else line
        self._file = file
        self._clock = clock
        self._torn = False
        """Whether the last line written lacks its end."""
        self._unwritten = 0
        self._box: Outbox[Told] = Outbox(self._write, "log")

    def __enter__(self) -> DaemonLog:
        self._box.__enter__()
        return self

    def __exit__(self, *_: object) -> None:
        self._box.__exit__()

    def __call__(self, event: Event) -> None:
        """Have an event written; any thread may call it."""
        self._box.put(told(event, self._clock()))

    def tell(self, item: Told) -> None:
        """Have something written that is no event of a pass; any thread may call it."""
        self._box.put(item)

    def _write(self, batch: Sequence[Told], lost: int) -> None:
        self._unwritten += lost
        for item in batch:
            if self._unwritten and self._put(self._lost()):
                self._unwritten = 0
            self._unwritten += not self._put(item)

    def _lost(self) -> Told:
        noun = "line was" if self._unwritten == 1 else "lines were"
        message = f"{self._unwritten} {noun} lost: this log could not be written"
        facts = {"lost": self._unwritten}
        return Told(self._clock(), Level.WARNING, "Happened", "", "LogLost", message, facts)

    def _put(self, item: Told) -> bool:
        """Write one line; False: it could not be written, or not whole."""
        start = b"\n" if self._torn else b""
        left = start + self._write_told(item).encode("utf-8") + b"\n"
        try:
            while left:
                left = left[os.write(self._file, left) :]
                self._torn = bool(left)
        except OSError:
            return False
        return True
