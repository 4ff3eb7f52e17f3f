"""Clients that are slow, endless or too many hold up nobody else; real sockets, a clock of ours."""

from __future__ import annotations

import asyncio
import json
import resource
import socket
import ssl
import struct
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import pytest
import uvloop

from reconciler.serving.connection import (
    HEAD_BYTES,
    HEAD_S,
    IDLE_S,
    Connections,
    allow_files,
)
from reconciler.serving.http import Gone, Receive, Scope, Send, answer, body
from tests.serving.listening import listening, of

Line = tuple[asyncio.StreamReader, asyncio.StreamWriter]
HELLO = b"GET / HTTP/1.1\r\nhost: x\r\n\r\n"
CHUNKED = b"host: x\r\ntransfer-encoding: chunked\r\n\r\n"


@dataclass
class Site:
    """A server with a clock that stands still."""

    port: int
    state: Connections
    refused: list[str]
    now: float = 0.0

    async def line(self, context: ssl.SSLContext | None = None) -> Line:
        name = "localhost" if context else None
        return await asyncio.open_connection(
            "127.0.0.1", self.port, ssl=context, server_hostname=name
        )

    async def sweep(self, after_s: float) -> None:
        """See to the connections twice, so many seconds apart."""
        await asyncio.sleep(0.05)
        self.state.sweep()
        self.now += after_s
        self.state.sweep()


async def echo(_: Scope, receive: Receive, send: Send) -> None:
    try:
        await answer(send, 200, b"%d" % len(await body(_, receive, 1 << 20)), [])
    except Gone:
        return


@asynccontextmanager
async def site(
    app: Any = echo, most: int = 1000, context: ssl.SSLContext | None = None
) -> AsyncIterator[Site]:
    refused: list[str] = []
    made = Site(0, Connections(30.0, most, refused.append, lambda: made.now), refused)
    async with listening(of(app), made.state, context) as made.port:
        yield made


def run(test: Callable[[], Awaitable[None]]) -> None:
    asyncio.run(asyncio.wait_for(test(), 15))


async def response(line: Line) -> tuple[int, Any]:
    """Return the status and body of the next answer."""
    head = (await line[0].readuntil(b"\r\n\r\n")).decode()
    length = int(head.lower().split("content-length: ")[1].split()[0])
    content = await line[0].readexactly(length)
    return int(head.split()[1]), json.loads(content)


