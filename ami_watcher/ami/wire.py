"""AMI on the wire: bytes to messages and lines to bytes.

Rules only: no socket, no clock. What a message ends at, what a line may hold and how long it may be is from
main/manager.c (get_input, process_message, astman_append): a message of Asterisk ends at an empty line, CR LF CR LF,
and not at a bare line feed, for some of its values hold one; a line to Asterisk has at most 1,024 bytes. One message
ends wrongly, with CR LF LF (CoreShowChannelMap of 18.19, 20.4 and later): what follows it is a message of its own
where it begins as one.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final

from ami_watcher.ami.errors import NotAmi, Unsendable
from ami_watcher.ami.message import AmiMessage, OversizeMessage
from host.printable import printable

END: Final = b"\r\n\r\n"
WRONG_END: Final = re.compile(rb"\r\n\n(?=(?:Event|Response): )")
LATE_BEGINNINGS: Final = (b"\r\nEvent: ", b"\r\nResponse: ")
GREETING: Final = b"Asterisk Call Manager/"
LONGEST_GREETING: Final = 256
"""Bytes. Asterisk's is 29; more without a line end is not AMI."""
LONGEST_MESSAGE: Final = 1024 * 1024
"""Bytes kept of one message. The longest that our actions cause is an item of a few KiB."""
LONGEST_LINE: Final = 1024
"""Bytes of a line to Asterisk, CR LF included (inbuf of struct mansession_session, 16 to 22)."""
MOST_LINES: Final = 128
"""Headers that Asterisk reads of one action (AST_MAX_MANHEADERS)."""
HEAD: Final = 1024
"""Bytes kept of a message that is too long, at most: enough to say which event or action it belongs to."""


