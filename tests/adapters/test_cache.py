"""DVC's cache, read without DVC: whole and verified, or a clear error."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from reconciler.adapters.cache import Cache
from reconciler.errors import TerminalError, TransientError


def md5(data: bytes) -> str:
    return hashlib.md5(data, usedforsecurity=False).hexdigest()


def put(cache: Cache, data: bytes, suffix: str = "") -> str:
    name = md5(data) + suffix
    cache.path(name).parent.mkdir(parents=True, exist_ok=True)
    cache.path(name).write_bytes(data)
    return name


def put_folder(cache: Cache, files: dict[str, bytes]) -> str:
    listing = [{"md5": put(cache, data), "relpath": name} for name, data in sorted(files.items())]
    return put(cache, json.dumps(listing, sort_keys=True).encode(), ".dir")


@pytest.fixture
def cache(tmp_path: Path) -> Cache:
    return Cache(tmp_path / "cache")


FILES = {"a": b"1", "deep/b": b"22"}


def test_the_cache_is_the_one_that_dvc_writes(tmp_path: Path) -> None:
    for name, data in FILES.items():
        (tmp_path / "x" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "x" / name).write_bytes(data)
    env = os.environ | {"DVC_NO_ANALYTICS": "1"}
    for arguments in (["init", "-q", "--no-scm"], ["add", "-q", "x"]):
        subprocess.run([sys.executable, "-m", "dvc", *arguments], cwd=tmp_path, check=True, env=env)
    pointer = (tmp_path / "x.dvc").read_text().split("md5: ")[1].split()[0]
    cache = Cache(tmp_path / ".dvc" / "cache")
    assert cache.has(pointer)
    assert {name: path.read_bytes() for name, path in cache.files(pointer).items()} == FILES


def test_a_folder_is_copied_whole(cache: Cache, tmp_path: Path) -> None:
    destination = tmp_path / "out" / "bundle"
    cache.materialise(put_folder(cache, FILES), destination)
    assert {name: (destination / name).read_bytes() for name in FILES} == FILES
    assert [path.name for path in destination.parent.iterdir()] == ["bundle"]
    (destination / "a").write_bytes(b"changed")  # a copy: the cache does not see it
    assert cache.file(md5(b"1")).read_bytes() == b"1"


def test_what_stood_at_the_destination_is_replaced(cache: Cache, tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "stale").touch()
    cache.materialise(put_folder(cache, FILES), tmp_path / "out")
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["a", "deep"]
    cache.materialise(put(cache, b"file"), tmp_path / "out")
    assert (tmp_path / "out").read_bytes() == b"file"


def test_a_flipped_byte_is_refused_and_nothing_is_left(cache: Cache, tmp_path: Path) -> None:
    folder = put_folder(cache, FILES)
    cache.path(md5(b"22")).write_bytes(b"23")
    with pytest.raises(TerminalError, match="corrupt") as caught:
        cache.materialise(folder, tmp_path / "out")
    assert caught.value.reason == "CacheCorrupt"
    assert [path.name for path in tmp_path.iterdir()] == ["cache"]


def test_a_corrupt_listing_is_refused(cache: Cache) -> None:
    folder = put_folder(cache, FILES)
    cache.path(folder).write_bytes(b"[]")
    with pytest.raises(TerminalError) as caught:
        cache.files(folder)
    assert caught.value.reason == "CacheCorrupt"


def test_a_listing_that_is_too_deep_to_read_is_refused(cache: Cache) -> None:
    deep = b"[" * 100_000
    folder = f"{md5(deep)}.dir"
    cache.path(folder).parent.mkdir(parents=True)
    cache.path(folder).write_bytes(deep)
    with pytest.raises(TerminalError) as caught:
        cache.files(folder)
    assert caught.value.reason == "CacheCorrupt"


@pytest.mark.parametrize("name", ["../x", "/etc/x", "a/../../x", ""])
def test_a_listing_cannot_write_outside_of_its_folder(
    cache: Cache, tmp_path: Path, name: str
) -> None:
    folder = put_folder(cache, {name: b"1"})
    with pytest.raises(TerminalError) as caught:
        cache.materialise(folder, tmp_path / "out" / "bundle")
    assert caught.value.reason == "InvalidPointer"


@pytest.mark.parametrize("name", ["", "..", "../../etc", "A" * 32, "0" * 31, "0" * 32 + ".dirt"])
def test_what_is_no_md5_is_refused(cache: Cache, name: str) -> None:
    with pytest.raises(TerminalError) as caught:
        cache.has(name)
    assert caught.value.reason == "InvalidPointer"


def test_a_folder_is_there_only_with_all_its_files(cache: Cache) -> None:
    folder = put_folder(cache, FILES)
    assert cache.has(folder)
    cache.path(md5(b"22")).unlink()
    assert not cache.has(folder)


def test_what_is_missing_is_fetched_once(tmp_path: Path) -> None:
    asked = []

    def fetch(name: str) -> None:
        asked.append(name)
        put(Cache(tmp_path / "cache"), b"1")

    cache = Cache(tmp_path / "cache", fetch)
    assert cache.file(md5(b"1")).read_bytes() == b"1"
    assert asked == [md5(b"1")]
    cache.file(md5(b"1"))
    assert asked == [md5(b"1")]
    with pytest.raises(TerminalError, match="dvc push") as caught:
        cache.file(md5(b"2"))
    assert caught.value.reason == "DataMissing"


def test_inputs_are_linked_not_copied(cache: Cache, tmp_path: Path) -> None:
    cache.link(put_folder(cache, FILES), tmp_path / "data" / "x")
    assert (tmp_path / "data" / "x" / "a").samefile(cache.path(md5(b"1")))
    cache.link(md5(b"22"), tmp_path / "data" / "y")
    assert (tmp_path / "data" / "y").read_bytes() == b"22"


def test_a_destination_that_cannot_be_written_waits_for_time(cache: Cache, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(TransientError) as caught:
        cache.materialise(put(cache, b"1"), tmp_path / "file" / "x")
    assert caught.value.reason == "NotWritable"
