"""Git: objects and refs of a real repository, which stays as its user left it."""

from __future__ import annotations

import hashlib
import shutil
import subprocess
from datetime import UTC, datetime
from pathlib import Path

import pytest

from reconciler.adapters import git_output
from reconciler.adapters.git import RECONCILER, Git
from reconciler.adapters.git_output import Entry
from reconciler.errors import TerminalError, TransientError, UsageError

WHEN = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)


def shell(where: Path, *command: str) -> str:
    done = subprocess.run(command, cwd=where, capture_output=True, text=True, check=True)
    return done.stdout.strip()


def listing(folder: Path, *, objects: bool = False) -> dict[str, str]:
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and (objects or "objects" not in path.relative_to(folder).parts)
    }


@pytest.fixture(autouse=True)
def no_configuration(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", "/dev/null")
    monkeypatch.setenv("GIT_CONFIG_NOSYSTEM", "1")
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path))


@pytest.fixture
def repo(tmp_path: Path) -> Path:
    root = tmp_path / "repo"
    root.mkdir()
    shell(root, "git", "init", "-q", "-b", "main")
    (root / "specs").mkdir()
    (root / "specs" / "a.yaml").write_text("a: 1\n")
    (root / "run.sh").write_text("#!/bin/sh\n")
    (root / "run.sh").chmod(0o755)
    (root / "latest").symlink_to("specs/a.yaml")
    commit(root, "first")
    return root


def commit(root: Path, message: str) -> str:
    shell(root, "git", "add", "-A")
    identity = ("-c", "user.name=u", "-c", "user.email=u@example.org")
    shell(root, "git", *identity, "commit", "-q", "--allow-empty", "-m", message)
    return shell(root, "git", "rev-parse", "HEAD")


def test_a_repository_is_found_from_a_folder_within_it(repo: Path) -> None:
    git = Git.open(repo / "specs")
    assert git.root == repo
    assert git.common_dir == repo / ".git"


def test_a_linked_worktree_is_its_own_root_and_shares_the_common_folder(repo: Path) -> None:
    linked = repo.parent / "linked"
    shell(repo, "git", "worktree", "add", "-q", str(linked))
    git = Git.open(linked)
    assert (git.root, git.common_dir) == (linked, repo / ".git")
    git.fill("HEAD", None, made(repo.parent / "out"))
    assert (repo.parent / "out" / "specs" / "a.yaml").read_text() == "a: 1\n"


def test_a_folder_outside_any_repository_is_refused_with_the_next_step(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="reconciler init") as caught:
        Git.open(made(tmp_path / "plain"))
    assert caught.value.reason == "NotARepository"


def test_a_repository_without_commits_says_so(tmp_path: Path) -> None:
    shell(tmp_path, "git", "init", "-q", "empty")
    with pytest.raises(UsageError) as caught:
        Git.open(tmp_path / "empty").resolve("HEAD")
    assert caught.value.reason == "NoCommits"


@pytest.mark.parametrize("revision", ["nowhere", "-x", "--all", "", "main..main", "main:run.sh"])
def test_a_revision_that_names_no_commit_is_refused(repo: Path, revision: str) -> None:
    with pytest.raises(UsageError) as caught:
        Git.open(repo).resolve(revision)
    assert caught.value.reason == "UnknownRevision"


def test_names_tags_and_short_ids_resolve_to_the_commit(repo: Path) -> None:
    shell(repo, "git", "-c", "user.name=u", "-c", "user.email=u@e", "tag", "-am", "one", "v1")
    head = shell(repo, "git", "rev-parse", "HEAD")
    git = Git.open(repo)
    assert {git.resolve(name) for name in ("HEAD", "main", "v1", head, head[:8])} == {head}


def test_a_tree_lists_every_file_with_mode_and_id(repo: Path) -> None:
    tree = Git.open(repo).tree("HEAD")
    modes = {path: entry.mode for path, entry in tree.items()}
    assert modes == {"latest": "120000", "run.sh": "100755", "specs/a.yaml": "100644"}
    assert tree["specs/a.yaml"].oid == shell(repo, "git", "rev-parse", "HEAD:specs/a.yaml")


def test_paths_outside_ascii_survive(repo: Path) -> None:
    (repo / "spécs ü\t.txt").write_text("x")
    commit(repo, "odd")
    git = Git.open(repo)
    assert "spécs ü\t.txt" in git.tree("HEAD")
    git.fill("HEAD", ["spécs ü\t.txt"], made(repo.parent / "out"))
    assert (repo.parent / "out" / "spécs ü\t.txt").read_text() == "x"


def test_blobs_give_every_content_by_id(repo: Path) -> None:
    git = Git.open(repo)
    tree = git.tree("HEAD")
    oids = [tree["specs/a.yaml"].oid, tree["run.sh"].oid, tree["run.sh"].oid]
    assert git.blobs(oids) == {oids[0]: b"a: 1\n", oids[1]: b"#!/bin/sh\n"}
    assert git.blobs([]) == {}


