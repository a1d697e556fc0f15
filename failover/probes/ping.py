"""Does a machine answer ICMP echo (RFC 792, RFC 4443)? Alive or not is all that it says; a frozen PBX answers it."""

from __future__ import annotations

import ipaddress
import os
import select
import socket
import struct
import time
from typing import Final

from failover.probe_result import ProbeAnswer, ProbeResult

TRIES_S: Final = (0.5, 0.5, 1.0)
"""Seconds that each echo waits: one lost packet is no dead machine."""

_PAYLOAD: Final = b"hotstandby"


def ping(subject: str, address: str) -> ProbeResult:
    """Sends up to three echoes to `address`."""
    asked = f"ICMP echo to {address}"
    started = time.monotonic()
    version = ipaddress.ip_address(address).version
    try:
        channel = _socket(version)
    except OSError as error:
        words = f"{subject} could not be pinged ({error.strerror}); that takes root"
        return ProbeResult("ping", subject, asked, ProbeAnswer.UNKNOWN, words, time.monotonic() - started)
    with channel:
        identity = os.getpid() & 0xFFFF
        why = "no answer"
        for sequence, wait_s in enumerate(TRIES_S, start=1):
            try:
                channel.sendto(echo(version, identity, sequence), (address, 0))
                if _answered(channel, address, version, sequence, wait_s):
                    seconds = time.monotonic() - started
                    return ProbeResult("ping", subject, asked, ProbeAnswer.YES, f"{subject} answers ping", seconds)
            except OSError as error:
                why = error.strerror or "no route"
                break
    seconds = time.monotonic() - started
    return ProbeResult("ping", subject, asked, ProbeAnswer.SILENT, f"{subject} does not answer ping ({why})", seconds)


def echo(version: int, identity: int, sequence: int) -> bytes:
    """The bytes of an echo request."""
    kind = 8 if version == 4 else 128
    head = struct.pack("!BBHHH", kind, 0, 0, identity, sequence)
    # The kernel fills in ICMPv6's checksum (RFC 3542 §3.1), and for datagram sockets the identity as well.
    total = checksum(head + _PAYLOAD) if version == 4 else 0
    return struct.pack("!BBHHH", kind, 0, total, identity, sequence) + _PAYLOAD


def is_reply(data: bytes, version: int, sequence: int) -> bool:
    """Whether `data` answers our echo of that number: by number and payload, for a raw socket hears everybody's."""
    if version == 4 and data[:1] and data[0] >> 4 == 4:
        data = data[(data[0] & 15) * 4 :]  # a raw socket hands over the IP header, a datagram socket does not
    if len(data) < 8:
        return False
    kind, _, _, _, number = struct.unpack("!BBHHH", data[:8])
    return bool(kind == (0 if version == 4 else 129) and number == sequence and data[8:] == _PAYLOAD)


def checksum(data: bytes) -> int:
    """The Internet checksum (RFC 1071)."""
    words = struct.unpack(f"!{(len(data) + 1) // 2}H", data + b"\0" * (len(data) % 2))
    total: int = sum(words)
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return int(~total & 0xFFFF)


def _socket(version: int) -> socket.socket:
    family, protocol = (
        (socket.AF_INET, socket.IPPROTO_ICMP) if version == 4 else (socket.AF_INET6, socket.IPPROTO_ICMPV6)
    )
    try:
        return socket.socket(family, socket.SOCK_RAW, protocol)
    except PermissionError:
        # Open to the groups of net.ipv4.ping_group_range (icmp(7)).
        return socket.socket(family, socket.SOCK_DGRAM, protocol)


def _answered(channel: socket.socket, address: str, version: int, sequence: int, wait_s: float) -> bool:
    until = time.monotonic() + wait_s
    while (left := until - time.monotonic()) > 0:
        readable, _, _ = select.select([channel], [], [], left)
        if not readable:
            return False
        data, source = channel.recvfrom(2048)
        if source[0] == address and is_reply(data, version, sequence):
            return True
    return False
