"""The grammar of named.conf, of key files and of what named-checkconf prints: statements of words and braces."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

_TOKEN: Final = re.compile(
    r"\s+|//[^\n]*|\#[^\n]*"
    # A comment that is not closed ends with the text, so that it is looked at once.
    r"|/\*.*?(?:\*/|\Z)"
    r'|(?P<quoted>"(?:[^"\\]|\\.)*")|(?P<mark>[{};])|(?P<word>[^\s{};"]+)',
    re.DOTALL,
)
_DEEPEST: Final = 20


class NotNamedConf(ValueError):
    """This is no text of named.conf; it says where it ends to be one."""


@dataclass(frozen=True, slots=True)
class Statement:
    """One statement, up to its semicolon.

    Attributes:
        words: outside of braces, without quotes.
        blocks: what stands in braces, each a list of statements.
    """

    words: tuple[str, ...]
    blocks: tuple[tuple[Statement, ...], ...] = ()

    @property
    def name(self) -> str:
        """Its first word; keywords are the same in any case."""
        return self.words[0].lower() if self.words else ""


def parse(text: str) -> tuple[Statement, ...]:
    """The statements of a text in named.conf's grammar.

    Raises:
        NotNamedConf
    """
    found, rest = _statements(list(_tokens(text)), 0, 0)
    assert rest >= 0
    return found


def _tokens(text: str) -> Iterator[tuple[str, str]]:
    at = 0
    while at < len(text):
        found = _TOKEN.match(text, at)
        if found is None:
            raise NotNamedConf(f"line {text.count(chr(10), 0, at) + 1} cannot be read")
        at = found.end()
        if found.lastgroup == "quoted":
            yield "word", found[0][1:-1].replace('\\"', '"')
        elif found.lastgroup is not None:
            yield found.lastgroup, found[0]


def _statements(tokens: list[tuple[str, str]], at: int, depth: int) -> tuple[tuple[Statement, ...], int]:
    if depth > _DEEPEST:
        raise NotNamedConf("its braces lie too deep")
    found: list[Statement] = []
    words: list[str] = []
    blocks: list[tuple[Statement, ...]] = []
    while at < len(tokens):
        kind, text = tokens[at]
        at += 1
        if kind == "word":
            words.append(text)
        elif text == "{":
            inner, at = _statements(tokens, at, depth + 1)
            blocks.append(inner)
        elif text == ";":
            if words or blocks:
                found.append(Statement(tuple(words), tuple(blocks)))
            words, blocks = [], []
        elif depth == 0:
            raise NotNamedConf("a '}' that was not opened")
        else:
            if words or blocks:
                raise NotNamedConf(f"'{(words or ['…'])[0]}' does not end with ';'")
            return tuple(found), at
    if depth or words or blocks:
        raise NotNamedConf("it ends in the middle of a statement")
    return tuple(found), at
