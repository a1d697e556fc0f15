"""Text from outside stays on its line."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from host.printable import printable


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Müller & Söhne", "Müller & Söhne"),
        ("555\nERROR forged", "555\\nERROR forged"),
        ("\x1b[2J", "\\x1b[2J"),
        ("a\u202eb", "a\\u202eb"),  # right-to-left override
        ("\udcfc", "\\udcfc"),  # a lone surrogate, as surrogateescape leaves it
    ],
)
def test_what_it_looks_like(text: str, expected: str) -> None:
    assert printable(text) == expected


@given(st.text(st.characters(codec=None, categories=None)))
def test_any_text_becomes_one_bounded_printable_line(text: str) -> None:
    line = printable(text, 50)
    assert line.isprintable()
    assert len(line) <= 50 * 10
    line.encode("utf-8")
