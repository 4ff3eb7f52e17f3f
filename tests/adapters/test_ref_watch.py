"""Ref watch: whatever moves a ref is noticed, and what merely reads wakes nobody."""

from __future__ import annotations

import shutil
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from reconciler.adapters.git import Git
from reconciler.adapters.local_source import LocalSource
from reconciler.adapters.ref_watch import RefWatch, watching

WHO = ("-c", "user.name=u", "-c", "user.email=u@example.org", "-c", "gc.auto=0")
#: Far more than a hint takes, far less than the timer that stands behind it.
PATIENCE_S = 5.0


@pytest.fixture(autouse=True)
def no_configuration(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", "/dev/null")
    monkeypatch.setenv("GIT_CONFIG_NOSYSTEM", "1")


def run(where: Path, *arguments: str) -> str:
    argv = ("git", *WHO, *arguments)
    done = subprocess.run(argv, cwd=where, capture_output=True, text=True, check=True)
    return done.stdout.strip()


def commit(where: Path, message: str) -> str:
    run(where, "commit", "-q", "--allow-empty", "-m", message)
    return run(where, "rev-parse", "HEAD")


@pytest.fixture
def repo(tmp_path: Path) -> Path:
    """Return a clone of `far` with the branches main and topic, each with a commit of its own."""
    far = tmp_path / "far"
    far.mkdir()
    run(far, "init", "-q", "-b", "main")
    commit(far, "first")
    run(tmp_path, "clone", "-q", "far", "repo")
    root = tmp_path / "repo"
    run(root, "switch", "-q", "-c", "topic")
    commit(root, "of topic")
    run(root, "switch", "-q", "main")
    commit(root, "of main")
    return root


class Eye:
    """Looks whenever it is woken, as a daemon does, and keeps what it saw last."""

    def __init__(self, source: LocalSource) -> None:
        self._source = source
        self._hint = threading.Event()
        self.wakes = 0
        self.seen = source.look()

    def wake(self) -> None:
        self.wakes += 1
        self._hint.set()

    def notices(self, revision: str | None) -> bool:
        """Return whether hints alone lead to what is expected."""
        deadline = time.monotonic() + PATIENCE_S
        while self.seen.revision != revision:
            if not self._hint.wait(deadline - time.monotonic()):
                return False
            self._hint.clear()
            self.seen = self._source.look()
        return True

    def at_rest(self) -> int:
        """Return how often it was woken, once the last event has come."""
        time.sleep(0.2)
        return self.wakes


@contextmanager
def looking(git: Git, branch: str | None = None) -> Iterator[Eye]:
    eye = Eye(LocalSource(git, branch))
    with watching(git, eye.wake) as watch:
        assert watch.renew() is None
        yield eye


def here(root: Path) -> str:
    return run(root, "rev-parse", "HEAD")


MOVES: dict[str, Callable[[Path], object]] = {
    "commit": lambda r: commit(r, "more"),
    "amend": lambda r: run(r, "commit", "-q", "--amend", "--allow-empty", "-m", "other"),
    "merge": lambda r: run(r, "merge", "-q", "-m", "both", "topic"),
    "fast-forward": lambda r: run(r, "reset", "-q", "--hard", "topic"),
    "rebase": lambda r: run(r, "rebase", "-q", "--keep-empty", "topic"),
    "reset": lambda r: run(r, "reset", "-q", "--hard", "HEAD~1"),
    "switch": lambda r: run(r, "switch", "-q", "topic"),
    "detach": lambda r: run(r, "checkout", "-q", "--detach", "topic"),
    "pull": lambda r: (commit(r.parent / "far", "more"), run(r, "pull", "-q", "--rebase")),
    "update-ref": lambda r: run(r, "update-ref", "refs/heads/main", "topic"),
}


@pytest.mark.parametrize("how", MOVES)
def test_whatever_moves_what_is_checked_out_is_noticed(repo: Path, how: str) -> None:
    with looking(Git.open(repo)) as eye:
        before = eye.seen.revision
        MOVES[how](repo)
        assert here(repo) != before
        assert eye.notices(here(repo))


def test_a_fetch_into_a_branch_is_noticed(repo: Path) -> None:
    far = commit(repo.parent / "far", "more")
    with looking(Git.open(repo), "new") as eye:
        assert eye.seen.revision is None
        run(repo, "fetch", "-q", "origin", "main:new")
        assert eye.notices(far)


def test_records_that_a_fetch_brings_are_noticed(repo: Path) -> None:
    run(repo.parent / "far", "branch", "deployed")
    with looking(Git.open(repo)) as eye:
        assert eye.seen.deployed is None
        run(repo, "fetch", "-q")
        assert eye.at_rest() > 0
    assert LocalSource(Git.open(repo), None).look().deployed == here(repo.parent / "far")


def test_a_branch_in_folders_made_later_is_noticed(repo: Path) -> None:
    with looking(Git.open(repo), "team/a/b") as eye:
        run(repo, "branch", "team/a/b")
        assert eye.notices(here(repo))
        run(repo, "update-ref", "refs/heads/team/a/b", "topic")
        assert eye.notices(run(repo, "rev-parse", "topic"))


def test_packed_refs_read_the_same_and_their_moves_are_noticed(repo: Path) -> None:
    with looking(Git.open(repo)) as eye:
        for pack in (("pack-refs", "--all"), ("gc", "-q")):
            woken = eye.wakes
            run(repo, *pack)
            assert eye.at_rest() > woken
            assert LocalSource(Git.open(repo), None).look() == eye.seen
            assert eye.notices(commit(repo, "after"))


def test_a_packed_branch_that_is_deleted_and_made_anew_is_noticed(repo: Path) -> None:
    run(repo, "pack-refs", "--all")
    with looking(Git.open(repo), "topic") as eye:
        was = eye.seen.revision
        run(repo, "branch", "-q", "-D", "topic")
        assert eye.notices(None)
        run(repo, "branch", "topic", str(was))
        assert eye.notices(was)


def test_a_push_into_a_bare_repository_is_noticed(repo: Path, bare: Git) -> None:
    with looking(bare, "main") as eye:
        new = commit(repo, "more")
        run(repo, "push", "-q", str(bare.place), "main")
        assert eye.notices(new)
        run(repo, "push", "-q", "--force", str(bare.place), "topic:main")
        assert eye.notices(run(repo, "rev-parse", "topic"))


@pytest.fixture
def bare(repo: Path) -> Git:
    run(repo.parent, "clone", "-q", "--bare", "repo", "bare.git")
    return Git.open(repo.parent / "bare.git")


def test_a_commit_in_a_linked_worktree_is_noticed_there_and_in_the_first_one(repo: Path) -> None:
    linked = repo.parent / "linked"
    run(repo, "worktree", "add", "-q", str(linked), "topic")
    with looking(Git.open(linked)) as own, looking(Git.open(repo), "topic") as other:
        new = commit(linked, "there")
        assert own.notices(new)
        assert other.notices(new)
        run(linked, "switch", "-q", "-c", "elsewhere", "main")
        assert own.notices(here(repo))


def test_reading_wakes_nobody(repo: Path) -> None:
    git = Git.open(repo)
    (repo / "file").write_text("1")
    with looking(git) as eye:
        for _ in range(3):
            eye.seen = LocalSource(git, None).look()
            git.read_ref("HEAD")
            git.tree("HEAD")
            run(repo, "status")
            run(repo, "add", "file")
            run(repo, "log", "--oneline")
            run(repo, "for-each-ref")
            git.write_blob(b"an object")
        assert eye.at_rest() == 0


def test_a_repository_that_is_taken_away_and_put_back_is_watched_again(repo: Path) -> None:
    eye = Eye(LocalSource(Git.open(repo), None))
    with watching(Git.open(repo), eye.wake) as watch:
        shutil.copytree(repo, repo.with_name("copy"))
        shutil.rmtree(repo)
        assert eye.at_rest() > 0
        assert "cannot be watched (No such file or directory)" in str(watch.renew())
        repo.with_name("copy").rename(repo)
        assert watch.renew() is None
        assert eye.notices(commit(repo, "back"))


def test_a_system_without_watches_left_is_said_and_raises_nothing(
    repo: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full() -> None:
        raise OSError(24, "inotify instance limit reached")

    with monkeypatch.context() as patch:
        patch.setattr("reconciler.adapters.ref_watch.Observer", full)
        watch = RefWatch(Git.open(repo), full)
        assert "inotify instance limit reached" in str(watch.renew())
    assert watch.renew() is None
    watch.stop()


def test_no_thread_is_left_behind(repo: Path) -> None:
    before = set(threading.enumerate())
    with looking(Git.open(repo)):
        assert set(threading.enumerate()) > before
    assert set(threading.enumerate()) == before


def test_what_is_no_branch_is_seen_as_none(repo: Path) -> None:
    git = Git.open(repo)
    for name in ("absent", "main~0", "main^", "", "a b", "main\nmain", "-x", "main@{0}", "../x"):
        assert LocalSource(git, name).look().revision is None, name
    assert LocalSource(git, "main").look().revision == here(repo)


def test_a_repository_without_a_commit_is_seen_as_none(tmp_path: Path) -> None:
    run(tmp_path, "init", "-q")
    assert LocalSource(Git.open(tmp_path), None).look().revision is None
