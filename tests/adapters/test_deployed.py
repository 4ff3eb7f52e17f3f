"""The branch of records: atomic, shared, and never in the way of the user's own work."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest

from reconciler.adapters.deployed import REF, DeployedStore
from reconciler.adapters.dvc_config import Remotes
from reconciler.adapters.git import Git, Person
from reconciler.adapters.git_output import Entry
from reconciler.adapters.layout import shard, version_path
from reconciler.adapters.pointers import config_file
from reconciler.core.record import (
    Hold,
    Outcome,
    Pointer,
    Record,
    Version,
    attempt,
    empty,
    promote,
    retire,
    with_hold,
    with_version,
    withdraw,
    without_hold,
)
from reconciler.core.recordtext import dumps
from reconciler.core.rollouts import started
from reconciler.core.stored import to_plain
from reconciler.errors import TerminalError, TransientError
from reconciler.spec.model import Rollout

if TYPE_CHECKING:
    from pathlib import Path

NOON = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)


def version(number: int, **changes: Any) -> Version:
    fields: dict[str, Any] = {
        "number": number,
        "outcome": Outcome.REJECTED,
        "reason": "WorseThanChampion",
        "fingerprint": f"f{number}",
        "revision": f"r{number}",
        "created": NOON,
        "bundle": Pointer(md5=f"{number:032x}.dir", size=10, nfiles=2),
        "metrics": {"rmse": 0.1 + 0.2},
    }
    return Version(**{**fields, **changes})


def tried(model: str = "wine") -> Any:
    def change(record: Record | None) -> Record:
        record = record or empty(model)
        return with_version(record, version(record.next_version))

    return change


def released(model: str = "wine") -> Any:
    def change(record: Record | None) -> Record:
        record = tried(model)(record)
        return promote(record, record.next_version - 1, "r9")

    return change


@pytest.fixture
def repo(tmp_path: Path) -> Path:
    path = tmp_path / "repo"
    path.mkdir()
    git(path, "init", "-q", "-b", "main")
    (path / "a.txt").write_text("a")
    git(path, "add", "a.txt")
    git(path, "-c", "user.name=ann", "-c", "user.email=ann@example.org", "commit", "-qm", "Begin")
    return path


@pytest.fixture
def store(repo: Path) -> DeployedStore:
    return DeployedStore(Git.open(repo), window_s=0)


def git(repo: Path, *arguments: str) -> str:
    env = {"PATH": os.environ["PATH"], "GIT_CONFIG_GLOBAL": os.devnull, "HOME": str(repo.parent)}
    done = subprocess.run(
        ["git", *arguments], cwd=repo, env=env, capture_output=True, text=True, check=True
    )
    return done.stdout


def put(repo: Path, path: str, content: bytes) -> None:
    """Commit a file on the branch as another hand would."""
    found = Git.open(repo)
    head = found.read_ref(REF)
    assert head is not None
    tree = found.write_trees(
        [{**found.level(head), path: Entry("100644", found.write_blob(content))}]
    )[0]
    commit = found.commit_tree(tree, [head], "Meddle", Person("eve", "eve@example.org"), NOON)
    assert found.update_ref(REF, commit, head)


def test_there_is_nothing_before_the_first_commit(store: DeployedStore) -> None:
    snapshot = store.read()

    assert snapshot.commit is None
    assert snapshot.records == {}


def test_a_commit_is_read_back_by_another_reader(store: DeployedStore, repo: Path) -> None:
    written = store.commit({"wine": released(), "iris": tried("iris")})

    read = DeployedStore(Git.open(repo)).read()

    assert read == written
    assert list(read.records) == ["iris", "wine"]
    assert read.records["wine"].champion == version(1, outcome=Outcome.RELEASED)


def test_the_branch_is_an_orphan_and_the_users_work_is_untouched(
    store: DeployedStore, repo: Path
) -> None:
    (repo / "a.txt").write_text("changed")
    (repo / "new.txt").write_text("new")
    git(repo, "add", "new.txt")
    before = (git(repo, "status", "--porcelain"), (repo / ".git/index").read_bytes())
    head = git(repo, "rev-parse", "HEAD")

    store.change("wine", released())

    assert (git(repo, "status", "--porcelain"), (repo / ".git/index").read_bytes()) == before
    assert git(repo, "rev-parse", "HEAD") == head
    assert git(repo, "symbolic-ref", "HEAD").strip() == "refs/heads/main"
    assert git(repo, "rev-list", "--count", "deployed").strip() == "1"


def test_the_tree_has_a_record_and_pointers_for_every_kept_version(
    store: DeployedStore, repo: Path
) -> None:
    store.change("wine", released())
    store.change("wine", tried())
    store.change("iris", lambda _: with_version(empty("iris"), version(1, bundle=None)))

    paths = git(repo, "ls-tree", "-r", "--name-only", "deployed").split()

    assert paths == [
        ".dvc/config",
        ".dvcignore",
        f".production/{shard('wine')}/wine.dvc",
        ".records",
        "iris.yaml",
        f"versions/{shard('wine')}/wine/.dvc/config",
        f"versions/{shard('wine')}/wine/1.dvc",
        f"versions/{shard('wine')}/wine/2.dvc",
        "wine.yaml",
    ]


def test_the_history_names_model_version_revision_and_verdict(
    store: DeployedStore, repo: Path
) -> None:
    canary = Rollout(strategy="canary")
    store.change("wine", released())
    store.change("wine", tried())
    store.change("wine", lambda r: started(r or empty("wine"), 2, canary, NOON))
    store.change("wine", lambda r: withdraw(r or empty("wine"), 2, "TooSlow", "p99 is 9 ms"))
    store.change(
        "wine", lambda r: with_hold(r or empty("wine"), Hold(reason="a", by="b", since=NOON))
    )
    store.change("wine", lambda r: without_hold(r or empty("wine")))
    store.change("wine", lambda r: attempt(r or empty("wine"), "r7"))
    store.change("wine", lambda r: retire(r or empty("wine"), "r8"))
    store.commit({"wine": lambda _: None, "iris": tried("iris")})

    log = git(
        repo, "log", "--reverse", "--format=%an <%ae>|%s|%(trailers:separator=%x3B )", "deployed"
    )

    who = "reconciler <reconciler@localhost>"
    assert log.splitlines() == [
        f"{who}|Release wine 1|Model: wine; Version: 1; Revision: r9; "
        "Verdict: released (WorseThanChampion)",
        f"{who}|Reject wine 2|Model: wine; Version: 2; Revision: r9; "
        "Verdict: rejected (WorseThanChampion)",
        f"{who}|Send 10 % to wine 2|Model: wine; Version: 2; Revision: r9; Verdict: accepted",
        f"{who}|Withdraw wine 2|Model: wine; Version: 2; Revision: r9; "
        "Verdict: withdrawn (TooSlow)",
        f"{who}|Suspend wine|Model: wine; Revision: r9; Reason: a",
        f"{who}|Resume wine|Model: wine; Revision: r9",
        f"{who}|Note the attempt at wine|Model: wine; Revision: r7",
        f"{who}|Retire wine|Model: wine; Version: 1; Revision: r8; "
        "Verdict: superseded (WorseThanChampion)",
        f"{who}|Record 2 models: iris, wine|Model: iris; Version: 1; Revision: r1; "
        "Verdict: rejected (WorseThanChampion); Model: wine",
    ]


def test_the_record_reads_well(store: DeployedStore, repo: Path) -> None:
    store.change("wine", released())
    store.change("wine", tried())

    assert (
        git(repo, "show", "deployed:wine.yaml")
        == """\
