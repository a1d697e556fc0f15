"""Values for channel variables: one line, bounded, without what commands a terminal or reorders a display."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agi.lookups.answer import LONGEST, safe


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Acme", "Acme"),
        ("  a \t\r\n b  ", "a b"),
        ("a\x00\x1b[31m\x7fb", "a [31m b"),
        ("Jo\u0308rg", "Jörg"),
        ("a\u202egro.live\u200b", "agro.live"),
        ("half \ud83d", "half"),
        ("\ue000private", "private"),
        ('"${SHELL(x)}" \\', '"${SHELL(x)}" \\'),  # a value; docs/reference/lookups.md says how to use one
        ("x" * 999, "x" * LONGEST),
    ],
)
def test_a_value_is_made_safe(text: str, expected: str) -> None:
    assert safe(text) == expected


@given(st.text(st.characters(), max_size=400), st.integers(1, 300))
def test_every_value_is_one_clean_line_and_making_it_safe_twice_changes_nothing(text: str, limit: int) -> None:
    found = safe(text, limit)
    assert len(found) <= limit
    assert not any(unicodedata.category(one)[0] == "C" for one in found)
    assert safe(found, limit) == found
    found.encode()
