"""Text from outside stays on its line."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from host.printable import harmless, printable
from host.terminal import console


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


@given(st.text(st.characters(codec=None, categories=None)))
def test_text_of_several_lines_keeps_them_and_commands_no_terminal(text: str) -> None:
    shown = harmless(text)
    assert shown.count("\n") == text.count("\n")
    assert all(
        ord(character) >= 32 and not 127 <= ord(character) < 160
        for character in shown.replace("\n", "").replace("\t", "")
    )
    assert harmless(shown) == shown


def test_what_a_command_shows_commands_no_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    """Whatever reaches the console: in a text, in a table, between rich's own codes."""
    from rich.table import Table
    from rich.text import Text

    table = Table("a\x1b[2J", show_lines=True)
    table.add_row("b\x1b]0;x\x07", style="red")
    for shown in ("c\x1b[31m", Text("d\x9b2J", style="bold"), table, "Müller \u202e \xa0"):
        console().print(shown)
    out = capsys.readouterr().out
    assert "\x1b" not in out
    assert "\x9b" not in out
    assert "\u202e" not in out
    assert "c\\x1b[31m" in out
    assert "Müller" in out
