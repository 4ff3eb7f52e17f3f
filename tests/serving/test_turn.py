"""What a turn of the loop has to send leaves at its end, in order, and nothing is held for good."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, cast

import pytest

from reconciler.serving.turn import Joining, Turn


class Loop:
    """A loop whose turns end when the test says so."""

    def __init__(self) -> None:
        self.calls: list[Callable[[], None]] = []
        self.bugs: list[Exception] = []

    def call_soon(self, call: Callable[[], None]) -> None:
        self.calls.append(call)

    def call_exception_handler(self, context: dict[str, Any]) -> None:
        self.bugs.append(context["exception"])

    def turn(self) -> None:
        calls, self.calls = self.calls, []
        for call in calls:
            call()


class Sink:
    """A transport that remembers its writes."""

    def __init__(self) -> None:
        self.writes: list[bytes] = []
        self.closed = False

    def write(self, data: bytes) -> None:
        assert not self.closed
        self.writes.append(data)

    def close(self) -> None:
        self.closed = True

    def is_closing(self) -> bool:
        return self.closed

    def get_write_buffer_size(self) -> int:
        return 0

    def get_extra_info(self, name: str) -> str:
        return name


class Lines:
    """Several connections of one loop."""

    def __init__(self) -> None:
        self.loop = Loop()
        self.turn = Turn(cast(asyncio.AbstractEventLoop, self.loop))

    def new(self) -> tuple[Sink, Joining]:
        sink = Sink()
        return sink, Joining(cast(asyncio.Transport, sink), self.turn)


@pytest.fixture
def lines() -> Lines:
    return Lines()


def test_a_head_and_its_body_leave_by_one_write_at_the_end_of_the_turn(lines: Lines) -> None:
    (one, line), (other, second) = lines.new(), lines.new()
    line.write(b"head ")
    line.write(b"body")
    second.write(b"more")
    assert line.get_write_buffer_size() == 9
    assert (one.writes, other.writes) == ([], [])
    assert len(lines.loop.calls) == 1
    lines.loop.turn()
    assert (one.writes, other.writes) == ([b"head body"], [b"more"])
    assert line.get_write_buffer_size() == 0


def test_the_next_turn_sends_what_comes_next(lines: Lines) -> None:
    sink, line = lines.new()
    for text in (b"1", b"2"):
        line.write(text)
        lines.loop.turn()
    assert sink.writes == [b"1", b"2"]


def test_a_large_body_is_not_copied_and_comes_after_its_head(lines: Lines) -> None:
    sink, line = lines.new()
    large = bytes(1 << 20)
    line.write(b"head")
    line.write(large)
    assert sink.writes[0] == b"head"
    assert sink.writes[1] is large
    lines.loop.turn()
    assert len(sink.writes) == 2


def test_what_is_held_leaves_before_the_connection_is_closed(lines: Lines) -> None:
    sink, line = lines.new()
    line.write(b"last")
    line.close()
    assert sink.writes == [b"last"]
    assert line.is_closing()
    lines.loop.turn()
    assert sink.writes == [b"last"]


def test_nothing_is_written_to_a_connection_that_is_lost_and_others_get_theirs(
    lines: Lines,
) -> None:
    (lost, line), (sink, other) = lines.new(), lines.new()
    line.write(b"held")
    other.write(b"answer")
    lost.closed = True
    line.lose()
    line.write(b"late")
    line.write(bytes(1 << 20))
    line.close()
    lines.loop.turn()
    assert (lost.writes, sink.writes) == ([], [b"answer"])


def test_all_else_is_asked_of_the_transport(lines: Lines) -> None:
    assert lines.new()[1].get_extra_info("peername") == "peername"


def test_what_raises_takes_nothing_else_of_its_turn_and_is_told(lines: Lines) -> None:
    done: list[str] = []

    def bug() -> None:
        raise ValueError

    (one, line), turn = lines.new(), lines.turn
    for call in (bug, lambda: done.append("asked"), lambda: turn.pause(bug)):
        turn.ask(call)
    turn.ask(lambda: turn.pause(lambda: line.write(b"answer")))
    lines.loop.turn()
    assert (done, one.writes) == (["asked"], [b"answer"])
    assert list(map(type, lines.loop.bugs)) == [ValueError, ValueError]
    turn.ask(lambda: done.append("next"))
    lines.loop.turn()
    assert done == ["asked", "next"]
