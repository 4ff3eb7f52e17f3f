"""One block of a YAML text is replaced, and nothing else of it changes."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from ruamel.yaml import YAML

from reconciler.core.blocks import flow, scalar, with_block

TEXT = """\
# the fleet's defaults
defaults: {}   # none yet
models:
  a: {digest: "1"}

  # a remark inside
  b: {digest: "2"}

other: 1  # the user's own
"""


def test_only_the_named_block_changes() -> None:
    changed = with_block(TEXT, "models", "models:\n  c: {}\n")
    assert changed == (
        "# the fleet's defaults\ndefaults: {}   # none yet\n"
        "models:\n  c: {}\n\nother: 1  # the user's own\n"
    )


def test_a_block_that_is_missing_is_appended_after_an_empty_line() -> None:
    assert with_block("a: 1", "models", "models: {}\n") == "a: 1\n\nmodels: {}\n"
    assert with_block("", "models", "models: {}\n") == "models: {}\n"


def test_a_key_that_only_begins_alike_is_another_key() -> None:
    assert with_block("models_old: 1\n", "models", "models: {}\n").startswith("models_old: 1\n")


def test_replacing_twice_is_replacing_once() -> None:
    once = with_block(TEXT, "models", "models: {}\n")
    assert with_block(once, "models", "models: {}\n") == once


@given(st.dictionaries(st.from_regex(r"[a-z]{1,8}", fullmatch=True), st.text(max_size=30)))
def test_a_flow_mapping_reads_back_as_the_same_strings(entries: dict[str, str]) -> None:
    if entries:
        assert YAML(typ="safe", pure=True).load(f"m: {flow(entries)}\n")["m"] == entries


def test_words_and_numbers_stay_strings() -> None:
    assert [scalar(t) for t in ("data/x.csv", "true", "1.9", "", "-x", "\t")] == [
        "data/x.csv",
        '"true"',
        '"1.9"',
        '""',
        '"-x"',
        r'"\t"',
    ]
