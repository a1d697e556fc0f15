"""One connection to one Asterisk, from its greeting to its end: panoramisk's Manager, mended.

What is mended, here and in protocol.py, and where:
- a callback that raises closes the link and loses the next event: AmiSession.dispatch;
- a refused login is no error and is repeated for ever with the same secret: AmiSession.open raises, and tries once;
- an action is sent again after a reconnect, or waits for ever: AmiProtocol.close fails every pending action at once,
  and a session never reconnects (who wants another opens another: follow/follow.py);
- close() leaves actions, timers and a later reconnect behind: AmiSession.close ends all of them;
- a ping that nobody answers is not noticed: AmiSession.ping has a deadline, and the session ends with it;
- bytes are decoded read by read, and what does not decode is dropped: AmiProtocol.data_received frames first (wire.py);
- events that carry the ActionID of a pending action are withheld: AmiProtocol.handle_message;
- send_action before connect() is an AttributeError; TLS has no host name; the reason of a failure is not told;
- every message is written to the debug log, passwords of AuthDetail included: nothing of a message is logged.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import inspect
import logging
from collections.abc import Callable, Iterable
from typing import Any, Final

import panoramisk.manager

from ami_watcher.ami.connection import AmiEndpoint, connect
from ami_watcher.ami.errors import (
    ActionLate,
    ActionRefused,
    AmiError,
    AmiUnreachable,
    LinkLost,
    ListIncomplete,
    LoginInUse,
    LoginRefused,
    NotAmi,
    PrivilegeMissing,
)
from ami_watcher.ami.message import AmiAction, AmiMessage
from ami_watcher.ami.protocol import AmiProtocol
from ami_watcher.ami.wire import LONGEST_MESSAGE, AmiReader
from host.printable import printable

log = logging.getLogger(__name__)

GOODBYE_S: Final = 0.4
"""How long each half of a polite end of the connection may take before it is cut."""
MOST_ROUTES: Final = 1000


class AmiSession(panoramisk.manager.Manager):  # type: ignore[misc]
    """A connection that is made once and logged in once.

    Events go to the callbacks of `register_event(pattern, callback)`, called as callback(session, message).

    Args:
        where: host, port, user and TLS.
        secret: of the user; never logged.
        wanted: names of the events to deliver; None for all.
        events: the Events header of the login: classes of events, or "off".

    Attributes:
        ended: a future that is done, with the reason, when the connection is.
        version: of the AMI protocol, from the greeting.
        booted: whether FullyBooted was seen; it needs `read = system`.
    """

    def __init__(
        self,
        where: AmiEndpoint,
        secret: str,
        *,
        wanted: Iterable[str] | None = None,
        events: str = "system",
        longest: int = LONGEST_MESSAGE,
    ) -> None:
        self._routes: dict[str, tuple[list[str], list[Callable[..., Any]]]] = {}
        super().__init__(host=where.host, port=where.port)
        self.ended: asyncio.Future[AmiError] = asyncio.get_running_loop().create_future()
        self.version = ""
        self.booted = asyncio.Event()
        self._where = where
        self._secret = secret
        self._events = events
        self._wire = AmiReader(None if wanted is None else {*wanted, "FullyBooted"}, longest=longest)
        self.register_event("FullyBooted", lambda *_: self.booted.set())

    @property
    def address(self) -> str:
        """host:port."""
        return f"{self._where.host}:{self._where.port}"

    @property
    def skipped(self) -> int:
        """How many events were dropped because nobody wants them."""
        return self._wire.skipped

    async def open(self, *, deadline_s: float) -> None:
        """Connects, awaits the greeting, logs in by MD5 challenge.

        Raises:
            AmiUnreachable, NotAmi, LoginRefused, ActionLate, LinkLost
        """
        try:
            async with asyncio.timeout(deadline_s):
                await connect(self._where, self._made)
                await self._hear_greeting()
                await self._log_in(deadline_s)
        except TimeoutError:
            self._cut()
            raise AmiUnreachable(
                f"{self.address} did not answer within {deadline_s:g} s: the host is down, a firewall drops the "
                "packets, or Asterisk hangs. Try: asterisk -rx 'core show uptime'"
            ) from None
        except BaseException:
            self._cut()
            raise

    def _made(self) -> AmiProtocol:
        self.protocol = AmiProtocol(self, self._wire)
        return self.protocol

    async def _hear_greeting(self) -> None:
        try:
            self.version = await self.protocol.greeted
        except NotAmi as error:
            raise NotAmi(
                f"{self.address}: {error}. Correct host and port of [asterisk] ami in pair.toml; AMI listens on 5038, "
                "with TLS on 5039"
            ) from error
        except LinkLost as error:
            raise AmiUnreachable(
                f"{self.address} closed the connection before its greeting: too many connections that have not logged "
                "in (authlimit in manager.conf), or TLS is expected there"
            ) from error

    async def _log_in(self, deadline_s: float) -> None:
        username = self._where.username
        try:
            challenge = await self.action("Challenge", ("AuthType", "MD5"), deadline_s=deadline_s)
            key = hashlib.md5((challenge["Challenge"] + self._secret).encode(), usedforsecurity=False).hexdigest()
            await self.action(
                "Login",
                ("AuthType", "MD5"),
                ("Username", username),
                ("Key", key),
                ("Events", self._events),
                deadline_s=deadline_s,
            )
        except (ActionRefused, PrivilegeMissing) as error:
            said = getattr(error, "said", "Permission denied")
            if said == "Login Already In Use":
                raise LoginInUse(
                    f"'{printable(username)}' is logged in at {self.address} already, and manager.conf allows no "
                    "second login. Write allowmultiplelogin = yes, then: asterisk -rx 'manager reload'"
                ) from error
            raise LoginRefused(
                f"Asterisk at {self.address} refused the login of '{printable(username)}' ({printable(said)}). "
                f"Compare its secret with [{printable(username)}] in manager.conf, and permit, deny and acl there with "
                "this address; after a change: asterisk -rx 'manager reload'"
            ) from error
        except LinkLost as error:
            raise LoginRefused(
                f"Asterisk at {self.address} closed the connection during the login of '{printable(username)}'. "
                "Look at: asterisk -rx 'manager show user " + printable(username) + "'"
            ) from error
        self.authenticated = True

    async def action(self, name: str, *fields: tuple[str, str], deadline_s: float) -> AmiMessage:
        """The reply to one action that is answered by one message.

        Raises:
            ActionRefused, PrivilegeMissing, ActionLate, LinkLost, MessageTooLong, Unsendable
        """
        reply: AmiMessage = await self._answered(AmiAction(name, fields, as_list=False), deadline_s)
        return self._accepted(name, reply)

    async def listing(self, name: str, *fields: tuple[str, str], deadline_s: float) -> tuple[AmiMessage, ...]:
        """The items of one list action, in order; without the reply before them and the completion after them.

        Raises:
            ListIncomplete, ActionRefused, PrivilegeMissing, ActionLate, LinkLost, MessageTooLong, Unsendable
        """
        answer = await self._answered(AmiAction(name, fields, as_list=True), deadline_s)
        if isinstance(answer, AmiMessage):
            self._accepted(name, answer)
            raise ListIncomplete(name, "", f"{name} was answered without a list.")
        return tuple(answer[1:-1])

    def _accepted(self, name: str, reply: AmiMessage) -> AmiMessage:
        if reply.success:
            return reply
        said = reply.get("Message", "")
        if said == "Permission denied":
            raise PrivilegeMissing(
                f"The AMI user '{printable(self._where.username)}' may not do {name}. In manager.conf, section "
                f"[{printable(self._where.username)}], write: write = system,reporting "
                "(then: asterisk -rx 'manager reload', and log in again)"
            )
        raise ActionRefused(name, said, f"Asterisk refused {name}: {printable(said) or 'without a reason'}")

    async def _answered(self, action: AmiAction, deadline_s: float) -> Any:
        if self.protocol is None:
            raise LinkLost(f"{action.name} was not sent: there is no connection to Asterisk yet.")
        future = self.protocol.send(action)
        try:
            async with asyncio.timeout(deadline_s):
                return await future
        except TimeoutError:
            raise ActionLate(
                f"Asterisk at {self.address} did not answer {action.name} within {deadline_s:g} s: it hangs, is "
                "stopped or cannot be reached. Whether it was done is not known; it is not sent again"
            ) from None
        finally:
            self.protocol.forget(action)

    def register_event(self, pattern: str, callback: Callable[..., Any] | None = None) -> Any:
        """Has `callback` called as callback(session, message) for each event whose name `pattern` matches (fnmatch).

        It is called while the connection reads, so it is a plain function that returns at once.

        Raises:
            TypeError: it is a coroutine function, which nobody would await.
        """
        if callback == self.send_awaiting_actions:
            # panoramisk's own: at FullyBooted it would send what it kept from an earlier connection.
            return callback
        if inspect.iscoroutinefunction(callback):
            raise TypeError(f"{callback!r} is a coroutine function; let a plain one set an asyncio.Event")
        self._routes.clear()
        return super().register_event(pattern, callback)

    def dispatch(self, event: AmiMessage) -> list[str]:
        """Hands an event to every callback whose pattern it matches. One that raises is logged, and nothing more."""
        name = event.event_name
        route = self._routes.get(name)
        if route is None:
            route = self._routes[name] = self._route(name)
        for callback in route[1]:
            try:
                callback(self, event)
            except Exception:
                log.exception("A callback for %s failed; the connection goes on", printable(name, 60))
        return route[0]

    def _route(self, name: str) -> tuple[list[str], list[Callable[..., Any]]]:
        """Patterns that match an event of this name, and their callbacks."""
        if len(self._routes) >= MOST_ROUTES:
            # Asterisk has some two hundred events; more names than that are not its own.
            self._routes.clear()
        patterns = [pattern for pattern, regexp in self.patterns if regexp.match(name)]
        return patterns, [callback for pattern in patterns for callback in self.callbacks[pattern]]

    def connection_lost(self, exc: AmiError) -> None:
        """Called by the protocol, once."""
        self.authenticated = False
        if not self.ended.done():
            self.ended.set_result(exc)

    def end(self, reason: AmiError) -> None:
        """Ends the connection at once; everything that waits for it fails."""
        if self.protocol is not None:
            self.protocol.end(reason)

    def _cut(self) -> None:
        if self.protocol is not None:
            self.protocol.close()
            self.protocol.abort()

    async def close(self) -> None:
        """Logs off and waits until the socket is closed, at most a second. Nothing of the session is left."""
        protocol = self.protocol
        if protocol is None:
            return
        if not protocol.closed:
            with contextlib.suppress(AmiError):
                await self.action("Logoff", deadline_s=GOODBYE_S)
        protocol.close()
        if protocol.transport is not None:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(GOODBYE_S):
                    await asyncio.shield(protocol.gone)
            protocol.abort()
