"""Targets: one contract that each of them keeps, and what the directory alone promises."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
import threading
from typing import TYPE_CHECKING

import pytest

from reconciler.adapters.targets import KNOWN, open_servers, open_target, refused
from reconciler.adapters.targets.directory import DirectoryTarget
from reconciler.adapters.targets.memory import MemoryTarget
from reconciler.errors import SpecError, TerminalError, TransientError
from reconciler.ports.targets import Served, Target

if TYPE_CHECKING:
    from pathlib import Path


def verify(folder: Path) -> None:
    """Stand in for the bundle's manifest: `sums` holds the sha256 of `model.onnx`."""
    wanted = (folder / "sums").read_text()
    if hashlib.sha256((folder / "model.onnx").read_bytes()).hexdigest() != wanted:
        raise TerminalError("model.onnx is not what the manifest says", reason="BundleCorrupt")


def bundle(tmp_path: Path, content: str) -> tuple[Path, str]:
    folder = tmp_path / f"bundle-{content}"
    (folder / "nested").mkdir(parents=True, exist_ok=True)
    (folder / "model.onnx").write_text(content)
    (folder / "nested" / "more.json").write_text("{}")
    (folder / "sums").write_text(hashlib.sha256(content.encode()).hexdigest())
    return folder, hashlib.md5(content.encode()).hexdigest() + ".dir"


@pytest.fixture(params=["directory", "memory"])
def target(request: pytest.FixtureRequest, tmp_path: Path) -> Target:
    if request.param == "memory":
        return MemoryTarget(verify)
    return DirectoryTarget(tmp_path / "releases", verify)


@pytest.fixture
def directory(tmp_path: Path) -> DirectoryTarget:
    return DirectoryTarget(tmp_path / "releases", verify, keep=2)


def test_nothing_is_served_before_the_first_convergence(target: Target) -> None:
    assert target.observe("wine") is None
    assert target.unused()
    target.withdraw("wine")
    assert target.observe("wine") is None


def test_what_was_converged_is_observed_intact(target: Target, tmp_path: Path) -> None:
    folder, digest = bundle(tmp_path, "one")

    target.converge("wine", folder, digest)
    target.converge("wine", folder, digest)

    assert target.observe("wine") == Served(digest, intact=True)
    assert target.observe("iris") is None


def test_a_new_version_takes_the_place_of_the_old_one_and_back(
    target: Target, tmp_path: Path
) -> None:
    one, two = bundle(tmp_path, "one"), bundle(tmp_path, "two")

    for folder, digest in (one, two, one):
        target.converge("wine", folder, digest)
        assert target.observe("wine") == Served(digest, intact=True)


def test_a_damaged_bundle_is_refused_and_the_former_version_stays(
    target: Target, tmp_path: Path
) -> None:
    folder, digest = bundle(tmp_path, "one")
    bad, bad_digest = bundle(tmp_path, "two")
    (bad / "model.onnx").write_text("tw0")
    target.converge("wine", folder, digest)

    with pytest.raises(TerminalError, match="manifest"):
        target.converge("wine", bad, bad_digest)

    assert target.observe("wine") == Served(digest, intact=True)


def test_a_withdrawn_model_is_served_no_more(target: Target, tmp_path: Path) -> None:
    target.converge("wine", *bundle(tmp_path, "one"))

    target.withdraw("wine")

    assert target.observe("wine") is None


def served_file(tmp_path: Path, model: str = "wine") -> Path:
    return tmp_path / "releases" / model / "current" / "model.onnx"


def folders(tmp_path: Path, model: str = "wine") -> list[str]:
    return sorted(path.name for path in (tmp_path / "releases" / model).iterdir())


