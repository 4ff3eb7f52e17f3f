"""An answer's head and body leave by one write, and nothing is ever held back for good."""

from __future__ import annotations

import asyncio
from typing import cast

from reconciler.serving.joining import Joining

HEAD = b"HTTP/1.1 200 OK\r\n\r\n"


class Sink:
    """A transport that remembers its writes."""

    def __init__(self) -> None:
        self.writes: list[bytes] = []
        self.closed = False

    def write(self, data: bytes) -> None:
        self.writes.append(data)

    def close(self) -> None:
        self.closed = True

    def is_closing(self) -> bool:
        return self.closed

    def get_extra_info(self, name: str) -> str:
        return name


def joined() -> tuple[Sink, Joining]:
    sink = Sink()
    return sink, Joining(cast(asyncio.Transport, sink))


def test_a_head_waits_for_its_body() -> None:
    sink, line = joined()
    line.write(HEAD)
    assert sink.writes == []
    line.write(b"ok")
    line.write(b"more")
    assert sink.writes == [HEAD + b"ok", b"more"]


def test_a_large_body_is_not_copied() -> None:
    sink, line = joined()
    large = bytes(1 << 20)
    line.write(HEAD)
    line.write(large)
    assert sink.writes[0] == HEAD
    assert sink.writes[1] is large


def test_a_head_without_a_body_leaves_when_the_answer_is_over_or_the_line_closed() -> None:
    sink, line = joined()
    line.write(HEAD)
    line.flush()
    line.flush()
    assert sink.writes == [HEAD]
    line.write(HEAD)
    line.close()
    assert sink.writes == [HEAD, HEAD]
    assert line.is_closing()


def test_whoever_waits_to_send_a_body_is_told_at_once() -> None:
    sink, line = joined()
    line.write(b"HTTP/1.1 100 Continue\r\n\r\n")
    assert len(sink.writes) == 1


def test_all_else_is_asked_of_the_transport() -> None:
    assert joined()[1].get_extra_info("peername") == "peername"
