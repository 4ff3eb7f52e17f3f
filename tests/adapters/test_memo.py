"""Memos: whole values, or none."""

from __future__ import annotations

from pathlib import Path

import pytest

from reconciler.adapters.memo import Memo


def test_a_value_comes_back_and_a_later_one_takes_its_place(tmp_path: Path) -> None:
    memo = Memo(tmp_path / "memo.json")
    assert memo.read() is None
    memo.keep({"a": 1})
    memo.keep({"a": [2, None]})
    assert Memo(tmp_path / "memo.json").read() == {"a": [2, None]}
    assert [path.name for path in tmp_path.iterdir()] == ["memo.json"]


@pytest.mark.parametrize("at", [0, 7, 8, 12, -1])
def test_a_memo_of_which_one_byte_is_wrong_remembers_nothing(tmp_path: Path, at: int) -> None:
    memo = Memo(tmp_path / "memo.json")
    memo.keep({"count": 1234})
    data = bytearray((tmp_path / "memo.json").read_bytes())
    data[at] ^= 1
    (tmp_path / "memo.json").write_bytes(data)
    assert memo.read() is None


def test_a_torn_or_foreign_file_remembers_nothing(tmp_path: Path) -> None:
    memo = Memo(tmp_path / "memo.json")
    for text in (b"", b"12", b"00000000", b"\xff\xfe", b"f7d00a2e[1]"):
        (tmp_path / "memo.json").write_bytes(text)
        assert memo.read() is None


def test_a_memo_that_cannot_be_written_is_no_error(tmp_path: Path) -> None:
    Memo(tmp_path / "absent" / "memo.json").keep({"a": 1})
    (tmp_path / "taken").mkdir()
    Memo(tmp_path / "taken").keep({"a": 1})
    assert Memo(tmp_path / "taken").read() is None
    assert [path.name for path in tmp_path.iterdir()] == ["taken"]


def test_what_a_killed_writer_has_left_is_written_over(tmp_path: Path) -> None:
    memo = Memo(tmp_path / "memo.json")
    (tmp_path / ".memo.json.new").write_bytes(b"a long text that was to be a memo")
    memo.keep({"a": 1})
    assert memo.read() == {"a": 1}
    assert [path.name for path in tmp_path.iterdir()] == ["memo.json"]
