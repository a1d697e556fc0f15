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
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Literal

from lab.carrier.accounts import machine_at
from lab.computer.namespaces import socket_inside

_ETH_P_ALL: Final = 3
_SO_TIMESTAMPNS: Final = 35
_PACKET_OUTGOING: Final = 4
_TIMESPEC: Final = struct.Struct("qq")
_IAX_PORT: Final = 4569
_FRAME_IAX: Final = 6
_REGREQ: Final = 13
_REGACK: Final = 15
_REGREJ: Final = 16
_USERNAME: Final = 6
_REFRESH: Final = 19


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


def iax_answer(payload: bytes, to_address: str, at: float, askers: Mapping[int, str]) -> Answer | None:
    """What one IAX2 frame of the carrier says; None unless it is REGACK or REGREJ.

    Args:
        askers: user name by call number of who asked there, from iax_asker: a REGREJ does not name it.
    """
    if (subclass := _iax_subclass(payload)) not in (_REGACK, _REGREJ):
        return None
    elements = _iax_elements(payload)
    account = elements.get(_USERNAME, b"").decode(errors="replace") or askers.get(_call_number(payload, 2), "")
    if subclass == _REGREJ:
        return Answer(at, account, to_address, "iax2", 403, 0)
    refresh = elements.get(_REFRESH, b"")
    granted = int.from_bytes(refresh, "big") if len(refresh) == 2 else 60
    return Answer(at, account, to_address, "iax2", 200, granted)


def iax_asker(payload: bytes) -> tuple[int, str] | None:
    """Call number and user name of a REGREQ; None for any other frame."""
    if _iax_subclass(payload) != _REGREQ:
        return None
    return _call_number(payload, 0), _iax_elements(payload).get(_USERNAME, b"").decode(errors="replace")


def _iax_subclass(payload: bytes) -> int | None:
    """Of a full frame of type IAX: F bit, 12 bytes of header, frame type at 10, subclass at 11 (RFC 5456 §8.1.1)."""
    full = len(payload) >= 12 and payload[0] & 0x80 and payload[10] == _FRAME_IAX
    return payload[11] if full else None


def _call_number(payload: bytes, offset: int) -> int:
    return int.from_bytes(payload[offset : offset + 2], "big") & 0x7FFF


def _iax_elements(payload: bytes) -> dict[int, bytes]:
    """Information elements by number: one byte each of number and length, then the data (RFC 5456 §8.6)."""
    found, offset = {}, 12
    while offset + 2 <= len(payload):
        length = payload[offset + 1]
        found[payload[offset]] = payload[offset + 2 : offset + 2 + length]
        offset += 2 + length
    return found


class RegisterLog:
    """Listens in the network of a process until closed.

    Args:
        pid: any process in the carrier's network.
    """

    def __init__(self, pid: int) -> None:
        self._answers: list[Answer] = []
        self._askers: dict[str, dict[int, str]] = {}
        self._lock = threading.Lock()
        self._socket = socket_inside(pid, socket.AF_PACKET, socket.SOCK_DGRAM, socket.htons(_ETH_P_ALL))
        self._socket.setsockopt(socket.SOL_SOCKET, _SO_TIMESTAMPNS, 1)
        self._socket.settimeout(0.5)
        self._closing = False
        self._thread = threading.Thread(target=self._listen, name="lab-registers", daemon=True)
        self._thread.start()

    def answers(self) -> list[Answer]:
        """All so far, oldest first."""
        with self._lock:
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
            self._take(packet, _boottime_of(ancillary), outgoing=sender[2] == _PACKET_OUTGOING)

    def _take(self, packet: bytes, at: float, *, outgoing: bool) -> None:
        datagram = _udp(packet)
        if datagram is None:
            return
        if not outgoing:
            if datagram.to_port == _IAX_PORT and (asker := iax_asker(datagram.payload)) is not None:
                self._askers.setdefault(datagram.from_address, {})[asker[0]] = asker[1]
            return
        to = datagram.to_address
        answer = None
        with contextlib.suppress(ValueError, IndexError):
            if datagram.from_port == _IAX_PORT:
                answer = iax_answer(datagram.payload, to, at, self._askers.get(to, {}))
            else:
                answer = sip_answer(datagram.payload, to, at)
        if answer is not None:
            with self._lock:
                self._answers.append(answer)


def _boottime_of(ancillary: list[tuple[int, int, bytes]]) -> float:
    now = time.clock_gettime(time.CLOCK_BOOTTIME)
    for level, kind, data in ancillary:
        if level == socket.SOL_SOCKET and kind == _SO_TIMESTAMPNS and len(data) >= 16:
            seconds, nanoseconds = _TIMESPEC.unpack(data[:16])
            return now - (time.time() - (float(seconds) + float(nanoseconds) / 1e9))
    return now


@dataclass(frozen=True, slots=True)
class _Datagram:
    from_address: str
    from_port: int
    to_address: str
    to_port: int
    payload: bytes


def _udp(packet: bytes) -> _Datagram | None:
    """The UDP datagram in an IPv4 packet (RFC 791 §3.1, RFC 768)."""
    if len(packet) < 28 or packet[0] >> 4 != 4 or packet[9] != socket.IPPROTO_UDP:
        return None
    header = (packet[0] & 0x0F) * 4
    from_port, to_port = struct.unpack("!HH", packet[header : header + 4])
    addresses = socket.inet_ntoa(packet[12:16]), socket.inet_ntoa(packet[16:20])
    return _Datagram(addresses[0], from_port, addresses[1], to_port, packet[header + 8 :])
