"""A call as a script sees it."""

from __future__ import annotations

import re
import time
from typing import Any, Final

from agi.protocol.channel_io import ChannelIo
from agi.protocol.environment import Environment
from agi.protocol.errors import CommandRefused
from agi.protocol.vocabulary import Vocabulary

_READABLE: Final = re.compile(r"[A-Za-z_][^${}\"\\\x00-\x1f\x7f]*")
"""A variable or function, CALLERID(name): what cannot start another expression inside ours."""

_WRITABLE: Final = re.compile(r"[A-Za-z_][^$\x00-\x1f\x7f]*")


class Call(Vocabulary):
    """One call, for as long as its script runs.

    Its methods are pyst2's (answer, stream_file, get_data, say_digits, appexec, database_get …; see
    agi.protocol.vocabulary for what is mended) with the few below.

    Attributes:
        environment: what is known of the call; see its `tampered` before trusting anything.
        deadline: when the session ends whatever the script is doing, seconds on the monotonic clock.
        handed_over: whether Asterisk's own launcher brought it; FastAGI is open to whoever reaches its port.
    """

    def __init__(self, environment: Environment, io: ChannelIo, *, deadline: float, handed_over: bool = False) -> None:
        super().__init__(io)
        self.handed_over = handed_over
        self.environment = environment
        self.deadline = deadline

    @property
    def hungup(self) -> bool:
        """Whether the caller has hung up. Variables can still be set: the h extension may want them."""
        return self._io.hungup

    @property
    def left_s(self) -> float:
        """Seconds until the deadline, never below 0."""
        return max(0.0, self.deadline - time.monotonic())

    @property
    def env(self) -> dict[str, Any]:
        """The environment by Asterisk's names, for pyst2's own methods."""
        known = self.environment
        return {
            "agi_channel": known.channel,
            "agi_context": known.context,
            "agi_extension": known.extension,
            "agi_priority": known.priority,
        }

    def before_waiting(self) -> None:
        """To be called before anything that takes time and does not go through this call, such as an HTTP request.

        A script that says RESTARTABLE = True is started where nothing may wait, and is started again from its
        beginning in a thread of its own when it comes to this line, or to a command whose reply it needs. Nothing
        was sent to Asterisk until then; what else it did before, it does twice.
        """
        self._io.before_waiting()

    def caller_hung_up(self) -> None:
        """Told by whoever noticed first; what the script asks next may be refused (511)."""
        self._io.hungup = True

    def get_variable(self, name: str) -> str | None:
        """The value of a channel variable or function, such as `CALLERID(name)`, whatever characters it holds.

        Returns:
            None when it is not set, or empty: `${…}` in the dialplan does not tell these apart either.

        Raises:
            CommandRefused: `name` is no name.
        """
        if not _READABLE.fullmatch(name):
            raise CommandRefused(f"{name!r} cannot be the name of a variable or function.")
        return self.get_full_variable("${" + name + "}") or None

    def set_variable(self, name: str, value: object) -> None:
        """Sets a channel variable or function. Line ends become blanks: AGI has no way to send one.

        It reaches Asterisk with the next command whose reply is needed, or when the script ends.

        Raises:
            CommandRefused: `name` is no name, or both are longer than this Asterisk reads.
        """
        if not _WRITABLE.fullmatch(name):
            raise CommandRefused(f"{name!r} cannot be the name of a variable or function.")
        self.execute("SET VARIABLE", self._quote(name), self._quote(str(value)))

    def verbose(self, message: str, level: int = 1) -> None:
        """Writes a line to Asterisk's console and log, at a verbosity of 1 to 4."""
        self.execute("VERBOSE", self._quote(message), level)
