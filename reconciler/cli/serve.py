"""`serve`: the inference server; what is released answers, whether or not a daemon runs."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from reconciler import __version__
from reconciler.adapters import beside
from reconciler.adapters.binding import listening_socket, reached, url
from reconciler.adapters.holder import holder
from reconciler.adapters.mirror import Mirror
from reconciler.adapters.ref_watch import watching
from reconciler.adapters.secrets import without_secrets
from reconciler.adapters.systemd import handed_over, tell_ready
from reconciler.cli.access_log import write
from reconciler.cli.daemon_log import DaemonLog
from reconciler.cli.ending import asked_to_end
from reconciler.cli.grpc_port import grpc_port
from reconciler.cli.guarding import Access, Guard
from reconciler.cli.options import LogFormat
from reconciler.cli.sourcing import Polling, Source
from reconciler.cli.wiring import Site, mirrored, open_site
from reconciler.controller.events import Happened
from reconciler.serving import succession
from reconciler.serving.bringing import Bringing
from reconciler.serving.crew import Crew
from reconciler.serving.grpc.port import place
from reconciler.serving.limits import Limits
from reconciler.serving.lines import Message
from reconciler.serving.metrics import Totals
from reconciler.serving.server import Server
from reconciler.serving.settings import HANDED_OVER_S, ORPHAN_S, Settings
from reconciler.serving.stock import Stock


@dataclass(frozen=True, slots=True)
class Remote:
    """A repository that is served from a mirror of its records."""

    url: str
    state: Path | None
    """Where the mirror is kept; None: in the user's own state folder."""
    poll_s: float
    """Seconds between two looks at it."""


@dataclass(frozen=True, slots=True)
class Request:
    """What a person asked for."""

    host: str
    port: int
    """0: any that is free."""
    workers: int
    interval_s: float
    limits: Limits = field(default_factory=Limits)
    fd: int | None = None
    """An open socket to serve on; None: one is opened."""
    leash: int | None = None
    """An open pipe with whose other end the server ends; None: none."""
    log: LogFormat = LogFormat.TEXT
    access: Access = field(default_factory=Access)
    grpc_port: int | None = None
    """Where to serve over gRPC as well, 0: any that is free; None: nowhere."""
    grpc_fd: int | None = None
    """A socket that holds such a port; None: one is opened."""
    remote: Remote | None = None
    """None: the repository that we are in is served."""
    beside: int | None = None
    """An open file that tells the secret of the daemon beside us; None: there is none."""


def run(request: Request) -> int:
    """Serve until asked to end, and return 0."""
    with ExitStack() as stack:
        mirror = _mirror(request.remote)
        site = open_site(rev=None) if mirror is None else mirrored(mirror)
        site.workspace.prepare()
        listen = stack.enter_context(_listening(request))
        log = stack.enter_context(DaemonLog(request.log))
        own = beside.heard(request.beside)
        guard = Guard(request.access, request.host, listen, site.workspace.tokens, own)
        address = url(listen, guard.scheme)
        port = grpc_port(request.host, request.grpc_port, request.grpc_fd)
        grpc = None if port is None else place(stack.enter_context(port))
        source = Source(site, own=mirror is not None)
        server, crew = _made(site, source, request, listen, grpc, guard, log)
        asked = stack.enter_context(asked_to_end(request.leash, crew.end_now))
        crew.start()
        stack.callback(crew.end)
        refs = stack.enter_context(watching(site.git, server.wake))
        stack.callback(server.end)
        what = site.root if request.remote is None else without_secrets(request.remote.url)
        where = address if grpc is None else f"{address}, and on {grpc} over gRPC"
        log(Happened("Started", f"process {os.getpid()} serves {what} on {where}"))
        if mirror is None or source.read().commit is not None:
            server.start()  # what was served before needs no remote
        if mirror is not None and request.remote is not None:
            polling = Polling(mirror.look, server.start, log, request.remote.poll_s)
            server.hurried_by(polling.hurry)
            polling.start()
            stack.callback(mirror.close)
            stack.callback(polling.end)
        guard.warn(log)
        while not asked.wait():
            refs.renew()
            guard.look(log)
        log(Happened("Stopping", "requests that came in are answered"))
        listen.close()  # the workers have it still
    return 0


def _mirror(remote: Remote | None) -> Mirror | None:
    return None if remote is None else Mirror.open(remote.state, remote.url, None)


def _made(
    site: Site,
    source: Source,
    request: Request,
    listen: socket.socket,
    grpc: str | None,
    guard: Guard,
    log: DaemonLog,
) -> tuple[Server, Crew]:
    totals = Totals()
    limits = request.limits

    def settings(listening: int, link: int) -> Settings:
        made = Settings(
            listening, link, limits.body, limits.rows, limits.seconds,
            succession=str(lock), about=about, workers=request.workers, grpc=grpc,
            orphan_s=ORPHAN_S if request.fd is None else HANDED_OVER_S, leash=request.leash,
        )  # fmt: skip
        return guard.applied(made)

    def answer(what: str) -> Any:
        if what == "metrics":
            return totals.render(server.status()["models"], crew.workers())
        return {**about, **server.status()} if what == "status" else None

    def lost(pid: int, code: int) -> None:
        totals.restarted()
        said = f"worker {pid} has ended with {code}, and is started again"
        log(Happened("WorkerLost", said, good=False))

    def tell(reason: str, message: str) -> None:
        log(Happened(reason, message, good=False))

    def ready(answering: int, models: int) -> None:
        where = reached(listen, guard.scheme)
        held.append(succession.succeed(lock, where, guard.certificate))
        tell_ready(os.environ)
        counted = f"{models} model{'' if models == 1 else 's'}"
        what = counted if answering == models else f"{answering} of {counted}"
        what = what if models else "nothing is released yet"
        log(Happened("Ready", f"{url(listen, guard.scheme)} answers: {what}"))

    about, lock = _about(site), succession.place(site.workspace.base, listen)
    held: list[object] = []
    """Keeps the lock for as long as this runs."""
    crew = Crew(
        listen,
        settings,
        request.workers,
        answer,
        lost,
        _hearing(totals, log, lambda: server.heard()),
        lambda model, unless: server.reload(model, unless),
    )
    stock = Stock(source.fetch, Bringing(source.bring, lambda: server.wake()), tell)
    server = Server(source, stock, crew, tell, ready, request.interval_s)
    return server, crew


def _hearing(
    totals: Totals, log: DaemonLog, loaded: Callable[[], None]
) -> Callable[[Message], None]:
    """Return what takes in what workers say; `loaded` is called when one has loaded something."""

    def heard(message: Message) -> None:
        if "loaded" in message:
            loaded()
        if "metrics" in message:
            totals.add(message["metrics"])
        if "log" in message:
            write(log, message["log"])

    return heard


def _about(site: Site) -> dict[str, Any]:
    """Return who serves; `boot` is another one in every run."""
    own = holder(site.workspace.base)
    since = datetime.now(UTC).isoformat(timespec="seconds")
    said = {"server": own.id, "boot": own.run, "host": own.host, "pid": own.pid}
    return {**said, "version": __version__, "since": since, "orphaned": False}


def _listening(request: Request) -> socket.socket:
    """Return the socket that requests come in by."""
    if request.fd is not None:
        return socket.socket(fileno=request.fd)
    given = handed_over(os.environ)
    return given or listening_socket(request.host, request.port, "--port")
