"""What is sent to Asterisk and what comes back, as values: panoramisk's Message and Action, mended.

Of Message: the last header is lost when its value is empty; a header without a space after its colon is lost; a header
that comes again turns a string into a list; every message is parsed, wanted or not.
Of Action: "successfully queued" raises KeyError where the action has no Async; a list that is refused never ends;
CR and LF pass into other headers (mended where it is written, wire.py).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from typing import Final, final

import panoramisk.actions
import panoramisk.message

MOST_ITEMS: Final = 200_000
"""Items of one list; an Asterisk with more contacts than this is not one that we know of."""


@final
class Message(panoramisk.message.Message):  # type: ignore[misc]
    """A reply or an event: its headers by name, in any case of letters.

    A header that comes twice answers with its first value, for what Asterisk writes itself comes before
    what others chose; `all` gives every value. An absent one is KeyError by [] and '' by attribute.

    Attributes:
        raw: the bytes between two empty lines.
    """

    def __init__(self, raw: bytes) -> None:
        # panoramisk's own __init__ would parse.
        self.raw = raw
        self.manager: object = None

    @cached_property
    def fields(self) -> tuple[tuple[str, str], ...]:
        """Headers in their order, repeated ones included. Bytes that are not UTF-8 are replaced, after framing."""
        found = []
        for line in self.raw.decode("utf-8", "replace").split("\r\n"):
            name, colon, value = line.partition(":")
            if colon:
                found.append((name, value.strip()))
        return tuple(found)

    @cached_property
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

    @property
    def event_name(self) -> str:
        """Name of the event, '' for a reply. The rest of the message stays unparsed."""
        if not self.raw.startswith(b"Event: "):
            return ""
        return self.raw[7:].partition(b"\r\n")[0].decode("utf-8", "replace").strip()

    @property
    def asynchronous(self) -> bool:
        """Whether it is an event that came by itself: those carry a Privilege, the items of a list do not."""
        return b"\r\nPrivilege: " in self.raw

    def get(self, name: str, default: str = "") -> str:
        """The first value of the header `name`, or `default`."""
        known = self._store.get(name.lower())
        return default if known is None else known[1]

    def all(self, name: str) -> tuple[str, ...]:
        """Every value of the header `name`, in order."""
        wanted = name.lower()
        return tuple(value for known, value in self.fields if known.lower() == wanted)

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
        if len(self.responses) >= MOST_ITEMS:
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
