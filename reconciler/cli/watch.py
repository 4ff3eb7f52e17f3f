"""`watch`: the daemon; it follows a branch and keeps what is released as that declares it."""

from __future__ import annotations

import os
import sys
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path

from reconciler.adapters import beside
from reconciler.adapters.holder import holder
from reconciler.adapters.home import FOLDER
from reconciler.adapters.leases import Lost, RemoteLeases
from reconciler.adapters.local_source import LocalSource
from reconciler.adapters.mirror import Mirror
from reconciler.adapters.probes import probing
from reconciler.adapters.ref_watch import watching
from reconciler.adapters.secrets import scrubbed
from reconciler.adapters.webhook import receiving, secret
from reconciler.cli.daemon_log import DaemonLog
from reconciler.cli.ending import HEED_S, Asked, asked_to_end
from reconciler.cli.options import LogFormat
from reconciler.cli.sourcing import following
from reconciler.cli.watching import Pace, Watching
from reconciler.cli.wiring import Site, mirrored, open_site
from reconciler.controller.events import Happened, Listen
from reconciler.controller.telling import everyone

#: Whoever asks the daemon to end finds it gone within five seconds.
_STOP_S = 2.6
_LOOK_S = 0.05
#: Locked by the one daemon of a repository, whichever of its working trees it runs in.
_ONE = "daemon"


@dataclass(frozen=True, slots=True)
class Request:
    """What a person asked for."""

    branch: str | None
    remote: str | None
    """The URL of a repository that is followed from a mirror; None: the one that we are in."""
    state: Path | None
    """Where that mirror is kept; None: in the user's own state folder."""
    pace: Pace
    once: bool
    log: LogFormat
    probes: Address | None
    """None: none are answered."""
    webhook: Address | None
    leash: int | None = None
    """An open pipe with whose other end the daemon ends; None: none."""
    beside: int | None = None
    """An open file that tells the secret of the server beside us; None: there is none."""


@dataclass(frozen=True, slots=True)
class Address:
    """Where to listen."""

    host: str
    port: int | None
    """0: any that is free; None: the usual one, if it is free."""


def run(request: Request) -> int:
    """Return 0 when it was asked to end; with `once`, 1 when something is not as declared."""
    if request.webhook is not None:
        secret(os.environ)  # without one, nothing is begun
    with ExitStack() as stack:
        mirror = _mirror(request)
        found = open_site(rev=None) if mirror is None else mirrored(mirror)
        site = replace(found, secret=beside.heard(request.beside))
        site.workspace.prepare()
        stack.enter_context(site.workspace.alone())
        stack.enter_context(site.workspace.alone(_ONE, site.git.common_dir / FOLDER))
        asked = stack.enter_context(asked_to_end(request.leash))
        log = stack.enter_context(DaemonLog(request.log))
        listen = everyone(log, stack.enter_context(site.kept_events()))
        watch = (
            _watched(site, request, listen, stack)
            if mirror is None
            else _mirroring(site, mirror, request, listen, stack)
        )
        listen(Happened("Started", _started(request, site, watch, stack)))
        return _follow(watch, request, listen, asked, stack)


def _mirror(request: Request) -> Mirror | None:
    if request.remote is None:
        return None
    return following(request.state, request.remote, request.branch)


def _watched(site: Site, request: Request, listen: Listen, stack: ExitStack) -> Watching:
    watch = Watching(site, LocalSource(site.git, request.branch), request.pace, listen)
    refs = stack.enter_context(watching(site.git, watch.follower.wake))
    watch.follower.hinted_by(refs.renew)
    return watch


def _mirroring(
    site: Site, mirror: Mirror, request: Request, listen: Listen, stack: ExitStack
) -> Watching:
    own = holder(site.root)
    stack.callback(mirror.close)

    def leases(lost: Lost) -> RemoteLeases:
        made = RemoteLeases(mirror, own, lost=lost)
        made.start()
        stack.callback(made.close)
        return made

    return Watching(site, mirror, request.pace, listen, leases)


def _started(request: Request, site: Site, watch: Watching, stack: ExitStack) -> str:
    """Open the ports, and return what is said of the daemon."""
    where = scrubbed(request.remote, request.remote) if request.remote else site.root
    what = f"{request.branch or 'HEAD'} of {where}"
    said = f"process {os.getpid()} follows {what}"
    if (probes := request.probes) is not None:
        server = stack.enter_context(probing(watch.answers(), probes.host, probes.port))
        said += f", probes on {server.url}"
    if (hook := request.webhook) is not None:
        wake, key = watch.follower.wake, secret(os.environ)
        posts = stack.enter_context(receiving(hook.port or 0, wake, key, hook.host))
        said += f", webhook on {posts.url}"
    return said


def _follow(
    watch: Watching,
    request: Request,
    listen: Listen,
    asked: Asked,
    stack: ExitStack,
) -> int:
    watch.daemon.start()
    interrupted = _waited(watch, request, asked)
    listen(Happened("Stopping", "trainings are ended; what they had done is kept"))
    ended = watch.daemon.stop(_STOP_S)
    code = (130 if interrupted else int(bool(watch.unwell()))) if request.once else 0
    if not ended:  # a thread that computes cannot be ended otherwise; nothing is half-written
        stack.close()
        sys.stdout.flush()
        os._exit(code)
    return code


def _waited(watch: Watching, request: Request, asked: Asked) -> bool:
    """Wait until the daemon is asked to end, which is told, or has done what it was to do once."""
    while not (request.once and watch.daemon.at_rest()):
        if asked.wait(_LOOK_S if request.once else HEED_S):
            return True
    return False