class AmiReader:
    """One direction of one AMI connection: what Asterisk sends.

    The same bytes give the same messages however they are split. Memory is bounded by `longest` and one read.

    Args:
        wanted: names of the events that are delivered, None for all. Others are dropped unparsed;
            replies, and events that belong to an action, are always delivered.
        longest: bytes of a message that are kept; a longer one becomes an Oversize.
    """

    def __init__(self, wanted: Iterable[str] | None = None, *, longest: int = LONGEST_MESSAGE) -> None:
        self.version: str | None = None
        self.skipped = 0
        self._wanted = None if wanted is None else frozenset(name.encode("ascii") for name in wanted)
        self._longest = longest
        self._head = min(HEAD, longest)
        self._held = bytearray()
        self._dropped: _Dropped | None = None

    def feed(self, data: bytes) -> list[AmiMessage | OversizeMessage]:
        """The messages that `data` completes, in order.

        Raises:
            NotAmi: the first line is not Asterisk's greeting.
        """
        if self.version is None:
            data = self._greeted(data)
        if not data:
            return []
        if self._dropped is None and len(self._held) + len(data) <= self._longest:
            return self._framed(data)
        # A long message is rare: go in steps that cannot outgrow the limit.
        found: list[AmiMessage | OversizeMessage] = []
        step = max(self._longest // 4, len(END))
        for at in range(0, len(data), step):
            found += self._framed(data[at : at + step])
        return found

    def _greeted(self, data: bytes) -> bytes:
        """What follows the greeting, or nothing while the greeting is incomplete."""
        seen = bytes(self._held) + data
        line, end, rest = seen.partition(b"\r\n")
        as_far_as_known = line[: len(GREETING)]
        if not GREETING.startswith(as_far_as_known) or (not end and len(line) > LONGEST_GREETING):
            raise NotAmi(
                f"it greets with '{printable(line.decode('utf-8', 'replace'), 60)}', "
                "which is not the Asterisk Manager Interface"
            )
        if not end:
            self._held = bytearray(seen)
            return b""
        if len(as_far_as_known) < len(GREETING) or len(line) > LONGEST_GREETING:
            raise NotAmi("its greeting is not that of the Asterisk Manager Interface")
        self.version = line[len(GREETING) :].decode("ascii", "replace").strip()
        self._held = bytearray()
        return rest

    def _framed(self, data: bytes) -> list[AmiMessage | OversizeMessage]:
        if self._dropped is not None:
            rest = self._dropped.more(data)
            if rest is None:
                return []
            ended: list[AmiMessage | OversizeMessage] = [self._dropped.oversize()]
            self._dropped = None
            return ended + (self._framed(rest) if rest else [])
        if self._held:
            # The end may be split over reads, so the last three bytes count again; the rest was searched before.
            if END not in self._held[-3:] + data:
                self._keep(data)
                return []
            data = bytes(self._held) + data
            self._held = bytearray()
        parts = data.split(END)
        rest = parts.pop()
        # What is too long is one message, whatever it holds: of one whose end is awaited nothing else can be said.
        if data[:2] == b"\r\n" or END + b"\r\n" in data:
            parts = [part if len(part) > self._longest else _without_empty_line(part) for part in parts]
        if b"\r\n\n" in data:
            parts = [
                piece for part in parts for piece in ((part,) if len(part) > self._longest else WRONG_END.split(part))
            ]
        wanted = self._wanted
        if wanted is None and len(data) <= self._longest:
            if rest:
                self._keep(rest)
            return [AmiMessage(part) for part in parts if part]
        found: list[AmiMessage | OversizeMessage] = []
        for part in parts:
            if len(part) > self._longest:
                found.append(OversizeMessage(AmiMessage(_without_empty_line(part)[: self._head]), len(part)))
            elif (
                wanted is not None
                and part.startswith(b"Event: ")
                and part[7 : part.find(b"\r\n")] not in wanted
                and b"\r\nActionID: " not in part
            ):
                self.skipped += 1
            elif part:
                found.append(AmiMessage(part))
        if rest:
            self._keep(rest)
        return found

    def _keep(self, data: bytes) -> None:
        """Holds an incomplete message, or only its head once it is too long to become a whole one."""
        self._held += data
        # Three bytes of a split end may stand in what is held, and are no part of the message.
        if len(self._held) > self._longest + 3:
            self._dropped = _Dropped(bytes(self._held), self._head)
            self._held = bytearray()


def _without_empty_line(part: bytes) -> bytes:
    """A message without the empty line too many that some modules send behind the event before it."""
    return part[2:] if part.startswith(LATE_BEGINNINGS) else part


class _Dropped:
    """A message that is too long, while its end is awaited: its head, its last bytes and its length."""

    def __init__(self, so_far: bytes, head: int) -> None:
        self._head = _without_empty_line(so_far)[:head]
        self._tail = so_far[-3:]
        self._size = len(so_far)

    def more(self, data: bytes) -> bytes | None:
        """What follows the message's end, or None where its end has not come."""
        seen = self._tail + data
        at = seen.find(END)
        if at < 0:
            self._tail = seen[-3:]
            self._size += len(data)
            return None
        self._size += at - len(self._tail)
        return seen[at + len(END) :]

    def oversize(self) -> OversizeMessage:
        return OversizeMessage(AmiMessage(self._head), self._size)


def encode_action(fields: Iterable[tuple[str, str]]) -> bytes:
    """The bytes of an action whose lines are `fields`, in their order.

    Raises:
        Unsendable: a name or value holds CR, LF or NUL, which would start another header or another action;
            a line or the number of lines is more than Asterisk reads.
    """
    lines: list[bytes] = []
    for name, value in fields:
        if not name or ":" in name or any(character in name + value for character in "\r\n\0"):
            raise Unsendable(
                f"The AMI header {printable(name, 40)} holds a line break, a NUL or a colon in its name; "
                "nothing was sent."
            )
        line = f"{name}: {value}\r\n".encode("utf-8", "surrogateescape")
        if len(line) > LONGEST_LINE:
            raise Unsendable(
                f"The AMI header {printable(name, 40)} has {len(line)} bytes and Asterisk reads {LONGEST_LINE}; "
                "nothing was sent."
            )
        lines.append(line)
    if not lines or len(lines) > MOST_LINES:
        raise Unsendable(f"An AMI action has 1 to {MOST_LINES} headers, this one {len(lines)}; nothing was sent.")
    return b"".join(lines) + b"\r\n"
