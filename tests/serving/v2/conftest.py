"""One worker's application in this process, and requests to it without a socket."""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson
import pytest
import uvicorn

from reconciler.serving.answering import Answering
from reconciler.serving.app import App
from reconciler.serving.house import House
from reconciler.serving.loaded import Loaded, load
from reconciler.serving.shop import Shop
from reconciler.serving.table import Entry, Route, Table
from reconciler.serving.tallies import Tallies
from tests.serving.bundles import made
from tests.serving.shops import Bench, open_bench

Place = Callable[..., "Worker"]


@dataclass(frozen=True, slots=True)
class Reply:
    """What came back."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    def json(self) -> Any:
        """Return the JSON of the body, without what stands behind it."""
        length = self.headers.get("inference-header-content-length")
        return orjson.loads(self.body[: int(length)] if length else self.body)


class Worker:
    """One worker's application."""

    def __init__(self, *routes: Route) -> None:
        self.house = House(self._load)
        self.apart = ThreadPoolExecutor(1)
        answering = Answering(self.house, Tallies(), self.apart, lambda *_: None, 5.0)
        self.app = App(Shop(self.house, answering, self._summed))
        asyncio.run(self.house.follow(Table("c", {route.model: route for route in routes})))

    async def _load(self, entry: Entry) -> Loaded:
        return load(entry)

    async def _summed(self, what: str) -> Any:
        return {}

    def post(self, path: str, body: bytes | object, **headers: str) -> Reply:
        """Send bytes, or something as JSON; `_` in the name of a header is a hyphen."""
        content = body if isinstance(body, bytes) else orjson.dumps(body)
        return self.ask("POST", path, content, headers)

    def get(self, path: str) -> Reply:
        """Ask for something."""
        return self.ask("GET", path, b"", {})

    def ask(self, method: str, path: str, body: bytes, headers: Mapping[str, str]) -> Reply:
        """Send one request and return what came back."""
        known = [(k.replace("_", "-").encode(), v.encode()) for k, v in headers.items()]
        return asyncio.run(call(self.app, method, path, body, known))


async def call(
    app: App, method: str, path: str, body: bytes, headers: Iterable[tuple[bytes, bytes]] = ()
) -> Reply:
    """Send one request to an application, its headers as they stand, and return what came back."""
    sent: list[Any] = []
    scope = {
        "type": "http", "method": method, "path": path, "raw_path": path.encode(),
        "query_string": b"", "root_path": "", "http_version": "1.1", "scheme": "http",
        "client": ("127.0.0.1", 1), "server": ("127.0.0.1", 80),
        "headers": [(b"content-length", b"%d" % len(body)), *headers],
    }  # fmt: skip

    async def receive() -> Any:
        return {"type": "http.request", "body": body, "more_body": False}

    async def send(message: Any) -> None:
        sent.append(message)

    await app(scope, receive, send)
    start, *parts = sent
    told = {k.decode(): v.decode() for k, v in start["headers"]}
    return Reply(start["status"], told, b"".join(part["body"] for part in parts))


@pytest.fixture
def place() -> Iterator[Place]:
    """Return what starts an application that serves routes."""
    started: list[Worker] = []

    def start(*routes: Route) -> Worker:
        started.append(Worker(*routes))
        return started[-1]

    yield start
    for worker in started:
        worker.apart.shutdown()


@pytest.fixture
def worker(place: Place, tmp_path: Path) -> Worker:
    """Return an application that serves model `m`: y = 2 a + b, of which b may be missing."""
    return place(Route("m", made(tmp_path / "1")))


@pytest.fixture
def bench() -> Iterator[Bench]:
    """Return an application that serves `stay` and `flower`."""
    with open_bench() as opened:
        yield opened


@pytest.fixture
def address(bench: Bench) -> Iterator[str]:
    """Return the host and port at which `stay` and `flower` are served on loopback."""
    config = uvicorn.Config(bench.app, lifespan="off", log_config=None)
    server = uvicorn.Server(config)
    with socket.create_server(("127.0.0.1", 0)) as listening:
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]})
        thread.start()
        yield f"127.0.0.1:{listening.getsockname()[1]}"
        server.should_exit = True
        thread.join(10)
