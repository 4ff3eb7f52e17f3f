"""`up`: the daemon and the server together, each started again when it ends unasked.

The socket that requests come in by is kept here, so that none is refused while the server is
started again. A pipe that only this process holds open has both end with it, however it ends. By
another, each start of either is told the secret by which the server knows the daemon.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

from reconciler.adapters import beside
from reconciler.adapters.binding import listening_socket, reached
from reconciler.adapters.children import Child, Kept
from reconciler.adapters.targets import CERTIFICATE, VARIABLE
from reconciler.adapters.tokens import secret
from reconciler.cli.ending import Asked, asked_to_end
from reconciler.cli.grpc_port import grpc_port
from reconciler.cli.options import LogFormat
from reconciler.cli.sourcing import following
from reconciler.cli.wiring import open_site
from reconciler.cli.woven import Woven

#: Both have ended by then, by force if need be.
_STOP_S = 4.7
#: What a program exits with that would exit so again.
_USAGE = 2


@dataclass(frozen=True, slots=True)
class Request:
    """What a person asked for."""

    host: str
    port: int
    """0: any that is free."""
    log: LogFormat
    daemon: Sequence[str]
    """What `watch` is started with, beside what `up` itself gives it."""
    server: Sequence[str]
    """The same of `serve`."""
    grpc_port: int | None = None
    """Where to serve over gRPC as well, 0: any that is free; None: nowhere."""
    remote: Remote | None = None
    """None: the repository that we are in is followed."""
    certificate: str = ""
    """The file of what the server shows over TLS; empty: it speaks none."""


@dataclass(frozen=True, slots=True)
class Remote:
    """A repository that is followed from a mirror, which the server serves."""

    url: str
    branch: str | None
    state: Path | None


@dataclass(frozen=True, slots=True)
class Programs:
    """How both programs are started, and what becomes of their ends."""

    woven: Woven
    asked: Asked
    codes: list[int]
    """What `up` exits with, if with more than 0."""
    certificate: str
    """The file of what the server shows over TLS; empty: it speaks none."""
    shared: str = field(default_factory=secret, repr=False)
    """A secret that both know, and nobody else."""

    def kept(
        self, name: str, words: Sequence[str], fds: Sequence[int], folder: Path, endpoint: str
    ) -> Kept:
        """Start a program of ours, `daemon` or `server`, and keep it running."""
        env = {**os.environ, VARIABLE: endpoint, CERTIFICATE: self.certificate}
        program = [sys.executable, "-P", "-m", "reconciler", *words]
        hear = self.woven.hears(name)

        def start(ended: Callable[[int], None]) -> Child:
            with beside.telling(self.shared) as fd:
                argv = [*program, "--beside", str(fd)]
                return Child(argv, env, (*fds, fd), ended=ended, heard=hear, folder=folder)

        return Kept(start, lambda pid, code, pause_s: self._ended(name, pid, code, pause_s))

    def _ended(self, name: str, pid: int, code: int, pause_s: float) -> None:
        if code == _USAGE:
            self.codes.append(code)
            self.asked.ask()
            return
        message = f"the {name}, process {pid}, has ended with {code}, and starts again"
        self.woven.tell("Restarting", f"{message} in {pause_s:g} s", good=False)


def words(options: Mapping[str, object]) -> tuple[str, ...]:
    """Return options as a command line has them; those that are None or False are left out."""
    return tuple(
        word for name, value in options.items() for one in _each(value) for word in (name, *one)
    )


def _each(value: object) -> Sequence[tuple[str, ...]]:
    """Return what follows an option's name, each time that it is given."""
    if value is None or value is False:
        return ()
    if value is True:
        return ((),)
    if isinstance(value, Path):  # the server may run elsewhere
        return ((str(value.absolute()),),)
    return [(str(one),) for one in value] if isinstance(value, list) else ((str(value),),)


def run(request: Request) -> int:
    """Keep both running until asked to end; return 0, or 2 when one cannot do what was asked."""
    here, served = Path.cwd(), _served(request.remote)
    with ExitStack() as stack:
        listen = stack.enter_context(listening_socket(request.host, request.port, "--port"))
        woven = stack.enter_context(Woven(request.log))
        kept: list[Kept] = []

        def end_now() -> None:
            for program in kept:
                program.end_now()
            time.sleep(0.3)

        asked = stack.enter_context(asked_to_end(at_once=end_now))
        leash, held = os.pipe()
        stack.callback(os.close, leash)
        stack.callback(os.close, held)
        stack.callback(_end, kept)
        programs, own = Programs(woven, asked, [], request.certificate), ("--leash", str(leash))
        port = listen.getsockname()[1]
        woven.tell("Started", f"process {os.getpid()} keeps both, on port {port}")
        sockets = {"--fd": listen.fileno()}
        if (grpc := grpc_port(request.host, request.grpc_port)) is not None:
            sockets["--grpc-fd"] = stack.enter_context(grpc).fileno()
        serve = ("serve", *words(sockets), *own, *request.server)
        watch = ("watch", *own, *request.daemon)
        where = reached(listen, "https" if request.certificate else "http")
        kept.append(programs.kept("server", serve, (*sockets.values(), leash), served, where))
        kept.append(programs.kept("daemon", watch, (leash,), here, where))
        while not asked.wait():
            pass
        woven.tell("Stopping", "both are asked to end")
        return max(programs.codes, default=0)


def _served(remote: Remote | None) -> Path:
    """Return the repository that is served; what is none is said once, and here."""
    if remote is None:
        open_site(rev=None)
        return Path.cwd()
    return following(remote.state, remote.url, remote.branch).git.git_dir


def _end(kept: Sequence[Kept]) -> None:
    until = time.monotonic() + _STOP_S
    for program in kept:
        program.ask_to_end()
    for program in kept:
        program.end(max(until - time.monotonic(), 0.0))
