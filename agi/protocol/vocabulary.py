"""pyst2's words for AGI commands (answer, stream_file, get_data, database_put, say_digits …) over our conversation.

Of pyst2's AGI class only the vocabulary serves: how a method's arguments become a command, and a result a Python
value. What is mended here, each with a test that fails on the bare class (tests/agi/protocol/test_pyst2_defects.py):

- reading the environment, writing and reading lines: replaced whole (handshake, replies, channel_io). With it go
  ValueError at the end of input and at HANGUP, the endless loop in a cut 520 block, the wait for a second 520 line,
  the refusal of `100 Trying`, the value lost at a newline, strict UTF-8, and the caller's data on stderr;
- a signal handler set by the constructor, which works in the main thread alone: not called;
- quoting: some arguments were not quoted, none escaped, database_get quoted twice: every argument is quoted once, here;
- None as an argument raised TypeError: it is an argument left out;
- 511 was an unknown error: it is a hang-up (DeadChannel), and after a hang-up what is allowed on a dead channel is
  still sent, where pyst2 raised before sending;
- the text `hangup` as a value was taken for a hang-up: it is one with result=-1 alone;
- get_data lost `(timeout)`: its result says so in `timed_out`.
"""

from __future__ import annotations

import logging
import re
import secrets
from functools import cached_property
from typing import Any, Final

from asterisk.agi import (
    AGI,
    AGIAppError,
    AGIDBError,
    AGIHangup,
    AGIInvalidCommand,
    AGIResultHangup,
    AGIUnknownError,
    AGIUsageError,
)

from agi.protocol.channel_io import ChannelIo
from agi.protocol.errors import CommandRefused
from agi.protocol.quoting import command_line
from agi.protocol.replies import AgiReply
from host.printable import printable

log = logging.getLogger(__name__)

_C_INT: Final = 2**31
_FEW_DIGITS: Final = re.compile(r"-?[0-9]{1,10}")
_UNANSWERED: Final = frozenset(
    {
        "NOOP",
        "SET AUTOHANGUP",
        "SET CALLERID",
        "SET CONTEXT",
        "SET EXTENSION",
        "SET VARIABLE",
        "VERBOSE",
        "set priority",
    }
)
"""Commands whose replies say nothing: Asterisk answers the same whether it could do them or not."""


class DeadChannel(AGIHangup):  # type: ignore[misc]  # pyst2 has no types
    """The caller has hung up, and this command wants a living channel (511)."""


class Digits(str):
    """What get_data collected, and whether it ended because nobody pressed anything more."""

    timed_out: bool = False


class _Quoted(str):
    """An argument that pyst2 meant to quote: it is sent even when it is empty."""

    __slots__ = ()


