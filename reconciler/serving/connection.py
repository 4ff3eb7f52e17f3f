"""Connections: how many there may be, and what becomes of clients that are slow or endless.

Nothing here runs once more per request but one look at whether its head is whole; clocks are looked
at by a sweep, a few times a minute of a client's life.
"""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import math
import resource
import time
from collections import deque
from collections.abc import Callable, Collection, Coroutine
from functools import partial
from http import HTTPStatus
from typing import Any, cast

import orjson
from uvicorn.protocols.http.flow_control import FlowControl
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
from uvicorn.server import ServerState

from reconciler.serving.exchange import Exchange, Opening
from reconciler.serving.stepping import Pause, resumed
from reconciler.serving.turn import Joining, Turn

#: Bytes that a head may have which is not whole yet: the first line and all headers.
HEAD_BYTES = 64 << 10
#: Seconds that a client has for a head, and to take an answer.
HEAD_S, ANSWER_S = 10.0, 60.0
#: Seconds for the answer that a body came too slowly, of whoever reads it.
_GRACE_S = 2.0
#: Connections that one worker keeps open at a time.
MOST = 2000
_OWN_FILES = 256
#: Seconds that a connection is kept for the next request.
IDLE_S = 75
#: Keeps nothing of what is added to it.
_NOWHERE: Any = deque(maxlen=0)


