"""Requests in a hurry: answered without a task where they can be, and as all others otherwise."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import cast

import pytest

from reconciler.serving.connection import Connection, Connections
from reconciler.serving.exchange import Exchange
from reconciler.serving.http import Gone, Receive, Scope, Send, answer, body
from reconciler.serving.stepping import in_task
from tests.serving.listening import listening, of

Line = tuple[asyncio.StreamReader, asyncio.StreamWriter]
HEAD = b"POST /echo HTTP/1.1\r\nhost: x\r\ncontent-length: %d\r\n\r\n"


class Site:
    """A server all of whose requests are in a hurry, and what it saw."""

    def __init__(self) -> None:
        self.state = Connections(hurried=lambda target: target != b"/calm")
        self.tasks: list[bool] = []
        """Whether each request was begun in a task."""
        self.cycles: list[bool] = []
        """Whether each request took the short way."""
        self.port = 0

    async def answer(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.tasks.append(asyncio.current_task() is not None)
        self.cycles.append(isinstance(getattr(send, "__self__", None), Exchange))
        try:
            content = await body(scope, receive, 1 << 24, 5.0)
        except Gone:
            return
        if content.startswith(b"wait"):
            await in_task()
            await asyncio.wait_for(asyncio.sleep(0.01), 1)
        if content == b"bug":
            raise ValueError
        if content == b"apart":
            try:
                await asyncio.to_thread(int, "no number")
            except ValueError:
                content = b"refused"
        value = {b"lines": b"two\r\nlines: 1", b"return": b"two\rlines: 1"}.get(content, b"one")
        await answer(send, 200, content[:100], [(b"x-said", value)])

    async def line(self) -> Line:
        return await asyncio.open_connection("127.0.0.1", self.port)

    async def ask(self, line: Line, content: bytes, head: bytes = HEAD) -> bytes:
        line[1].write(head % len(content) + content)
        return await said(line)


def run(test: Callable[[Site], Awaitable[None]]) -> None:
    async def whole() -> None:
        made = Site()
        async with listening(of(made.answer), made.state) as made.port:
            await test(made)

    asyncio.run(asyncio.wait_for(whole(), 15))


async def said(line: Line) -> bytes:
    """Return the body of the next answer."""
    return (await answered(line))[1]


async def answered(line: Line) -> tuple[list[bytes], bytes]:
    """Return the lines of the next answer's head, and its body."""
    head = await line[0].readuntil(b"\r\n\r\n")
    length = int(head.lower().split(b"content-length: ")[1].split()[0])
    return head.split(b"\r\n")[:-2], await line[0].readexactly(length)


def test_a_request_that_is_there_is_answered_without_a_task() -> None:
    async def test(site: Site) -> None:
        line = await site.line()
        for content in (b"abc", b"", b"de"):
            assert await site.ask(line, content) == content
        assert site.tasks == [False] * 3
        assert site.state.tasks == set()

    run(test)


def test_an_answer_is_what_the_library_would_send() -> None:
    async def test(site: Site) -> None:
        site.state.default_headers = [(b"date", b"today"), (b"server", b"us")]
        heads = []
        for path in (b"/echo", b"/calm"):
            line = await site.line()
            line[1].write((HEAD % 3).replace(b"/echo", path) + b"abc")
            head, content = await answered(line)
            assert content == b"abc"
            heads.append(head)
        assert heads[0] == heads[1]
        assert site.cycles == [True, False]

    run(test)


@pytest.mark.parametrize("sizes", [(1, 2), (0, 3), (3,)])
def test_a_body_that_comes_in_parts_is_waited_for_in_a_task(sizes: Sequence[int]) -> None:
    async def test(site: Site) -> None:
        line = await site.line()
        line[1].write(HEAD % sum(sizes))
        for size in sizes:
            await asyncio.sleep(0.02)
            line[1].write(b"x" * size)
        assert await said(line) == b"x" * sum(sizes)
        assert site.tasks == [True]

    run(test)


def test_a_large_body_is_read_to_its_end() -> None:
    async def test(site: Site) -> None:
        line = await site.line()
        assert await site.ask(line, b"x" * (8 << 20)) == b"x" * 100
        assert await site.ask(line, b"next") == b"next"

    run(test)


