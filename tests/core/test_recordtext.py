"""The text of a record: what is written comes back, here and from any YAML parser."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from ruamel.yaml import YAML

from reconciler.core.recordtext import BLOCKS, ForeignTextError, dumps, loads

SCALARS = (
    st.none()
    | st.booleans()
    | st.integers(-(10**12), 10**12)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
    | st.sampled_from(
        [
            "yes",
            "null",
            "1e5",
            "0x1f",
            "12:30",
            "- a",
            "a: b",
            "#",
            "~",
            "=",
            "\x85",
            "\u2028",
            "",
            "2026-01-01",
            "a #b",
            "it's",
            "😀",
            "0o17",
            "1_000",
            "on",
            "a.b",
            "<<",
            "ok then",
        ]
    )
)
KEYS = st.sampled_from([*sorted(BLOCKS), "a", "b_c", "r2", "true", "y", "a b", "", "é", "1"])
TREES = st.recursive(
    SCALARS,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(KEYS | st.text('ab: #"\\\n\x0b?-', max_size=3), inner)
    ),
    max_leaves=15,
)


@settings(deadline=None, derandomize=True, max_examples=300)
@given(st.dictionaries(KEYS, TREES, min_size=1, max_size=6))
def test_any_values_come_back_and_a_yaml_parser_agrees(plain: dict[str, Any]) -> None:
    text = dumps(plain)

    assert loads(text) == plain
    assert YAML(typ="safe", pure=True).load(text) == plain


@pytest.mark.parametrize(
    "text",
    [
        "a: 1 # why",
        "# why\na: 1",
        "a:\n    b: 1",
        "a: 'b'",
        "a: &x 1",
        "a: {b: 1}",
        "a: .nan",
        "a: NaN",
        "a: 1\na: 2",
        "- 1",
        "a:",
        "a: yes",
        "  a: 1",
        "a: >\n  b",
        "a: 1\n\nb: 2",
        "a: [1,",
        "a: 1\x0bb: 2",
        "nonsense",
    ],
)
def test_a_text_that_another_hand_wrote_is_left_to_a_yaml_parser(text: str) -> None:
    with pytest.raises(ForeignTextError):
        loads(text)
