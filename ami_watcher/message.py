"""What is sent to Asterisk and what comes back, as values: panoramisk's Message and Action, mended.

Of Message: the last header is lost when its value is empty; a header without a space after its colon is lost; a header
that comes again turns a string into a list; every message is parsed, wanted or not.
Of Action: "successfully queued" raises KeyError where the action has no Async; a list that is refused never ends;
CR and LF pass into other headers (mended where it is written, wire.py).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import lru_cache
from typing import Final, Generic, TypeVar, final

import panoramisk.actions
import panoramisk.message

Owner = TypeVar("Owner")
Value = TypeVar("Value")

MOST_ITEMS: Final = 200_000
"""Items of one list; an Asterisk with more contacts than this is not one that we know of."""
MOST_BYTES: Final = 128 * 2**20
"""Of one list, all its items together; 100,000 contacts make about 60 MiB."""


class _Once(Generic[Owner, Value]):
    """An attribute that is made when it is first asked for. functools.cached_property takes a lock until 3.12."""

    def __init__(self, make: Callable[[Owner], Value]) -> None:
        self._make = make
        self.__doc__ = make.__doc__

    def __set_name__(self, owner: type, name: str) -> None:
        self._name = name

    def __get__(self, instance: Owner, owner: type) -> Value:
        value: Value = self._make(instance)
        instance.__dict__[self._name] = value
        return value


@lru_cache(maxsize=512)
def _header(name: str) -> bytes:
    """What stands before the value of a header that is not the first."""
    return f"\r\n{name}:".encode("utf-8", "surrogateescape")


@lru_cache(maxsize=512)
def _event_name(line: bytes) -> str:
    """The name in the first line of a message. Asterisk has some two hundred of them."""
    return line[7:].decode("utf-8", "replace").strip() if line.startswith(b"Event: ") else ""


@final
class Message(panoramisk.message.Message):  # type: ignore[misc]
    """A reply or an event: its headers by name.

    A name is looked for as it is spelt, and then in any case of letters. A header that comes twice answers with its
    first value, for what Asterisk writes itself comes before what others chose; `all` gives every value. An absent one
    is KeyError by [] and '' by attribute. Bytes that are not UTF-8 are replaced, after framing.

    Attributes:
        raw: the bytes between two empty lines. Nothing is parsed before it is asked for.
    """

    manager: object = None

    def __init__(self, raw: bytes) -> None:
        # panoramisk's own __init__ would parse.
        self.raw = raw

    @property
    def fields(self) -> tuple[tuple[str, str], ...]:
        """Every header in its order, repeated ones included."""
        found = []
        for line in self.raw.decode("utf-8", "replace").split("\r\n"):
            name, colon, value = line.partition(":")
            if colon:
                found.append((name, value.strip()))
        return tuple(found)

    @_Once
    def _store(self) -> dict[str, tuple[str, str]]:
        # The place where panoramisk's CaseInsensitiveDict keeps its items.
        store: dict[str, tuple[str, str]] = {}
        for name, value in self.fields:
            store.setdefault(name.lower(), (name, value))
        return store

    @property
    def content(self) -> str:
        """The lines that a command printed, without the header that carries them."""
        return "\n".join(self.all("Output"))

    @_Once
    def event_name(self) -> str:
        """Name of the event, '' for a reply."""
        return _event_name(self.raw.partition(b"\r\n")[0])

    def get(self, name: str, default: str = "") -> str:
        """The first value of the header `name`, or `default`."""
        found = self._spelt(name)
        if found is not None:
            return found
        known = self._store.get(name.lower())
        return default if known is None else known[1]

    def _spelt(self, name: str) -> str | None:
        """The first value of the header of exactly this name. One search, where parsing would be twenty."""
        raw = self.raw
        header = _header(name)
        at = raw.find(header)
        if raw.startswith(header[2:]):
            at = -2
        elif at < 0:
            return None
        at += len(header)
        end = raw.find(b"\r\n", at)
        return (raw[at:end] if end >= 0 else raw[at:]).decode("utf-8", "replace").strip()

    def all(self, name: str) -> tuple[str, ...]:
        """Every value of the header `name`, in any case of letters, in order."""
        wanted = name.lower()
        return tuple(value for known, value in self.fields if known.lower() == wanted)

    def __getitem__(self, name: str) -> str:
        found = self._spelt(name)
        return self._store[name.lower()][1] if found is None else found

    def __getattr__(self, name: str) -> str:
        # Without this, a private name that is missing would be looked up as a header, for ever.
        if name.startswith("_"):
            raise AttributeError(name)
        return self.get(name)

    def __repr__(self) -> str:
        # Values stay out: AuthDetail holds passwords.
        return f"<Message {self.event_name or 'reply'} of {len(self.raw)} bytes>"


@final
@dataclass(frozen=True, slots=True)
class Oversize:
    """A message that was longer than is kept: its first headers, and how long it was in bytes."""

    head: Message
    size: int


class Action(panoramisk.actions.Action):  # type: ignore[misc]
    """One action that was sent, and the future of its reply.

    The future ends with the reply, or, for a list, with the reply, its items and the event that completes it.
    A refusal is a reply; what it means is the caller's to say. Needs a running event loop.

    Args:
        name: as in `manager show commands`.
        fields: further headers, in order.
        as_list: whether a list is expected; None: the reply says so.

    AuthDetail, which carries passwords in clear text, is dropped before it is parsed.
    """

    def __init__(self, name: str, fields: Iterable[tuple[str, str]] = (), *, as_list: bool | None = None) -> None:
        super().__init__({"Action": name, **dict(fields)}, as_list=as_list)
        self.dropped = 0
        self._bytes = 0

    @property
    def name(self) -> str:
        """What was asked for."""
        return str(self["Action"])

    @property
    def lines(self) -> tuple[tuple[str, str], ...]:
        """Headers for wire.written."""
        return tuple((name, str(value)) for name, value in self.items())

    @property
    def multi(self) -> bool:
        """Whether a list follows the reply."""
        reply = self.responses[0]
        if self.as_list is not None:
            return bool(self.as_list)
        return reply.get("EventList", "").lower() == "start" or "will follow" in reply.get("Message", "").lower()

    def add_message(self, message: Message) -> bool:
        """Takes a message that carries this ActionID; True when it was the last."""
        if message.raw.startswith(b"Event: AuthDetail\r\n"):
            return False
        self._bytes += len(message.raw)
        if len(self.responses) >= MOST_ITEMS or self._bytes > MOST_BYTES:
            # Its caller's deadline ends it: a list without end is an Asterisk gone mad.
            self.dropped += 1
            return False
        self.responses.append(message)
        reply = self.responses[0]
        if not reply.success or not self.multi:
            self._end(reply)
            return True
        if message is reply:
            return False
        if b"EventList: " in message.raw or message.event_name.endswith("Complete"):
            self._end(tuple(self.responses))
            return True
        return False

    def _end(self, result: object) -> None:
        if not self.future.done():
            self.future.set_result(result)
