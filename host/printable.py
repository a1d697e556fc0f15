"""Text from outside, made safe for one line of a log or a terminal."""

from __future__ import annotations

import unicodedata


def printable(text: str, limit: int = 200) -> str:
    """`text` on one line, control and format characters escaped, at most about `limit` characters.

    Asterisk, callers, Domino and carriers choose such text; a newline would forge a log line,
    an escape character would command the terminal.
    """
    kept = text if len(text) <= limit else text[: limit - 1] + "…"
    return "".join(character if character.isprintable() else _escaped(character) for character in kept)


def harmless(text: str) -> str:
    """`text` of several lines and any length, with what would command a terminal escaped; newlines and tabs stay.

    The last look before a person sees it: whoever built the text had each part of it made `printable`.
    """
    if text.isascii() and text.replace("\n", "").replace("\t", "").isprintable():
        return text
    return "".join(
        character if character in "\n\t" or not _commands(character) else _escaped(character) for character in text
    )


def _commands(character: str) -> bool:
    """Control, format, surrogate and unassigned characters, and separators of lines; no kind of blank."""
    kind = unicodedata.category(character)
    return kind[0] == "C" or kind in ("Zl", "Zp")


def _escaped(character: str) -> str:
    return character.encode("unicode_escape", "surrogatepass").decode("ascii")
