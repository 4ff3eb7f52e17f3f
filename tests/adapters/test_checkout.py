"""Outputs are put into the tree whole: whoever looks, or kills, sees the old or the new ones."""

from __future__ import annotations

import hashlib
import json
import os
import random
import stat
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pytest

from reconciler.adapters.cache import Cache
from reconciler.adapters.checkout import Checkout
from reconciler.errors import TerminalError, TransientError

WORDS = ("old", "new")
FILES = 30


def keep(cache: Path, content: bytes, suffix: str = "") -> str:
    """Put content into a cache as DVC does, and return its id."""
    md5 = hashlib.md5(content).hexdigest() + suffix
    place = cache / "files" / "md5" / md5[:2] / md5[2:]
    place.parent.mkdir(parents=True, exist_ok=True)
    place.unlink(missing_ok=True)
    place.write_bytes(content)
    place.chmod(0o444)
    return md5


def keep_folder(cache: Path, files: dict[str, bytes]) -> str:
    listed = [{"md5": keep(cache, text), "relpath": name} for name, text in sorted(files.items())]
    return keep(cache, json.dumps(listed).encode(), ".dir")


@pytest.fixture
def place(tmp_path: Path) -> Path:
    (tmp_path / "tree").mkdir()
    return tmp_path


def checkout(place: Path, *links: str) -> Checkout:
    return Checkout(
        place / "tree", place / "tree" / ".aside", Cache(place / "cache"), links or ("copy",)
    )


def seen(path: Path) -> dict[str, bytes]:
    return {str(p.relative_to(path)): p.read_bytes() for p in path.rglob("*") if p.is_file()}


@pytest.mark.parametrize("links", [("reflink", "copy"), ("hardlink",), ("symlink",), ("copy",)])
def test_a_folder_and_a_file_take_the_place_of_what_stood_there(
    place: Path, links: tuple[str, ...]
) -> None:
    tree, files = place / "tree", {"a": b"1", "deep/b": b"", "c": b"3"}
    folder, file = keep_folder(place / "cache", files), keep(place / "cache", b"file")
    (tree / "was-file").write_text("x")
    (tree / "was-folder").mkdir()
    (tree / "was-folder" / "more").write_text("x")
    work = checkout(place, *links)
    outs: dict[str, str | Path] = {"was-file": folder, "was-folder": file, "new/deep": folder}
    outs["same"] = file
    (tree / "same").write_text("x")
    work.put(work.build(outs))
    assert seen(tree / "was-file") == seen(tree / "new" / "deep") == files
    assert (tree / "was-folder").read_bytes() == (tree / "same").read_bytes() == b"file"
    assert list((tree / ".aside").iterdir()) == []
    if links == ("copy",):
        assert (tree / "same").stat().st_mode & stat.S_IWUSR


def test_a_folder_on_another_file_system_is_replaced_too(place: Path) -> None:
    memory = Path("/dev/shm")
    if not memory.is_dir() or memory.stat().st_dev == place.stat().st_dev:
        pytest.skip("there is no second file system at /dev/shm")
    with tempfile.TemporaryDirectory(dir=memory) as far:
        (place / "tree" / "models").symlink_to(far)
        work = checkout(place)
        for files in ({"a": b"1"}, {"b": b"2"}):
            work.put(work.build({"models/m": keep_folder(place / "cache", files)}))
            assert seen(Path(far)) == {f"m/{name}": text for name, text in files.items()}


def test_without_an_exchange_of_names_a_folder_is_replaced_all_the_same(
    place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("reconciler.adapters.checkout._exchanged", lambda *_: False)
    work = checkout(place)
    for files in ({"a": b"1"}, {"b": b"2"}):
        work.put(work.build({"m": keep_folder(place / "cache", files)}))
        assert seen(place / "tree") == {f"m/{name}": text for name, text in files.items()}


def test_what_is_not_cached_is_copied_from_where_it_was_written(place: Path) -> None:
    (place / "slot").mkdir()
    (place / "slot" / "m.json").write_text("{}")
    work = checkout(place)
    work.put(work.build({"m.json": place / "slot" / "m.json", "d": place / "slot"}))
    assert seen(place / "tree") == {"m.json": b"{}", "d/m.json": b"{}"}
    with pytest.raises(TerminalError, match=r"gone\.json was not written"):
        work.build({"gone.json": place / "slot" / "gone.json"})


def test_missing_content_and_a_folder_that_cannot_be_written_leave_the_tree_as_it_is(
    place: Path,
) -> None:
    work = checkout(place)
    with pytest.raises(TerminalError, match="neither in DVC's cache"):
        work.build({"x": "0" * 32})
    (place / "tree" / "file").write_text("x")
    built = work.build({"file/below": keep(place / "cache", b"1")})
    with pytest.raises(TransientError, match="cannot be written"):
        work.put(built)
    assert (place / "tree" / "file").read_text() == "x"


LOOP = """
import sys
from pathlib import Path
from reconciler.adapters.cache import Cache
from reconciler.adapters.checkout import Checkout
from reconciler.adapters.dvc_tree import held, write_blocks
place, *md5s = sys.argv[1:]
tree = Path(place) / "tree"
work = Checkout(tree, tree / ".aside", Cache(Path(place) / "cache"), ("copy",))
work.clear()
print("begun", flush=True)
while True:
    for md5 in md5s:
        built = work.build({"out": md5})
        with held(tree):
            work.put(built)
            write_blocks(tree, {"train@m": f"  train@m:\\n    md5: {md5}\\n"}, [])
"""


@pytest.mark.slow
def test_thirty_kills_leave_the_output_whole_and_the_lock_valid(place: Path) -> None:
    tree, chance = place / "tree", random.Random(3)
    (tree / ".dvc").mkdir()
    versions = [{str(n): word.encode() for n in range(FILES)} for word in WORDS]
    md5s = [keep_folder(place / "cache", files) for files in versions]
    locks = [f"schema: '2.0'\nstages:\n  train@m:\n    md5: {md5}\n" for md5 in md5s]
    for kill in range(30):
        child = subprocess.Popen(
            [sys.executable, "-c", LOOP, str(place), *md5s], stdout=subprocess.PIPE
        )
        assert child.stdout is not None
        assert child.stdout.readline() == b"begun\n"
        time.sleep(chance.uniform(0.02 if kill else 0.5, 0.06 if kill else 0.6))
        os.kill(child.pid, 9)
        child.communicate()
        assert seen(tree / "out") in versions
        assert (tree / "dvc.lock").read_text() in locks
    checkout(place).clear()
    assert sorted(path.name for path in tree.iterdir()) == [".dvc", "dvc.lock", "out"]
