"""What a supervisor makes of its workers' words."""

from __future__ import annotations

import socket

import pytest

from reconciler.serving import lines
from reconciler.serving.crew import Crew, Member
from reconciler.serving.settings import Settings


def test_a_bug_over_one_line_leaves_the_next_ones_heard(caplog: pytest.LogCaptureFixture) -> None:
    seen: list[lines.Message] = []

    def heard(message: lines.Message) -> None:
        if "metrics" in message:
            raise ValueError("what is this")
        seen.append(message)

    ours, theirs = socket.socketpair()
    with socket.socket() as listen, ours:
        crew = Crew(
            listen, lambda _, link: Settings(0, link, 1, 1, 1.0), 1, lambda _: None,
            lambda *_: None, heard=heard,
        )  # fmt: skip
        member = Member(0, [], ours, (), lambda _: None)
        with theirs:
            theirs.sendall(lines.encode({"metrics": {}}))
            theirs.sendall(lines.encode({"hello": {"boot": "b", "pid": 1}}))
            theirs.sendall(b"no JSON\n" + lines.encode({"fares": {"busy": 2}}))
        crew._hear(member)
    assert (member.boot, member.fares, len(seen)) == ("b", {"busy": 2}, 2)
    assert caplog.text.count("this is a bug") == 2
