"""What is kept, and what may go: never what something names, or what has just changed."""

from __future__ import annotations

from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from reconciler.core.retention import Stored, closure, named, spare

MD5 = st.from_regex(r"[0-9a-f]{32}(\.dir)?", fullmatch=True)


@given(st.sets(MD5, max_size=5))
def test_every_md5_of_a_text_is_found_and_no_longer_digest(names: set[str]) -> None:
    text = "".join(f"- md5: {name}\n  hash: md5\n" for name in sorted(names))
    text += f"fingerprint: {'a' * 64}\n"
    assert named(text.encode()) == names
    assert named(text.replace("\n", ", ").encode()) == names


def test_a_folder_keeps_its_files() -> None:
    folder, file, other = "a" * 32 + ".dir", "b" * 32, "c" * 32
    kept = closure({folder}, {folder: (file,)}.get)
    stored = [_stored(name) for name in (folder, file, other)]
    assert [one.path.name for one in spare(stored, kept, before=2.0)] == [other]


def test_what_has_just_changed_stays() -> None:
    assert spare([_stored("c" * 32)], set(), before=1.0) == ()


def test_a_result_stays_only_with_all_that_it_leads_to() -> None:
    result = Stored(frozenset({"a" * 32, "b" * 32}), Path("result"), 1, 1.0)
    assert spare([result], {"a" * 32, "b" * 32}, before=2.0) == ()
    assert spare([result], {"a" * 32}, before=2.0) == (result,)


def _stored(name: str) -> Stored:
    return Stored(frozenset({name}), Path(name), 1, 1.0)
