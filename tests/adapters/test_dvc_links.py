"""Several processes of DVC may add the same content to one cache: none empties what others made."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from pathlib import Path

import pytest
from dvc_objects.fs import system

from reconciler.adapters import dvc_links


@pytest.fixture(autouse=True)
def installed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(system, "reflink", system.reflink)  # as it was, after the test
    assert dvc_links.install()


def reflink(source: Path, place: Path) -> None:
    """Make a reflink as DVC does now."""
    made: Callable[[str, str], None] = system.reflink
    made(str(source), str(place))


def test_what_another_process_has_put_there_is_never_emptied(tmp_path: Path) -> None:
    ours, theirs, place = tmp_path / "ours", tmp_path / "theirs", tmp_path / "place"
    ours.write_text("content")
    theirs.write_text("content")
    place.hardlink_to(theirs)

    with contextlib.suppress(OSError):  # the file system may know no reflinks
        reflink(ours, place)

    assert theirs.read_text() == "content"
    assert place.read_text() == "content"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["ours", "place", "theirs"]


def test_nothing_is_left_where_no_reflink_could_be_made(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = []

    def refused(source: str, place: str) -> None:
        seen.append(place)
        raise OSError("not supported")

    monkeypatch.setattr(system, "reflink", refused)
    dvc_links.install()
    with pytest.raises(OSError, match="not supported"):
        reflink(tmp_path / "a", tmp_path / "b")
    assert seen != [str(tmp_path / "b")]
    assert list(tmp_path.iterdir()) == []
