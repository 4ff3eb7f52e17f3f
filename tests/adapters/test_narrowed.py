"""Records narrowed to one model, who decided, and the log: a fleet costs no more than one."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest

from reconciler.adapters.deployed import REF, DeployedStore
from reconciler.adapters.dvc_config import Remotes
from reconciler.adapters.git import Git, Person
from reconciler.adapters.layout import version_path
from reconciler.adapters.log import identity
from reconciler.core import record as records
from reconciler.core.record import Hold, Outcome, Pointer, Record, Version, empty

NOON = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
ADA = Person("Ada", "ada@example.org")


@pytest.fixture
def repo(tmp_path: Path) -> Path:
    git(tmp_path, "init", "-q", "-b", "main")
    return tmp_path


@pytest.fixture
def store(repo: Path) -> DeployedStore:
    """Return a store that holds wine and iris."""
    found = DeployedStore(Git.open(repo), window_s=0)
    found.commit({name: held(name, "first") for name in ("iris", "wine")})
    return found


def git(repo: Path, *arguments: str) -> str:
    env = {"PATH": os.environ["PATH"], "GIT_CONFIG_GLOBAL": os.devnull, "HOME": str(repo)}
    done = subprocess.run(
        ["git", *arguments], cwd=repo, env=env, capture_output=True, text=True, check=True
    )
    return done.stdout


def held(name: str, reason: str) -> Callable[[Record | None], Record]:
    hold = Hold(reason=reason, by="Ada", since=NOON)
    version = Version(
        number=1,
        outcome=Outcome.REJECTED,
        fingerprint="f",
        revision="r",
        created=NOON,
        bundle=Pointer(md5="1" * 32 + ".dir"),
    )

    def change(record: Record | None) -> Record:
        return records.with_hold(record or records.with_version(empty(name), version), hold)

    return change


def folder(name: str) -> str:
    return version_path(name, 1).rpartition("/")[0]


def only(repo: Path, name: str, **options: object) -> DeployedStore:
    return DeployedStore(Git.open(repo), window_s=0, only=name, **options)  # type: ignore[arg-type]


def test_one_model_is_read_and_written_and_the_others_stay(
    store: DeployedStore, repo: Path
) -> None:
    iris = git(repo, "rev-parse", f"{REF}:iris.yaml", f"{REF}:{folder('iris')}")
    after = only(repo, "wine").commit({"wine": held("wine", "audit")})
    assert list(after.records) == ["wine"]
    assert git(repo, "rev-parse", f"{REF}:iris.yaml", f"{REF}:{folder('iris')}") == iris
    assert [h.reason for h in store.read().records["wine"].holds] == ["first", "audit"]
    assert store.read().records["iris"].holds[0].reason == "first"


def test_a_remote_that_is_new_is_written_beside_every_model(
    store: DeployedStore, repo: Path
) -> None:
    far = Remotes("far", {"far": {"url": "/srv/new"}})
    moved = only(repo, "wine", remotes=lambda: far)
    moved.commit({"wine": held("wine", "audit")})
    for name in ("iris", "wine"):
        assert "/srv/new" in git(repo, "show", f"{REF}:{folder(name)}/.dvc/config")
    assert store.read().records["iris"].holds[0].reason == "first"


def test_another_writer_costs_a_second_try_and_no_update(store: DeployedStore, repo: Path) -> None:
    narrow, tries = only(repo, "wine"), []

    def change(record: Record | None) -> Record:
        tries.append(record)
        if len(tries) == 1:
            store.commit({"wine": held("wine", "theirs")})
        return held("wine", "ours")(record)

    narrow.commit({"wine": change})
    assert [h.reason for h in store.read().records["wine"].holds] == ["first", "theirs", "ours"]


def test_names_are_known_without_reading_a_record(store: DeployedStore, repo: Path) -> None:
    assert store.names() == ("iris", "wine")
    git(repo, "update-ref", "-d", REF)
    assert store.names() == ()


def test_the_author_is_the_person_and_the_committer_the_reconciler(
    store: DeployedStore, repo: Path
) -> None:
    store.commit({"wine": held("wine", "audit")}, ADA)
    assert git(repo, "log", "-1", "--format=%an %ae %cn", REF) == "Ada ada@example.org reconciler\n"


def test_the_history_of_a_model_leaves_out_what_others_did(
    store: DeployedStore, repo: Path
) -> None:
    store.commit({"iris": held("iris", "theirs")})
    store.commit({"wine": held("wine", "audit")}, ADA)
    told = [(e.author.name, note.subject, dict(note.trailers).get("Reason")) for e, note in
            store.history("wine")]  # fmt: skip
    assert told == [("Ada", "Suspend wine", "audit"), ("reconciler", "Suspend wine", "first")]
    assert len(store.history("wine", 1)) == 1
    assert store.history("nothing") == ()


def test_who_works_here_is_who_git_would_name(repo: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.startswith("GIT_")]:
        monkeypatch.delenv(name)
    git(repo, "config", "user.name", "Ada")
    git(repo, "config", "user.email", "ada@example.org")
    assert identity(Git.open(repo)) == ADA
    monkeypatch.setenv("GIT_AUTHOR_NAME", "Bo")
    assert identity(Git.open(repo)).name == "Bo"


def test_without_a_name_there_is_a_stand_in(repo: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", os.devnull)
    git(repo, "config", "user.useConfigOnly", "true")
    assert identity(Git.open(repo)).name
