"""Does an IAX2 server answer POKE (RFC 5456 §6.7.1)? It takes no account and leaves nothing behind."""

from __future__ import annotations

import secrets
import socket
import struct
import time
from typing import Final

from failover.probe_result import ProbeAnswer, ProbeResult

TRIES_S: Final = (0.5, 1.0, 0.5)
_FULL: Final = 0x8000
_IAX: Final = 6
"""Frame type of control frames (RFC 5456 §8.2)."""
_PONG, _ACK, _POKE = 3, 4, 30


def probe_iax(subject: str, host: str, port: int = 4569) -> ProbeResult:
    """Sends POKE to `host`, up to three times."""
    asked = f"IAX2 POKE to {host}:{port}"
    started = time.monotonic()
    call = secrets.randbelow(0x7FFE) + 1

    def found(what: ProbeAnswer, words: str) -> ProbeResult:
        return ProbeResult("iax", subject, asked, what, words, time.monotonic() - started)

    try:
        family, kind, protocol, _, where = socket.getaddrinfo(host, port, type=socket.SOCK_DGRAM)[0]
        with socket.socket(family, kind | socket.SOCK_CLOEXEC, protocol) as channel:
            channel.connect(where)
            for wait_s in TRIES_S:
                channel.send(frame(call, 0, 0, 0, _POKE))
                until = time.monotonic() + wait_s
                while (left := until - time.monotonic()) > 0:
                    channel.settimeout(left)
                    try:
                        theirs = pong(channel.recv(2048), call)
                    except TimeoutError:
                        break
                    if theirs is not None:
                        channel.send(frame(call, theirs, 1, 1, _ACK))
                        return found(ProbeAnswer.YES, f"{subject} answers IAX2")
    except ConnectionRefusedError:
        return found(ProbeAnswer.REFUSED, f"{subject} has nobody at port {port} for IAX2")
    except OSError as error:
        return found(ProbeAnswer.UNKNOWN, f"{subject} cannot be reached by IAX2 ({error.strerror})")
    return found(ProbeAnswer.SILENT, f"{subject} does not answer IAX2")


def frame(call: int, theirs: int, sent: int, received: int, subclass: int) -> bytes:
    """A full frame of IAX control (RFC 5456 §8.1.1)."""
    return struct.pack("!HHIBBBB", _FULL | call, theirs, 3, sent, received, _IAX, subclass)


def pong(data: bytes, call: int) -> int | None:
    """The other side's call number, where `data` is the PONG to our POKE."""
    if len(data) < 12:
        return None
    source, destination, _, _, _, kind, subclass = struct.unpack("!HHIBBBB", data[:12])
    ours = destination & 0x7FFF == call
    return source & 0x7FFF if source & _FULL and ours and (kind, subclass) == (_IAX, _PONG) else None
