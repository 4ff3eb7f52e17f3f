"""`serve`: the inference server; what is released answers, whether or not a daemon runs."""

from __future__ import annotations

import os
import signal
import socket
import sys
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from types import FrameType
from typing import Any

from reconciler.adapters.ref_watch import watching
from reconciler.cli.wiring import Site, open_site
from reconciler.errors import TransientError
from reconciler.serving.crew import Crew
from reconciler.serving.server import Server
from reconciler.serving.stock import Stock
from reconciler.serving.worker import Settings

_BACKLOG = 2048


@dataclass(frozen=True, slots=True)
class Request:
    """What a person asked for."""

    host: str
    port: int
    """0: any that is free."""
    workers: int
    interval_s: float
    fd: int | None = None
    """An open socket to serve on; None: one is opened."""


def run(request: Request) -> int:
    """Serve until asked to end, and return 0."""
    with ExitStack() as stack:
        site = open_site(Path.cwd())
        site.workspace.prepare()
        listen = stack.enter_context(_listening(request))
        asked = stack.enter_context(_asked_to_end())
        server = _made(site, request, listen, stack)
        refs = stack.enter_context(watching(site.git, server.wake))
        server.start()
        stack.callback(server.end)
        _tell("Started", f"process {os.getpid()} serves {site.root} on {_url(listen)}")
        while not asked.wait(5.0):
            refs.renew()
        _tell("Stopping", "requests that came in are answered")
    return 0


def _made(site: Site, request: Request, listen: socket.socket, stack: ExitStack) -> Server:
    def settings(listening: int, link: int) -> Settings:
        return Settings(listening, link, body=16 << 20, rows=100_000, seconds=30.0)

    def answer(what: str) -> Any:
        return {**about, **server.status()} if what == "status" else None

    def lost(pid: int, code: int) -> None:
        _tell("WorkerLost", f"worker {pid} has ended with {code}, and is started again")

    crew = Crew(listen, settings, request.workers, answer, lost)
    stock = Stock(site.artifacts.bundle, site.artifacts.gather)
    server = Server(site.store, stock, crew, _tell, request.interval_s)
    about = {"pid": os.getpid(), "since": datetime.now(UTC).isoformat(timespec="seconds")}
    crew.start()
    stack.callback(crew.end)
    return server


@contextmanager
def _listening(request: Request) -> Iterator[socket.socket]:
    """Give the socket that requests come in by."""
    if request.fd is not None:
        with socket.socket(fileno=request.fd) as given:
            yield given
        return
    with _bound(request.host, request.port) as made:
        yield made


def _bound(host: str, port: int) -> socket.socket:
    try:
        family, *_, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        made = socket.socket(family, socket.SOCK_STREAM)
        made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        made.bind(address)
        made.listen(_BACKLOG)
    except OSError as error:
        where = f"port {port} of {host}"
        hint = "choose another with `--port N`, or `--port 0` for any that is free"
        raise TransientError(
            f"{where} cannot be had: {error.strerror}", reason="PortTaken", hint=hint
        ) from error
    return made


def _url(listen: socket.socket) -> str:
    host, port = listen.getsockname()[:2]
    return f"http://{f'[{host}]' if ':' in host else host}:{port}"


def _tell(reason: str, message: str) -> None:
    now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    sys.stdout.write(f"{now} {reason}: {message}\n")
    sys.stdout.flush()


@contextmanager
def _asked_to_end() -> Iterator[threading.Event]:
    """Give what is set by SIGTERM and Ctrl-C; a second one ends the process at once."""
    asked = threading.Event()

    def ask(number: int, _frame: FrameType | None) -> None:
        if asked.is_set():
            os._exit(128 + number)
        threading.Thread(target=asked.set).start()  # its lock may be held by whom we interrupt

    before = {number: signal.signal(number, ask) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield asked
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
