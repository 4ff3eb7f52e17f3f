"""Leases on a remote: one holder at a time, and none for ever."""

from __future__ import annotations

import shutil
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from reconciler.adapters.holder import holder
from reconciler.adapters.layout import REF
from reconciler.adapters.lease_refs import ref_of
from reconciler.adapters.leases import RemoteLeases
from reconciler.adapters.mirror import Mirror
from reconciler.errors import TransientError
from tests.adapters.test_mirror import store, tried
from tests.hosts import Host, git

if TYPE_CHECKING:
    from collections.abc import Callable

FIRST, SECOND = "a" * 64, "b" * 64
TTL = 300.0


class Clock:
    """Steady seconds that pass when they are told to."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


class Daemon:
    """What one daemon has of leases, in a folder of its own."""

    def __init__(self, host: Host, folder: Path) -> None:
        self.clock = Clock()
        opened = Mirror.open(folder / "mirror", host.url, "main")
        self.mirror = Mirror(opened.git, opened.remote, "main", self.clock)
        self.lost: dict[str, str] = {}
        self.leases = RemoteLeases(self.mirror, holder(folder), TTL, self.lost.__setitem__)


@pytest.fixture
def host(tmp_path: Path) -> Host:
    return Host(tmp_path / "far")


@pytest.fixture
def one(host: Host, tmp_path: Path) -> Daemon:
    return Daemon(host, tmp_path / "one")


@pytest.fixture
def other(host: Host, tmp_path: Path) -> Daemon:
    return Daemon(host, tmp_path / "other")


def told(daemon: Daemon, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Note the git commands by which the remote is asked."""
    asked: list[str] = []
    kind = type(daemon.mirror.remote)
    call = kind._call

    def noted(self: object, *arguments: str, **options: object) -> object:
        asked.append(arguments[0])
        return call(self, *arguments, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(kind, "_call", noted)
    return asked


def test_of_two_daemons_one_gets_a_lease_and_the_other_is_told_who(
    one: Daemon, other: Daemon
) -> None:
    assert one.leases.take(FIRST) is None
    said = other.leases.take(FIRST)
    assert said is not None
    assert "process" in said
    assert other.leases.take(SECOND) is None


def test_a_lease_that_is_ours_costs_no_question(
    one: Daemon, monkeypatch: pytest.MonkeyPatch
) -> None:
    one.leases.take(FIRST)
    asked = told(one, monkeypatch)
    assert one.leases.take(FIRST) is None
    assert asked == []


def test_who_holds_a_lease_is_asked_once(
    one: Daemon, other: Daemon, monkeypatch: pytest.MonkeyPatch
) -> None:
    one.leases.take(FIRST)
    assert other.leases.take(FIRST)
    asked = told(other, monkeypatch)
    assert other.leases.take(FIRST)
    assert asked == []


def test_a_lease_that_was_given_back_is_free_and_what_came_of_it_is_at_hand(
    one: Daemon, other: Daemon
) -> None:
    one.leases.take(FIRST)
    commit = store(one.mirror).commit({"wine": tried("A")}).commit
    one.leases.give_back(FIRST)
    one.leases.beat()
    assert other.leases.take(FIRST) is None
    assert other.mirror.git.read_ref(REF) == commit


def test_a_lease_taken_while_the_records_could_not_be_asked_brings_them_the_next_time(
    one: Daemon, other: Daemon, monkeypatch: pytest.MonkeyPatch
) -> None:
    commit = store(one.mirror).commit({"wine": tried("A")}).commit

    def away(self: Mirror) -> None:
        raise TransientError("away", reason="RemoteUnreachable")

    with monkeypatch.context() as patch, pytest.raises(TransientError):  # noqa: PT012
        patch.setattr(Mirror, "refresh", away)
        other.leases.take(FIRST)
    assert other.leases.take(FIRST) is None
    assert other.mirror.git.read_ref(REF) == commit


def test_giving_back_what_is_not_ours_or_gone_is_no_error(one: Daemon, host: Host) -> None:
    one.leases.give_back(FIRST)
    one.leases.take(FIRST)
    git(host.path, "update-ref", "-d", ref_of(FIRST))
    one.leases.give_back(FIRST)
    one.leases.beat()
    assert one.leases.take(FIRST) is None


def test_a_lease_wanted_again_before_it_was_gone_is_kept(one: Daemon, host: Host) -> None:
    one.leases.take(FIRST)
    one.leases.give_back(FIRST)
    assert one.leases.take(FIRST) is None
    one.leases.beat()
    assert host.ref(ref_of(FIRST))


def test_a_holder_that_gives_no_sign_is_replaced_and_learns_it(one: Daemon, other: Daemon) -> None:
    one.leases.take(FIRST)
    other.mirror.look()
    other.clock.now += TTL - 1
    other.mirror.look()
    assert other.leases.take(FIRST) is not None
    other.clock.now += 1
    assert other.leases.take(FIRST) is None
    one.leases.beat()
    assert one.lost.keys() == {FIRST}
    assert "process" in one.lost[FIRST]
    assert one.leases.take(FIRST) is not None


def test_a_holder_that_gives_signs_keeps_its_lease_for_ever(one: Daemon, other: Daemon) -> None:
    one.leases.take(FIRST)
    for _ in range(5):
        other.mirror.look()
        other.clock.now += TTL - 1
        one.leases.beat()
    assert other.leases.take(FIRST) is not None
    assert one.lost == {}


def test_a_holder_whose_sign_was_not_seen_yet_keeps_its_lease(one: Daemon, other: Daemon) -> None:
    one.leases.take(FIRST)
    other.mirror.look()
    one.leases.beat()
    other.clock.now += TTL + 1
    assert other.leases.take(FIRST) is not None, "the swap itself finds the sign"


def test_a_clock_of_the_holder_plays_no_part(one: Daemon, other: Daemon) -> None:
    one.clock.now = 1e9
    one.leases.take(FIRST)
    other.mirror.look()
    assert other.leases.take(FIRST) is not None


def test_all_leases_are_renewed_by_one_push(one: Daemon, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in (FIRST, SECOND, "c" * 64):
        one.leases.take(name)
    asked = told(one, monkeypatch)
    one.leases.beat()
    assert asked == ["push"]


def test_more_leases_than_one_command_can_name_are_renewed_by_several(
    one: Daemon, host: Host, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = [letter * 64 for letter in "abcde"]
    for name in names:
        one.leases.take(name)
    before = [host.ref(ref_of(name)) for name in names]
    monkeypatch.setattr("reconciler.adapters.git_remote._MOST", 2)
    asked = told(one, monkeypatch)
    one.leases.beat()
    assert asked == ["push"] * 3
    after = {host.ref(ref_of(name)) for name in names}
    assert len(after) == 1
    assert not after & {*before}


def test_a_daemon_that_was_started_again_has_its_leases_at_once(
    one: Daemon, host: Host, tmp_path: Path
) -> None:
    one.leases.take(FIRST)
    again = Daemon(host, tmp_path / "one")
    again.mirror.look()
    assert again.leases.take(FIRST) is None


def test_a_copy_of_a_state_folder_is_another_daemon(
    one: Daemon, host: Host, tmp_path: Path
) -> None:
    one.leases.take(FIRST)
    shutil.copytree(tmp_path / "one", tmp_path / "copy")
    assert Daemon(host, tmp_path / "copy").leases.take(FIRST) is not None


def test_a_torn_file_of_the_holder_gives_a_new_one(tmp_path: Path) -> None:
    first = holder(tmp_path)
    (tmp_path / "holder.json").write_text('{"id": "')
    second = holder(tmp_path)
    assert second.id != first.id
    assert holder(tmp_path).id == second.id


def test_a_push_whose_answer_was_lost_is_ours_all_the_same(one: Daemon, host: Host) -> None:
    hook = host.hook("post-update", "kill -9 $PPID")
    with pytest.raises(TransientError):
        one.leases.take(FIRST)
    hook.unlink()
    assert one.leases.take(FIRST) is None
    host.hook("post-update", "kill -9 $PPID")
    with pytest.raises(TransientError):
        one.leases.beat()
    hook.unlink()
    one.leases.beat()
    assert one.lost == {}
    assert one.leases.take(FIRST) is None


def test_a_lease_by_somebody_who_says_nothing_of_use_runs_out_too(one: Daemon, host: Host) -> None:
    git(host.path, "update-ref", ref_of(FIRST), "main")
    assert "another daemon" in str(one.leases.take(FIRST))
    one.clock.now += TTL
    assert one.leases.take(FIRST) is None


def test_a_lease_that_nobody_wants_any_more_is_removed_in_time(
    one: Daemon, other: Daemon, host: Host
) -> None:
    one.leases.take(FIRST)
    other.mirror.look()
    other.clock.now += 4 * TTL
    other.leases.beat()
    assert host.ref(ref_of(FIRST)) is None


def test_a_lease_of_an_earlier_run_that_is_wanted_no_more_is_removed_at_once(
    one: Daemon, other: Daemon, host: Host, tmp_path: Path
) -> None:
    one.leases.take(FIRST)
    other.leases.take(SECOND)
    again = Daemon(host, tmp_path / "one")
    again.mirror.look()
    again.leases.beat()
    assert host.ref(ref_of(FIRST)) is None
    assert host.ref(ref_of(SECOND))


@pytest.mark.parametrize("close", [False, True])
def test_the_thread_and_the_end_remove_what_a_killed_run_left(
    one: Daemon, host: Host, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, close: bool
) -> None:
    monkeypatch.setattr("reconciler.adapters.leases._FIRST_S", 60.0 if close else 0.2)
    one.leases.take(FIRST)
    again = Daemon(host, tmp_path / "one")
    again.mirror.look()
    again.leases.start()
    if close:
        again.leases.close()
    assert eventually(lambda: host.ref(ref_of(FIRST)) is None)
    again.leases.close()


def test_a_remote_that_allows_no_leases_is_quoted(one: Daemon, host: Host) -> None:
    host.hook("update", 'case "$1" in refs/reconciler/*) echo branches only >&2; exit 1;; esac')
    with pytest.raises(TransientError, match="branches only") as caught:
        one.leases.take(FIRST)
    assert caught.value.reason == "RemoteRefused"


def test_a_remote_that_is_away_takes_no_lease_from_its_holder(one: Daemon, host: Host) -> None:
    one.leases.take(FIRST)
    host.away()
    with pytest.raises(TransientError):
        one.leases.take(SECOND)
    with pytest.raises(TransientError):
        one.leases.beat()
    assert one.leases.take(FIRST) is None
    host.back()
    one.leases.beat()
    assert one.lost == {}


@pytest.mark.parametrize("ttl_s", [0.6, 60.0])
def test_the_thread_renews_gives_back_and_ends(host: Host, tmp_path: Path, ttl_s: float) -> None:
    daemon = Daemon(host, tmp_path / "one")
    leases = RemoteLeases(daemon.mirror, holder(tmp_path / "one"), ttl_s)
    leases.start()
    leases.take(FIRST)
    leases.take(SECOND)
    first = host.ref(ref_of(FIRST))
    if ttl_s < 1:
        assert eventually(lambda: host.ref(ref_of(FIRST)) != first)
    leases.give_back(SECOND)
    began = time.monotonic()
    assert eventually(lambda: host.ref(ref_of(SECOND)) is None)
    assert time.monotonic() - began < 5, "at once, and not at the next renewal"
    leases.close()
    assert host.ref(ref_of(FIRST)) is None
    with pytest.raises(TransientError):
        leases.take(SECOND)


def eventually(claim: Callable[[], bool], seconds: float = 10.0) -> bool:
    deadline = time.monotonic() + seconds
    while not claim() and time.monotonic() < deadline:
        time.sleep(0.02)
    return claim()
