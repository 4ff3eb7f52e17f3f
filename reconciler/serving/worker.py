"""The worker: one process that answers requests, from the versions that its supervisor names.

`python -m reconciler.serving.worker SETTINGS`, the settings as JSON; see `Settings`.
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import os
import select
import socket
import ssl
import sys
import warnings
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Any

import uvicorn
import uvloop

from reconciler.adapters.addresses import held
from reconciler.adapters.tokens import TokenFile
from reconciler.bundle.predictor import Threads
from reconciler.serving import lines, table
from reconciler.serving.access import Door
from reconciler.serving.answering import Answering
from reconciler.serving.app import App, hurried
from reconciler.serving.connection import MOST, Connection, Connections, allow_files
from reconciler.serving.draining import Draining
from reconciler.serving.gathering import Gathering
from reconciler.serving.house import House
from reconciler.serving.journal import Journal
from reconciler.serving.limits import Limits
from reconciler.serving.loaded import Loaded, load
from reconciler.serving.meter import Meter
from reconciler.serving.rates import Rates
from reconciler.serving.refusal import not_ready
from reconciler.serving.settings import DRAIN_S, RELOAD_S, Settings, from_text
from reconciler.serving.shop import Ids, Shop
from reconciler.serving.table import Entry, Route
from reconciler.serving.tallies import Tallies
from reconciler.serving.tls import Certificate, Renewed

if TYPE_CHECKING:
    from reconciler.serving.grpc.server import GrpcServer

#: A worker answers from then on, if only that nothing is loaded yet.
_READY_S = 3.0
_LOOK_S = 0.05
_TELL_S = 0.5
#: Objects between two looks for garbage: a look takes as long as some answers.
_OBJECTS = 20_000
#: Changes of what is served that come so close together are told as one: each tells of all models.
_GATHER_S = 0.02
_THREADS = 4


class Worker:
    """One worker's parts, tied together."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._replies: dict[int, asyncio.Future[Any]] = {}
        self._asked = count(1)
        self._tasks: set[asyncio.Task[None]] = set()
        self._loads = ThreadPoolExecutor(1, "load")
        self._apart = ThreadPoolExecutor(_THREADS, "apart")
        ways = min((os.cpu_count() or 1) // settings.workers, _THREADS)
        self._rows = Threads(ThreadPoolExecutor(ways, "rows"), ways) if ways > 1 else None
        self._tallies = Tallies()
        self._told: bytes = b""
        self._fared: dict[str, int] = {}
        self._writer: asyncio.StreamWriter | None = None
        self._orphaned = False
        self._ready = asyncio.Event()
        self._drains = asyncio.Event()
        self._listens = False
        self._change: asyncio.TimerHandle | None = None
        limits = Limits(settings.body, settings.rows, settings.seconds)
        self._ids = Ids()
        self._house = House(self._load, self._changed, self._begins)
        meter = Meter()
        gathering = Gathering()
        self._state = Connections(
            limits.seconds, allow_files(MOST), meter.refused, between=gathering.run, hurried=hurried
        )
        self._tls = Renewed(Certificate(**settings.tls)) if settings.tls else None
        file = TokenFile(Path(settings.tokens)) if settings.tokens else None
        door = Door(settings.rules(), file, Rates(settings.rates), meter.limited)
        answering = Answering(
            self._house,
            self._tallies,
            self._apart,
            meter.observe,
            limits.seconds,
            gathering=gathering,
        )
        journal = Journal(settings.share)
        self._shop = Shop(
            self._house, answering, self._summed, limits, self._ids, door, meter, journal,
            self._reload,
        )  # fmt: skip

    async def run(self) -> None:
        """Answer requests until asked to end."""
        server = self._server()
        server.server_state = self._state
        link = socket.socket(fileno=self._settings.link)
        reader, self._writer = await asyncio.open_connection(sock=link, limit=lines.LONGEST)
        self._tell({"hello": {"boot": self._ids.boot, "pid": os.getpid()}})
        reading = asyncio.create_task(self._read(reader, server))
        telling = asyncio.create_task(self._keep_telling())
        listen = socket.socket(fileno=self._settings.listen)
        grpc = self._grpc()
        with contextlib.suppress(TimeoutError):  # until then, whoever was there before answers
            await asyncio.wait_for(self._ready.wait(), _READY_S)
        if grpc is not None:
            await grpc.start()
        self._listens = True
        self._changed()
        ending = asyncio.create_task(self._end(grpc))
        await server.serve(sockets=[listen])
        self._drains.set()
        await ending
        self._tell_counts()
        for task in (reading, telling):
            task.cancel()

    def _server(self) -> Draining:
        config = uvicorn.Config(
            App(self._shop),
            loop="uvloop",
            http=Connection,
            ws="none",
            ssl_context_factory=None if self._tls is None else self._context,
            proxy_headers=False,  # whoever connects could name another address
            log_level="error",
            lifespan="off",
            log_config=None,
            access_log=False,
            server_header=False,
            timeout_graceful_shutdown=DRAIN_S,
        )
        return Draining(config, self._drains.set, shares=self._settings.workers > 1)

    def _grpc(self) -> GrpcServer | None:
        """Return what answers over gRPC too; None: nothing shall."""
        if self._settings.grpc is None:
            return None
        from reconciler.serving.grpc.server import GrpcServer

        return GrpcServer(self._shop, self._settings.grpc, self._settings.tls)

    async def _end(self, grpc: GrpcServer | None) -> None:
        """Have it end as soon as the rest of the worker does."""
        await self._drains.wait()
        if grpc is not None:
            await grpc.stop(DRAIN_S)

    def _context(self, *_: object) -> ssl.SSLContext:
        assert self._tls is not None
        return self._tls.context

    async def _load(self, entry: Entry) -> Loaded:
        loop = asyncio.get_running_loop()
        loaded = await loop.run_in_executor(self._loads, partial(load, entry))
        if self._rows is not None:
            loaded.predictor.spread(self._rows)
        return loaded

    def _changed(self) -> None:
        if self._house.ready:
            self._ready.set()
        if self._change is None:
            loop = asyncio.get_running_loop()
            self._change = loop.call_later(_GATHER_S, self._tell_loaded)

    def _tell_loaded(self) -> None:
        self._change = None
        if self._listens or not self._house.ready:  # who is told that it is ready comes at once
            self._tell({"loaded": self._house.status()})

    def _begins(self, route: Route) -> None:
        self._tallies.begin(route.model, route.since)

    async def _read(self, reader: asyncio.StreamReader, server: Draining) -> None:
        with contextlib.suppress(OSError):  # it may have died before it had read everything
            while line := await reader.readline():
                self._heed(lines.decode(line))
        self._orphaned = True
        for reply in self._replies.values():
            if not reply.done():
                reply.set_exception(ConnectionError())
        for _ in range(round(self._settings.orphan_s / _LOOK_S)):
            await asyncio.sleep(_LOOK_S)
            if held(Path(self._settings.succession)) or self._let_go():
                break
        server.drain(elsewhere=True)

    def _let_go(self) -> bool:
        """Return whether who keeps the supervisor running is gone; nothing else comes by it."""
        leash = self._settings.leash
        return leash is not None and bool(select.select([leash], [], [], 0)[0])

    def _heed(self, message: lines.Message) -> None:
        if "table" in message:
            task = asyncio.ensure_future(self._follow(message))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
        elif (number := message.get("reply")) in self._replies:
            reply = self._replies.pop(number)
            if not reply.done():
                reply.set_result(message.get("value"))

    async def _follow(self, message: lines.Message) -> None:
        again = frozenset(message.get("again", ()))
        await self._house.follow(table.from_plain(message["table"]), again)
        if self._change is not None:  # what it has come to is told before that it has come to it
            self._change.cancel()
            self._tell_loaded()
        self._tell({"followed": message["number"]})

    async def _reload(self, model: str, unless: str | None) -> Any:
        if not self._orphaned:
            with contextlib.suppress(ConnectionError, TimeoutError):
                return await self._asked_above({"reload": model, "unless": unless}, RELOAD_S + 2)
        raise not_ready("the supervisor is away, and starts again")

    async def _summed(self, what: str) -> Any:
        if not self._orphaned:
            with contextlib.suppress(ConnectionError, TimeoutError):
                return await self._asked_above({"what": what})
        if what == "status":
            return self._alone()
        raise not_ready("the supervisor is away, and starts again")

    def _alone(self) -> dict[str, Any]:
        """Return what this worker alone knows, while nobody adds up what all of them do."""
        counts = {self._ids.boot: self._tallies.plain()}
        own = {"orphaned": True, "workers": 1, "boots": counts}
        return {**self._settings.about, **self._house.status(), **own}

    async def _asked_above(self, what: lines.Message, within_s: float = 5.0) -> Any:
        number = next(self._asked)
        reply = self._replies[number] = asyncio.get_running_loop().create_future()
        self._tell_counts()
        self._tell({"ask": number, **what})
        return await asyncio.wait_for(reply, within_s)

    async def _keep_telling(self) -> None:
        while True:
            await asyncio.sleep(_TELL_S)
            self._shop.door.look()
            self._state.sweep()
            if self._tls is not None:
                self._tls.look()
            self._tell_counts()

    def _tell_counts(self) -> None:
        line = lines.encode({"counts": self._tallies.plain()})
        if line != self._told:
            self._told = line
            self._send(line)
        fares = {"busy": len(self._state.tasks), "connections": len(self._state.connections)}
        if fares != self._fared:
            self._fared = fares
            self._tell({"fares": fares})
        told = {"metrics": self._shop.meter.drain(), "log": self._shop.journal.drain()}
        if added := {what: value for what, value in told.items() if value is not None}:
            self._tell(added)

    def _tell(self, message: lines.Message) -> None:
        self._send(lines.encode(message))

    def _send(self, line: bytes) -> None:
        if self._writer is not None and not self._orphaned:
            self._writer.write(line)


def main(arguments: list[str]) -> None:
    """Run one worker."""
    warnings.filterwarnings("ignore", "overflow encountered", RuntimeWarning)  # it is refused
    settings = from_text(arguments[0])
    gc.freeze()  # what the libraries have made stays
    gc.set_threshold(_OBJECTS)
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(Worker(settings).run())


if __name__ == "__main__":
    main(sys.argv[1:])