def test_a_flipped_byte_is_seen_and_mended_without_a_moment_of_nothing(
    directory: DirectoryTarget, tmp_path: Path
) -> None:
    folder, digest = bundle(tmp_path, "one")
    directory.converge("wine", folder, digest)
    served_file(tmp_path).chmod(0o644)
    served_file(tmp_path).write_text("0ne")
    seen = directory.observe("wine")
    assert seen is not None
    assert (seen.digest, seen.intact) == (digest, False)
    assert "manifest" in seen.detail

    gaps, done = [], threading.Event()

    def watch() -> None:
        while not done.is_set():
            if not served_file(tmp_path).exists():
                gaps.append(1)

    watcher = threading.Thread(target=watch)
    watcher.start()
    directory.converge("wine", folder, digest)
    done.set()
    watcher.join()

    assert not gaps
    assert directory.observe("wine") == Served(digest, intact=True)
    assert len(list((tmp_path / "releases/wine/versions").iterdir())) == 1


def test_a_deleted_version_is_seen_and_mended(directory: DirectoryTarget, tmp_path: Path) -> None:
    folder, digest = bundle(tmp_path, "one")
    directory.converge("wine", folder, digest)
    versions = tmp_path / "releases" / "wine" / "versions"
    versions.rename(tmp_path / "stolen")

    assert directory.observe("wine") == Served(digest, intact=False, detail=f"{digest} is gone")
    directory.converge("wine", folder, digest)

    assert directory.observe("wine") == Served(digest, intact=True)


def test_served_files_are_copies_and_no_links_into_the_cache(
    directory: DirectoryTarget, tmp_path: Path
) -> None:
    folder, digest = bundle(tmp_path, "one")
    cached = tmp_path / "cached"
    (folder / "model.onnx").rename(cached)
    (folder / "model.onnx").symlink_to(cached)
    os.link(folder / "sums", tmp_path / "hard")

    directory.converge("wine", folder, digest)

    served = tmp_path / "releases" / "wine" / "current"
    for path in (served / "model.onnx", served / "sums"):
        assert not path.is_symlink()
        assert path.stat().st_nlink == 1


def test_old_versions_are_kept_up_to_the_limit_by_when_they_were_served(
    directory: DirectoryTarget, tmp_path: Path
) -> None:
    made = [bundle(tmp_path, name) for name in ("one", "two", "three")]
    for folder, digest in (*made[:2], made[0], made[2]):
        directory.converge("wine", folder, digest)

    kept = {path.name for path in (tmp_path / "releases/wine/versions").iterdir()}

    assert kept == {made[0][1], made[2][1]}


def test_leftovers_of_a_cut_publication_are_invisible_and_swept(
    directory: DirectoryTarget, tmp_path: Path
) -> None:
    folder, digest = bundle(tmp_path, "one")
    directory.converge("wine", folder, digest)
    half = tmp_path / "releases" / "wine" / ".incoming-1"
    half.mkdir()
    (half / "model.onnx").write_text("tw")
    (half.parent / ".incoming-2").symlink_to("nowhere")
    (half.parent / ".outgoing-3").mkdir()
    assert directory.observe("wine") == Served(digest, intact=True)

    directory.converge("wine", folder, digest)

    assert folders(tmp_path) == ["current", "versions"]


def test_what_a_cut_call_has_left_is_tidied_up_although_the_right_version_is_served(
    directory: DirectoryTarget, tmp_path: Path
) -> None:
    folder, digest = bundle(tmp_path, "one")
    directory.converge("wine", folder, digest)
    home = tmp_path / "releases" / "wine"
    shutil.copytree(home / "current", home / "versions" / f"{digest}~1")
    (home / ".outgoing-3").mkdir()

    directory.tidy("wine")

    assert folders(tmp_path) == ["current", "versions"]
    assert [path.name for path in (home / "versions").iterdir()] == [digest]
    assert directory.observe("wine") == Served(digest, intact=True)


