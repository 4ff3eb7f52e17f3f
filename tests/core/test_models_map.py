"""The models: map: cut out where compile wrote it, and left alone everywhere else."""

from __future__ import annotations

import pytest

from reconciler.core.models_map import cut, lines, narrowed, padded, settings
from reconciler.spec import yaml

HEAD = b"apiVersion: reconciler/v1\ndefaults: {}\n"
MAP = b"""\
models:
  churn: {data: data/churn.csv, code: train/it.py, digest: "0027915f11ab2e6f"}
  "2nd": {data: specs/runtime.txt, code: specs/runtime.txt, digest: ab27915f11ab2e6f}
"""


def test_the_map_is_cut_and_every_other_byte_stays() -> None:
    assert cut(HEAD + MAP + b"extra: 1\n") == HEAD + b"models: {}\nextra: 1\n"


def test_lines_keep_their_numbers_where_they_are_padded() -> None:
    text = HEAD + MAP + b"extra: 1\n"
    after = yaml.load(padded(text), "params.yaml")
    assert after.position(("extra",)) == yaml.load(text, "params.yaml").position(("extra",))
    assert after.data == {**yaml.load(text, "params.yaml").data, "models": {}}


@pytest.mark.parametrize(
    "line",
    [
        b"  churn: {data: true, code: a/b, digest: c/d}\n",
        b"  churn: {data: a/b, code: [a/b], digest: c/d}\n",
        b"  churn: {data: a/b}   # mine\n",
        b"  churn:\n    data: a/b\n",
        b"  null: {data: a/b}\n",
        b"  churn: {data: a/b}\n  churn: {data: a/c}\n",
        b"  churn: {data: &a a/b}\n",
    ],
)
def test_what_compile_would_not_write_is_left_for_the_parser(line: bytes) -> None:
    text = HEAD + b"models:\n" + line
    assert cut(text) == text


def test_two_maps_are_left_for_the_parser_to_complain_about() -> None:
    assert cut(HEAD + MAP + MAP) == HEAD + MAP + MAP


def test_settings_change_with_all_but_the_map() -> None:
    before = settings(HEAD + MAP, b"stages: {}\n")
    assert settings(HEAD + MAP.replace(b"0027", b"ffff"), b"stages: {}\n") == before
    assert settings(HEAD.replace(b"{}", b"{a: 1}") + MAP, b"stages: {}\n") != before
    assert settings(HEAD + MAP, b"stages: {a: 1}\n") != before


def test_the_lines_are_told_apart_by_model() -> None:
    held = lines(HEAD + MAP + b"extra: 1\n")
    assert held is not None
    assert list(held) == ["churn", "2nd"]
    assert b"".join(held.values()) == MAP.removeprefix(b"models:\n")
    assert lines(HEAD + b"models: {}\n") == {}
    assert lines(HEAD) is None
    assert lines(HEAD + b"models:\n  churn:\n    data: a/b\n") is None


def test_a_narrowed_map_is_as_compile_would_write_it() -> None:
    text = HEAD + MAP + b"extra: 1\n"
    assert narrowed(text, {"churn", "2nd"}) == text
    assert narrowed(text, {"churn"}) == text.replace(MAP.splitlines(keepends=True)[2], b"")
    assert narrowed(text, {"other"}) == HEAD + b"models: {}\nextra: 1\n"
    assert narrowed(HEAD, {"churn"}) == HEAD
