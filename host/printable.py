"""Text from outside, made safe for one line of a log or a terminal."""

from __future__ import annotations


def printable(text: str, limit: int = 200) -> str:
    """`text` on one line, control and format characters escaped, at most about `limit` characters.

    Asterisk, callers, Domino and carriers choose such text; a newline would forge a log line,
    an escape character would command the terminal.
    """
    kept = text if len(text) <= limit else text[: limit - 1] + "…"
    return "".join(
        character if character.isprintable() else character.encode("unicode_escape", "surrogatepass").decode("ascii")
        for character in kept
    )
