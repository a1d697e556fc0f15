"""How a running script's commands reach Asterisk: at once without waiting, or patiently in a thread of its own.

Asterisk reads commands through a stdio buffer but waits on the descriptor behind it (res/res_agi.c, run_agi). A
second command in the same write would stay in that buffer until something else arrives: for ever, if we wait for its
reply. So a command whose reply is needed travels alone. At the end of a script it is different: our side is closed,
a closed descriptor always counts as readable, and Asterisk works off whatever is left, line by line. That is why
commands whose replies nobody needs are kept back and sent in one write at the end.
"""

from __future__ import annotations

import contextlib
import select
import time
from typing import Protocol

from agi.protocol.errors import AgiError, LateError, MustWait
from agi.protocol.quoting import LIMIT, command_line
from agi.protocol.replies import AgiReply, ReplyReader


class ChannelClosed(AgiError):
    """Asterisk closed its side: the call, or its AGI application, is over."""


class Transport(Protocol):
    """Where commands go to and replies come from, see agi.server.descriptors.

    Attributes:
        read_fd, write_fd: to wait for.
    """

    read_fd: int
    write_fd: int

    def receive(self) -> bytes:
        """What is there now; b"" at the end. BlockingIOError where there is nothing."""

    def send(self, data: bytes | memoryview) -> int:
        """Sends as much as goes; how much that was. BlockingIOError where nothing goes."""


class ChannelIo(Protocol):
    """What a script's commands go through.

    Attributes:
        hungup: whether the caller has hung up.
        limit: bytes that a command may have, see agi.protocol.quoting.
        kept: commands that go out at the end.
    """

    hungup: bool
    limit: int
    kept: list[bytes]

    def later(self, line: bytes) -> None:
        """Sends a command before the next one whose reply is needed, or at the end."""

    def ask(self, line: bytes, *, mark: bytes = b"") -> AgiReply:
        """Sends a command and waits for its reply; `mark` ends a value, see ReplyReader.next."""

    def ask_exactly(self, line: bytes, mark: bytes) -> AgiReply:
        """As ask, for a value that may hold anything and takes no mark behind it."""

    def before_waiting(self) -> None:
        """Said before anything that takes time."""


class NonBlockingIo:
    """For a script that runs where nothing may wait: it is stopped as soon as it has to."""

    def __init__(self, *, limit: int = LIMIT, hungup: bool = False) -> None:
        self.hungup = hungup
        self.limit = limit
        self.kept: list[bytes] = []

    def later(self, line: bytes) -> None:
        self.kept.append(line)

    def ask(self, line: bytes, *, mark: bytes = b"") -> AgiReply:  # noqa: ARG002 - the protocol's
        raise MustWait

    def ask_exactly(self, line: bytes, mark: bytes) -> AgiReply:  # noqa: ARG002 - the protocol's
        raise MustWait

    def before_waiting(self) -> None:
        raise MustWait


class BlockingIo:
    """For a script that has a thread or a process of its own: every wait ends by the session's deadline."""

    def __init__(self, ends: Transport, *, deadline: float, limit: int = LIMIT, rest: bytes = b"") -> None:
        """
        Args:
            ends: Asterisk's replies, and our commands.
            deadline: seconds on the monotonic clock.
            rest: what was received already.
        """
        self.limit = limit
        self.kept: list[bytes] = []
        self._ends = ends
        self._deadline = deadline
        self._reader = ReplyReader()
        self._hungup = False
        self._reader.feed(rest)

    @property
    def hungup(self) -> bool:
        if not self._hungup:
            # On FastAGI the word may have arrived without anybody reading it.
            with contextlib.suppress(OSError):
                self._reader.feed(self._ends.receive())
            self._reader.begun()
            self._hungup = self._reader.hungup
        return self._hungup

    @hungup.setter
    def hungup(self, value: bool) -> None:
        self._hungup = value

    def later(self, line: bytes) -> None:
        self.kept.append(line)

    def before_waiting(self) -> None:
        if time.monotonic() >= self._deadline:
            raise LateError("The session's deadline has passed.")

    def ask(self, line: bytes, *, mark: bytes = b"") -> AgiReply:
        kept, self.kept = self.kept, []
        for earlier in kept:
            self._send(earlier)
            self._reply()
        self._send(line)
        return self._reply(mark)

    def ask_exactly(self, line: bytes, mark: bytes) -> AgiReply:
        kept, self.kept = self.kept, []
        for earlier in kept:
            self._send(earlier)
            self._reply()
        self._send(line)
        while not self._reader.begun():
            self._receive()
        self._send(command_line("GET FULL VARIABLE", (mark.decode(),)))
        while (reply := self._reader.up_to(b"200 result=1 (" + mark + b")\n")) is None:
            self._receive()
        return reply

    def _reply(self, mark: bytes = b"") -> AgiReply:
        while (reply := self._reader.next(mark)) is None:
            self._receive()
        return reply

    def _send(self, data: bytes) -> None:
        view = memoryview(data)
        while view:
            try:
                view = view[self._ends.send(view) :]
            except BlockingIOError:
                self._wait(self._ends.write_fd, select.POLLOUT)
            except (BrokenPipeError, ConnectionError):
                raise ChannelClosed("Asterisk reads no more commands of this session.") from None

    def _receive(self) -> None:
        while True:
            try:
                data = self._ends.receive()
                break
            except BlockingIOError:
                self._wait(self._ends.read_fd, select.POLLIN)
            except ConnectionError:
                data = b""
                break
        if not data:
            raise ChannelClosed("Asterisk ended the session before it had answered.")
        self._reader.feed(data)

    def _wait(self, descriptor: int, event: int) -> None:
        left_s = self._deadline - time.monotonic()
        poll = select.poll()
        poll.register(descriptor, event)
        if left_s <= 0 or not poll.poll(left_s * 1000):
            raise LateError("The session's deadline passed while Asterisk was working on a command.")
