"""Sizes: read as people write them, and refused with what is wanted."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.core.sizes import parse, spoken


@pytest.mark.parametrize(
    ("text", "count"),
    [
        ("4G", 4 * 10**9),
        ("1.5 GB", 15 * 10**8),
        ("512Mi", 512 * 2**20),
        ("2gib", 2 * 2**30),
        ("100k", 10**5),
        ("50%", 500),
        ("100 %", 1000),
    ],
)
def test_a_size_is_read_as_people_write_it(text: str, count: int) -> None:
    assert parse(text, 1000) == count


@pytest.mark.parametrize("text", ["", "4", "G", "-1G", "nan", "1e9", "0G", "120%", "4GG", "9" * 99])
def test_what_is_no_size_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"no size|nothing|more than"):
        parse(text, 1000)


@given(st.integers(1, 10**14))
def test_what_is_said_fits_a_column(count: int) -> None:
    assert len(spoken(count)) <= 8
