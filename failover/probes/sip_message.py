"""One SIP OPTIONS request and what an answer to it says (RFC 3261 §11). Bytes and values, no I/O."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from host.printable import printable

LONGEST: Final = 8192
"""Bytes of an answer that are looked at."""

_STATUS: Final = re.compile(rb"SIP/2\.0 ([1-6]\d\d) ([^\r\n]{0,200})")


@dataclass(frozen=True, slots=True)
class Options:
    """A request, and what tells its answer from others'.

    Attributes:
        host, port: who is asked.
        source_host, source_port: who asks.
        branch: unique, without the magic cookie (RFC 3261 §8.1.1.7).
        call_id: unique.
    """

    host: str
    port: int
    source_host: str
    source_port: int
    branch: str
    call_id: str

    def encode(self) -> bytes:
        """The datagram."""
        here, there = _bracketed(self.source_host), _bracketed(self.host)
        lines = [
            f"OPTIONS sip:{there}:{self.port} SIP/2.0",
            f"Via: SIP/2.0/UDP {here}:{self.source_port};branch=z9hG4bK{self.branch};rport",
            "Max-Forwards: 1",
            f"From: <sip:hotstandby@{here}>;tag={self.branch}",
            f"To: <sip:{there}>",
            f"Call-ID: {self.call_id}",
            "CSeq: 1 OPTIONS",
            f"Contact: <sip:hotstandby@{here}:{self.source_port}>",
            "User-Agent: hotstandby",
            "Content-Length: 0",
        ]
        return ("\r\n".join(lines) + "\r\n\r\n").encode("ascii")


@dataclass(frozen=True, slots=True)
class Status:
    """A final answer.

    Attributes:
        code: 200 to 699.
        reason: made printable.
    """

    code: int
    reason: str


def answer(data: bytes, sent: Options) -> Status | None:
    """The final answer that a datagram holds; None for anything else, another request's answer included."""
    head, _, _ = data[:LONGEST].partition(b"\r\n\r\n")
    first, *lines = head.split(b"\r\n")
    found = _STATUS.fullmatch(first)
    if found is None or int(found[1]) < 200:
        return None
    call_id = next((line for line in lines if re.match(rb"(?:call-id|i)\s*:", line, re.IGNORECASE)), b"")
    if call_id.partition(b":")[2].strip() != sent.call_id.encode("ascii"):
        return None
    return Status(int(found[1]), printable(found[2].decode("utf-8", "replace"), 60))


def _bracketed(host: str) -> str:
    return f"[{host}]" if ":" in host else host