apiVersion: reconciler/record/v1
kind: Release
model: wine
champion:
  number: 1
  outcome: released
  reason: WorseThanChampion
  fingerprint: f1
  revision: r1
  created: "2026-03-01T12:00:00Z"
  bundle: {"md5": "00000000000000000000000000000001.dir", "size": 10, "nfiles": 2}
  metrics: {"rmse": 0.30000000000000004}
challenger: null
rollout: null
holds: []
attempted: r9
released: r9
next_version: 3
versions:
- number: 2
  outcome: rejected
  reason: WorseThanChampion
  fingerprint: f2
  revision: r2
  created: "2026-03-01T12:00:00Z"
  bundle: {"md5": "00000000000000000000000000000002.dir", "size": 10, "nfiles": 2}
  metrics: {"rmse": 0.30000000000000004}
"""
    )


def test_a_change_that_changes_nothing_commits_nothing(store: DeployedStore, repo: Path) -> None:
    store.change("wine", released())

    store.change("wine", lambda record: record)
    store.commit({})

    assert git(repo, "rev-list", "--count", "deployed").strip() == "1"


def test_nothing_at_all_is_committed_for_a_model_that_stays_without_a_record(
    store: DeployedStore,
) -> None:
    assert store.commit({"wine": lambda _: None}).commit is None


def test_a_removed_record_takes_its_pointers_along(store: DeployedStore, repo: Path) -> None:
    store.commit({"wine": released(), "iris": released("iris")})

    assert store.change("wine", lambda _: None) is None

    paths = git(repo, "ls-tree", "-r", "--name-only", "deployed").split()
    assert [path for path in paths if "wine" in path] == []
    own = {f".production/{shard('iris')}/iris.dvc", f"{version_path('iris', 1)}.dvc"}
    assert {"iris.yaml", *own} <= set(paths)


WRITER = """
import sys
from datetime import datetime, UTC
from pathlib import Path
from reconciler.adapters.deployed import DeployedStore
from reconciler.adapters.git import Git
from reconciler.core.record import Outcome, Version, empty, with_version

