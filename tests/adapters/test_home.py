"""Home: a bare repository keeps what is ours in one folder, with DVC's settings of a commit."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from reconciler.adapters import dvc_config
from reconciler.adapters.export import export
from reconciler.adapters.git import Git
from reconciler.adapters.git_refs import read_refs
from reconciler.adapters.home import furnish, furnished, home
from reconciler.cli.wiring import open_site
from reconciler.errors import TerminalError, TransientError, UsageError

STORE = "[core]\n    remote = store\n['remote \"store\"']\n    url = {url}\n"
WHO = ("-c", "user.name=u", "-c", "user.email=u@example.org")


def run(where: Path, *arguments: str) -> str:
    argv = ("git", *WHO, *arguments)
    return subprocess.run(argv, cwd=where, capture_output=True, text=True, check=True).stdout


@pytest.fixture
def clone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a clone of the bare repository `tmp_path / "bare.git"`."""
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", "/dev/null")
    monkeypatch.setenv("DVC_GLOBAL_CONFIG_DIR", str(tmp_path / "none"))
    monkeypatch.setenv("DVC_SYSTEM_CONFIG_DIR", str(tmp_path / "none"))
    root = tmp_path / "clone"
    run(tmp_path, "init", "-q", "--bare", "-b", "main", "bare.git")
    run(tmp_path, "clone", "-q", str(tmp_path / "bare.git"), str(root))
    run(root, "switch", "-q", "-c", "main")
    return root


def pushed(clone: Path, config: str) -> str:
    """Commit DVC's settings, push them, and return the commit."""
    (clone / ".dvc").mkdir(exist_ok=True)
    (clone / ".dvc" / "config").write_text(config)
    run(clone, "add", "-A")
    run(clone, "commit", "-q", "--allow-empty", "-m", "change")
    run(clone, "push", "-q", "origin", "main")
    return run(clone, "rev-parse", "HEAD").strip()


@pytest.fixture
def bare(clone: Path) -> Git:
    return Git.open(clone.with_name("bare.git"))


def test_a_bare_repository_is_known_by_its_own_folder_from_anywhere_in_it(bare: Git) -> None:
    (bare.place / "reconciler" / "deep").mkdir(parents=True)
    for folder in (bare.place, bare.place / "refs", bare.place / "reconciler" / "deep"):
        found = Git.open(folder)
        assert (found.bare, found.place, found.common_dir) == (True, bare.place, bare.place)


def test_what_needs_a_working_tree_refuses_a_bare_repository(bare: Git) -> None:
    with pytest.raises(UsageError, match="has no working tree, and this needs one") as caught:
        _ = bare.root
    assert caught.value.reason == "BareRepository"


def test_a_working_tree_of_a_bare_repository_is_a_working_tree(clone: Path, bare: Git) -> None:
    pushed(clone, "")
    linked = clone.with_name("linked")
    run(bare.place, "worktree", "add", "-q", str(linked), "main")
    git = Git.open(linked)
    assert (git.bare, git.root, git.common_dir) == (False, linked, bare.place)
    assert home(git) == linked
    assert read_refs(bare.place).trees == (linked,)


def test_gits_own_folder_is_no_place_to_work_in(clone: Path) -> None:
    with pytest.raises(UsageError, match="git's own folder"):
        Git.open(clone / ".git")


def test_a_bare_repository_whose_head_is_no_commit_says_how_to_choose_one(bare: Git) -> None:
    with pytest.raises(UsageError, match="symbolic-ref HEAD") as caught:
        open_site(bare.place)
    assert caught.value.reason == "NoCommits"
    assert not home(bare).exists()


def test_files_are_filled_from_a_bare_repository(clone: Path, bare: Git) -> None:
    commit = pushed(clone, "[core]\n")
    out = clone.with_name("out")
    out.mkdir()
    bare.fill(commit, None, out)
    assert (out / ".dvc" / "config").read_text() == "[core]\n"
    assert not (bare.place / "index").exists()


