"""One session of the server, from its first byte to the last reply.

It lives in the event loop. A script that need not wait runs there and then, because nothing is faster than not
changing threads; one that must wait has the descriptors to itself in a worker thread, and gives them back.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import Callable
from enum import Enum
from typing import Final, Protocol

from agi.protocol.call import Call
from agi.protocol.channel_io import BlockingIo, ChannelClosed, ChannelIo, NonBlockingIo
from agi.protocol.environment import Environment
from agi.protocol.errors import AgiError, LateError, MustWait
from agi.protocol.handshake import Handshake
from agi.protocol.quoting import line_limit
from agi.protocol.replies import ReplyReader
from agi.protocol.vocabulary import AGIHangup
from agi.script import Script, Scripts, Services
from agi.server.descriptors import SessionTransport
from agi.server.metrics import AgiMetrics, Outcome
from host.printable import printable

log = logging.getLogger("agi")

_DONE: Final = b"200 result=1\n"
"""What the last commands are answered with, nearly always. Not reading it, and the kept children of the metrics, save a
sixth of the processor time of a cached lookup (measured)."""


class SessionState(Enum):
    """Where a session stands."""

    HANDSHAKE = "reads the environment"
    QUEUED = "waits for a thread"
    RUNNING = "runs its script in a thread"
    FINISHING = "sends the last commands"
    CLOSED = "has let go of everything"


class SessionOwner(Protocol):
    """What a session needs of its server."""

    loop: asyncio.AbstractEventLoop
    scripts: Scripts
    services: Services
    metrics: AgiMetrics

    def run_in_thread(self, session: CallSession, job: Callable[[], None]) -> bool:
        """Runs a session's `job` in a worker thread, now or when one is free; False when too many wait already."""

    def deadline_s(self, script: Script) -> float:
        """Seconds that a session of `script` may take."""

    def held_loop(self, script: Script, seconds: float) -> None:
        """`script` has run in the event loop for so long, and nobody else has meanwhile."""

    def remove(self, session: CallSession) -> None:
        """The session is over."""


