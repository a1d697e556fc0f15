"""What is sent to Asterisk and what comes back, as values: panoramisk's Message and Action, mended.

Of Message: the last header is lost when its value is empty; a header without a space after its colon is lost; a header
that comes again turns a string into a list; every message is parsed, wanted or not.
Of Action: "successfully queued" raises KeyError where the action has no Async; a list that is refused never ends;
CR and LF pass into other headers (mended where it is written, wire.py).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Final, Generic, TypeVar, final

import panoramisk.actions
import panoramisk.message

from ami_watcher.ami.errors import ListIncomplete

Owner = TypeVar("Owner")
Value = TypeVar("Value")

MOST_ITEMS: Final = 200_000
"""Items of one list; an Asterisk with more contacts than this is not one that we know of."""
MOST_BYTES: Final = 128 * 2**20
"""Of one list, all its items together; 100,000 contacts make about 60 MiB."""


_SHORT: Final = 2048
"""Bytes of a message whose lines are remembered: most lines come again and again, and long ones would fill memory."""
_LINES: Final = 2048
_NO_HEADER: Final = ":"


class _Once(Generic[Owner, Value]):
    """An attribute that is made when it is first asked for. functools.cached_property takes a lock until 3.12."""

    def __init__(self, make: Callable[[Owner], Value]) -> None:
        self._make = make
        self.__doc__ = make.__doc__

    def __set_name__(self, owner: type, name: str) -> None:
        self._name = name

    def __get__(self, instance: Owner, owner: type) -> Value:
        value: Value = self._make(instance)
        setattr(instance, self._name, value)
        return value


@lru_cache(maxsize=512)
def _header(name: str) -> tuple[bytes, bytes]:
    """What stands before the value of the header `name`, where it is not the first and where it is."""
    first = f"{name}:".encode("utf-8", "surrogateescape")
    return b"\r\n" + first, first


@lru_cache(maxsize=512)
def _event_name(line: bytes) -> str:
    """The name in the first line of a message. Asterisk has some two hundred of them."""
    return line[7:].decode("utf-8", "replace").strip() if line.startswith(b"Event: ") else ""


def _parsed(line: bytes) -> tuple[str, str]:
    """Name and value in one line; a line that is no header gets a name that none has."""
    name, colon, value = line.decode("utf-8", "replace").partition(":")
    return (name, value.strip()) if colon else (_NO_HEADER, "")


class _Lines(dict[bytes, tuple[str, str]]):
    """Lines that were parsed before, at most some 12 MiB. A dict is asked in half of functools.lru_cache's time."""

    def __missing__(self, line: bytes) -> tuple[str, str]:
        if len(self) >= _LINES:
            self.clear()
        found = self[line] = _parsed(line)
        return found


_remembered = _Lines().__getitem__


@final
class AmiMessage(panoramisk.message.Message, dict[str, str]):  # type: ignore[misc]
    """A reply or an event: its headers by name.

    It is a dict, so that dict(message) is fast, and is filled by the first look at the whole of it: ask it by its own
    methods, for what goes around them (json's encoder, the | of dicts) may find it empty.

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

    def keys(self) -> list[str]:  # type: ignore[override]
        """The names, each once, as they are spelt, in the order in which they stand last."""
        if not dict.__len__(self):
            raw = self.raw
            lines = raw.split(b"\r\n")
            # From the last to the first, for the first of each name stays, and that without a loop of Python's.
            lines.reverse()
            dict.update(self, map(_remembered if len(raw) <= _SHORT else _parsed, lines))
            dict.pop(self, _NO_HEADER, None)
        return list(dict.__reversed__(self))

    def __iter__(self) -> Iterator[str]:
        return iter(self.keys())

    def __len__(self) -> int:
        return len(self.keys())

    @property
    def _store(self) -> dict[str, tuple[str, str]]:
        # What panoramisk's CaseInsensitiveDict is made of.
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

    def get(self, name: str, default: str = "") -> str:  # type: ignore[override]
        """The first value of the header `name`, or `default`."""
        found = self._found(name)
        return default if found is None else found

    def _found(self, name: str) -> str | None:
        """By one search, where parsing would be twenty; and where nobody has spelt it so, by one in lower case."""
        raw = self.raw
        header, first = _header(name)
        if raw.startswith(first):
            return self._value(len(first))
        at = raw.find(header)
        if at < 0:
            raw = raw.lower()
            header, first = _header(name.lower())
            if raw.startswith(first):
                return self._value(len(first))
            at = raw.find(header)
            if at < 0:
                return None
        return self._value(at + len(header))

    def _value(self, at: int) -> str:
        """What stands from there to the end of the line."""
        raw = self.raw
        end = raw.find(b"\r\n", at)
        return (raw[at:end] if end >= 0 else raw[at:]).decode("utf-8", "replace").strip()

    def all(self, name: str) -> tuple[str, ...]:
        """Every value of the header `name`, in any case of letters, in order."""
        wanted = name.lower()
        return tuple(value for known, value in self.fields if known.lower() == wanted)

    __getitem__ = dict.__getitem__

    def __missing__(self, name: str) -> str:
        found = self._found(name)
        if found is None:
            raise KeyError(name)
        return found

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
class OversizeMessage:
    """A message that was longer than is kept: its first headers, and how long it was in bytes."""

    head: AmiMessage
    size: int


class AmiAction(panoramisk.actions.Action):  # type: ignore[misc]
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

    def add_message(self, message: AmiMessage) -> bool:
        """Takes a message that carries this ActionID; True when it was the last.

        The reply is the message that says Response: an event before it is none, whatever its ActionID. A list that
        ends without its reply, or with fewer items than it says itself, ends the future with ListIncomplete.
        """
        if message.raw.startswith(b"Event: AuthDetail\r\n"):
            return False
        self._bytes += len(message.raw)
        if len(self.responses) >= MOST_ITEMS or self._bytes > MOST_BYTES:
            # Its caller's deadline ends it: a list without end is an Asterisk gone mad.
            self.dropped += 1
            return False
        if not self.responses and message.event_name:
            if not _completes(message):
                return False
            self._fail("", "its reply did not come, only its end")
            return True
        self.responses.append(message)
        reply = self.responses[0]
        if not reply.success or not self.multi:
            self._end(reply)
            return True
        if message is reply or not _completes(message):
            return False
        self._end_list(message)
        return True

    def _end_list(self, last: AmiMessage) -> None:
        said = last.get("ListItems")
        items = len(self.responses) - 2
        if last.get("EventList", "Complete").lower() != "complete":
            self._fail(last.get("EventList"), "Asterisk broke off in the middle")
        elif said.isascii() and said.isdigit() and items < int(said[:9]):
            # Fewer; some lists count only a part of what they show (res_pjsip_outbound_registration.c).
            self._fail("", f"it has {said[:9]} items, and {items} came")
        else:
            self._end(tuple(self.responses))

    def _fail(self, said: str, why: str) -> None:
        if not self.future.done():
            self.future.set_exception(ListIncomplete(self.name, said, f"The list of {self.name} is not whole: {why}."))
            # Nobody may be waiting for it any more.
            self.future.exception()

    def _end(self, result: object) -> None:
        if not self.future.done():
            self.future.set_result(result)


def _completes(message: AmiMessage) -> bool:
    """Whether it ends a list. A phone may write "EventList: " into its own name: it counts as a header alone."""
    return b"\r\nEventList: " in message.raw or message.event_name.endswith("Complete")
