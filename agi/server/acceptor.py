"""Where calls come in: FastAGI connections and launchers at the hand-over socket, until they are sessions or sent away.

Whoever reaches a door can knock without end. So there are so many places, who says nothing gives way, and what cannot
be closed in time is not listened to.
"""

from __future__ import annotations

import functools
import logging
import socket
import time
from typing import TYPE_CHECKING, Final

from agi.protocol.errors import AgiError
from agi.protocol.handshake import Handshake
from agi.server import hand_over
from agi.server.capacity import READING
from agi.server.descriptors import DescriptorCloser, FastAgiTransport, HandoverTransport
from agi.server.metrics import Outcome
from host.printable import printable

if TYPE_CHECKING:
    from agi.server.server import AgiServer
    from agi.server.session import CallSession

log = logging.getLogger("agi")

_AT_ONCE: Final = 64
"""Connections that one listener gives before the loop looks at anything else."""
_AGAIN_S: Final = 0.1
"""How long nothing is accepted when no descriptor is free."""
_LATELY_S: Final = 2.0
"""How long /healthz tells of something that happens again and again."""
_LAUNCHER_GRACE_S: Final = 2.0
"""How much longer than the session its launcher waits, before it believes the server frozen."""
_MOST_UNCLOSED: Final = 512
"""Descriptors that wait to be closed. With more, those who send such ones are not listened to."""


