"""The socket's side of one connection: panoramisk's AMIProtocol, mended. What is mended is told in session.py."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import socket
from typing import Any, Final
from typing import Protocol as Shape

import panoramisk.ami_protocol

from ami_watcher.ami.errors import AmiError, LinkLost, MessageTooLong, NotAmi
from ami_watcher.ami.message import AmiAction, AmiMessage, OversizeMessage
from ami_watcher.ami.wire import LONGEST_MESSAGE, AmiReader, encode_action
from host.printable import printable

log = logging.getLogger(__name__)

READ: Final = 65536
"""Bytes of one read."""
ASYNCHRONOUS: Final = b"\r\nPrivilege: "
"""In an event that came by itself; the items of a list carry no Privilege."""


class MessageReceiver(Shape):
    """Who is told what comes: a Session."""

    def dispatch(self, event: AmiMessage) -> object:
        """Takes an event."""

    def connection_lost(self, exc: AmiError) -> None:
        """Called once, at the end, with its reason."""


class AmiProtocol(panoramisk.ami_protocol.AMIProtocol, asyncio.BufferedProtocol):  # type: ignore[misc]
    """The socket's side: frames, matches replies to actions, hands events on.

    asyncio reads into a buffer of ours: one of its own for every read would cost as much as the parsing.
    """

    def __init__(self, session: MessageReceiver, wire: AmiReader) -> None:
        self.factory = session
        self.wire = wire
        self.responses: dict[str, AmiAction] = {}
        self.closed = False
        self.greeted: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        self.gone: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.transport: asyncio.Transport | None = None
        self._buffer = bytearray(READ)
        self._view = memoryview(self._buffer)

    def get_buffer(self, sizehint: int) -> memoryview:  # noqa: ARG002 - asyncio's name
        """Where asyncio reads into."""
        return self._view

    def buffer_updated(self, nbytes: int) -> None:
        """That so many bytes were read."""
        self.data_received(bytes(self._view[:nbytes]))

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport
        raw = transport.get_extra_info("socket")
        if raw is not None and hasattr(socket, "TCP_USER_TIMEOUT"):
            # A peer without power sends no FIN: unacknowledged bytes end the connection after ten seconds.
            with contextlib.suppress(OSError):
                raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, 10_000)

    def data_received(self, data: bytes) -> None:
        if self.closed:
            return
        try:
            messages = self.wire.feed(data)
        except NotAmi as error:
            self.end(error)
            return
        if self.wire.version is not None and not self.greeted.done():
            self.greeted.set_result(self.wire.version)
        dispatch, handle = self.factory.dispatch, self.handle_message
        for message in messages:
            # Most of what comes is events; they take the shortest way.
            if type(message) is AmiMessage and ASYNCHRONOUS in message.raw:
                dispatch(message)
            else:
                handle(message)

    def send(self, data: AmiAction) -> asyncio.Future[Any]:
        """Writes an action and returns the future of its reply.

        Raises:
            LinkLost: there is no connection any more.
            Unsendable: it cannot be written as AMI lines.
        """
        if self.closed or self.transport is None or self.transport.is_closing():
            raise LinkLost(f"{data.name} was not sent: the connection to Asterisk has ended.")
        self.transport.write(encode_action(data.lines))
        self.responses[data.id] = data
        return data.future  # type: ignore[no-any-return]

    def forget(self, action: AmiAction) -> None:
        """Whatever still comes for `action` is dropped."""
        self.responses.pop(action.id, None)

    def handle_message(self, message: AmiMessage | OversizeMessage) -> None:
        if isinstance(message, OversizeMessage):
            self._too_long(message)
            return
        action = self.responses.get(message.get("ActionID", ""))
        if action is not None and action.add_message(message):
            self.forget(action)

    def _too_long(self, message: OversizeMessage) -> None:
        what = message.head.event_name or "reply"
        text = (
            f"Asterisk sent a {printable(what, 40)} of {message.size} bytes, more than the {LONGEST_MESSAGE} "
            "that are kept; it was dropped."
        )
        action = self.responses.pop(message.head.get("ActionID", ""), None)
        if action is None:
            log.warning(text)
        elif not action.future.done():
            action.future.set_exception(MessageTooLong(f"{action.name} failed: {text}"))

    def connection_lost(self, exc: Exception | None) -> None:
        if not self.gone.done():
            self.gone.set_result(None)
        why = f" ({exc})" if exc else ""
        self.end(LinkLost(f"Asterisk ended the connection{why}."))

    def end(self, reason: AmiError) -> None:
        """Ends the connection and, at once, everything that waits for it."""
        if self.closed:
            return
        self.closed = True
        if self.transport is not None:
            self.transport.close()
        if not self.greeted.done():
            self.greeted.set_exception(reason)
            # Nobody may be waiting for it any more.
            self.greeted.exception()
        pending, self.responses = self.responses, {}
        for action in pending.values():
            if not action.future.done():
                action.future.set_exception(LinkLost(f"{action.name} has no answer: {reason}"))
                action.future.exception()
        self.factory.connection_lost(reason)

    def close(self) -> None:
        self.end(LinkLost("The connection was closed here."))

    def abort(self) -> None:
        """Drops the socket, whatever is still to be sent."""
        if self.transport is None or self.gone.done():
            return
        # Python 3.11.2, Debian 12's: the transport of a TLS connection that has ended lets go of what abort() needs.
        with contextlib.suppress(AttributeError):
            self.transport.abort()
