"""Workers without a repository: their supervisor's crew, and tables that a test makes."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from reconciler.adapters.binding import listening_socket
from reconciler.serving.crew import Crew
from reconciler.serving.grpc.port import hold, place
from reconciler.serving.settings import Settings
from reconciler.serving.table import Route, Table


class Running:
    """A crew at work."""

    def __init__(self, crew: Crew, port: int, grpc: str, lost: list[int]) -> None:
        self.crew = crew
        self.port = port
        self.grpc = grpc
        self.lost = lost
        """Process ids of workers that have ended unasked."""

    def serve(self, *routes: Route, commit: str = "c1") -> None:
        """Have all workers serve models, and return when they do."""
        self.crew.serve(Table(commit, {route.model: route for route in routes}))
        until(lambda: self._all(commit))

    def _all(self, commit: str) -> bool:
        houses = self.crew.loaded()
        return bool(houses) and all(house.get("commit") == commit for house in houses)

    def requests(self, model: str = "m") -> int:
        """Return how many requests for a model were counted by all workers that ever were."""
        return sum(
            tally["requests"]
            for boot in self.crew.counts().values()
            for tally in boot.get(model, {}).values()
        )


@contextmanager
def crew(size: int = 1, **settings: Any) -> Iterator[Running]:
    """Run workers for the length of the block; `settings` are those of `Settings` to change."""
    lost: list[int] = []
    with listening_socket("127.0.0.1", 0, "--port") as listen, hold("127.0.0.1", 0) as port:
        chosen: Mapping[str, Any] = {
            "body": 1 << 20, "rows": 1000, "seconds": 5.0, "grpc": place(port), "workers": size,
            **settings,
        }  # fmt: skip
        made = Crew(
            listen,
            lambda listening, link: Settings(listening, link, **chosen),
            size,
            lambda _: None,
            lambda pid, _: lost.append(pid),
        )
        made.start()
        try:
            yield Running(made, _number(listen), place(port), lost)
        finally:
            made.end()


def _number(listen: socket.socket) -> int:
    number: int = listen.getsockname()[1]
    return number


def until(claim: Callable[[], bool], wait_s: float = 20.0) -> float:
    """Return the seconds until a claim is true."""
    began = time.monotonic()
    while not claim():
        assert time.monotonic() - began < wait_s, "it did not come true in time"
        time.sleep(0.01)
    return time.monotonic() - began
