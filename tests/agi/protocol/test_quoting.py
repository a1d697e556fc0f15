"""What we send is read by Asterisk as the words that we meant, and as one command."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agi.fake_asterisk import words
from agi.protocol.errors import CommandRefused
from agi.protocol.quoting import LIMIT, LONG_LIMIT, command_line, line_limit

TEXT = st.text(st.characters(blacklist_categories=["Cs"]), max_size=60)


@given(st.lists(TEXT, max_size=6))
def test_every_argument_arrives_as_it_is_but_for_line_ends(arguments: list[str]) -> None:
    line = command_line("SET VARIABLE", tuple(arguments), limit=LONG_LIMIT).decode()

    assert line.count("\n") == 1
    assert line.endswith("\n")
    read = words(line.removesuffix("\n"))
    assert read[:2] == ["SET", "VARIABLE"]
    for sent, arrived in zip(arguments, read[2:], strict=True):
        if not {"\r", "\n", "\0"} & set(sent):
            assert arrived == sent


@pytest.mark.parametrize(
    ("argument", "arrives"),
    [
        ('x"\nEXEC System "rm -rf /"', 'x" EXEC System "rm -rf /"'),
        ("a\r\n\r\nb", "a b"),
        ("back\\slash", "back\\slash"),
        ('say "hi"', 'say "hi"'),
        ("", ""),
        ("M\udcfcller", "M\udcfcller"),
    ],
)
def test_no_argument_becomes_a_second_command(argument: str, arrives: str) -> None:
    line = command_line("NOOP", (argument,)).decode("utf-8", "surrogateescape")

    assert words(line.removesuffix("\n")) == ["NOOP", arrives]


@pytest.mark.parametrize(("length", "limit"), [(LIMIT + 1, LIMIT), (LONG_LIMIT + 1, LONG_LIMIT)])
def test_a_line_that_asterisk_would_cut_is_refused(length: int, limit: int) -> None:
    fits = "x" * (limit - len('NOOP ""'))

    assert len(command_line("NOOP", (fits,), limit=limit)) == limit + 1
    with pytest.raises(CommandRefused, match="would run the rest"):
        command_line("NOOP", (fits + "x" * (length - limit),), limit=limit)


def test_more_words_than_asterisk_reads_are_refused() -> None:
    command_line("NOOP", ("x",) * 126)
    with pytest.raises(CommandRefused, match="127 at most"):
        command_line("NOOP", ("x",) * 127)


@pytest.mark.parametrize(
    ("version", "limit"),
    [
        (None, LIMIT),
        ("", LIMIT),
        ("SVN-trunk", LIMIT),
        ("16.28.0~dfsg-0+deb11u4", LIMIT),
        ("18.26.4", LIMIT),
        ("20.15.2", LIMIT),
        ("20.16.0", LONG_LIMIT),
        ("21.10.2", LIMIT),
        ("21.11.0", LONG_LIMIT),
        ("22.5.2", LIMIT),
        ("22.10.1+dfsg+~cs6.17", LONG_LIMIT),
        ("23.0.0", LONG_LIMIT),
        ("certified/20.7-cert5", LIMIT),
    ],
)
def test_how_long_a_command_may_be_depends_on_the_version(version: str | None, limit: int) -> None:
    assert line_limit(version) == limit