def test_a_blob_that_is_not_there_is_named(repo: Path) -> None:
    with pytest.raises(TerminalError, match="is not in") as caught:
        Git.open(repo).blobs(["0" * 39 + "1"])
    assert caught.value.reason == "ObjectMissing"


def test_a_blob_id_is_the_one_git_gives(repo: Path) -> None:
    git = Git.open(repo)
    content = b"\0binary\n" * 9
    assert git.blob_id(content) == git.write_blob(content)
    assert git.blobs([git.blob_id(content)]) == {git.blob_id(content): content}


def test_a_repository_with_long_ids_is_read_like_any_other(tmp_path: Path) -> None:
    root = made(tmp_path / "long")
    shell(root, "git", "init", "-q", "--object-format=sha256", "-b", "main")
    (root / "a").write_text("a")
    head = commit(root, "first")
    git = Git.open(root)
    assert len(head) == 64
    assert git.blob_id(b"a") == git.tree("main")["a"].oid
    (tree,) = git.write_trees([{"b": Entry("100644", git.write_blob(b"b"))}])
    assert git.update_ref("refs/heads/x", git.commit_tree(tree, [], "x", RECONCILER, WHEN), None)
    assert set(git.tree("x")) == {"b"}


def test_many_blobs_are_written_in_order(repo: Path) -> None:
    git = Git.open(repo)
    contents = [b"%d" % n for n in range(300)]
    oids = git.write_blobs(contents)
    assert [git.blobs(oids)[oid] for oid in oids] == contents


def test_trees_are_written_level_by_level(repo: Path) -> None:
    git = Git.open(repo)
    entry = Entry("100644", git.write_blob(b"deep"))
    inner, empty = git.write_trees([{"1.dvc": entry}, {}])
    (outer,) = git.write_trees([{**git.level("HEAD"), "versions": Entry("040000", inner)}])
    assert set(git.tree(outer)) == {"latest", "run.sh", "specs/a.yaml", "versions/1.dvc"}
    assert git.level(f"{outer}:versions") == {"1.dvc": entry}
    assert git.tree(empty) == {}


def test_a_commit_needs_no_configured_user_and_moves_no_ref(repo: Path) -> None:
    git = Git.open(repo)
    head = git.resolve("HEAD")
    (tree,) = git.write_trees([git.level(head)])
    new = git.commit_tree(tree, [head], "m\n\nModel: a", RECONCILER, WHEN)
    assert git.resolve("HEAD") == head
    shown = shell(repo, "git", "log", "-1", "--format=%an|%ce|%ct|%P|%(trailers)", new)
    assert shown == f"reconciler|reconciler@localhost|{int(WHEN.timestamp())}|{head}|Model: a"


def test_a_ref_moves_only_from_where_it_was_expected(repo: Path) -> None:
    git = Git.open(repo)
    head = git.resolve("HEAD")
    (tree,) = git.write_trees([{}])
    other = git.commit_tree(tree, [], "other", RECONCILER, WHEN)
    ref = "refs/heads/deployed"
    assert git.read_ref(ref) is None
    assert git.update_ref(ref, head, None)
    assert not git.update_ref(ref, other, None)
    assert not git.update_ref(ref, other, other)
    assert git.update_ref(ref, other, head)
    assert git.read_ref(ref) == other
    assert git.update_ref(ref, None, other)
    assert git.read_ref(ref) is None


def test_a_locked_ref_waits_for_time(repo: Path) -> None:
    git = Git.open(repo)
    (repo / ".git" / "refs" / "heads" / "deployed.lock").touch()
    with pytest.raises(TransientError) as caught:
        git.update_ref("refs/heads/deployed", git.resolve("HEAD"), None)
    assert caught.value.reason == "Locked"


def test_a_git_that_was_killed_says_nothing_of_what_it_was_asked(repo: Path) -> None:
    error = git_output.failure("update-ref", repo, -9, b"")
    assert isinstance(error, TransientError)
    assert error.reason == "Killed"


@pytest.mark.parametrize(
    ("said", "reason"),
    [
        ("fatal: sha1 file 'tmp_pack_CoXlKQ' write error. Out of diskspace", "DiskFull"),
        ("error: file write error: No space left on device", "DiskFull"),
        ("fatal: Unable to create '/r/.git/refs/d.lock': Read-only file system", "NotWritable"),
        ("error: insufficient permission for adding an object to .git/objects", "NotWritable"),
    ],
)
def test_a_disk_that_cannot_be_written_waits_for_time(repo: Path, said: str, reason: str) -> None:
    error = git_output.failure("update-ref", repo, 128, said.encode())
    assert isinstance(error, TransientError)
    assert error.reason == reason


