"""Operating: what a daemon's metrics count, and where its probes answer."""

from __future__ import annotations

import re

from reconciler.adapters.metrics import Metrics
from reconciler.adapters.probes import OPTION
from reconciler.controller.events import Decided, Event, Served
from reconciler.errors import TransientError, UsageError
from reconciler.ports.source import Sighting, Source

OFF = "off"
_HIGHEST = 65535
#: How the reasons begin of what goes wrong at a git remote.
_REMOTE = "Remote"


def port(text: str | None) -> int | None:
    """Return the port that a person wrote; None: nobody chose.

    Raises:
        UsageError: It is no port.
    """
    if text is None:
        return None
    if re.fullmatch("[0-9]{1,5}", text) is None or int(text) > _HIGHEST:
        raise UsageError(
            f"{OPTION} {text[:20]} is no port",
            reason="BadPort",
            hint=f"a number from 0 to {_HIGHEST} (0: any that is free), or {OFF}",
        )
    return int(text)


class Counts:
    """Counts what happens, for the metrics: events, commits, and failures of the git remote."""

    def __init__(self, metrics: Metrics) -> None:
        self._metrics = metrics

    def hear(self, event: Event) -> None:
        """Count an event, if a metric counts such; it is a `Listen`."""
        match event:
            case Served(reason="Healed", cause=cause):
                self._metrics.healed(cause or "")
            case Decided(reason="Superseded"):
                self._metrics.superseded()

    def wrote(self, error: Exception | None) -> None:
        """Count a commit of records; `error` is why there is none."""
        if error is None:
            self._metrics.committed()
        else:
            self.failed(error)

    def failed(self, error: Exception) -> None:
        """Count what went wrong, if it went wrong at a remote."""
        if isinstance(error, TransientError) and error.reason.startswith(_REMOTE):
            self._metrics.remote_failed()


class CountedSource:
    """A source whose failures to reach its remote are counted."""

    def __init__(self, source: Source, counts: Counts) -> None:
        self._source = source
        self._counts = counts

    def look(self) -> Sighting:
        """Return where the refs stand now; see `Source`."""
        try:
            return self._source.look()
        except TransientError as error:
            self._counts.failed(error)
            raise
