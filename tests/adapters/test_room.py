"""Room: a disk that cannot be written is found out by writing."""

from __future__ import annotations

import errno
from pathlib import Path

import pytest

from reconciler.adapters import room
from reconciler.errors import TransientError
from tests.company.disks import full, read_only, small_disk, unable


def test_folders_that_can_be_written_are_left_as_they_were(tmp_path: Path) -> None:
    room.check([tmp_path, tmp_path / "not" / "made"])
    assert list(tmp_path.iterdir()) == []


def test_a_full_disk_and_one_that_can_be_read_alone_are_told_apart(tmp_path: Path) -> None:
    if (why := unable()) is not None:
        pytest.skip(why)
    with small_disk(tmp_path / "disk", 4) as disk:
        with full(disk), pytest.raises(TransientError, match="is full") as caught:
            room.check([tmp_path, disk])
        assert caught.value.reason == "DiskFull"
        with read_only(disk), pytest.raises(TransientError, match="cannot be written") as caught:
            room.check([disk])
        assert caught.value.reason == "NotWritable"
        room.check([disk])


def test_an_error_of_a_disk_waits_for_time_and_no_other_does() -> None:
    full = room.known(OSError(errno.ENOSPC, "No space left on device", "/disk/file"))
    assert isinstance(full, TransientError)
    assert (full.reason, "/disk/file" in full.message) == ("DiskFull", True)
    closed = room.known(OSError(errno.EROFS, "Read-only file system", "/disk/file"))
    assert isinstance(closed, TransientError)
    assert closed.reason == "NotWritable"
    odd = OSError(errno.ENOENT, "No such file", "/disk/file")
    assert room.known(odd) is odd