class Acceptor:
    """See the module; in the server's event loop."""

    def __init__(self, server: AgiServer, listeners: list[socket.socket], *, descriptors: int) -> None:
        """
        Args:
            listeners: of FastAGI (TCP) and of the hand-over (Unix, packets), any number of each; they become ours.
            descriptors: what this process may have open.
        """
        self._server = server
        self._listeners = listeners
        self._closer = DescriptorCloser()
        self._launchers: dict[socket.socket, float] = {}
        """Those that were greeted and have handed nothing over yet, with the time until which they may."""
        self._most_launchers = min(READING, descriptors // 16)
        self._refused_at = float("-inf")
        self._ended = False

    @property
    def idle(self) -> bool:
        """Whether no launcher is about to hand its call over."""
        return not self._launchers

    def start(self) -> None:
        """Begins to accept."""
        for listener in self._listeners:
            self._server.loop.add_reader(listener.fileno(), self._accept, listener)

    def end(self) -> None:
        """Accepts nobody any more. The hand-over socket stays open: who is greeted there may still come in."""
        self._ended = True
        for listener in self._listeners:
            self._server.loop.remove_reader(listener.fileno())
            if listener.family != socket.AF_UNIX:
                listener.close()

    def close(self) -> None:
        """Lets go of everything."""
        for listener in self._listeners:
            listener.close()
        self._closer.end()

    def expire(self, now: float) -> None:
        """Lets go of launchers that took too long."""
        for control in [control for control, until in self._launchers.items() if until <= now]:
            self._let_go(control)

    def out_of_descriptors(self, now: float) -> bool:
        """Whether somebody could not be accepted lately."""
        return now - self._refused_at < _LATELY_S

    def refusing(self, now: float) -> list[str]:
        """Why a call that came now would not be taken, in sentences."""
        reasons = []
        if self.out_of_descriptors(now):
            reasons.append("no descriptor is free for one more session")
        if self._closer.waiting > _MOST_UNCLOSED:
            reasons.append("handover: descriptors that somebody sent cannot be closed")
        return reasons

    def _accept(self, listener: socket.socket) -> None:
        for _ in range(_AT_ONCE):
            try:
                connection, address = listener.accept()
            except BlockingIOError:
                return
            except OSError as error:
                # Out of descriptors: what is waiting stays in the kernel's queue until some are free.
                self._refused_at = time.monotonic()
                log.warning("A session could not be accepted: %s.", error.strerror)
                self._server.loop.remove_reader(listener.fileno())
                self._server.loop.call_later(_AGAIN_S, self._accept_again, listener)
                return
            connection.setblocking(False)
            if listener.family == socket.AF_UNIX:
                self._greet(connection)
            elif self._has_room("fastagi"):
                self._server.begin(FastAgiTransport(connection), Handshake(), f"FastAGI from {address[0]}")
            else:
                connection.close()
                self._server.metrics.ended("fastagi", Outcome.BUSY, 0.0)

    def _accept_again(self, listener: socket.socket) -> None:
        if not self._ended:
            self._server.loop.add_reader(listener.fileno(), self._accept, listener)

    def _has_room(self, way: str) -> bool:
        """Whether there is a place for one more; who has held one for longest without a word gives way."""
        capacity = self._server.capacities[way]
        if not capacity.full:
            return True
        oldest = capacity.oldest_silent()
        if oldest is None:
            return False
        log.warning("More than %d sessions of %s at once: the oldest that say nothing give way.", capacity.most, way)
        oldest.give_way()
        return True

    # Launchers.

    def _greet(self, control: socket.socket) -> None:
        """Somebody is at the hand-over socket, and has said nothing yet."""
        if self._closer.waiting > _MOST_UNCLOSED:
            # Not a word: a launcher runs its script by itself then.
            self._closer.close([control.detach()])
            self._server.metrics.ended("handover", Outcome.REFUSED, 0.0)
            return
        hand_over.greet(control)
        if not self._has_room("handover"):
            # Without a greeting the launcher would start an interpreter of its own: no help in an overload.
            hand_over.refuse(control)
            self._closer.close([control.detach()])
            self._server.metrics.ended("handover", Outcome.BUSY, 0.0)
            return
        if len(self._launchers) >= self._most_launchers:
            self._let_go(next(iter(self._launchers)))
        self._launchers[control] = time.monotonic() + self._server.settings.environment_s
        self._server.loop.add_reader(control.fileno(), self._receive, control)

    def _receive(self, control: socket.socket) -> None:
        """A launcher that was greeted hands its call over, or has gone."""
        try:
            call = hand_over.receive_call(control, self._closer)
        except BlockingIOError:
            return
        except AgiError as error:
            log.warning("%s", error)
            call = None
        if call is None:
            self._let_go(control)
            return
        del self._launchers[control]
        self._server.loop.remove_reader(control.fileno())
        transport = HandoverTransport(call.read_fd, call.write_fd, control, self._closer)
        try:
            self._take(call, transport)
        except BaseException:
            transport.close()
            raise

    def _take(self, call: hand_over.HandedOverCall, transport: HandoverTransport) -> None:
        control = transport.control
        if not self._has_room("handover"):
            hand_over.refuse(control)
            transport.close()
            self._server.metrics.ended("handover", Outcome.BUSY, 0.0)
            return
        deadline_s = self._server.deadline_s(self._server.scripts.get(call.script))
        if not hand_over.accept(control, deadline_s + _LAUNCHER_GRACE_S):
            transport.close()
            return
        handshake = Handshake(script=call.script, arguments=call.arguments)
        session = self._server.begin(transport, handshake, f"AGI process {printable(call.script)}")
        if session in self._server.capacities[transport.way].sessions:
            self._server.loop.add_reader(control.fileno(), functools.partial(self._hear, control, session))

    def _hear(self, control: socket.socket, session: CallSession) -> None:
        """The launcher of a call that is under way says something: SIGHUP, or that it is gone."""
        try:
            notice = hand_over.read_notice(control, self._closer)
        except BlockingIOError:
            return
        if notice == hand_over.HANGUP:
            session.hangup()
        elif not notice:
            self._server.loop.remove_reader(control.fileno())

    def _let_go(self, control: socket.socket) -> None:
        self._launchers.pop(control, None)
        self._server.loop.remove_reader(control.fileno())
        self._closer.close([control.detach()])
