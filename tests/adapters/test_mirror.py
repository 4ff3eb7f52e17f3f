"""A mirror: it follows a remote whatever becomes of it, and records move there first."""

from __future__ import annotations

import dataclasses
import os
import socket
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import psutil
import pytest

from reconciler.adapters import mirror_folder
from reconciler.adapters.deployed import DeployedStore
from reconciler.adapters.git_remote import Limits
from reconciler.adapters.layout import REF
from reconciler.adapters.mirror import Mirror
from reconciler.controller.decisions import Overtaken, unless_steered
from reconciler.core.record import Outcome, Record, Version, empty, with_version
from reconciler.errors import TransientError, UsageError
from tests.hosts import Host, git

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

NOON = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
MAIN = "refs/heads/main"


@pytest.fixture
def host(tmp_path: Path) -> Host:
    return Host(tmp_path / "far")


@pytest.fixture
def mirror(host: Host, tmp_path: Path) -> Mirror:
    return Mirror.open(tmp_path / "near", host.url, "main")


def tried(reason: str) -> Callable[[Record | None], Record]:
    def change(record: Record | None) -> Record:
        record = record or empty("wine")
        version = Version(
            number=record.next_version, outcome=Outcome.FAILED, reason=reason,
            fingerprint=reason, revision="r", created=NOON,
        )  # fmt: skip
        return with_version(record, version, 1000)

    return change


def store(mirror: Mirror, now: datetime | None = None) -> DeployedStore:
    return DeployedStore(
        mirror.git, window_s=0, move=mirror.move, clock=lambda: now or datetime.now(UTC)
    )


def patient(mirror: Mirror, seconds: float) -> Mirror:
    mirror.remote = dataclasses.replace(mirror.remote, limits=Limits(seconds, seconds, seconds))
    return mirror


def test_the_first_look_brings_the_branch_here(mirror: Mirror, host: Host) -> None:
    sighting = mirror.look()
    assert sighting.revision == host.ref(MAIN) == mirror.git.resolve("HEAD")
    assert sighting.deployed is None
    assert "specs/wine.yaml" in mirror.git.tree("HEAD")


