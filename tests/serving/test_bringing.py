"""Errands for bundles: bounded in number, blind to each other, called back when for nothing."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence

import pytest

from reconciler.errors import TransientError
from reconciler.serving.bringing import OVERDUE_S, Bringing, Errand
from tests.serving.crews import until


class Remote:
    """Has what it is asked for once that is let through."""

    def __init__(self) -> None:
        self.now = 0.0
        self.asked: list[tuple[str, ...]] = []
        self.called_back: list[tuple[str, ...]] = []
        self.through: dict[str, threading.Event] = {}
        self.fails: Exception | None = None
        self.arrived = 0
        self.bringing = Bringing(self._bring, self._over, lambda: self.now)

    def _bring(self, digests: Sequence[str], back: threading.Event) -> None:
        self.asked.append(tuple(digests))
        for digest in digests:
            while digest in self.through and not self.through[digest].wait(0.01):
                if back.is_set():
                    self.called_back.append(tuple(digests))
                    raise TransientError("called back", reason="Stopped")
        if self.fails is not None:
            raise self.fails

    def _over(self) -> None:
        self.arrived += 1

    def hang(self, *digests: str) -> None:
        self.through.update({digest: threading.Event() for digest in digests})

    def errand(self, digest: str) -> Errand:
        found = self.bringing.errand(digest)
        assert found is not None
        return found

    def over(self, digest: str) -> bool:
        return not self.errand(digest).under_way


@pytest.fixture
def remote() -> Iterator[Remote]:
    made = Remote()
    yield made
    made.bringing.end()


def test_what_hangs_holds_up_nothing_else(remote: Remote) -> None:
    remote.hang("a")
    remote.bringing.want(["a"])
    remote.bringing.want(["a", "b"])
    until(lambda: remote.over("b"))
    assert remote.errand("a").under_way
    assert (remote.errand("b").tried, remote.errand("b").error) == (True, None)
    assert remote.arrived == 1


def test_no_more_than_four_are_out_and_what_waits_goes_together(remote: Remote) -> None:
    remote.hang(*"abcd")
    remote.bringing.want("abcd")
    until(lambda: len(remote.asked) == 4)
    remote.bringing.want("abcdefg")
    assert remote.errand("e").under_way
    assert len(remote.asked) == 4
    remote.through["b"].set()
    until(lambda: remote.over("g"))
    assert remote.asked[4:] == [("e", "f", "g")]
    remote.bringing.want("nopqrstu")
    until(lambda: remote.over("u"))
    assert max(len(asked) for asked in remote.asked[5:]) <= 8


def test_what_is_wanted_no_more_is_called_back(remote: Remote) -> None:
    remote.hang("a", "b")
    remote.bringing.want(["a", "b"])
    until(lambda: len(remote.asked) == 2)
    remote.bringing.want(["b"])
    until(lambda: remote.called_back == [("a",)])
    assert remote.bringing.errand("a") is None
    assert remote.errand("b").under_way
    remote.bringing.end()
    assert ("b",) in remote.called_back


def test_what_failed_is_tried_again_after_a_pause_or_at_once_if_asked(remote: Remote) -> None:
    remote.fails = TransientError("away", reason="RemoteUnreachable")
    remote.bringing.want(["a"])
    until(lambda: remote.over("a"))
    assert remote.errand("a").error is remote.fails
    remote.bringing.want(["a"])
    assert len(remote.asked) == 1
    remote.bringing.want(["a"], at_once=["a"])
    until(lambda: remote.over("a") and len(remote.asked) == 2)
    remote.fails, remote.now = None, remote.now + 60
    remote.bringing.want(["a"])
    until(lambda: remote.over("a") and len(remote.asked) == 3)
    assert remote.errand("a").error is None


def test_a_bug_on_an_errand_is_told_and_the_next_one_goes(remote: Remote) -> None:
    remote.fails = KeyError("odd")
    remote.bringing.want(["a"])
    until(lambda: remote.over("a"))
    error = remote.errand("a").error
    assert error is not None
    assert error.reason == "InternalError"
    remote.fails = None
    remote.bringing.want(["a", "b"])
    until(lambda: remote.over("b"))


def test_what_takes_long_is_overdue(remote: Remote) -> None:
    remote.hang("a")
    assert remote.bringing.due_s() is None
    remote.bringing.want(["a"])
    assert remote.bringing.due_s() == OVERDUE_S
    assert not remote.errand("a").overdue
    remote.now = OVERDUE_S
    assert remote.errand("a").overdue
    assert remote.bringing.due_s() is None


def test_what_nobody_can_be_sent_for_waits(remote: Remote, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(_: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    with monkeypatch.context() as patch:
        patch.setattr(threading.Thread, "start", full)
        remote.bringing.want(["a"])
    assert remote.errand("a").under_way
    remote.bringing.want(["a", "b"])
    until(lambda: remote.over("a") and remote.over("b"))
    assert sorted(remote.asked) == [("a",), ("b",)]