store = DeployedStore(Git.open(Path(sys.argv[1])), window_s=0)
for turn in range(int(sys.argv[3])):
    for model in ("shared", f"own{sys.argv[2]}"):
        def change(record):
            record = record or empty(model)
            version = Version(number=record.next_version, outcome=Outcome.FAILED, revision="r",
                              fingerprint=f"{sys.argv[2]}-{turn}", created=datetime.now(UTC))
            return with_version(record, version, keep=100)
        store.change(model, change)
"""


def test_eight_processes_at_once_lose_no_update(repo: Path, store: DeployedStore) -> None:
    writers = [
        subprocess.Popen([sys.executable, "-c", WRITER, str(repo), str(n), "3"]) for n in range(8)
    ]
    assert [writer.wait() for writer in writers] == [0] * 8

    records = store.read().records

    assert [len(records[f"own{n}"].versions) for n in range(8)] == [3] * 8
    shared = records["shared"].versions
    assert [v.number for v in shared] == list(range(1, 25))
    assert {v.fingerprint for v in shared} == {f"{n}-{turn}" for n in range(8) for turn in range(3)}


def test_callers_that_come_together_share_commits_and_lose_nothing(repo: Path) -> None:
    store = DeployedStore(Git.open(repo), window_s=0.05)
    start = threading.Barrier(8)

    def work(number: int) -> None:
        start.wait()
        for _ in range(4):
            store.change("shared", tried("shared"))
            store.change(f"own{number}", tried(f"own{number}"))

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(work, range(8)))

    records = store.read().records
    assert records["shared"].next_version == 33
    assert [records[f"own{n}"].next_version for n in range(8)] == [5] * 8
    assert int(git(repo, "rev-list", "--count", "deployed")) <= 24


def test_a_change_that_fails_is_told_to_its_caller_and_to_nobody_else(repo: Path) -> None:
    store = DeployedStore(Git.open(repo), window_s=0.1)
    store.change("wine", tried())

    def broken(record: Record | None) -> Record:
        raise ValueError("no such version")

    with ThreadPoolExecutor(2) as pool:
        bad = pool.submit(store.commit, {"iris": tried("iris"), "wine": broken})
        good = pool.submit(store.commit, {"wine": tried()})

        with pytest.raises(ValueError, match="no such version"):
            bad.result()
        assert good.result().records["wine"].next_version == 3
    assert "iris" not in store.read().records


def test_an_interrupt_leaves_nothing_pending_for_the_next_caller(
    repo: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = DeployedStore(Git.open(repo), window_s=0)

    def interrupted(_: float) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("time.sleep", interrupted)
        with pytest.raises(KeyboardInterrupt):
            store.change("wine", tried())

    assert list(store.commit({"iris": tried("iris")}).records) == ["iris"]


def test_a_lost_race_applies_the_change_again_to_what_the_winner_left(
    store: DeployedStore, repo: Path
) -> None:
    rival, calls = DeployedStore(Git.open(repo), window_s=0), list[int]()

    def change(record: Record | None) -> Record:
        calls.append(1)
        if len(calls) == 1:
            rival.change("wine", tried())
        return tried()(record)  # type: ignore[no-any-return]

    record = store.change("wine", change)

    assert len(calls) == 2
    assert record is not None
    assert [v.number for v in record.versions] == [1, 2]


def test_a_lock_that_a_killed_git_has_left_does_not_stop_records_for_ever(
    store: DeployedStore, repo: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("reconciler.adapters.ref_lock.ABANDONED_S", 0.2)
    store.change("wine", tried())
    lock = repo / ".git/refs/heads/deployed.lock"
    lock.touch()

    assert store.change("wine", tried()) is not None

    assert not lock.exists()


def test_a_lock_that_cannot_be_removed_is_a_stated_condition(
    store: DeployedStore, repo: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("reconciler.adapters.ref_lock.ABANDONED_S", 0.0)
    store.change("wine", tried())
    lock = repo / ".git/refs/heads/deployed.lock"
    lock.mkdir()

    with pytest.raises(TransientError, match="was left behind by a git"):
        store.change("wine", tried())

    lock.rmdir()
    assert store.change("wine", tried()) is not None


NEWER = dumps({**to_plain(released()(None)), "apiVersion": "reconciler/record/v2"}).encode()


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (b"\xff\xfe\x00", "UTF-8"),
        (b"", ""),
        (b"a: [", ""),
        (b"- 1\n", ""),
        (b"a: " + b"[" * 100_000 + b"\n", ""),
        (b"apiVersion: reconciler/record/v1\nmodel: wine\nsurprise: 1\n", "surprise"),
        (b"apiVersion: reconciler/record/v1\nmodel: other\n", "record of 'other'"),
        (NEWER, "newer reconciler"),
    ],
)
def test_a_record_that_cannot_be_read_is_quarantined_and_the_others_go_on(
    store: DeployedStore, repo: Path, content: bytes, problem: str
) -> None:
    store.commit({"wine": released(), "iris": released("iris")})
    put(repo, "wine.yaml", content)

    snapshot = store.read()
    assert list(snapshot.records) == ["iris"]
    assert problem in snapshot.quarantined["wine"]
    assert len(snapshot.quarantined["wine"]) < 400

    assert store.commit({"iris": tried("iris")}).records["iris"].next_version == 3
    with pytest.raises(TerminalError) as caught:
        store.change("wine", tried())
    assert caught.value.reason == "RecordQuarantined"
    assert git(repo, "cat-file", "-s", "deployed:wine.yaml").strip() == str(len(content))


def test_a_record_that_a_person_mended_in_other_words_is_read(
    store: DeployedStore, repo: Path
) -> None:
    store.change("wine", released())
    text = git(repo, "show", "deployed:wine.yaml").replace(
        "released: r9", "released:   'r9' # mine"
    )
    put(repo, "wine.yaml", text.encode())

    assert store.read().quarantined == {}
    assert store.read().records["wine"].released == "r9"


def test_a_branch_that_is_somebody_elses_is_left_alone(store: DeployedStore, repo: Path) -> None:
    git(repo, "branch", "deployed")
    head = git(repo, "rev-parse", "deployed")

    with pytest.raises(TerminalError) as caught:
        store.change("wine", tried())

    assert caught.value.reason == "ForeignBranch"
    assert git(repo, "rev-parse", "deployed") == head


def test_a_branch_of_a_newer_layout_is_refused(store: DeployedStore, repo: Path) -> None:
    store.change("wine", tried())
    put(repo, ".records", b"reconciler/records/v3\n")

    with pytest.raises(TerminalError, match="newer reconciler"):
        store.change("wine", tried())


def test_a_branch_of_the_older_layout_is_read_and_brought_up_to_date_by_the_next_commit(
    store: DeployedStore, repo: Path
) -> None:
    store.commit({"wine": released(), "iris": released("iris")})
    wanted = git(repo, "ls-tree", "-r", "deployed")
    older(repo, ("wine", "iris", "torn"))
    old = DeployedStore(Git.open(repo), window_s=0)
    assert set(old.read().records) == {"wine", "iris"}
    assert set(old.read().quarantined) == {"torn"}

    old.change("wine", lambda r: attempt(r or empty("wine"), "r7"))

    found = git(repo, "ls-tree", "-r", "deployed").splitlines()
    kept = {line for line in found if "torn" in line}
    own = version_path("torn", 1).removesuffix("/1")
    assert {line.split("\t")[1] for line in kept} == {
        "torn.dvc",
        "torn.yaml",
        f"{own}/1.dvc",
        f"{own}/.dvc/config",
    }
    assert {line for line in found if line not in kept and ".yaml" not in line} == {
        line for line in wanted.splitlines() if ".yaml" not in line
    }


def older(repo: Path, models: tuple[str, ...]) -> None:
    """Lay the branch out as an older reconciler did; the record of `torn` cannot be read."""
    found = Git.open(repo)
    root = found.level("deployed")
    torn, mark, pointer = found.write_blobs([b"torn\n", b"reconciler/records/v1\n", b"outs: []\n"])
    like = found.level(f"deployed:versions/{shard('wine')}")["wine"]
    versions = dict.fromkeys(models, like)
    root = {k: e for k, e in root.items() if k not in (".production", "versions")}
    root |= {f"{model}.dvc": Entry("100644", pointer) for model in models}
    root |= {"torn.yaml": Entry("100644", torn), ".records": Entry("100644", mark)}
    root["versions"] = Entry("040000", found.write_trees([versions])[0])
    tree = found.write_trees([root])[0]
    commit = found.commit_tree(tree, [], "Older", Person("eve", "eve@example.org"), NOON)
    assert found.update_ref(REF, commit, found.read_ref(REF))


def test_a_record_under_the_name_of_another_model_is_refused(store: DeployedStore) -> None:
    with pytest.raises(ValueError, match="record of 'iris' was given for 'wine'"):
        store.change("wine", tried("iris"))

    assert store.read().commit is None


@pytest.mark.parametrize("name", ["../x", "-x", "X", "", "a/b", "dvc", "versions", ".dvc"])
def test_a_name_that_would_break_the_layout_is_refused(store: DeployedStore, name: str) -> None:
    with pytest.raises(TerminalError) as caught:
        store.commit({name: lambda _: empty("x")})

    assert caught.value.reason == "InvalidName"


def test_dvcs_configuration_has_the_remotes_and_none_of_their_secrets(
    repo: Path,
) -> None:
    remotes = {
        "s3": {"url": "s3://bucket/x", "region": "eu", "secret_access_key": "hush"},
        "web": {"url": "https://ann:hush@example.org/x", "password": "hush", "user": "ann"},
    }
    store = DeployedStore(Git.open(repo), remotes=lambda: Remotes("s3", remotes))
    store.change("wine", tried())

    assert (
        git(repo, "show", "deployed:.dvc/config")
        == """\