def test_a_head_without_an_end_is_cut_off() -> None:
    async def test() -> None:
        async with site() as server:
            line = await server.line()
            line[1].write(b"GET / HTTP/1.1\r\nx: ")
            for _ in range(HEAD_BYTES // 1000 + 1):
                line[1].write(b"y" * 1000)
                await asyncio.sleep(0)
            assert (await response(line))[0] == 431
            assert await line[0].read() == b""
            assert server.refused == ["HeadTooLarge"]

    run(test)


def test_a_head_as_large_as_most_are_is_read() -> None:
    async def test() -> None:
        async with site() as server:
            line = await server.line()
            for _ in range(3):  # one after the other on one connection: they do not add up
                line[1].write(b"GET / HTTP/1.1\r\nhost: x\r\nx: " + b"y" * (HEAD_BYTES // 2))
                await asyncio.sleep(0.02)
                line[1].write(b"\r\n\r\n")
                assert await response(line) == (200, 0)
            assert server.refused == []

    run(test)


@pytest.mark.parametrize("path", [b"/", b"/early"])
@pytest.mark.parametrize("trailer", [b"x: y\r\n", b"y"])
def test_trailers_without_an_end_are_cut_off(path: bytes, trailer: bytes) -> None:
    async def early(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["path"] == "/early":
            await answer(send, 200, b"0", [])
        else:
            await echo(scope, receive, send)

    async def test() -> None:
        async with site(early) as server:
            line = await server.line()
            line[1].write(b"POST %b HTTP/1.1\r\n%b1\r\na\r\n0\r\nx: " % (path, CHUNKED))
            await asyncio.sleep(0.02)
            line[1].write((trailer * (HEAD_BYTES + 1))[: HEAD_BYTES + 1])
            if path == b"/early":
                assert await response(line) == (200, 0)
            else:
                assert (await response(line))[0] == 431
            assert await line[0].read() == b""

    run(test)


def test_what_follows_a_body_is_none_of_its_headers() -> None:
    async def told(scope: Scope, receive: Receive, send: Send) -> None:
        await body(scope, receive, 1 << 20)
        await answer(send, 200, b"%d" % (b"authorization" in dict(scope["headers"])), [])

    async def test() -> None:
        async with site(told) as server:
            line = await server.line()
            trailer = b"authorization: Bearer x\r\n"
            line[1].write(b"POST / HTTP/1.1\r\n%b1\r\na\r\n0\r\n%b\r\n" % (CHUNKED, trailer))
            assert await response(line) == (200, 0)
            line[1].write(b"GET / HTTP/1.1\r\n%bhost: x\r\n\r\n" % trailer)
            assert await response(line) == (200, 1)

    run(test)


def test_a_head_is_bounded_after_an_answer_that_came_before_the_body() -> None:
    async def test() -> None:
        async with site(lambda _, __, send: answer(send, 200, b"0", [])) as server:
            line = await server.line()
            line[1].write(b"POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 1\r\n\r\n")
            assert await response(line) == (200, 0)
            line[1].write(b"aGET / HTTP/1.1\r\nx: ")
            await asyncio.sleep(0.02)
            line[1].write(b"y" * (HEAD_BYTES + 1))
            assert (await response(line))[0] == 431

    run(test)


def test_a_client_that_resets_its_connection_takes_no_answer_from_another() -> None:
    first, second = asyncio.Event(), asyncio.Event()

    async def waiting(scope: Scope, _: Receive, send: Send) -> None:
        if scope["path"] == "/1":
            await first.wait()
        elif scope["path"] == "/2":
            second.set()  # whoever waits for it answers in the same turn
        else:
            await second.wait()
        await answer(send, 200, b"0", [])

    async def test() -> None:
        async with site(waiting) as server:
            gone, stays = await server.line(), await server.line()
            gone[1].write(HELLO.replace(b"/ ", b"/1 ", 1) + HELLO.replace(b"/ ", b"/2 ", 1))
            stays[1].write(HELLO)
            await asyncio.sleep(0.05)
            sock = gone[1].get_extra_info("socket")
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            gone[1].transport.abort()
            await asyncio.sleep(0.05)
            first.set()
            assert await response(stays) == (200, 0)

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:  # as workers do
        runner.run(asyncio.wait_for(test(), 5))


@pytest.mark.parametrize("start", [b"GET / HT", b"POST / HTTP/1.1\r\ncontent-"])
def test_a_head_that_does_not_come_is_not_waited_for(start: bytes) -> None:
    async def test() -> None:
        async with site() as server:
            line = await server.line()
            line[1].write(start)
            await server.sweep(HEAD_S - 1)
            line[1].write(b"T")  # a letter now and then does not help
            await server.sweep(2)
            assert await response(line) == (
                408, {"error": "the request did not come in time", "reason": "TooSlow"}
            )  # fmt: skip
            assert await line[0].read() == b""

    run(test)


def test_a_body_that_does_not_come_is_not_waited_for() -> None:
    async def test() -> None:
        async with site() as server:
            line = await server.line()
            line[1].write(b"POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 10\r\n\r\nabc")
            await server.sweep(31)
            assert line[0]._buffer == b""  # type: ignore[attr-defined]  # whoever reads it may say more
            await server.sweep(2)
            assert (await response(line))[0] == 408

    run(test)


def test_whoever_connects_and_says_nothing_is_let_go() -> None:
    async def test() -> None:
        async with site() as server:
            line = await server.line()
            await server.sweep(HEAD_S + 1)
            assert await line[0].read() == b""
            assert server.refused == []

    run(test)


def test_whoever_does_not_take_an_answer_is_let_go() -> None:
    async def large(_: Scope, receive: Receive, send: Send) -> None:
        await answer(send, 200, b"x" * (32 << 20), [])

    async def test() -> None:
        async with site(large) as server:
            line = await server.line()
            line[1].write(HELLO)
            await server.sweep(59)
            assert server.state.connections
            await server.sweep(2)
            await asyncio.sleep(0.05)
            assert not server.state.connections

    run(test)


def test_connections_that_are_kept_and_answers_that_take_long_are_left_alone() -> None:
    begun, let = asyncio.Event(), asyncio.Event()

    async def slow(_: Scope, receive: Receive, send: Send) -> None:
        begun.set()
        await let.wait()
        await answer(send, 200, b"0", [])

    async def test() -> None:
        async with site(slow) as server:
            line = await server.line()
            line[1].write(HELLO)
            await begun.wait()
            await server.sweep(1000)
            let.set()
            assert await response(line) == (200, 0)
            await server.sweep(IDLE_S - 1)
            line[1].write(HELLO)
            assert await response(line) == (200, 0)
            await server.sweep(IDLE_S - 1)
            await server.sweep(2)
            assert await line[0].read() == b""
            assert server.refused == []

    run(test)


def test_one_too_many_is_told_to_come_again_unless_another_is_idle() -> None:
    async def test() -> None:
        async with site(most=2) as server:
            first, second = await server.line(), await server.line()
            for line in (first, second):
                line[1].write(b"POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 1\r\n\r\n")
            await asyncio.sleep(0.05)
            third = await server.line()
            status, said = await response(third)
            assert (status, said["reason"]) == (503, "TooManyConnections")
            first[1].write(b"x")
            assert await response(first) == (200, 1)
            fourth = await server.line()  # the first one is only kept now
            fourth[1].write(HELLO)
            assert await response(fourth) == (200, 0)
            assert await first[0].read() == b""
            second[1].write(b"x")
            assert await response(second) == (200, 1)

    run(test)


@pytest.mark.parametrize("said", [b"\x00\x01\x02\r\n\r\n", b"GET\r\n\r\n", b"\x16\x03\x01\x02\x00"])
def test_what_is_no_http_is_told_so(said: bytes) -> None:
    async def test() -> None:
        async with site() as server:
            line = await server.line()
            line[1].write(said)
            assert await response(line) == (
                400, {"error": "Invalid HTTP request received.", "reason": "BadHttp"}
            )  # fmt: skip
            assert server.refused == ["BadHttp"]

    run(test)


def test_a_process_may_open_enough_files_or_takes_fewer_connections() -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (512, hard))
        assert allow_files(600) == 600
        assert resource.getrlimit(resource.RLIMIT_NOFILE)[0] >= 856
        assert allow_files(10) == 10
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