def allow_files(most: int) -> int:
    """Let this process open enough files for so many connections, and return for how many.

    The system may allow fewer; some are kept for what a server opens itself.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = most + _OWN_FILES
    if soft != resource.RLIM_INFINITY and soft < wanted:
        soft = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
        with contextlib.suppress(OSError, ValueError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
        soft = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
        return max(min(most, soft - _OWN_FILES), 1)
    return most


class Connections(ServerState):
    """The open connections of one worker.

    Args:
        body_s: Seconds that a client has for a body; whoever reads one may allow less.
        most: How many there may be at a time.
        refused: Told the reason of each request or connection that is cut short.
        clock: Monotonic seconds.
        between: What the requests of one turn are answered by that have paused; see `Turn`.
        hurried: Returns whether POSTs to a target, the path and what follows it, are answered as a
            whole by `http.answer`, and seldom wait for anything.
    """

    def __init__(
        self,
        body_s: float = 30.0,
        most: int = MOST,
        refused: Callable[[str], None] = lambda _: None,
        clock: Callable[[], float] = time.monotonic,
        between: Callable[[], None] = lambda: None,
        hurried: Callable[[bytes], bool] = lambda _: False,
    ) -> None:
        super().__init__()
        self.body_s = body_s + _GRACE_S
        self.most = most
        self.refused = refused
        self._clock = clock
        self.hurried = hurried
        self.opening = Opening()
        self._between = between
        self._turn: Turn | None = None
        self._since: dict[Connection, tuple[object, float]] = {}
        """What each is waiting for, and since when it was seen to."""

    def turn(self, loop: asyncio.AbstractEventLoop) -> Turn:
        """Return what the connections of a loop have left to do in its turn."""
        if self._turn is None:
            self._turn = Turn(loop, self._between)
        return self._turn

    def sweep(self) -> None:
        """Cut short what takes too long; to be called every second or so."""
        now, before, self._since = self._clock(), self._since, {}
        for connection in list(self.connections):
            assert isinstance(connection, Connection)
            what, limit_s = connection.awaited()
            known, since = before.get(connection, (None, now))
            if known != what:
                since = now
            if now - since > limit_s:
                connection.give_up()
            else:
                self._since[connection] = (what, since)

    def make_room(self) -> bool:
        """End a connection that nothing is asked on; False: all are in use."""
        for connection in self.connections:
            assert isinstance(connection, Connection)
            if connection.idle():
                connection.transport.close()
                self.connections.discard(connection)
                return True
        return False


class _Flow(FlowControl):
    """Reads nothing more while requests wait for the one before them: they would pile up."""

    def __init__(self, transport: asyncio.Transport, waiting: Collection[object]) -> None:
        super().__init__(transport)
        self._waiting = waiting

    def resume_reading(self) -> None:
        if not self._waiting:
            super().resume_reading()


class Connection(HttpToolsProtocol):
    """One connection of a client."""

    server_state: Connections

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Take it in, where there is room."""
        self._turn = self.server_state.turn(self.loop)
        self._answered = 0
        self._line = Joining(transport, self._turn)
        super().connection_made(cast(asyncio.Transport, self._line))
        self.flow = _Flow(cast(asyncio.Transport, self._line), self.pipeline)
        self._unfinished = 0
        """Bytes of the head, or of what follows a body, that is not whole; fewer, where it came
        with the end of something else."""
        self._came = False
        """Whether any of a body was read."""
        state = self.server_state
        if len(state.connections) > state.most and not state.make_room():
            self.cut(503, "TooManyConnections", f"{state.most} connections are open already")

    def connection_lost(self, exc: Exception | None) -> None:
        """Take note that nobody is there any more."""
        self._line.lose()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Read on; a head that goes on for too long is no request, nor are trailers that do."""
        before, self._came = self.cycle, False
        between = before is None or not before.more_body
        super().data_received(data)
        same = self.cycle is before
        if self.scope is not None and "path" in self.scope:
            ours = same and before is not None and before.more_body and not self._came
        else:
            ours = same and between
        self._unfinished = self._unfinished + len(data) if ours else 0
        if self._unfinished > HEAD_BYTES and not self.transport.is_closing():
            self._overlong()

    def _overlong(self) -> None:
        """End what goes on with headers, or with what follows a body, for too long."""
        if self.scope is not None and "path" in self.scope and self._answering():
            self.transport.close()
        else:
            self.cut(431, "HeadTooLarge", f"the headers are larger than {HEAD_BYTES} bytes")

    def on_body(self, body: bytes) -> None:
        """Take a part of a body."""
        self._came = True
        super().on_body(body)

    def on_message_complete(self) -> None:
        """Take note that a request is whole, also where it was answered before."""
        self.cycle.more_body = False
        self.cycle.message_event.set()

    def on_headers_complete(self) -> None:
        """Begin with a request; its body may be there or not."""
        if self._hurried():
            scope = self.scope
            scope["method"], scope["path"] = "POST", self.url.decode("ascii")
            scope["raw_path"], scope["query_string"] = self.url, b""
            exchange = Exchange(self, self.parser.should_keep_alive())
            self.cycle = exchange
            self._turn.ask(partial(self._begin, exchange))
        else:
            super().on_headers_complete()
        self.headers = _NOWHERE  # what comes behind the body is no header, whoever wrote it

    def _hurried(self) -> bool:
        parser, before = self.parser, self.cycle
        return (
            self.server_state.hurried(self.url)
            and parser.get_method() == b"POST"
            and parser.get_http_version() == "1.1"
            and not parser.should_upgrade()
            and (before is None or before.response_complete)
        )

    def _begin(self, exchange: Exchange) -> None:
        """Answer a request; without a task of its own for as long as it waits for nothing."""
        if not exchange.whole:
            self._start_asgi_task(exchange, self.app)
            return
        self._step(exchange.run_asgi(self.app), contextvars.copy_context())

    def _step(self, work: Coroutine[Any, Any, None], context: contextvars.Context) -> None:
        try:
            waits = context.run(work.send, None)
        except StopIteration:
            return
        if isinstance(waits, Pause):
            self._turn.pause(partial(self._step, work, context))
        else:
            task = self.loop.create_task(resumed(work, waits), context=context)
            task.add_done_callback(self.tasks.discard)
            self.tasks.add(task)

    def on_response_complete(self) -> None:
        """Go on with what the client has sent meanwhile; the sweep ends what is idle too long."""
        self._answered += 1
        if self.pipeline:
            super().on_response_complete()
        else:
            self.server_state.total_requests += 1
            self.flow.resume_reading()

    def awaited(self) -> tuple[tuple[str, int], float]:
        """Return what the client is waited for with, and how many seconds it has."""
        scope, cycle, number = self.scope, self.cycle, self._answered
        if self.transport.is_closing() or self.transport.get_write_buffer_size():
            return ("answer", number), ANSWER_S
        if cycle is None or scope is None or "path" not in scope:
            return ("head", number), HEAD_S
        if cycle.response_complete:
            return ("next", number), IDLE_S
        if cycle.more_body:
            return ("body", number), self.server_state.body_s
        return ("nothing", number), math.inf

    def idle(self) -> bool:
        """Return whether it is only kept for another request."""
        return self.awaited()[0][0] == "next"

    def give_up(self) -> None:
        """End it: the client was waited for long enough."""
        if self.transport.is_closing() or self.transport.get_write_buffer_size():
            self.transport.abort()
        elif self.scope is None or self.idle() or self._answering():
            self.transport.close()
        else:
            self.cut(408, "TooSlow", "the request did not come in time")

    def cut(self, status: int, reason: str, message: str) -> None:
        """Say why there will be no answer, and end it."""
        self.server_state.refused(reason)
        body = orjson.dumps({"error": message, "reason": reason})
        retry = "retry-after: 1\r\n" if status == 503 else ""
        head = (
            f"HTTP/1.1 {status} {HTTPStatus(status).phrase}\r\ncontent-type: application/json\r\n"
            f"content-length: {len(body)}\r\n{retry}connection: close\r\n\r\n"
        )
        self.transport.write(head.encode() + body)
        self.transport.close()

    def send_400_response(self, msg: str) -> None:
        """Say that what came is no HTTP."""
        self.cut(400, "BadHttp", msg)

    def _answering(self) -> bool:
        cycle: Any = self.cycle
        return cycle is not None and cycle.response_started
