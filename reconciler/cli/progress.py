"""Progress: a live line per running model on a terminal, plain lines elsewhere."""

from __future__ import annotations

import threading
import time
from types import TracebackType

from rich.console import Console
from rich.live import Live
from rich.table import Table
from rich.text import Text

from reconciler.controller.events import (
    Decided,
    Event,
    Happened,
    Moved,
    Queued,
    Served,
    StageEnded,
    StageStarted,
    Trained,
    Warned,
)


class Progress:
    """Shows events of many threads; use it as a context manager around the work."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._lock = threading.Lock()
        self._running: dict[str, tuple[str, float]] = {}
        self.told: set[tuple[str, str]] = set()
        """What went wrong and was said already: model and message."""
        self._live: Live | None = None

    def __enter__(self) -> Progress:
        if self._console.is_terminal:
            self._live = Live(
                get_renderable=self._table,
                console=self._console,
                refresh_per_second=8,
                transient=True,
            )
            self._live.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._live is not None:
            self._live.stop()

    def __call__(self, event: Event) -> None:
        """Take in one event; safe to call from any thread."""
        with self._lock:
            self._follow(event)
        if (line := _line(event)) is not None and (self._live is None or _lasting(event)):
            self._console.print(line, soft_wrap=True, highlight=False)

    def _follow(self, event: Event) -> None:
        match event:
            case Queued():
                self._running[event.model] = ("queued", time.monotonic())
            case StageStarted():
                self._running[event.model] = (event.stage, time.monotonic())
            case StageEnded() | Served() | Moved() | Happened():
                pass
            case Trained():
                self._running.pop(event.model, None)
            case Decided():
                self._running.pop(event.model, None)
                self.told |= set() if event.good else {(event.model, event.message)}

    def _table(self) -> Table:
        table = Table.grid(padding=(0, 2))
        with self._lock:
            running = sorted(self._running.items())
        for model, (stage, since) in running:
            waited = "" if stage == "queued" else f"{time.monotonic() - since:.0f} s"
            table.add_row(Text("…", "cyan"), model, Text(stage, "cyan"), Text(waited, "dim"))
        return table


def _lasting(event: Event) -> bool:
    return isinstance(event, Trained | Decided | Warned | Served)


def _line(event: Event) -> Text | None:
    match event:
        case Queued() | Moved() | Happened():
            return None
        case StageStarted():
            return Text(f"  {event.model}: {event.stage} …")
        case StageEnded() if event.cached:
            return Text(f"  {event.model}: {event.stage} from the cache")
        case StageEnded():
            return Text(f"  {event.model}: {event.stage} done in {event.seconds:.1f} s")
        case Trained():
            return Text(f"  {event.model}: stages done in {event.seconds:.1f} s")
        case Decided():
            mark, style = ("✓", "green") if event.good else ("✗", "red")
            return Text.assemble((mark, style), f" {event.model}: {event.message}")
        case Served() if event.reason != "Healed":  # what is released is served: nobody wonders
            return None
        case Warned() | Served():
            return Text.assemble(("!", "yellow"), f" {event.model}: {event.message}")
