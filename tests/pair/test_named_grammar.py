"""Statements of named.conf, and where a text ends to be some."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pair.named_grammar import NotNamedConf, Statement, parse


@pytest.mark.parametrize(
    ("text", "statements"),
    [
        ("", ()),
        (";;", ()),
        ("recursion no;", (Statement(("recursion", "no")),)),
        ('zone "a b" { type primary; };', (Statement(("zone", "a b"), ((Statement(("type", "primary")),),)),)),
        ('file "a\\"b";', (Statement(("file", 'a"b')),)),
        (
            "acl x { 10.0.0.1; { 10.0.0.2; }; };",
            (Statement(("acl", "x"), ((Statement(("10.0.0.1",)), Statement((), ((Statement(("10.0.0.2",)),),))),)),),
        ),
        ("a { b; } c { d; };", (Statement(("a", "c"), ((Statement(("b",)),), (Statement(("d",)),))),)),
        ("// one\n# two\n/* three; */ a; /* that never ends", (Statement(("a",)),)),
    ],
)
def test_a_text_is_read_as_statements(text: str, statements: tuple[Statement, ...]) -> None:
    assert parse(text) == statements


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("a {\n b;", "in the middle of a statement"),
        ("a", "in the middle of a statement"),
        ("a; }", "was not opened"),
        ("a { b };", "'b' does not end with ';'"),
        ("a { { x; } };", "'…' does not end with ';'"),
        ('a;\n"open', "line 2 cannot be read"),
        ("{" * 100, "too deep"),
    ],
)
def test_what_is_no_named_conf_is_told_where_it_ends(text: str, why: str) -> None:
    with pytest.raises(NotNamedConf, match=why):
        parse(text)


def test_the_name_of_a_statement_is_its_first_word_in_lower_case() -> None:
    assert [one.name for one in parse("KEY x { }; { };")] == ["key", ""]


@given(st.text(alphabet='ab"\\{}; \n/*#', max_size=60))
def test_any_text_is_statements_or_none(text: str) -> None:
    with contextlib.suppress(NotNamedConf):
        parse(text)
