"""Commands as Asterisk's own parser reads them (res/res_agi.c, parse_args).

Blanks separate arguments, double quotes toggle, a backslash makes the next character literal, a newline ends the
command. There is no way to write a newline, so an argument with one would be two commands.
"""

from __future__ import annotations

import re
from typing import Final

from agi.protocol.errors import CommandRefused

LIMIT: Final = 2046
"""Bytes of a command without its newline: AGI_BUF_LEN is 2048 up to 16.x, 18.x, 20.15 and 22.5."""

LONG_LIMIT: Final = 8190
"""The same since 20.16, 21.11 and 22.6, where AGI_BUF_LEN is 8192."""

_MOST_ARGUMENTS: Final = 127
_LONG_SINCE: Final = {20: 16, 21: 11, 22: 6}
_VERSION: Final = re.compile(r"(?:certified[/-])?(\d+)\.(\d+)")
_BREAKS: Final = re.compile("[\r\n\0]+")


def line_limit(version: str | None) -> int:
    """How long a command may be, in bytes without its newline, for an Asterisk that calls itself `version`."""
    found = _VERSION.match(version or "")
    if not found:
        return LIMIT
    major, minor = int(found[1]), int(found[2])
    if major >= 23:
        return LONG_LIMIT
    return LONG_LIMIT if minor >= _LONG_SINCE.get(major, 1_000_000) else LIMIT


def quoted(argument: str) -> str:
    """`argument` as one argument; line ends and NUL, which cannot be sent, become one blank."""
    if "\n" in argument or "\r" in argument or "\0" in argument:
        argument = _BREAKS.sub(" ", argument)
    return '"' + argument.replace("\\", "\\\\").replace('"', '\\"') + '"'


def command_line(command: str, arguments: tuple[str, ...] = (), *, limit: int = LIMIT) -> bytes:
    """The bytes of one command, its newline included.

    Args:
        command: our own word or words, such as SET VARIABLE.
        arguments: any text; what the channel sent as bytes that are no UTF-8 goes back as it came.
        limit: bytes, see line_limit.

    Raises:
        CommandRefused: too long, or too many arguments: Asterisk would run the remainder as another command.
    """
    words = len(command.split()) + len(arguments)
    if words > _MOST_ARGUMENTS:
        raise CommandRefused(f"{command} was not sent: {words} words, and Asterisk reads {_MOST_ARGUMENTS} at most.")
    line = " ".join((command, *map(quoted, arguments))).encode("utf-8", "surrogateescape")
    if len(line) > limit:
        raise CommandRefused(
            f"{command} was not sent: it is {len(line)} bytes long, this Asterisk reads {limit} and would run the rest "
            "as another command. Shorten the value, or read it from the database (DB) in the dialplan."
        )
    return line + b"\n"