def test_a_crash_of_git_leaves_no_report_and_the_reason_is_told_without_it(repo: Path) -> None:
    git = Git.open(repo)
    objects = repo / ".git" / "objects"
    shutil.rmtree(objects / "pack")
    (objects / "pack").write_text("no folder")
    with pytest.raises(TerminalError, match="fatal: ") as caught:
        git.write_blob(b"new")
    assert "crash report" not in str(caught.value)
    assert not list((repo / ".git").glob("fast_import_crash_*"))


def test_ignored_paths_are_known_before_they_exist(repo: Path) -> None:
    (repo / ".gitignore").write_text("/deployed\n")
    git = Git.open(repo)
    assert git.ignored("deployed")
    assert not git.ignored("specs/a.yaml")


def test_a_fill_writes_files_programs_and_links(repo: Path) -> None:
    out = made(repo.parent / "out")
    Git.open(repo).fill("HEAD", None, out)
    assert (out / "specs" / "a.yaml").read_text() == "a: 1\n"
    assert (out / "run.sh").stat().st_mode & 0o111
    assert (out / "latest").readlink() == Path("specs/a.yaml")


def test_a_fill_writes_only_the_paths_it_was_asked_for(repo: Path) -> None:
    out = made(repo.parent / "out")
    git = Git.open(repo)
    git.fill("HEAD", ["specs/a.yaml"], out)
    assert sorted(listing(out)) == ["specs/a.yaml"]
    with pytest.raises(UsageError, match="nowhere"):
        git.fill("HEAD", ["nowhere"], out)


def test_a_fill_follows_the_attributes_of_the_revision_not_of_the_working_tree(repo: Path) -> None:
    (repo / ".gitattributes").write_text("*.yaml text eol=crlf\n")
    commit(repo, "line ends")
    (repo / ".gitattributes").write_text("")
    out = made(repo.parent / "out")
    Git.open(repo).fill("HEAD", ["specs/a.yaml"], out)
    assert (out / "specs" / "a.yaml").read_bytes() == b"a: 1\r\n"
    assert not (out / ".gitattributes").exists()


def test_a_fill_runs_the_filters_of_the_repository(repo: Path) -> None:
    shell(repo, "git", "config", "filter.shout.smudge", "tr a-z A-Z")
    (repo / ".gitattributes").write_text("*.yaml filter=shout\n")
    commit(repo, "filter")
    out = made(repo.parent / "out")
    Git.open(repo).fill("HEAD", ["specs/a.yaml"], out)
    assert (out / "specs" / "a.yaml").read_text() == "A: 1\n"


def test_a_fill_never_writes_through_a_link(repo: Path) -> None:
    outside = made(repo.parent / "outside")
    out = made(repo.parent / "out")
    (out / "specs").symlink_to(outside)
    Git.open(repo).fill("HEAD", ["specs/a.yaml"], out)
    assert not list(outside.iterdir())
    assert (out / "specs" / "a.yaml").read_text() == "a: 1\n"


def test_reading_and_filling_leave_the_users_repository_as_it_was(repo: Path) -> None:
    hook = repo / ".git" / "hooks" / "post-checkout"
    hook.parent.mkdir(exist_ok=True)
    hook.write_text("#!/bin/sh\ntouch ran\n")
    hook.chmod(0o755)
    (repo / "specs" / "a.yaml").write_text("a: 2\n")
    (repo / "new.txt").write_text("not added")
    before = listing(repo, objects=True)
    git = Git.open(repo)
    git.tree("HEAD")
    git.fill("HEAD", None, made(repo.parent / "out"))
    assert listing(repo, objects=True) == before


def test_a_surrounding_git_command_does_not_mislead(
    repo: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("GIT_DIR", str(tmp_path / "elsewhere"))
    monkeypatch.setenv("GIT_INDEX_FILE", str(tmp_path / "index"))
    git = Git.open(repo)
    assert "run.sh" in git.tree("HEAD")


def made(folder: Path) -> Path:
    folder.mkdir()
    return folder


def test_ids_of_many_names_come_from_one_look_and_none_stands_for_what_is_not_there(
    repo: Path,
) -> None:
    git = Git.open(repo)
    head = git.resolve("HEAD")
    found = git.ids([head, f"{head}^{{tree}}", "refs/heads/absent^{tree}"])
    assert found == (head, shell(repo, "git", "rev-parse", "HEAD^{tree}").strip(), None)


def test_two_trees_differ_in_paths_or_where_not_deep_in_folders(repo: Path) -> None:
    git = Git.open(repo)
    (before,) = git.ids(["HEAD^{tree}"])
    (repo / "specs" / "a.yaml").write_text("a: 2\n")
    commit(repo, "change")
    (after,) = git.ids(["HEAD^{tree}"])
    assert before is not None
    assert after is not None
    assert git.differing(before, after, deep=True) == ("specs/a.yaml",)
    assert git.differing(before, after, deep=False) == ("specs",)
    assert git.differing("0" * 39 + "1", after, deep=True) is None
