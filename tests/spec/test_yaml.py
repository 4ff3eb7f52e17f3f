from __future__ import annotations

import json
import time
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from ruamel.yaml import YAML

from reconciler.errors import SpecError
from reconciler.spec import yaml

REFUSED = {
    "alias bomb": ("a: &a [x]\nb: [*a, *a]", 1, 4, "anchors"),
    "merge key": ("a: {b: 1}\n<<: {c: 1}", 2, 1, "'<<'"),
    "deep list": ("[" * 100_000, 1, 34, "nested"),
    "deep mapping": ("{a: " * 100_000, 1, 133, "nested"),
    "deep block list": ("- " * 100_000, 1, 67, "nested"),
    "deep key": ("? " * 100_000, 1, 3, "key"),
    "duplicate key": ("a: 1\nb: 2\na: 3", 3, 1, "twice"),
    "duplicate in one line": ("{a: 1, a: 2}", 1, 8, "twice"),
    "duplicate as JSON": ("{1: x, '1': y}", 1, 8, "twice"),
    "duplicate in Python": ("{1: x, true: y}", 1, 8, "twice"),
    "python object": ("a: !!python/object/apply:os.system [ls]", 1, 4, "tags"),
    "own tag": ("a: !thing 1", 1, 4, "tags"),
    "not a number": ("a:\n  b: .nan", 2, 6, ".nan is not a number"),
    "infinity": ("a: -.inf", 1, 4, "finite"),
    "overflow": ("a: 1e999", 1, 4, "finite"),
    "long number": ("a: " + "9" * 5_000, 1, 4, "long"),
    "large number": ("a: 99999999999999999999", 1, 4, "64 bits"),
    "date": ("a: 2024-01-01", 1, 4, "quote it"),
    "several documents": ("a: 1\n---\nb: 2", 2, 1, "second document"),
    "directive": ("%YAML 1.1\n---\na: yes", 1, 1, "directives"),
    "syntax": ("a: b: c", 1, 5, "mapping values"),
    "unclosed": ("a: [1,", 2, 1, "not valid YAML"),
    "colon in braces": ("a: {b: c:d}", 1, 9, "inside { } and [ ]"),
    "tab": ("\t- a", 1, 1, "not valid YAML"),
    "control character": ("a: 1\nb\x00: 1", 2, 2, "not valid YAML"),
    "empty key": ("? \n: 1", 1, 2, "key"),
    "list as key": ("? [a]\n: 1", 1, 3, "key"),
    "surrogate": ("a: '\ud800'", 1, 5, "UTF-8"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_could_be_read_differently_is_refused_at_its_place(case: str) -> None:
    text, line, column, words = REFUSED[case]
    with pytest.raises(yaml.YamlError, match=r"specs/x\.yaml:") as caught:
        yaml.load(text, "specs/x.yaml")
    assert (caught.value.problem.line, caught.value.problem.column) == (line, column)
    assert words in str(caught.value)


@pytest.mark.parametrize("case", [text for text, *_ in REFUSED.values()] + ["x" * 9_000_000])
def test_refusing_takes_bounded_time(case: str) -> None:
    start = time.process_time()
    with pytest.raises(SpecError):
        yaml.load(case, "x.yaml")
    assert time.process_time() - start < 1.0


def test_a_file_of_ten_megabytes_is_refused_by_its_size_alone() -> None:
    with pytest.raises(yaml.YamlError, match=r"10,000,000 bytes, 8,000,000 are allowed"):
        yaml.load(b"a" * 10_000_000, "x.yaml")


def test_bytes_that_are_not_utf8_are_refused_with_their_line() -> None:
    with pytest.raises(yaml.YamlError, match=r"x\.yaml:2:4: .*UTF-8"):
        yaml.load(b"a: 1\nb: \xff", "x.yaml")
    with pytest.raises(yaml.YamlError, match="UTF-8"):
        yaml.load("a: 1".encode("utf-16"), "x.yaml")


def test_a_byte_order_mark_is_no_part_of_the_first_key() -> None:
    assert yaml.load(b"\xef\xbb\xbfa: 1", "x.yaml").data == {"a": 1}


def test_an_empty_file_holds_nothing() -> None:
    assert yaml.load(b"", "x.yaml").data is None
    assert yaml.load(b"# only a comment\n", "x.yaml").position(("a",)) == (1, 1)


def test_scalars_are_read_as_dvc_reads_them() -> None:
    text = (
        "a: 1_000\nb: 0o17\nc: 017\nd: 0x1f\ne: 1e-3\nf: yes\ng: 1.\nh: ~\ni: 12:30:00\nj: +1\n"
        "k: .5\nl: on\nm: null\nn: ''\no: '1'\np: True\nq: 1e3\nr: |\n  x\n"
    )
    assert yaml.load(text, "x.yaml").data == YAML(typ="safe").load(text)


SCALARS = st.one_of(
    st.text(st.characters(categories=("L", "N", "P", "S", "Zs")), max_size=20),
    st.integers(-(2**63) + 1, 2**63 - 1),
    st.floats(allow_nan=False, allow_infinity=False),
    st.booleans(),
    st.none(),
)
VALUES = st.recursive(
    SCALARS,
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.text("abcdefgh", min_size=1, max_size=6), inner, max_size=4)
    ),
    max_leaves=12,
)


@settings(deadline=None, max_examples=150)
@given(VALUES)
def test_whatever_yaml_is_written_is_read_back(value: Any) -> None:
    assert yaml.load(json.dumps(value, ensure_ascii=False), "x.yaml").data == value


@settings(deadline=None, max_examples=400)
@given(st.binary(max_size=120) | st.text("ab:-?[]{},&*!|>'\"%#@ \n\t0.~<=\u2028é", max_size=120))
def test_no_text_causes_anything_but_data_or_a_problem(text: str | bytes) -> None:
    try:
        document = yaml.load(text, "x.yaml")
    except yaml.YamlError as error:
        place = (error.problem.line, error.problem.column)
    else:
        place = document.position(("nowhere", 3))
    assert min(place) >= 1


def test_positions_are_those_of_values_and_of_the_keys_of_containers() -> None:
    text = "a: 1\nb:\n  - c: x\n    d: {e: 2}\n"
    document = yaml.load(text, "x.yaml")
    assert document.position(("a",)) == (1, 4)
    assert document.position(("b",)) == (2, 1)
    assert document.position(("b", 0)) == (3, 5)
    assert document.position(("b", 0, "c")) == (3, 8)
    assert document.position(("b", 0, "d", "e")) == (4, 12)
    assert document.key_position(("b", 0, "d", "e")) == (4, 9)
    assert document.position(("b", 0, "d", "missing", "deeper")) == (4, 5)
