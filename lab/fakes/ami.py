"""An Asterisk Manager Interface without an Asterisk: it says what a real one said, and fails when it is told to.

What it says comes from recordings of Asterisk 16 and 22 (recording.py), so it knows no more than they did. Faults
are set by a test: a handler in place of a recorded answer, silence, a cut, bytes as they are.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import ssl
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from types import TracebackType
from typing import Final, Self

from lab.computer.roots import Release
from lab.fakes.recording import ACTION_ID, Lines, Recording
from lab.world.pair_toml import AMI_SECRET

_CHALLENGE: Final = "474674243"

Action = Mapping[str, str]
"""Headers of an action, by name as it was sent."""

ITEMS: Final[Mapping[str, str]] = {
    "SIPshowregistry": "RegistryEntry",
    "IAXregistry": "RegistryEntry",
    "PJSIPShowRegistrationsOutbound": "OutboundRegistrationDetail",
    "PJSIPShowContacts": "ContactList",
}
"""List actions, and the event that is one item of each."""

_CONTACT: Final[Lines] = (
    "Event: ContactList",
    f"ActionID: {ACTION_ID}",
    "ObjectType: contact",
    "ObjectName: 100;@e3b0c44298fc1c149afbf4c8996fb924",
    "ViaAddr: 10.0.0.5",
    "QualifyTimeout: 3.000000",
    "CallId: 2f4c7a1e@10.0.0.5",
    "RegServer: boston",
    "PruneOnBoot: no",
    "Path: ",
    "Endpoint: 100",
    "ViaPort: 5060",
    "AuthenticateQualify: no",
    "Uri: sip:100@10.0.0.5:5060",
    "QualifyFrequency: 60",
    "UserAgent: Desk phone 1.0",
    "ExpirationTime: 1795355000",
    "OutboundProxy: ",
    "Status: Reachable",
    "RoundtripUsec: 3120",
)
"""An item that the recordings lack, because nobody is registered at the machine that they were made of."""

_START: Final[Lines] = (
    "Response: Success",
    f"ActionID: {ACTION_ID}",
    "EventList: start",
    "Message: A list will follow",
)


class Connection:
    """One client of the fake."""

    def __init__(self, fake: FakeAmi, writer: asyncio.StreamWriter) -> None:
        self.user = ""
        self.events = False
        self._fake = fake
        self._writer = writer

    def send(self, messages: Iterable[Lines], action: Action | None = None) -> None:
        """Sends messages, with the ActionID of `action` in place of the recorded one."""
        identity = (action or {}).get("ActionID", "")
        for message in messages:
            lines = [
                line if line != f"ActionID: {ACTION_ID}" else f"ActionID: {identity}"
                for line in message
                if identity or line != f"ActionID: {ACTION_ID}"
            ]
            self.raw(("\r\n".join(lines) + "\r\n\r\n").encode())

    def raw(self, data: bytes) -> None:
        """Sends bytes as they are."""
        self._writer.write(data)

    def cut(self) -> None:
        """Ends the connection at once, after what was sent."""
        self._writer.close()


Handler = Callable[[Connection, Action], Awaitable[None]]


@dataclass
class FakeAmi:
    """`async with FakeAmi("16") as asterisk:` … `asterisk.port`.

    Attributes:
        release: whose recording it speaks from.
        secret: of every user.
        tls: for TLS, with its certificate loaded.
        greeting: the first bytes; the recorded greeting where it is None.
        received: every action, in order.
        handlers: what answers an action in place of the recording.
        items: items of a list in place of the recorded ones: what differs from a recorded item, for each.
        connections: those that are open.
        connected: how many were made.
    """

    release: Release = "16"
    secret: str = AMI_SECRET
    tls: ssl.SSLContext | None = None
    greeting: bytes | None = None
    received: list[Action] = field(default_factory=list)
    handlers: dict[str, Handler] = field(default_factory=dict)
    items: dict[str, Sequence[Mapping[str, str]]] = field(default_factory=dict)
    port: int = 0
    connections: list[Connection] = field(default_factory=list)
    connected: int = 0

    async def __aenter__(self) -> Self:
        self.recording = Recording.load(self.release)
        self._tasks: set[asyncio.Task[None]] = set()
        self._awake = asyncio.Event()
        self._awake.set()
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.stop()

    async def start(self) -> None:
        """Listens, on the port of last time where there was one."""
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", self.port, ssl=self.tls, limit=2**24)
        self.port = int(self._server.sockets[0].getsockname()[1])

    async def stop(self) -> None:
        """Listens no more, and ends every connection, as when Asterisk is killed."""
        self._server.close()
        self.cut()
        for task in tuple(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def freeze(self) -> None:
        """Connections stay open, and nobody answers."""
        self._awake.clear()

    def thaw(self) -> None:
        """Goes on where it stood."""
        self._awake.set()

    def cut(self) -> None:
        """Ends every connection."""
        for connection in tuple(self.connections):
            connection.cut()

    def count(self, action: str) -> int:
        """How often an action was received."""
        return sum(one.get("Action") == action for one in self.received)

    def tell(self, *lines: str) -> None:
        """Sends an event to everybody who is logged in and wants events."""
        for connection in self.connections:
            if connection.events:
                connection.send([lines])

    def event(self, name: str, **values: str) -> Lines:
        """A recorded event, with other values for some of its headers."""
        found = next(
            event
            for event in self.recording.events
            if event[0] == f"Event: {name}"
            and ("ChannelType" not in values or f"ChannelType: {values['ChannelType']}" in event)
        )
        return _with(found, values)

    def answer(self, connection: Connection, action: Action) -> tuple[Lines, ...]:
        """What the recording answers; an unknown action is answered as Asterisk answers one."""
        name = action.get("Action", "")
        values = [action[key] for key in ("Registration", "Module") if key in action]
        if name in self.items:
            return self._list(name)
        for user in (connection.user, "hotstandby"):
            found = self.recording.answer(user, name, *values)
            if found is not None:
                # Events that came beside the answer, and were no part of it.
                return tuple(
                    message for message in found if not any(line.startswith("Privilege: ") for line in message)
                )
        unknown = self.recording.answer("hotstandby", "NoSuchAction")
        assert unknown is not None
        return tuple(tuple(line.replace("NoSuchAction", name) for line in message) for message in unknown)

    def _list(self, name: str) -> tuple[Lines, ...]:
        recorded = self.recording.answer("hotstandby", name) or ()
        event = f"Event: {ITEMS.get(name, 'PeerEntry')}"
        like = next((message for message in recorded if message[0] == event), _CONTACT)
        items = [_with(like, values) for values in self.items[name]]
        complete = (f"{event}Complete", f"ActionID: {ACTION_ID}", "EventList: Complete", f"ListItems: {len(items)}")
        return (_START, *items, complete)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        connection = Connection(self, writer)
        self.connections.append(connection)
        self.connected += 1
        try:
            connection.raw(self.greeting if self.greeting is not None else self.recording.greeting.encode() + b"\r\n")
            with contextlib.suppress(OSError, asyncio.IncompleteReadError, asyncio.CancelledError, ssl.SSLError):
                while True:
                    packet = await reader.readuntil(b"\r\n\r\n")
                    action = dict(line.partition(": ")[::2] for line in packet.decode().rstrip("\r\n").split("\r\n"))
                    self.received.append(action)
                    await self._awake.wait()
                    await self._handle(connection, action)
                    await writer.drain()
        finally:
            self.connections.remove(connection)
            self._tasks.discard(task)
            with contextlib.suppress(OSError, RuntimeError):
                writer.close()

    async def _handle(self, connection: Connection, action: Action) -> None:
        name = action.get("Action", "")
        if name in self.handlers:
            await self.handlers[name](connection, action)
        elif name == "Challenge":
            reply = ("Response: Success", f"ActionID: {ACTION_ID}", f"Challenge: {_CHALLENGE}")
            connection.send([reply], action)
        elif name == "Login":
            await self._login(connection, action)
        else:
            connection.send(self.answer(connection, action), action)
            if name == "Logoff":
                connection.cut()

    async def _login(self, connection: Connection, action: Action) -> None:
        right = hashlib.md5((_CHALLENGE + self.secret).encode(), usedforsecurity=False).hexdigest()
        if action.get("Key") != right and action.get("Secret") != self.secret:
            # Asterisk sleeps for a second before it answers; nobody here has that long.
            connection.send(self.recording.answer("refused", "Login") or (), action)
            connection.cut()
            return
        connection.user = action.get("Username", "")
        recorded = self.recording.answer(connection.user, "Login") or self.recording.answer("hotstandby", "Login") or ()
        events = action.get("Events", "on") != "off"
        connection.events = events and len(recorded) > 1
        connection.send(recorded if connection.events else recorded[:1], action)


def _with(message: Lines, values: Mapping[str, str]) -> Lines:
    """A message with other values for some of its headers, and new headers at its end."""
    known = {line.partition(":")[0] for line in message}
    changed = [
        f"{name}: {values[name]}" if (name := line.partition(":")[0]) in values and name != "Event" else line
        for line in message
    ]
    return (*changed, *(f"{name}: {value}" for name, value in values.items() if name not in known))