def test_a_withdrawal_that_was_cut_is_finished_and_files_of_others_stay(
    directory: DirectoryTarget, tmp_path: Path
) -> None:
    for name in ("wine", "beer"):
        directory.converge(name, *bundle(tmp_path, name))
        (tmp_path / "releases" / name / "current").unlink()
    (tmp_path / "releases" / "beer" / "notes").write_text("mine")

    for name in ("wine", "beer", "rum"):
        directory.tidy(name)

    assert sorted(p.name for p in (tmp_path / "releases").glob("[a-z]*")) == ["beer"]
    assert [path.name for path in (tmp_path / "releases" / "beer").iterdir()] == ["notes"]


CUT = """
import os, shutil, sys
from pathlib import Path
from reconciler.adapters.targets.directory import DirectoryTarget
calls, limit = 0, int(sys.argv[4])
def cut(event, args):
    global calls
    if event.startswith(("os.", "shutil.")) or event == "open" and "releases" in str(args[0]):
        calls += 1
        if calls == limit:
            os.kill(os.getpid(), 9)
sys.addaudithook(cut)
DirectoryTarget(Path(sys.argv[1]), lambda path: None, keep=1).converge(
    "wine", Path(sys.argv[2]), sys.argv[3])
"""


def test_a_kill_at_any_step_leaves_one_whole_version_served(
    directory: DirectoryTarget, tmp_path: Path
) -> None:
    one, two = bundle(tmp_path, "one"), bundle(tmp_path, "two")
    whole = {
        folder_digest: (folder / "model.onnx").read_text() for folder, folder_digest in (one, two)
    }
    cuts = 0
    for limit in range(1, 60, 3):
        directory.converge("wine", *one)
        code = subprocess.run(
            [
                sys.executable,
                "-c",
                CUT,
                str(tmp_path / "releases"),
                str(two[0]),
                two[1],
                str(limit),
            ],
            check=False,
        ).returncode
        cuts += code == -9
        seen = directory.observe("wine")
        assert seen is not None
        assert seen.intact
        assert seen.digest is not None
        assert served_file(tmp_path).read_text() == whole[seen.digest]
    directory.converge("wine", *two)

    assert cuts > 3
    assert directory.observe("wine") == Served(two[1], intact=True)
    assert folders(tmp_path) == ["current", "versions"]


def test_many_writers_of_several_models_leave_each_whole(tmp_path: Path) -> None:
    made = [bundle(tmp_path, name) for name in ("one", "two", "three")]

    def publish(model: str, first: int) -> None:
        target = DirectoryTarget(tmp_path / "releases", verify, keep=2)
        for turn in range(6):
            target.converge(model, *made[(first + turn) % 3])

    writers = [
        threading.Thread(target=publish, args=(model, first))
        for model in ("wine", "iris")
        for first in (0, 1)
    ]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()

    observer = DirectoryTarget(tmp_path / "releases", verify)
    for model in ("wine", "iris"):
        seen = observer.observe(model)
        assert seen is not None
        assert seen.intact
        assert folders(tmp_path, model) == ["current", "versions"]


def test_git_ignores_what_is_published(directory: DirectoryTarget, tmp_path: Path) -> None:
    subprocess.run(["git", "init", "-q", str(tmp_path)], check=True)
    (tmp_path / ".gitignore").write_text("bundle-*\n")
    directory.converge("wine", *bundle(tmp_path, "one"))

    seen = subprocess.run(
        ["git", "status", "--porcelain"], cwd=tmp_path, capture_output=True, text=True, check=True
    )

    assert seen.stdout == "?? .gitignore\n"


@pytest.mark.parametrize(
    ("found", "after"), [(None, "*\n"), ("", "*\n"), ("*", "*\n"), ("*\n!kept\n", "*\n!kept\n")]
)
def test_an_ignore_file_that_was_cut_is_mended_and_one_of_other_hands_stays(
    directory: DirectoryTarget, tmp_path: Path, found: str | None, after: str
) -> None:
    note = tmp_path / "releases" / ".gitignore"
    if found is not None:
        note.parent.mkdir()
        note.write_text(found)
    directory.converge("m", *bundle(tmp_path, "1"))
    assert note.read_text() == after


