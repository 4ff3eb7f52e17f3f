"""Operating: what a daemon tells while it works, put together: its log, its events, its probes."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass

from reconciler.adapters.metrics import Metrics
from reconciler.adapters.probes import HOST, OPTION, Answers, probing
from reconciler.cli.daemon_log import DaemonLog
from reconciler.cli.options import LogFormat
from reconciler.cli.wiring import Site
from reconciler.controller.events import Decided, Event, Happened, Listen, Served
from reconciler.controller.pulse import Pulse
from reconciler.controller.telling import everyone
from reconciler.errors import UsageError

_OFF = "off"
_HIGHEST = 65535


@dataclass(frozen=True, slots=True)
class Operated:
    """How a daemon is to be operated."""

    form: LogFormat = LogFormat.TEXT
    host: str = HOST
    port: str | None = None
    """A port as people write it, or `off`; None: nobody chose."""

    def number(self) -> int | None:
        """Return the port as a number; None: nobody chose.

        Raises:
            UsageError: It is no port.
        """
        if self.port is None:
            return None
        if re.fullmatch("[0-9]{1,5}", self.port) is None or int(self.port) > _HIGHEST:
            raise UsageError(
                f"{OPTION} {self.port} is no port",
                reason="BadPort",
                hint="a number from 0 to 65535 (0: any that is free), or off",
            )
        return int(self.port)


@contextmanager
def operating(site: Site, how: Operated, pulse: Pulse, metrics: Metrics) -> Iterator[Listen]:
    """Log, keep events and answer probes for the length of the block; give who is to be told.

    Raises:
        UsageError: The host or the port cannot be.
        TransientError: The port cannot be had now.
    """
    answers = Answers(pulse.lifeless, pulse.unready, metrics.render)
    with DaemonLog(how.form) as log, site.kept_events() as kept, ExitStack() as stack:
        listen = everyone(log, kept, _counting(metrics))
        if how.port != _OFF:
            server = stack.enter_context(probing(answers, how.host, how.number()))
            listen(Happened("Probing", f"/livez, /readyz and /metrics are at {server.url}"))
        yield listen


def _counting(metrics: Metrics) -> Listen:
    """Return what counts the events that a metric counts."""

    def count(event: Event) -> None:
        match event:
            case Served(reason="Healed"):
                metrics.healed()
            case Decided(reason="Superseded"):
                metrics.superseded()

    return count
