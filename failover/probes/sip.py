"""Does a SIP stack answer OPTIONS? Any final answer says that it lives: a PBX that knows nobody answers 401 or 404."""

from __future__ import annotations

import secrets
import socket
import time
from typing import Final

from failover.probe_result import ProbeAnswer, ProbeResult
from failover.probes.sip_message import LONGEST, Options, answer

TRIES_S: Final = (0.5, 1.0, 0.5)
"""Seconds that each datagram waits; RFC 3261's T1 is 0.5 s."""


def probe_sip(subject: str, address: str, port: int = 5060) -> ProbeResult:
    """Sends OPTIONS to `address`, or the first of a name, over UDP, up to three times."""
    asked = f"SIP OPTIONS to {address}:{port}"
    started = time.monotonic()

    def found(what: ProbeAnswer, words: str) -> ProbeResult:
        return ProbeResult("sip", subject, asked, what, words, time.monotonic() - started)

    try:
        family, kind, protocol, _, where = socket.getaddrinfo(address, port, type=socket.SOCK_DGRAM)[0]
        with socket.socket(family, kind | socket.SOCK_CLOEXEC, protocol) as channel:
            # Connected, so that the kernel reports ICMP's "port unreachable" and drops what others send.
            channel.connect(where)
            source, source_port = channel.getsockname()[:2]
            unique = secrets.token_hex(12)
            sent = Options(address, port, str(source), int(source_port), unique, f"{unique}@hotstandby")
            for wait_s in TRIES_S:
                channel.send(sent.encode())
                until = time.monotonic() + wait_s
                while (left := until - time.monotonic()) > 0:
                    channel.settimeout(left)
                    try:
                        status = answer(channel.recv(LONGEST), sent)
                    except TimeoutError:
                        break
                    if status is not None:
                        return found(ProbeAnswer.YES, f"{subject}'s SIP answers OPTIONS ({status.code})")
    except ConnectionRefusedError:
        return found(
            ProbeAnswer.REFUSED, f"{subject} has no SIP at port {port}: it is alive, its Asterisk is not there"
        )
    except OSError as error:
        return found(ProbeAnswer.SILENT, f"{subject}'s SIP cannot be reached ({error.strerror})")
    took = time.monotonic() - started
    return found(ProbeAnswer.SILENT, f"{subject}'s SIP was silent for {took:.0f} s")