class Vocabulary(AGI):  # type: ignore[misc]  # pyst2 has no types
    """pyst2's AGI class with everything but its vocabulary replaced."""

    def __init__(self, io: ChannelIo) -> None:
        # pyst2's own constructor reads standard input and sets a signal handler.
        self._io = io

    @cached_property
    def _mark(self) -> str:
        """What ends a value: a word that nobody can guess."""
        return secrets.token_hex(8)

    def execute(self, command: str, *arguments: object) -> dict[str, tuple[str, str]]:
        """Sends one command, and waits for its reply unless the reply says nothing.

        Returns:
            pyst2's form: {"result": (result, data), …}.

        Raises:
            CommandRefused, LateError, ConversationOver: see agi.protocol.errors and agi.protocol.channel_io.
            AGIAppError, AGIUsageError, AGIInvalidCommand, AGIHangup: as pyst2 names what Asterisk answers.
        """
        line = self._line(command, *arguments)
        if command in _UNANSWERED:
            self._io.later(line)
            return {"result": ("1", "")}
        reply = self._io.ask(line)
        if reply.odd:
            log.warning("An odd reply to %s, whose endpos is left out: %s", printable(command), printable(reply.text))
        # GET DATA alone gives what the caller typed.
        if reply.code == 200 and command.upper() != "GET DATA" and not _is_c_int(reply.result):
            raise AGIAppError(f"An odd reply to {command}, which is no number: {printable(reply.text)}")
        return _understood(reply)

    def get_full_variable(self, name: str, channel: str | None = None) -> str:
        """The expression `name` with its `${…}` replaced, on this channel or another."""
        line = self._line("GET FULL VARIABLE", name + self._mark, *([channel] if channel else []))
        reply = self._io.ask(line, mark=self._mark.encode())
        return _understood(reply)["result"][1]

    def database_get(self, family: str, key: str) -> str:
        """The value of family/key in Asterisk's database.

        Raises:
            AGIDBError: there is none.
        """
        line = self._line("DATABASE GET", _Quoted(family), _Quoted(key))
        result, value = _understood(self._io.ask_exactly(line, self._mark.encode()))["result"]
        if result != "1":
            raise AGIDBError(f"{family}/{key} is not in Asterisk's database.")
        return value

    def get_data(self, filename: str, timeout: int = 2000, max_digits: int = 255) -> Digits:
        """Plays a file and collects digits; `timeout` in milliseconds."""
        result, data = self.execute("GET DATA", filename, timeout, max_digits)["result"]
        digits = Digits(result)
        digits.timed_out = data == "timeout"
        return digits

    def exec_command(self, command: str, *arguments: object) -> dict[str, tuple[str, str]]:
        """Runs a dialplan application with arguments."""
        return self.execute("EXEC", command, self._quote(",".join(map(str, arguments))))

    def test_hangup(self) -> None:
        """Raises AGIHangup if the caller has hung up; only asked for, never before a command."""
        if self._io.hungup:
            raise AGIHangup("The caller has hung up.")

    def send_command(self, command: str, *arguments: object) -> None:  # noqa: ARG002 - pyst2's signature
        """Not offered: without its reply the next command would get it."""
        raise CommandRefused(f"{command} was not sent: use execute(), which also reads the reply.")

    def get_result(self, stdin: object = None) -> dict[str, tuple[str, str]]:  # noqa: ARG002 - pyst2's signature
        """Not offered, see send_command."""
        raise CommandRefused("A reply cannot be read by itself: use execute().")

    def _quote(self, string: object) -> str:
        # Quoting itself happens once, where the line is made.
        return _Quoted("" if string is None else string)

    def _line(self, command: str, *arguments: object) -> bytes:
        given = [_argument(argument) for argument in arguments if argument is not None]
        # An optional argument that pyst2 left out: `HANGUP ""` would look for a channel without a name.
        while given and given[-1] == "" and not isinstance(given[-1], _Quoted):
            given.pop()
        return command_line(command, tuple(given), limit=self._io.limit)


def _argument(value: object) -> str:
    return value if isinstance(value, str) else str(value)


def _is_c_int(result: str) -> bool:
    """Whether `result` is what Asterisk prints with %d, or nothing; pyst2 makes a character or an int of it."""
    return not result or (_FEW_DIGITS.fullmatch(result) is not None and -_C_INT <= int(result) < _C_INT)


def _understood(reply: AgiReply) -> dict[str, tuple[str, str]]:
    if reply.code == 200:
        data = reply.data or ""
        if reply.result == "-1":
            if data == "hangup":
                raise AGIResultHangup("The caller hung up during the command.")
            raise AGIAppError("The command failed, or the caller hung up.")
        found = {"result": (reply.result, data)}
        if reply.endpos is not None:
            found["endpos"] = (str(reply.endpos), "")
        return found
    if reply.code == 511:
        raise DeadChannel(reply.text)
    if reply.code == 510:
        raise AGIInvalidCommand(reply.text)
    if reply.code == 520:
        raise AGIUsageError(reply.text)
    raise AGIUnknownError(reply.code, reply.text)


__all__: Final[list[Any]] = [
    "AGIAppError",
    "AGIDBError",
    "AGIHangup",
    "AGIInvalidCommand",
    "AGIResultHangup",
    "AGIUsageError",
    "DeadChannel",
    "Digits",
    "Vocabulary",
]