[core]
    remote = s3
['remote "s3"']
    region = eu
    url = s3://bucket/x
['remote "web"']
    url = https://ann@example.org/x
    user = ann
"""
    )
    with pytest.raises(ValueError, match="not absolute"):
        config_file({"here": {"url": "../store"}}, "here")


def test_a_remote_that_moved_is_named_for_every_version_at_the_next_commit(
    store: DeployedStore, repo: Path
) -> None:
    store.commit({"wine": released(), "iris": released("iris")})
    new = Remotes(None, {"new": {"url": "/srv/new"}})
    moved = DeployedStore(Git.open(repo), remotes=lambda: new, window_s=0)

    moved.change("wine", tried())

    folders = [f"{version_path(model, 1).removesuffix('1')}" for model in ("wine", "iris")]
    for folder in ("", *folders):
        assert "url = /srv/new" in git(repo, "show", f"deployed:{folder}.dvc/config")
    assert moved.read().records["iris"] == store.read().records["iris"]


def test_a_remote_that_is_set_up_later_is_named_by_who_began_without(repo: Path) -> None:
    configured = Remotes()
    store = DeployedStore(Git.open(repo), remotes=lambda: configured, window_s=0)
    store.change("wine", released())
    assert store.names_remotes()

    configured = Remotes("far", {"far": {"url": "/srv/far"}})

    assert not store.names_remotes()
    store.change("wine", tried())
    assert "url = /srv/far" in git(repo, "show", "deployed:.dvc/config")


def test_records_of_a_thousand_models_are_written_and_read_in_few_processes(
    store: DeployedStore, repo: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    models = [f"m{n:04}" for n in range(1000)]
    store.commit({model: released(model) for model in models})
    store.change("m0500", tried("m0500"))

    started = list[int]()
    run = subprocess.run
    monkeypatch.setattr(
        "subprocess.run",
        lambda *a, **k: started.append(1) or run(*a, **k),  # type: ignore[func-returns-value]
    )
    snapshot = DeployedStore(Git.open(repo)).read()

    assert len(snapshot.records) == 1000
    assert snapshot.records["m0500"].next_version == 3
    assert len(started) < 8
    assert json.dumps(to_plain(snapshot.records["m0999"]))