class CallSession:
    """One AGI session.

    Attributes:
        state: where it stands.
        deadline: when it is ended, seconds on the monotonic clock.
        outcome: how it ended, as far as that is known.
    """

    def __init__(
        self, owner: SessionOwner, transport: SessionTransport, handshake: Handshake, *, peer: str, environment_s: float
    ) -> None:
        self.owner = owner
        self.transport = transport
        self.peer = peer
        self.state = SessionState.HANDSHAKE
        self.started = time.monotonic()
        self.deadline = self.started + environment_s
        self.outcome = Outcome.DONE
        self._handshake = handshake
        self._environment = Environment()
        self._script: Script | None = None
        self._call: Call | None = None
        self._abandoned = False
        self._hungup = False
        self._rest = b""
        self._unsent = b""
        self._answers = ReplyReader()

    @property
    def handshaking(self) -> bool:
        """Whether it has not said yet what call it is for."""
        return self.state is SessionState.HANDSHAKE

    def start(self) -> None:
        """Begins the handshake."""
        try:
            if self.transport.speaks_first:
                self.transport.send(self._handshake.command)
            self.owner.loop.add_reader(self.transport.read_fd, self._readable)
        except OSError:
            # Gone already, or a descriptor that cannot be waited on: no Asterisk.
            self._close(Outcome.REFUSED)

    def hangup(self) -> None:
        """The launcher was told by SIGHUP that the caller has gone."""
        self._hungup = True
        if self._call is not None:
            self._call.caller_hung_up()

    def give_way(self) -> None:
        """Somebody else wants its place, and it has not said yet what it wants it for."""
        self._close(Outcome.CROWDED)

    def late(self) -> None:
        """The deadline has passed; the call goes on without us."""
        if self.state is SessionState.HANDSHAKE:
            if not self._handshake.silent:
                log.warning("%s did not send a whole AGI environment in time; the session was closed.", self.peer)
            self._close(Outcome.REFUSED)
        elif self.state in (SessionState.QUEUED, SessionState.RUNNING):
            # A word of its own, not a state: the worker may be setting that at this moment.
            log.warning("%s did not end before its deadline; the call goes on without it.", self._who())
            self.outcome = Outcome.LATE
            self._abandoned = True
            self.transport.cut()
            # Its thread may still hold the descriptors: they are closed when it lets go of them.
            self.owner.remove(self)
        elif self.state is SessionState.FINISHING:
            self._close(self.outcome)

    def _readable(self) -> None:
        try:
            data = self.transport.receive()
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if self.state is SessionState.HANDSHAKE:
            self._feed(data)
        elif data:
            self._read_replies(data)
        else:
            self._close(self.outcome)

    def _feed(self, data: bytes) -> None:
        if not data:
            if not self._handshake.silent:
                log.warning("%s ended in the middle of an AGI environment.", self.peer)
            self._close(Outcome.REFUSED)
            return
        try:
            environment = self._handshake.feed(data)
        except AgiError as error:
            log.warning("%s: %s", self.peer, error)
            self._close(Outcome.REFUSED)
            return
        if environment is not None:
            self._begin(environment)
        elif self._handshake.due and not self.transport.speaks_first:
            with contextlib.suppress(OSError):
                self.transport.send(self._handshake.command)

    def _begin(self, environment: Environment) -> None:
        self._environment = environment
        self._rest = self._handshake.rest
        if environment.tampered is not None:
            self.owner.metrics.tampered(self.transport.way)
            log.warning(
                "%s: the AGI environment of channel %s is forged (%s). The caller is treated as anonymous.",
                self.peer,
                printable(environment.channel) or "unknown",
                environment.tampered,
            )
        script = self.owner.scripts.get(environment.script)
        if script is None:
            reason = self.owner.scripts.broken.get(environment.script.removesuffix(".py"), "there is none of that name")
            log.error("%s asks for the script '%s': %s.", self.peer, printable(environment.script), reason.rstrip("."))
            self._finish([], Outcome.UNKNOWN_SCRIPT)
            return
        self._script = script
        self.deadline = self.started + self.owner.deadline_s(script)
        if script.restartable:
            io = NonBlockingIo(limit=line_limit(environment.version), hungup=self._hungup or self._rest != b"")
            begun = time.monotonic()
            try:
                outcome = self._run(io)
                self._finish(io.kept, outcome)
                return
            except MustWait:
                self._call = None
            finally:
                self.owner.held_loop(script, time.monotonic() - begun)
        self._queue()

    def _queue(self) -> None:
        # Before the worker starts: from here on the descriptors are its own.
        self.owner.loop.remove_reader(self.transport.read_fd)
        self.state = SessionState.QUEUED
        if not self.owner.run_in_thread(self, self._run_blocking):
            log.error("%s was sent back to the dialplan: too many sessions wait for their turn.", self._who())
            self.owner.loop.add_reader(self.transport.read_fd, self._readable)
            self._finish([], Outcome.BUSY)

    def _run_blocking(self) -> None:
        """In a worker thread."""
        kept: list[bytes] = []
        outcome = Outcome.LATE
        if not self._abandoned and time.monotonic() < self.deadline:
            self.state = SessionState.RUNNING
            io = BlockingIo(
                self.transport,
                deadline=self.deadline,
                limit=line_limit(self._environment.version),
                rest=self._rest,
            )
            io.hungup = self._hungup
            outcome = self._run(io)
            kept = io.kept
        self.owner.loop.call_soon_threadsafe(self._returned, kept, outcome)

    def _returned(self, kept: list[bytes], outcome: Outcome) -> None:
        if self._abandoned:
            self.state = SessionState.CLOSED
            self.transport.close()
            return
        self.owner.loop.add_reader(self.transport.read_fd, self._readable)
        self._finish(kept, outcome)

    def _run(self, io: ChannelIo) -> Outcome:
        """Runs the script; nothing that it raises gets further than the log. MustWait alone passes."""
        script = self._script
        assert script is not None
        self._call = Call(self._environment, io, deadline=self.deadline, handed_over=self.transport.way == "handover")
        try:
            script.run(self._call, self.owner.services)
        except LateError:
            log.warning("%s did not end before its deadline; the call goes on without it.", self._who())
            return Outcome.LATE
        except (AGIHangup, ChannelClosed):
            return Outcome.HUNGUP
        except Exception:
            log.exception("%s failed; the call goes on without it.", self._who())
            return Outcome.FAILED
        return Outcome.DONE

    def _finish(self, kept: list[bytes], outcome: Outcome) -> None:
        self.state = SessionState.FINISHING
        self.outcome = outcome
        self._unsent = b"".join(kept)
        self.deadline = max(self.deadline, time.monotonic() + 1.0)
        self._send()

    def _send(self) -> None:
        try:
            while self._unsent:
                self._unsent = self._unsent[self.transport.send_last(self._unsent) :]
        except BlockingIOError:
            self.owner.loop.call_later(0.05, self._resume)
            return
        except OSError:
            self._unsent = b""
        self.transport.end_commands()

    def _resume(self) -> None:
        if self.state is SessionState.FINISHING:
            self._send()

    def _read_replies(self, data: bytes) -> None:
        if not data.replace(_DONE, b""):
            return
        try:
            self._answers.feed(data)
            while (reply := self._answers.next()) is not None:
                if reply.code != 200:
                    log.warning("%s: Asterisk refused a command: %s", self._who(), printable(reply.text))
        except AgiError as error:
            log.warning("%s: %s", self._who(), error)
            self._close(Outcome.FAILED)

    def _close(self, outcome: Outcome) -> None:
        if self.state is SessionState.CLOSED:
            return
        self.state = SessionState.CLOSED
        self.outcome = outcome
        self.owner.loop.remove_reader(self.transport.read_fd)
        self.owner.remove(self)
        self.transport.close()

    def _who(self) -> str:
        name = self._script.name if self._script else self._environment.script
        return f"{printable(name)} for {printable(self._environment.channel) or self.peer}"
