"""Settings: what a supervisor starts its workers with."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

import orjson

from reconciler.serving.access import Rules

#: Seconds that workers go on without their supervisor: where somebody has to start another, who is
#: refused the port until they end; and where one is being started on the same port.
ORPHAN_S, HANDED_OVER_S = 3.0, 15.0
#: Seconds for requests to end once a worker is to stop.
DRAIN_S = 3
#: Whoever asks for a model to be loaded anew waits for that so long.
RELOAD_S = 6.0


@dataclass(frozen=True, slots=True)
class Settings:
    """What a worker is started with."""

    listen: int
    """Number of the open socket that requests come in by."""
    link: int
    """Number of the open socket to the supervisor."""
    body: int
    rows: int
    seconds: float
    orphan_s: float = ORPHAN_S
    """For so long it goes on without its supervisor, or until another one's workers are ready."""
    succession: str = ""
    """Path of the lock that says whether another supervisor's workers are ready."""
    leash: int | None = None
    """Number of an open pipe: once its other end is closed, no other supervisor will come."""
    about: Mapping[str, Any] = field(default_factory=dict)
    """Who serves, as `GET /status` says it."""
    rates: int | None = None
    """Number of the open file in which requests are counted for all workers; see `rates`."""
    tokens: str = ""
    """The file of tokens; nothing: there are none."""
    required: bool = False
    anonymous: bool = False
    rate: float | None = None
    hosts: tuple[str, ...] | None = None
    own: str = ""
    """These five: the rules at the door, see `access`."""
    tls: Mapping[str, str] | None = None
    """The files of `tls.Certificate`, by field; None: without TLS."""
    workers: int = 1
    """How many there are, this one included."""
    grpc: str | None = None
    """Where to answer over gRPC too, as `host:port`; None: nowhere."""
    share: float | None = None
    """Of the requests that were answered, how many are told in the log; see `journal`."""

    def fds(self) -> tuple[int, ...]:
        """Return the numbers of all open files."""
        return tuple(n for n in (self.listen, self.link, self.rates, self.leash) if n is not None)

    def rules(self) -> Rules:
        """Return what holds at the door."""
        hosts = None if self.hosts is None else frozenset(self.hosts)
        return Rules(self.required, self.anonymous, self.rate, hosts, self.own)

    def text(self) -> str:
        """Return them as one argument."""
        return orjson.dumps(asdict(self)).decode()


def from_text(text: str) -> Settings:
    """Return the settings of which `text` was made."""
    return Settings(**orjson.loads(text))