def test_a_user_who_forbids_git_to_find_bare_repositories_has_a_mirror_all_the_same(
    host: Host, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", str(tmp_path / "settings"))
    git(tmp_path, "config", "--global", "safe.bareRepository", "explicit")
    mirror = Mirror.open(tmp_path / "near", host.url, "main")
    assert mirror.look().revision == mirror.git.resolve("HEAD")


def test_a_look_at_a_remote_at_rest_asks_once_and_brings_nothing(
    mirror: Mirror, monkeypatch: pytest.MonkeyPatch
) -> None:
    mirror.look()
    asked: list[str] = []
    call = type(mirror.remote)._call

    def counted(self: object, *arguments: str, **options: object) -> object:
        asked.append(arguments[0])
        return call(self, *arguments, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(type(mirror.remote), "_call", counted)
    mirror.look()
    assert asked == ["ls-remote"]


def test_a_forced_push_a_deleted_and_a_recreated_branch_are_followed(
    mirror: Mirror, host: Host
) -> None:
    first = mirror.look().revision
    forced = host.push("specs/wine.yaml", "2", force=True)
    assert mirror.look().revision == forced != first
    git(host.path, "update-ref", "-d", MAIN)
    assert mirror.look().revision is None
    assert mirror.git.tree("HEAD"), "what is in force can still be read"
    again = host.push("specs/wine.yaml", "3")
    assert mirror.look().revision == again


def test_records_that_were_set_back_by_force_are_followed_and_built_upon(
    mirror: Mirror, host: Host
) -> None:
    first = store(mirror).commit({"wine": tried("A")}).commit
    store(mirror).commit({"wine": tried("B")})
    git(host.path, "update-ref", REF, str(first))
    git(host.path, "gc", "--quiet", "--prune=now")
    assert mirror.look().deployed == first
    after = store(mirror).commit({"wine": tried("C")})
    assert [v.reason for v in after.records["wine"].versions] == ["A", "C"]


def test_the_records_of_another_daemon_arrive(mirror: Mirror, host: Host, tmp_path: Path) -> None:
    other = Mirror.open(tmp_path / "other", host.url, "main")
    snapshot = store(other).commit({"wine": tried("A")})
    assert mirror.look().deployed == snapshot.commit == host.ref(REF)
    assert store(mirror).read().records == snapshot.records


def test_a_commit_stands_on_the_remote_and_here(mirror: Mirror, host: Host) -> None:
    commit = store(mirror).commit({"wine": tried("A")}).commit
    assert commit == host.ref(REF) == mirror.git.read_ref(REF)


@pytest.mark.slow
def test_two_stores_on_two_mirrors_lose_no_update(host: Host, tmp_path: Path) -> None:
    stores = [store(Mirror.open(tmp_path / name, host.url, "main")) for name in ("a", "b")]

    def write(number: int) -> None:
        for count in range(10):
            stores[number].commit({"wine": tried(f"R{number}x{count}")})

    with ThreadPoolExecutor(2) as threads:
        list(threads.map(write, range(2)))
    third = Mirror.open(tmp_path / "c", host.url, "main")
    third.look()
    reasons = sorted(v.reason for v in store(third).read().records["wine"].versions)
    assert reasons == sorted(f"R{number}x{count}" for number in range(2) for count in range(10))
    assert git(host.path, "rev-list", "--count", REF) == "20"
    assert git(host.path, "rev-list", "--count", "--merges", REF) == "0"


def test_a_lost_race_is_run_again_on_what_won_it(
    mirror: Mirror, host: Host, tmp_path: Path
) -> None:
    other = store(Mirror.open(tmp_path / "other", host.url, "main"))
    mirror.look()
    other.commit({"wine": tried("Theirs")})
    ours = store(mirror).commit({"wine": tried("Ours")})
    assert [v.reason for v in ours.records["wine"].versions] == ["Theirs", "Ours"]
    assert ours.commit == host.ref(REF)


def test_the_very_same_commit_of_another_daemon_is_not_taken_for_ours(
    mirror: Mirror, host: Host, tmp_path: Path
) -> None:
    """In the same second, the same decision on the same records is the same commit."""
    mirror.look()
    decision = unless_steered(tried("A"), None)
    theirs = store(Mirror.open(tmp_path / "other", host.url, "main"), NOON)
    theirs.commit({"wine": decision})
    with pytest.raises(Overtaken):
        store(mirror, NOON).commit({"wine": decision})
    assert mirror.git.read_ref(REF) == host.ref(REF)
    assert [v.reason for v in store(mirror).read().records["wine"].versions] == ["A"]


def test_a_remote_that_refuses_the_records_is_quoted(mirror: Mirror, host: Host) -> None:
    hook = host.hook("pre-receive", "echo only release managers may push >&2; exit 1")
    with pytest.raises(TransientError, match="only release managers") as caught:
        store(mirror).commit({"wine": tried("A")})
    assert caught.value.reason == "RemoteRefused"
    assert mirror.git.read_ref(REF) is None is host.ref(REF)
    hook.unlink()
    assert store(mirror).commit({"wine": tried("A")}).commit == host.ref(REF)


def test_a_remote_that_is_away_leaves_nothing_half_written(mirror: Mirror, host: Host) -> None:
    before = store(mirror).commit({"wine": tried("A")}).commit
    host.away()
    for call in (mirror.look, lambda: store(mirror).commit({"wine": tried("B")})):
        with pytest.raises(TransientError) as caught:
            call()
        assert caught.value.reason == "RemoteUnreachable"
        assert "does not appear to be a git repository" in caught.value.message
        assert "Please" not in caught.value.message
    assert mirror.git.read_ref(REF) == before
    host.back()
    assert mirror.look().deployed == before
    after = store(mirror).commit({"wine": tried("B")})
    assert [v.reason for v in after.records["wine"].versions] == ["A", "B"]


def test_a_remote_that_vanishes_before_it_moved_anything_is_tried_again(
    mirror: Mirror, host: Host
) -> None:
    store(mirror).commit({"wine": tried("A")})
    hook = host.hook("pre-receive", "kill -9 $PPID")
    with pytest.raises(TransientError) as caught:
        store(mirror).commit({"wine": tried("B")})
    assert caught.value.reason == "RemoteUnreachable"
    assert mirror.git.read_ref(REF) == host.ref(REF)
    hook.unlink()
    after = store(mirror).commit({"wine": tried("B")})
    assert [v.reason for v in after.records["wine"].versions] == ["A", "B"]


def test_a_remote_that_vanishes_before_it_said_that_it_moved_gets_a_decision_once(
    mirror: Mirror, host: Host
) -> None:
    store(mirror).commit({"wine": tried("A")})
    host.hook("post-update", "kill -9 $PPID")
    after = store(mirror).commit({"wine": tried("B")})
    assert after.commit == host.ref(REF) == mirror.git.read_ref(REF)
    assert [v.reason for v in after.records["wine"].versions] == ["A", "B"]


def test_a_decision_whose_answer_was_lost_is_not_made_twice(mirror: Mirror, host: Host) -> None:
    """The remote takes it, and is away before anybody can be told."""
    seen = store(mirror).commit({"wine": tried("A")}).records["wine"]
    host.hook("post-update", f"kill -9 $PPID; mv {host.path} {host.path.with_suffix('.away')}")
    decision = unless_steered(tried("B"), seen)
    with pytest.raises(TransientError):
        store(mirror).commit({"wine": decision})
    host.back()
    with pytest.raises(Overtaken):
        store(mirror, datetime.now(UTC) + timedelta(seconds=9)).commit({"wine": decision})
    versions = store(mirror).read().records["wine"].versions
    assert [v.reason for v in versions] == ["A", "B"]


def test_a_push_that_was_killed_before_it_was_noted_here_is_seen_at_the_next_look(
    mirror: Mirror, host: Host
) -> None:
    first = store(mirror).commit({"wine": tried("A")}).commit
    second = store(mirror).commit({"wine": tried("B")}).commit
    assert second
    git(mirror.git.common_dir, "update-ref", REF, str(first))
    assert mirror.look().deployed == second
    git(mirror.git.common_dir, "update-ref", REF, str(first))
    third = store(mirror).commit({"wine": tried("C")})
    assert [v.reason for v in third.records["wine"].versions] == ["A", "B", "C"]


def test_records_that_are_gone_from_the_remote_go_back_with_their_history(
    mirror: Mirror, host: Host
) -> None:
    before = store(mirror).commit({"wine": tried("A")}).commit
    git(host.path, "update-ref", "-d", REF)
    assert mirror.look().deployed == before
    store(mirror).commit({"wine": tried("B")})
    assert git(host.path, "rev-list", "--count", REF) == "2"


@pytest.fixture
def silent() -> Iterator[int]:
    """Give a port on which somebody listens and never answers."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        yield int(listener.getsockname()[1])


def test_a_remote_that_hangs_is_given_up_and_no_process_stays(tmp_path: Path, silent: int) -> None:
    mirror = patient(Mirror.open(tmp_path / "near", f"git://127.0.0.1:{silent}/x", "main"), 0.4)
    for call in (mirror.look, lambda: mirror.move(None, "0" * 40)):
        with pytest.raises(TransientError, match=r"no answer within 0\.4 s") as caught:
            call()
        assert caught.value.reason == "RemoteUnreachable"
    assert not psutil.Process().children(recursive=True)


def test_closing_a_mirror_ends_what_is_under_way_and_leaves_no_process(
    tmp_path: Path, silent: int
) -> None:
    mirror = Mirror.open(tmp_path / "near", f"git://127.0.0.1:{silent}/x", "main")
    with ThreadPoolExecutor(1) as threads:
        look = threads.submit(mirror.look)
        while not psutil.Process().children(recursive=True):
            time.sleep(0.01)
        mirror.close()
        assert not psutil.Process().children(recursive=True)
        assert isinstance(look.exception(), TransientError)
    with pytest.raises(TransientError, match="is ending"):
        mirror.look()


@pytest.mark.parametrize(
    "secret", ["ada:s3cret@", "ghp_t0ken@", "ada:p@ss@", "ada:p%40ss@", "ada:%73ecret@"]
)
def test_what_a_url_says_of_who_asks_is_told_nowhere(tmp_path: Path, secret: str) -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        url = f"http://{secret}127.0.0.1:{closed.getsockname()[1]}/team/models.git"
        mirror = Mirror.open(tmp_path / "near", url, "main")
        with pytest.raises(TransientError) as caught:
            mirror.look()
    told = [str(caught.value), repr(caught.value), (tmp_path / "near/config").read_text()]
    with pytest.raises(UsageError) as other:
        Mirror.open(tmp_path / "near", "https://bob:hunter2@example.org/x", "main")
    told.append(str(other.value))
    for part in ("s3cret", "ghp_t0ken", "p@ss", "p%40ss", "%73ecret", "secret", "hunter2"):
        assert not any(part in text for text in told), (part, told)
    assert "/team/models.git" in told[0]


def test_a_folder_of_another_url_is_refused(mirror: Mirror, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="is a mirror of") as caught:
        Mirror.open(tmp_path / "near", "https://example.org/other", "main")
    assert caught.value.reason == "OtherMirror"
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine/notes.txt").write_text("mine")
    with pytest.raises(UsageError, match="no mirror of ours"):
        Mirror.open(tmp_path / "mine", "https://example.org/other", "main")
    assert [p.name for p in (tmp_path / "mine").iterdir()] == ["notes.txt"]


@pytest.mark.parametrize("branch", ["deployed", "-x", "a..b", "", "x y"])
def test_a_branch_that_cannot_be_followed_is_refused(tmp_path: Path, branch: str) -> None:
    with pytest.raises(UsageError, match="no branch that can be followed"):
        Mirror.open(tmp_path / "near", "https://example.org/x", branch)


def test_a_half_made_mirror_is_made_whole(
    host: Host, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    git_of = mirror_folder._git
    for count in range(1, 5):
        left = iter(range(count))

        def cut(*arguments: Any, left: Iterator[int] = left, **options: Any) -> str:
            if next(left, None) is None:
                raise KeyboardInterrupt
            return git_of(*arguments, **options)

        with monkeypatch.context() as patch:
            patch.setattr(mirror_folder, "_git", cut)
            with pytest.raises(KeyboardInterrupt):
                Mirror.open(tmp_path / str(count), host.url, "main")
        mirror = Mirror.open(tmp_path / str(count), host.url, "main")
        assert mirror.look().revision == host.ref(MAIN)
    assert not list(tmp_path.glob(".*.new"))


def test_a_lock_that_a_killed_git_left_is_removed_once_it_is_old(
    mirror: Mirror, host: Host, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("reconciler.adapters.mirror._LOCKED_PAUSES_S", (0.1,))
    lock = tmp_path / "near/refs/heads/main.lock"
    lock.touch()
    with pytest.raises(TransientError) as caught:
        mirror.look()
    assert caught.value.reason == "Locked"
    assert lock.exists(), "its git may still be at work"
    os.utime(lock, (time.time() - 60,) * 2)
    assert mirror.look().revision == host.ref(MAIN)


def test_every_remote_has_a_folder_of_its_own_whoever_asks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    urls = ("https://h/a/models.git", "https://h/b/models.git", "git@h:c/models")
    places = [mirror_folder.default(url) for url in urls]
    assert len({*places}) == 3
    assert all(place.parent == tmp_path / "reconciler" for place in places)
    assert all(place.name.startswith("models-") for place in places)
    assert mirror_folder.default("https://ada:pw@h/a/models.git") == places[0]


def test_programs_that_begin_at_once_make_one_mirror(tmp_path: Path) -> None:
    host = Host(tmp_path / "host")
    with ThreadPoolExecutor(4) as threads:
        made = [threads.submit(Mirror.open, tmp_path / "state", host.url, None) for _ in range(4)]
        looked = [mirror.result(30).look() for mirror in made]
    assert {sighting.revision for sighting in looked} == {None}
    assert sorted(path.name for path in tmp_path.iterdir()) == ["host", "state"]