def test_what_a_person_put_in_the_way_is_left_and_named(
    directory: DirectoryTarget, tmp_path: Path
) -> None:
    precious = tmp_path / "releases" / "wine" / "current" / "thesis.txt"
    precious.parent.mkdir(parents=True)
    precious.write_text("mine")

    with pytest.raises(TerminalError) as caught:
        directory.converge("wine", *bundle(tmp_path, "one"))

    assert caught.value.reason == "TargetOccupied"
    assert precious.read_text() == "mine"
    assert directory.observe("wine") is None


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_read_only_directory_is_a_stated_condition(
    directory: DirectoryTarget, tmp_path: Path
) -> None:
    (tmp_path / "releases").mkdir(mode=0o500)

    with pytest.raises(TransientError) as caught:
        directory.converge("wine", *bundle(tmp_path, "one"))

    assert caught.value.reason == "ReadOnly"


def test_a_full_disk_is_a_stated_condition_and_leaves_the_former_version(
    directory: DirectoryTarget, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    one, two = bundle(tmp_path, "one"), bundle(tmp_path, "two")
    directory.converge("wine", *one)

    def full(source: Path, destination: Path) -> None:
        destination.write_text("h")
        raise OSError(28, "No space left on device", str(destination))

    with monkeypatch.context() as patch:
        patch.setattr("shutil.copyfile", full)
        with pytest.raises(TransientError) as caught:
            directory.converge("wine", *two)

    assert caught.value.reason == "DiskFull"
    assert directory.observe("wine") == Served(one[1], intact=True)
    assert folders(tmp_path) == ["current", "versions"]


@pytest.mark.parametrize("name", ["../x", "-x", "", "a/b", "X", ".."])
def test_a_name_that_leaves_the_directory_is_refused(
    directory: DirectoryTarget, tmp_path: Path, name: str
) -> None:
    with pytest.raises(TerminalError, match="cannot name a folder"):
        directory.converge(name, *bundle(tmp_path, "one"))
    with pytest.raises(TerminalError, match="is no digest"):
        directory.converge("wine", bundle(tmp_path, "one")[0], "../up")


def test_an_unknown_target_is_refused_with_those_that_there_are(tmp_path: Path) -> None:
    with pytest.raises(SpecError, match="known: directory") as caught:
        open_target("kserve", {}, tmp_path, verify)
    assert caught.value.reason == "UnknownTarget"
    with pytest.raises(SpecError, match="unknown key 'rot'"):
        open_target("directory", {"rot": "x"}, tmp_path, verify)
    with pytest.raises(SpecError, match="no directory"):
        open_target("directory", {"root": "../x"}, tmp_path, verify)


def test_the_directory_refuses_a_rollout_and_nothing_else(tmp_path: Path) -> None:
    deployment = {"target": "directory", "rollout": {"strategy": "canary"}, "keep": 3}

    assert refused("directory", deployment) == ("rollout",)
    assert refused("directory", {**deployment, "rollout": None}) == ()
    assert isinstance(open_target("directory", {}, tmp_path, verify), KNOWN["directory"])


def test_servers_can_do_a_rollout_and_know_two_settings(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert refused("local", {"target": "local", "rollout": {"strategy": "canary"}}) == ()
    with pytest.raises(SpecError, match="unknown key 'root'"):
        open_servers({"root": "x"}, tmp_path)
    with pytest.raises(SpecError, match="make no sense"):
        open_servers({"endpoints": "http://a"}, tmp_path)
    monkeypatch.setenv("SECRET", "s3cret")
    servers = open_servers({"endpoints": ["http://127.0.0.1:9/"], "token_env": "SECRET"}, tmp_path)
    assert [report.endpoint for report in servers.look()] == ["http://127.0.0.1:9"]