def test_settings_of_a_commit_hold_until_those_of_a_later_one_do(clone: Path, bare: Git) -> None:
    first = pushed(clone, STORE.format(url="s3://bucket/a"))
    site = open_site(bare.place)
    assert furnished(bare)
    assert dvc_config.remotes(site.root).options["store"]["url"] == "s3://bucket/a"
    assert dvc_config.cache_dir(site.root) == bare.place / "reconciler" / ".dvc" / "cache"
    assert site.following(first) is site
    second = pushed(clone, STORE.format(url="s3://bucket/b"))
    assert open_site(bare.place).following(first).root == site.root
    later = site.following(second)
    assert later is not site
    assert dvc_config.remotes(later.root).options["store"]["url"] == "s3://bucket/b"


def test_what_differs_on_a_machine_is_never_written_over(clone: Path, bare: Git) -> None:
    commit = pushed(clone, STORE.format(url="s3://bucket/a"))
    local = home(bare) / ".dvc" / "config.local"
    local.parent.mkdir(parents=True)
    local.write_text("['remote \"store\"']\n    secret_access_key = hidden\n")
    assert furnish(bare, commit)
    assert "hidden" in local.read_text()
    assert dvc_config.secrets(home(bare)) == ("hidden",)


def test_a_remote_that_starts_from_a_working_tree_is_refused_until_it_is_given_one(
    clone: Path, bare: Git
) -> None:
    pushed(clone, STORE.format(url="../../store"))
    with pytest.raises(TerminalError, match=r"remote 'store' in \.\./\.\./store") as caught:
        open_site(bare.place)
    assert f"{home(bare)}/.dvc/config.local" in caught.value.hint
    local = home(bare) / ".dvc" / "config.local"
    local.parent.mkdir(parents=True)
    local.write_text("['remote \"store\"']\n    url = /srv/store\n")
    site = open_site(bare.place)
    assert dvc_config.remotes(site.root).options["store"]["url"] == "/srv/store"


@pytest.mark.parametrize("url", ["/srv/store", "~/store", "s3://b", "ssh://h/x", "../store"])
def test_remotes_that_mean_the_same_everywhere_are_taken(clone: Path, bare: Git, url: str) -> None:
    assert furnish(bare, pushed(clone, STORE.format(url=url)))


def test_settings_that_cannot_be_read_are_named(clone: Path, bare: Git) -> None:
    commit = pushed(clone, "[core\n")
    with pytest.raises(TerminalError, match="cannot be read"):
        furnish(bare, commit)


def test_a_bare_repository_that_cannot_be_written_says_so(clone: Path, bare: Git) -> None:
    commit = pushed(clone, "")
    (home(bare) / ".dvc" / "config").mkdir(parents=True)
    with pytest.raises(TransientError, match=r"reconciler/\.dvc/config cannot be written"):
        furnish(bare, commit)


def test_records_are_shown_in_the_folder_and_nothing_else_is_written(
    clone: Path, bare: Git
) -> None:
    (clone / "m.yaml").write_text("record\n")
    pushed(clone, "")
    run(bare.place, "branch", "deployed", "main")
    before = sorted(path for path in bare.place.rglob("*") if path.is_file())
    assert export(bare, "refs/heads/deployed") is not None
    assert (home(bare) / "deployed" / "m.yaml").read_text() == "record\n"
    after = (path for path in bare.place.rglob("*") if path.is_file())
    assert sorted(p for p in after if not p.is_relative_to(home(bare))) == before


def test_a_working_tree_keeps_its_own_settings(clone: Path) -> None:
    commit = pushed(clone, "[core]\n")
    (clone / ".dvc" / "config").write_text("edited\n")
    git = Git.open(clone)
    assert furnished(git)
    assert not furnish(git, commit)
    assert (clone / ".dvc" / "config").read_text() == "edited\n"
