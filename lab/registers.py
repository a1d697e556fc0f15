"""Every registration that the carrier accepted, refused or dropped, read from its own answers on the wire.

A packet socket in the carrier's network sees what its Asterisk sends: the 200 to a REGISTER (RFC 3261 §10.3), the
REGACK to a REGREQ (RFC 5456 §6.1). Refreshes are seen as well, which Asterisk's events do not show.
"""

from __future__ import annotations

import contextlib
import socket
import struct
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, Literal

from lab.accounts import machine_at
from lab.namespaces import socket_inside

_ETH_P_IP: Final = 0x0800
_SO_TIMESTAMPNS: Final = 35
_PACKET_OUTGOING: Final = 4
_TIMESPEC: Final = struct.Struct("qq")
_IAX_PORT: Final = 4569
_REGACK: Final = 15
_REGREJ: Final = 16
_REGREL: Final = 17


@dataclass(frozen=True, slots=True)
class Answer:
    """One final answer of the carrier to a registration.

    Attributes:
        at: seconds on CLOCK_BOOTTIME, when it left the carrier.
        account: the user name.
        from_address: who had asked, and got the answer.
        channel: sip (chan_sip or PJSIP), or iax2.
        status: 200, 403 …; for IAX2 200 or 403.
        expires_s: what was granted; 0 when the binding was removed on request.
    """

    at: float
    account: str
    from_address: str
    channel: Literal["sip", "iax2"]
    status: int
    expires_s: int

    @property
    def machine(self) -> str | None:
        """Whose address that is."""
        return machine_at(self.from_address)

    @property
    def accepted(self) -> bool:
        """Whether a binding exists because of it."""
        return self.status == 200 and self.expires_s > 0


Accepted = Answer
"""An Answer whose `accepted` is true."""


def sip_answer(payload: bytes, to_address: str, at: float) -> Answer | None:
    """What one SIP message of the carrier says; None unless it is a final answer to a REGISTER other than a challenge.

    A registrar lists every binding with what is left of it (RFC 3261 §10.3, 8), so the one whose host is the asker's
    own counts; without one the asker's binding is gone.
    """
    head, _, _ = payload.decode(errors="replace").partition("\r\n\r\n")
    start, *lines = head.split("\r\n")
    if not start.startswith("SIP/2.0 "):
        return None
    headers: dict[str, list[str]] = {}
    for line in lines:
        name, _, value = line.partition(":")
        headers.setdefault(_COMPACT.get(name.strip().lower(), name.strip().lower()), []).append(value.strip())
    status = int(start.split()[1])
    if not headers.get("cseq", [""])[0].upper().endswith("REGISTER") or status < 200 or status in (401, 407):
        return None
    account = headers.get("to", [""])[0].partition("sip:")[2].partition("@")[0]
    expires = 0
    for contact in (part for value in headers.get("contact", []) for part in value.split(",")):
        uri, _, parameters = contact.partition(">")
        if f"@{to_address}" in uri:
            given = parameters.lower().partition("expires=")[2].partition(";")[0]
            expires = max(expires, int(given) if given.isdigit() else 1)
    return Answer(at, account, to_address, "sip", status, expires if status == 200 else 0)


_COMPACT: Final = {"t": "to", "m": "contact"}


def iax_answer(payload: bytes, to_address: str, at: float) -> Answer | None:
    """What one IAX2 frame of the carrier says; None unless it is REGACK or REGREJ.

    Full frame (RFC 5456 §8.1): F bit, 12 bytes of header with frame type at 10 and subclass at 11, then information
    elements of type, length, data: 6 USERNAME, 19 REFRESH.
    """
    if len(payload) < 12 or not payload[0] & 0x80 or payload[10] != 6 or payload[11] not in (_REGACK, _REGREJ):
        return None
    username, refresh, at_byte = "", 60, 12
    while at_byte + 2 <= len(payload):
        kind, length = payload[at_byte], payload[at_byte + 1]
        data = payload[at_byte + 2 : at_byte + 2 + length]
        if kind == 6:
            username = data.decode(errors="replace")
        elif kind == 19 and len(data) == 2:
            refresh = struct.unpack("!H", data)[0]
        at_byte += 2 + length
    if payload[11] == _REGREJ:
        return Answer(at, username, to_address, "iax2", 403, 0)
    return Answer(at, username, to_address, "iax2", 200, refresh)


class RegisterLog:
    """Listens in the network of a process until closed.

    Args:
        pid: any process in the carrier's network.
    """

    def __init__(self, pid: int) -> None:
        self._answers: list[Answer] = []
        self._seen = threading.Condition()
        self._socket = socket_inside(pid, socket.AF_PACKET, socket.SOCK_DGRAM, socket.htons(3))
        self._socket.setsockopt(socket.SOL_SOCKET, _SO_TIMESTAMPNS, 1)
        self._socket.settimeout(0.5)
        self._closing = False
        self._thread = threading.Thread(target=self._listen, name="lab-registers", daemon=True)
        self._thread.start()

    def answers(self) -> list[Answer]:
        """All so far, oldest first."""
        with self._seen:
            return list(self._answers)

    def close(self) -> None:
        """Stops listening."""
        self._closing = True
        self._thread.join(2)
        self._socket.close()

    def _listen(self) -> None:
        while not self._closing:
            try:
                packet, ancillary, _, sender = self._socket.recvmsg(65535, 64)
            except TimeoutError:
                continue
            except OSError:
                return
            if sender[2] == _PACKET_OUTGOING:
                for answer in _answers_in(packet, _boottime_of(ancillary)):
                    with self._seen:
                        self._answers.append(answer)
                        self._seen.notify_all()


def _boottime_of(ancillary: list[tuple[int, int, bytes]]) -> float:
    now = time.clock_gettime(time.CLOCK_BOOTTIME)
    for level, kind, data in ancillary:
        if level == socket.SOL_SOCKET and kind == _SO_TIMESTAMPNS and len(data) >= 16:
            seconds, nanoseconds = _TIMESPEC.unpack(data[:16])
            return now - (time.time() - (float(seconds) + float(nanoseconds) / 1e9))
    return now


def _answers_in(packet: bytes, at: float) -> Iterator[Answer]:
    if len(packet) < 28 or packet[0] >> 4 != 4 or packet[9] != socket.IPPROTO_UDP:
        return
    header = (packet[0] & 0x0F) * 4
    to_address = socket.inet_ntoa(packet[16:20])
    source_port = struct.unpack("!H", packet[header : header + 2])[0]
    payload = packet[header + 8 :]
    with contextlib.suppress(ValueError, IndexError):
        found = iax_answer(payload, to_address, at) if source_port == _IAX_PORT else sip_answer(payload, to_address, at)
        if found is not None:
            yield found
