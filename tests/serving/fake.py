"""Servers that stand in for real ones: they follow a table that tests set, as the port has it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

from reconciler.errors import TransientError
from reconciler.ports.servers import (
    BUSY,
    DENIED,
    DOWN,
    REFUSED,
    Answering,
    Prediction,
    Report,
    Row,
    Serves,
    State,
)

#: Answers a row with a number.
Model = Callable[[Row], float | None]


@dataclass
class FakeServer:
    """One server: what its records want, and what it serves of that."""

    wanted: dict[str, Answering] = field(default_factory=dict)
    serves: dict[str, Serves] = field(default_factory=dict)
    models: dict[str, Model] = field(default_factory=dict)
    down: bool = False
    ready: bool = True
    behind: str = ""
    """Why it does not follow the records."""
    busy: bool = False
    denies: bool = False
    """Whether it asks for a token that nobody has."""
    why: str = ""
    """Another reason why it tells nothing; empty: there is none."""
    stuck: bool = False
    """Whether loading anew helps nothing."""
    answers: str = ""
    """The version that answers; empty: the champion."""

    def release(self, name: str, version: int, digest: str, model: Model) -> None:
        """Have its records want a version; it is served at once unless the server is stuck."""
        self.wanted[name] = Answering(version, digest)
        self.models[name] = model
        if not self.stuck:
            self.load(name)

    def load(self, name: str) -> None:
        """Serve what is wanted of a model."""
        self.serves[name] = Serves(State.READY, self.wanted[name])


class FakeServers:
    """Servers by endpoint; what is asked of them is noted."""

    def __init__(self, **servers: FakeServer) -> None:
        self.servers = {f"http://{name}": server for name, server in servers.items()}
        self.looks = 0
        self.probed: list[tuple[str, str]] = []
        self.reloaded: list[tuple[str, str, str | None]] = []

    def look(self) -> tuple[Report, ...]:
        self.looks += 1
        return tuple(self._report(endpoint) for endpoint in self.servers)

    def reload(self, endpoint: str, model: str, unless: str | None = None) -> None:
        server = self._up(endpoint)
        self.reloaded.append((endpoint, model, unless))
        if model not in server.wanted:
            raise TransientError(f"{endpoint}: there is no model {model!r}", reason=REFUSED)
        if not server.stuck:
            server.load(model)

    def predict(self, endpoint: str, model: str, rows: Sequence[Row]) -> Prediction:
        server = self._up(endpoint)
        self.probed.append((endpoint, model))
        serves = server.serves.get(model)
        if server.busy:
            raise TransientError("too many requests are waiting", reason=BUSY)
        if serves is None or serves.champion is None:
            raise TransientError(f"there is no model {model!r}", reason=REFUSED)
        if model not in server.models:
            raise TransientError(f"{model} refuses these rows", reason=REFUSED)
        values = tuple(server.models[model](row) for row in rows)
        return Prediction(server.answers or str(serves.champion.version), values, None)

    def _up(self, endpoint: str) -> FakeServer:
        server = self.servers.get(endpoint)
        if server is None or server.down:
            raise TransientError(f"no server answers at {endpoint}", reason=DOWN)
        if server.denies:
            raise TransientError(f"{endpoint} wants a token", reason=DENIED)
        if server.why:
            raise TransientError(f"{endpoint} says {server.why}", reason=server.why)
        return server

    def _report(self, endpoint: str) -> Report:
        server = self.servers[endpoint]
        if server.down:
            return Report(endpoint, away=f"no server answers at {endpoint}")
        if server.denies:
            return Report(endpoint, away=f"{endpoint} wants a token", why=DENIED)
        if server.why:
            return Report(endpoint, away=f"{endpoint} says {server.why}", why=server.why)
        return Report(
            endpoint, commit="c", ready=server.ready, behind=server.behind,
            models=dict(server.serves),
        )  # fmt: skip


def changed(server: FakeServer, name: str, **changes: object) -> None:
    """Have a server serve a model otherwise than it is wanted."""
    server.serves[name] = replace(server.serves[name], **changes)  # type: ignore[arg-type]
