"""The export: people read `deployed/`, and what is theirs is never touched."""

from __future__ import annotations

import os
import subprocess
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest

from reconciler.adapters.deployed import REF, DeployedStore
from reconciler.adapters.export import export
from reconciler.adapters.git import Git
from reconciler.core.record import attempt, empty
from reconciler.errors import TransientError
from tests.company.disks import small_disk, unable

if TYPE_CHECKING:
    from pathlib import Path

NOON = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)


@pytest.fixture
def repo(tmp_path: Path) -> Path:
    subprocess.run(["git", "init", "-q", str(tmp_path)], check=True)
    (tmp_path / ".gitignore").write_text("/.reconciler\n")
    return tmp_path


@pytest.fixture
def store(repo: Path) -> DeployedStore:
    store = DeployedStore(Git.open(repo), window_s=0)
    store.commit({"wine": lambda _: empty("wine"), "iris": lambda _: empty("iris")})
    return store


def status(repo: Path) -> str:
    done = subprocess.run(
        ["git", "status", "--porcelain"], cwd=repo, capture_output=True, text=True
    )
    return done.stdout


def test_the_records_stand_below_deployed_and_git_ignores_them(
    store: DeployedStore, repo: Path
) -> None:
    before = status(repo)

    export(Git.open(repo), REF)
    export(Git.open(repo), REF)

    assert sorted(path.name for path in (repo / "deployed").iterdir()) == ["iris.yaml", "wine.yaml"]
    assert (repo / "deployed/wine.yaml").read_text().startswith("apiVersion: reconciler/record/v1")
    assert (repo / "deployed/wine.yaml").stat().st_mode & 0o222 == 0
    assert status(repo) == before
    exclude = (repo / ".git/info/exclude").read_text()
    assert exclude.count("/deployed\n") == 1


def test_the_export_follows_the_branch_and_links_what_stayed(
    store: DeployedStore, repo: Path
) -> None:
    export(Git.open(repo), REF)
    kept = (repo / "deployed/iris.yaml").stat().st_ino
    store.commit(
        {"wine": lambda r: attempt(r or empty("wine"), "r5"), "new": lambda _: empty("new")}
    )

    export(Git.open(repo), REF)

    assert "attempted: r5" in (repo / "deployed/wine.yaml").read_text()
    assert (repo / "deployed/new.yaml").exists()
    assert (repo / "deployed/iris.yaml").stat().st_ino == kept
    assert len([p for p in (repo / ".reconciler/export").iterdir() if p.name != ".lock"]) == 1


def test_a_repository_that_ignores_deployed_already_is_not_told_again(
    store: DeployedStore, repo: Path
) -> None:
    (repo / ".gitignore").write_text("/.reconciler\n/deployed\n")

    export(Git.open(repo), REF)

    assert "deployed" not in (repo / ".git/info/exclude").read_text()


@pytest.mark.parametrize("kind", ["folder", "file", "link"])
def test_what_the_user_has_there_is_never_touched(
    store: DeployedStore, repo: Path, kind: str
) -> None:
    own = repo / "deployed"
    if kind == "folder":
        own.mkdir()
        (own / "app.conf").write_text("mine")
    elif kind == "file":
        own.write_text("mine")
    else:
        own.symlink_to("elsewhere")

    assert export(Git.open(repo), REF) is None

    assert own.is_symlink() == (kind == "link")
    assert own.is_dir() == (kind == "folder")


def test_a_folder_that_is_committed_but_not_checked_out_is_the_users_too(
    store: DeployedStore, repo: Path
) -> None:
    (repo / "deployed").mkdir()
    (repo / "deployed" / "app.conf").write_text("mine")
    who = ["-c", "user.name=ann", "-c", "user.email=ann@example.org"]
    subprocess.run(["git", "add", "-A"], cwd=repo, check=True)
    subprocess.run(["git", *who, "commit", "-qm", "Begin"], cwd=repo, check=True)
    (repo / "deployed" / "app.conf").unlink()
    (repo / "deployed").rmdir()

    assert export(Git.open(repo), REF) is None
    assert not (repo / "deployed").exists()


def test_there_is_nothing_to_export_before_the_first_record(repo: Path) -> None:
    assert export(Git.open(repo), REF) is None
    assert not (repo / "deployed").is_symlink()


def test_what_a_cut_export_left_behind_is_swept(store: DeployedStore, repo: Path) -> None:
    left = repo / ".reconciler/export/.incoming-1"
    left.mkdir(parents=True)
    (left / "wine.yaml").write_text("half")
    left.chmod(0o555)
    (left.parent / ".link-1").symlink_to("nowhere")

    shown = export(Git.open(repo), REF)

    assert shown is not None
    assert {path.name for path in left.parent.iterdir()} == {".lock", shown.name}


def test_an_export_on_a_disk_of_its_own_is_shown_too(store: DeployedStore, repo: Path) -> None:
    if (why := unable()) is not None:
        pytest.skip(why)
    with small_disk(repo / ".reconciler", 1):
        folder = export(Git.open(repo), REF)
        assert folder == (repo / "deployed").resolve()
        assert not list((repo / ".reconciler" / "export").glob(".link-*"))
        assert not list(repo.glob(".link-*"))


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_read_only_repository_is_a_stated_condition(store: DeployedStore, repo: Path) -> None:
    repo.chmod(0o555)

    with pytest.raises(TransientError) as caught:
        export(Git.open(repo), REF)

    repo.chmod(0o755)
    assert caught.value.reason == "ExportFailed"
