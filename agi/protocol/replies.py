"""What Asterisk answers, taken from a stream of bytes (res/res_agi.c, agi_handle_command).

Forms: `200 result=N`, with ` (text)` and ` endpos=N` behind it; `100 …`, after which the real one comes; `510 …`,
`511 …`; `520 …` on one line, or `520-…`, a text as it stands in Asterisk's documentation, and `520 End of proper
usage.`; and, on FastAGI alone, the line `HANGUP` between any two of them. A value in brackets is not escaped: it may
hold `)` and newlines. Who asks for such a value puts a mark behind it that nobody can guess, and it ends there.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from agi.protocol.errors import AgiError

LIMIT: Final = 256 * 1024
"""Bytes of one reply. Asterisk cuts most values at 4 KiB; a usage text has about 2."""

_RESULT: Final = re.compile(
    r"200 result=(?P<result>[^\s()]*)(?: \((?P<data>.*)\))?(?: endpos=(?P<endpos>[0-9]{1,19}))?\s*", re.DOTALL
)
_NO_OFFSET: Final = re.compile(r" endpos=[0-9]{20}")
_CODE: Final = re.compile(rb"([1-5]\d\d)(?:[ -]|$)")
_USAGE_END: Final = b"520 End of proper usage.\n"


class ReplyTooLong(AgiError):
    """Asterisk, or who claims to be one, sent more than a reply can be."""


@dataclass(frozen=True, slots=True)
class AgiReply:
    """One reply.

    Attributes:
        code: 200, 510 (no such command), 511 (not on a dead channel), 520 (wrong use).
        result: what stands behind `result=`; empty when there is nothing, as after a time-out of GET DATA.
        data: what stood in brackets, None without brackets.
        endpos: sample offset, of commands that play or record.
        text: the whole reply without its last newline, for a log.
        odd: whether it counts in numbers that Asterisk does not have; they are left out.
    """

    code: int
    result: str = ""
    data: str | None = None
    endpos: int | None = None
    text: str = ""
    odd: bool = False


class ReplyReader:
    """Bytes in, replies out; no I/O.

    Attributes:
        hungup: whether `HANGUP` was seen.
        noise: how many lines came that are no reply.
    """

    def __init__(self) -> None:
        self.hungup = False
        self.noise = 0
        self._buffer = bytearray()

    def feed(self, data: bytes) -> None:
        """Takes what was received.

        Raises:
            ReplyTooLong: more than 256 KiB without a reply in it.
        """
        self._buffer += data
        if len(self._buffer) > LIMIT:
            raise ReplyTooLong(f"More than {LIMIT // 1024} KiB arrived without a reply in it.")

    def next(self, mark: bytes = b"") -> AgiReply | None:
        """The next reply, or None as long as it is not complete.

        Args:
            mark: what was asked to stand behind the value, which ends there and nowhere else.
        """
        buffer = self._buffer
        while True:
            end = buffer.find(b"\n")
            if end < 0:
                return None
            line = bytes(buffer[:end])
            if line.rstrip(b"\r") == b"HANGUP":
                self.hungup = True
            elif mark and line.startswith(b"200 result=1 ("):
                return self._marked(mark)
            elif line.startswith(b"520-"):
                return self._usage()
            elif (code := _CODE.match(line)) and code[1] != b"100":
                reply = _read(line.decode("utf-8", "surrogateescape"), int(code[1]))
                if reply is None:
                    self.noise += 1
                else:
                    del buffer[: end + 1]
                    return reply
            elif not code:
                self.noise += 1
            del buffer[: end + 1]

    def begun(self) -> bool:
        """Whether at least one line of a reply has arrived."""
        while self._buffer.startswith(b"HANGUP\n"):
            self.hungup = True
            del self._buffer[:7]
        return b"\n" in self._buffer

    def up_to(self, end: bytes) -> AgiReply | None:
        """All that arrived before `end` as one reply, whatever it holds; None until `end` has arrived."""
        at = self._buffer.find(end)
        if at < 0:
            return None
        text = bytes(self._buffer[:at])
        del self._buffer[: at + len(end)]
        if text.endswith(b"\nHANGUP\n"):
            self.hungup = True
            text = text.removesuffix(b"HANGUP\n")
        line = text.removesuffix(b"\n").decode("utf-8", "surrogateescape")
        code = _CODE.match(text)
        reply = _read(line, int(code[1])) if code else None
        if reply is None:
            self.noise += 1
            return AgiReply(510, text=line)
        return reply

    def _marked(self, mark: bytes) -> AgiReply | None:
        end = self._buffer.find(mark + b")\n")
        if end < 0:
            return None
        text = bytes(self._buffer[:end]).decode("utf-8", "surrogateescape")
        del self._buffer[: end + len(mark) + 2]
        return AgiReply(200, "1", text.removeprefix("200 result=1 ("), None, text + ")")

    def _usage(self) -> AgiReply | None:
        # The text in between need not end with a newline, so the end is looked for anywhere.
        end = self._buffer.find(_USAGE_END)
        if end < 0:
            return None
        text = bytes(self._buffer[: end + len(_USAGE_END) - 1]).decode("utf-8", "surrogateescape")
        del self._buffer[: end + len(_USAGE_END)]
        return AgiReply(520, text=text)


def _read(line: str, code: int) -> AgiReply | None:
    if code != 200:
        return AgiReply(code, text=line)
    found = _RESULT.fullmatch(line)
    odd = False
    if found is None:
        # A value with a newline, asked for without a mark, words behind the result, or an endpos that no C long holds:
        # its beginning is all that can be had for certain.
        odd = _NO_OFFSET.search(line) is not None
        found = re.match(r"200 result=(?P<result>[^\s()]*)(?: \((?P<data>.*))?(?P<endpos>)", line)
        if found is None:
            return None
    return AgiReply(200, found["result"], found["data"], int(found["endpos"]) if found["endpos"] else None, line, odd)