def test_what_waits_goes_on_in_a_task_and_others_are_answered_meanwhile() -> None:
    async def test(site: Site) -> None:
        slow, quick = await site.line(), await site.line()
        waiting = asyncio.ensure_future(site.ask(slow, b"wait"))
        while not site.state.tasks:
            await asyncio.sleep(0)
        assert await site.ask(quick, b"abc") == b"abc"
        assert await waiting == b"wait"
        assert await site.ask(slow, b"again") == b"again"
        assert site.tasks == [False] * 3

    run(test)


def test_what_goes_wrong_apart_from_the_loop_is_told_to_who_waits_for_it() -> None:
    async def test(site: Site) -> None:
        line = await site.line()
        for _ in range(2):
            assert await site.ask(line, b"apart") == b"refused"
        assert site.tasks == [False] * 2

    run(test)


@pytest.mark.parametrize("contents", [(b"a", b"b", b"c"), (b"wait", b"b"), (b"a", b"wait", b"c")])
def test_requests_that_come_by_one_write_are_answered_in_order(contents: Sequence[bytes]) -> None:
    async def test(site: Site) -> None:
        line = await site.line()
        line[1].write(b"".join(HEAD % len(content) + content for content in contents))
        assert [await said(line) for _ in contents] == list(contents)
        assert await site.ask(line, b"next") == b"next"

    run(test)


def test_a_connection_that_is_not_kept_is_closed_after_the_answer() -> None:
    async def test(site: Site) -> None:
        line = await site.line()
        line[1].write(HEAD.replace(b"host", b"connection: close\r\nhost") % 1 + b"a")
        head, content = await answered(line)
        assert (content, head.count(b"connection: close")) == (b"a", 1)
        assert await line[0].read() == b""

    run(test)


def test_a_server_that_drains_says_so_once_and_closes() -> None:
    async def test(site: Site) -> None:
        line = await site.line()
        assert await site.ask(line, b"a") == b"a"
        site.state.default_headers = [(b"connection", b"close")]
        line[1].write(HEAD % 1 + b"b")
        head, _ = await answered(line)
        assert head.count(b"connection: close") == 1
        assert await line[0].read() == b""

    run(test)


def test_whoever_asks_for_a_word_before_sending_gets_it() -> None:
    async def test(site: Site) -> None:
        line = await site.line()
        line[1].write(HEAD.replace(b"host", b"expect: 100-continue\r\nhost") % 3)
        assert await line[0].readuntil(b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"
        line[1].write(b"abc")
        assert await said(line) == b"abc"

    run(test)


@pytest.mark.parametrize("content", [b"bug", b"lines", b"return"])
def test_a_bug_or_a_header_of_two_lines_is_told_and_the_connection_ends(content: bytes) -> None:
    async def test(site: Site) -> None:
        line = await site.line()
        line[1].write(HEAD % len(content) + content)
        head, told = await answered(line)
        assert (head[0], told) == (b"HTTP/1.1 500 Internal Server Error", b"Internal Server Error")
        assert b"lines: 1" not in head
        assert await line[0].read() == b""

    run(test)


def test_whoever_leaves_before_the_answer_costs_nobody_anything() -> None:
    async def test(site: Site) -> None:
        for content in (b"wait", b"abc"):
            line = await site.line()
            line[1].write(HEAD % len(content) + content)
            line[1].transport.abort()
        line = await site.line()
        assert await site.ask(line, b"abc") == b"abc"
        while site.state.tasks:
            await asyncio.sleep(0.01)
        assert len(site.state.connections) == 1

    run(test)


def test_a_client_that_takes_no_answers_is_given_no_more_of_them() -> None:
    async def test(site: Site) -> None:
        line = await site.line()
        content = b"x" * 100

        async def flood() -> None:
            while True:
                line[1].write((HEAD % len(content) + content) * 100)
                await line[1].drain()

        with pytest.raises(TimeoutError):
            await asyncio.wait_for(flood(), 1)
        (connection,) = site.state.connections
        assert connection.transport.get_write_buffer_size() < 1 << 20

    run(test)


@pytest.mark.parametrize("path", [b"/echo", b"/calm"])
def test_requests_that_wait_for_the_one_before_do_not_pile_up(path: bytes) -> None:
    async def test(site: Site) -> None:
        line, heights = await site.line(), []
        several = (HEAD.replace(b"/echo", path) % 1 + b"a") * 10_000
        line[1].write(several * 4)
        for _ in range(20_000):
            assert await said(line) == b"a"
            (connection,) = site.state.connections
            heights.append(len(cast(Connection, connection).pipeline))
        assert max(heights) < 10_000
        line[1].transport.abort()

    run(test)
