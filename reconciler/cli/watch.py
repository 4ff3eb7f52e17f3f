"""`watch`: the daemon; it follows a branch and keeps what is released as that declares it."""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from types import FrameType

from reconciler.adapters.local_source import LocalSource
from reconciler.adapters.probes import probing
from reconciler.adapters.ref_watch import watching
from reconciler.cli.daemon_log import DaemonLog
from reconciler.cli.options import LogFormat
from reconciler.cli.watching import Pace, Watching
from reconciler.cli.wiring import Site, open_site
from reconciler.controller.events import Happened, Listen
from reconciler.controller.telling import everyone

#: Whoever asks the daemon to end finds it gone within five seconds.
_STOP_S = 4.5
_LOOK_S = 0.05


@dataclass(frozen=True, slots=True)
class Request:
    """What a person asked for."""

    branch: str | None
    pace: Pace
    once: bool
    log: LogFormat
    probes_host: str
    probes_port: int | None


def run(request: Request) -> int:
    """Return 0 when it was asked to end; with `once`, 1 when a model is not as declared."""
    site = open_site()
    site.workspace.prepare()
    with ExitStack() as stack:
        stack.enter_context(site.workspace.alone())
        end = stack.enter_context(_asked_to_end())
        log = stack.enter_context(DaemonLog(request.log))
        listen = everyone(log, stack.enter_context(site.kept_events()))
        return _watch(site, request, listen, end, stack)


def _watch(
    site: Site, request: Request, listen: Listen, end: threading.Event, stack: ExitStack
) -> int:
    watch = Watching(site, LocalSource(site.git, request.branch), request.pace, listen)
    refs = stack.enter_context(watching(site.git, watch.follower.wake))
    watch.follower.hinted_by(refs.renew)
    server = stack.enter_context(probing(watch.answers(), request.probes_host, request.probes_port))
    what = request.branch or "HEAD"
    at = f"http://{request.probes_host}:{server.port}"
    said = f"process {os.getpid()} follows {what} of {site.root}; probes on {at}"
    listen(Happened("Started", said))
    watch.daemon.start()
    while not end.wait(_LOOK_S if request.once else None):
        if watch.daemon.at_rest():
            break
    listen(Happened("Stopping", "trainings are ended; what they had done is kept"))
    if not watch.daemon.stop(_STOP_S):
        stack.close()
        sys.stdout.flush()
        os._exit(0)  # a thread that computes cannot be ended otherwise; nothing is half-written
    site.export()
    return max((not s.as_declared for s in watch.standings().values()), default=0)


@contextmanager
def _asked_to_end() -> Iterator[threading.Event]:
    """Give what is set once by SIGTERM or Ctrl-C; a second one ends the process at once."""
    end = threading.Event()

    def ask(number: int, _frame: FrameType | None) -> None:
        if end.is_set():
            os._exit(128 + number)
        end.set()

    before = {number: signal.signal(number, ask) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield end
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
