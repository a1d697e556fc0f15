"""A name server of ours on a loopback address: authority, signed UPDATE, NOTIFY, AXFR, and the faults of real ones.

It keeps to what BIND does as far as the DNS step, its tests and `tests/world/test_fake_name_server.py` look; dnspython
does the wire.
"""

from __future__ import annotations

import contextlib
import selectors
import socket
import struct
import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field

import dns.exception
import dns.flags
import dns.message
import dns.name
import dns.opcode
import dns.query
import dns.rcode
import dns.rdatatype
import dns.tsig
import dns.update
import dns.xfr
import dns.zone

from failover.name_servers.serial import later
from tests.fakes.zone_data import Kind, ZoneData

FUDGE_S = 300.0
"""Seconds by which clocks may differ (RFC 8945 §10)."""
RETRY_S = 0.05
"""Seconds between two attempts of a secondary that has nothing yet."""


@dataclass
class FakeNameServer:
    """One server; `start` makes it answer, `stop` frees its sockets.

    Attributes:
        address, port: where it listens, over UDP and TCP.
        zones: by absolute name.
        keys: TSIG keys that it knows.
        silent: it takes what comes and answers nothing, as a stopped process.
        lagging: as secondary it follows no NOTIFY.
        refuses_notify: it answers REFUSED to each NOTIFY.
        clock_off_s: its clock is so many seconds ahead: signed messages get BADTIME.
    """

    address: str
    port: int
    zones: dict[dns.name.Name, ZoneData] = field(default_factory=dict)
    keys: Mapping[dns.name.Name, dns.tsig.Key] = field(default_factory=dict)
    silent: bool = False
    lagging: bool = False
    refuses_notify: bool = False
    clock_off_s: float = 0.0

    def __post_init__(self) -> None:
        self._changing = threading.RLock()
        self._stopping = threading.Event()
        self._wake: tuple[socket.socket, socket.socket] | None = None
        self.notified: list[tuple[str, str]] = []
        """Zone and sender of each NOTIFY that came."""

    def zone(self, name: str) -> ZoneData:
        """What it has of a zone."""
        return self.zones[dns.name.from_text(name)]

    @property
    def running(self) -> bool:
        """Whether it was started, and not stopped since."""
        return self._wake is not None

    def start(self) -> None:
        """Listens, and has its secondary zones fetched."""
        udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        tcp = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        tcp.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        udp.bind((self.address, self.port))
        tcp.bind((self.address, self.port))
        tcp.listen(64)
        self._stopping = threading.Event()
        self._wake = socket.socketpair()
        self._serving = self._run(self._serve, udp, tcp, self._wake[0])
        for zone in self.zones.values():
            if zone.kind is Kind.SECONDARY:
                self._run(self._follow, zone)

    def stop(self) -> None:
        """Stops as a process that is killed: nothing more is sent."""
        if self._wake is None:
            return
        self._stopping.set()
        self._wake[1].send(b"x")
        self._serving.join(30)
        for end in self._wake:
            end.close()
        self._wake = None

    def _run(self, work: Callable[..., object], *args: object) -> threading.Thread:
        thread = threading.Thread(target=work, args=args, daemon=True, name=f"name server {self.address}")
        thread.start()
        return thread

    def _serve(self, udp: socket.socket, tcp: socket.socket, wake: socket.socket) -> None:
        with selectors.DefaultSelector() as selector, udp, tcp:
            for each in (udp, tcp, wake):
                selector.register(each, selectors.EVENT_READ)
            while not self._stopping.is_set():
                for key, _ in selector.select():
                    if key.fileobj is udp:
                        with contextlib.suppress(OSError):
                            data, sender = udp.recvfrom(65535)
                            for answer in self._answers(data, sender[0]):
                                udp.sendto(answer, sender)
                    elif key.fileobj is tcp:
                        with contextlib.suppress(OSError):
                            connection, sender = tcp.accept()
                            self._run(self._converse, connection, sender[0])

    def _converse(self, connection: socket.socket, sender: str) -> None:
        with connection, contextlib.suppress(OSError, struct.error):
            connection.settimeout(30)
            while not self._stopping.is_set():
                (size,) = struct.unpack("!H", _exactly(connection, 2))
                for answer in self._answers(_exactly(connection, size), sender, stream=True):
                    connection.sendall(struct.pack("!H", len(answer)) + answer)

    def _answers(self, data: bytes, sender: str, *, stream: bool = False) -> Iterator[bytes]:
        """What is sent back, if anything; whatever is no DNS is dropped."""
        if self.silent:
            return
        try:
            query = dns.message.from_wire(data, keyring=self.keys, ignore_trailing=True)
        except dns.message.UnknownTSIGKey:
            yield _tsig_error(data, dns.rcode.BADKEY)
            return
        except dns.tsig.BadSignature:
            yield _tsig_error(data, dns.rcode.BADSIG)
            return
        except dns.tsig.BadTime:
            yield _tsig_error(data, dns.rcode.BADTIME)
            return
        except (dns.exception.DNSException, ValueError):
            return
        if query.flags & dns.flags.QR:
            return
        if query.had_tsig and abs(self.clock_off_s) > FUDGE_S:
            yield _tsig_error(data, dns.rcode.BADTIME)
            return
        with self._changing:
            yield from self._respond(query, sender, stream=stream)

    def _respond(self, query: dns.message.Message, sender: str, *, stream: bool) -> Iterator[bytes]:
        response = dns.message.make_response(query)
        zone = self._zone_of(query)
        opcode = query.opcode()
        if isinstance(query, dns.update.UpdateMessage):
            if zone is None or zone.name != query.zone[0].name:
                response.set_rcode(dns.rcode.NOTAUTH)
            else:
                before = zone.serial
                response.set_rcode(zone.update(query))
                if zone.serial != before:
                    self.changed(zone)
        elif zone is None:
            response.set_rcode(dns.rcode.NOTAUTH if opcode == dns.opcode.NOTIFY else dns.rcode.REFUSED)
        elif opcode == dns.opcode.NOTIFY:
            self.notified.append((zone.name.to_text(omit_final_dot=True), sender))
            known = zone.kind is Kind.SECONDARY and sender in zone.primaries
            if self.refuses_notify or not known:
                response.set_rcode(dns.rcode.REFUSED)
            elif not self.lagging:
                self._run(self._refresh, zone)
        elif query.question[0].rdtype == dns.rdatatype.AXFR:
            if zone.content is None or not stream:
                response.set_rcode(dns.rcode.SERVFAIL)
            else:
                _fill_transfer(response, zone)
        else:
            asked = query.question[0]
            zone.answer(response, asked.name, asked.rdtype, with_signatures=bool(query.ednsflags & dns.flags.DO))
        yield response.to_wire(max_size=65535 if stream else 4096)

    def _zone_of(self, query: dns.message.Message) -> ZoneData | None:
        owner = query.zone[0].name if isinstance(query, dns.update.UpdateMessage) else query.question[0].name
        above = [zone for name, zone in self.zones.items() if owner.is_subdomain(name) and zone.served]
        return max(above, key=lambda zone: len(zone.name), default=None)

    def changed(self, zone: ZoneData) -> None:
        """Tells the secondaries of a zone that it changed; a subclass writes it down first."""
        self._run(self._notify, zone)

    def _notify(self, zone: ZoneData) -> None:
        for address in zone.also_notify:
            message = dns.message.make_query(zone.name, "SOA")
            message.set_opcode(dns.opcode.NOTIFY)
            message.flags = (message.flags & ~dns.flags.RD) | dns.flags.AA
            with contextlib.suppress(dns.exception.DNSException, OSError):
                dns.query.udp(message, address, timeout=1.0, port=self.port, source=self.address)

    def _follow(self, zone: ZoneData) -> None:
        """Asks until there is something, then waits for NOTIFY."""
        while not self._refresh(zone) and not self._stopping.is_set() and self.zones.get(zone.name) is zone:
            self._stopping.wait(RETRY_S)

    def _refresh(self, zone: ZoneData) -> bool:
        """Takes the zone from the first primary that has a later one; whether there is content now."""
        for address in zone.primaries:
            with contextlib.suppress(dns.exception.DNSException, OSError, EOFError):
                query = dns.message.make_query(zone.name, "SOA")
                query.flags &= ~dns.flags.RD
                answer = dns.query.udp(query, address, timeout=0.5, port=self.port, source=self.address)
                soa = answer.get_rrset(answer.answer, zone.name, dns.rdataclass.IN, dns.rdatatype.SOA)
                if soa is None or (zone.content is not None and not later(soa[0].serial, zone.serial)):
                    continue
                made = dns.zone.Zone(zone.name, relativize=False)
                dns.query.inbound_xfr(
                    address, made, dns.message.make_query(zone.name, "AXFR"), self.port, 2.0, 5.0, self.address
                )
                with self._changing:
                    if zone.kind is Kind.SECONDARY and not self._stopping.is_set():
                        zone.content = made
                        self.transferred(zone)
                return True
        return zone.content is not None

    def transferred(self, zone: ZoneData) -> None:
        """A secondary has a new copy; a subclass writes it down."""


def _fill_transfer(response: dns.message.Message, zone: ZoneData) -> None:
    assert zone.content is not None
    response.flags |= dns.flags.AA
    soa = zone._rrset(zone.name, zone.name, dns.rdatatype.SOA)
    assert soa is not None
    response.answer.append(soa)
    for name, rdataset in zone.content.iterate_rdatasets():
        if rdataset.rdtype != dns.rdatatype.SOA:
            response.answer.append(dns.rrset.from_rdata_list(name, rdataset.ttl, list(rdataset)))
    response.answer.append(soa)


def _tsig_error(data: bytes, error: dns.rcode.Rcode) -> bytes:
    """NOTAUTH with what is wrong with the signature (RFC 8945 §5.3); dnspython looks at that before the MAC."""
    query = dns.message.from_wire(data, keyring=False, ignore_trailing=True)
    response = dns.message.make_response(query)
    response.set_rcode(dns.rcode.NOTAUTH)
    assert query.keyname is not None
    key = dns.tsig.Key(query.keyname, b"any", dns.tsig.HMAC_SHA256)
    response.use_tsig({query.keyname: key}, query.keyname, tsig_error=error)
    response.request_mac = query.mac or b""
    return response.to_wire()


def _exactly(connection: socket.socket, size: int) -> bytes:
    found = b""
    while len(found) < size:
        more = connection.recv(size - len(found))
        if not more:
            raise OSError("closed")
        found += more
    return found


def zone_from_text(name: str, text: str) -> dns.zone.Zone:
    """A zone of a master file's text."""
    return dns.zone.from_text(text, dns.name.from_text(name), relativize=False, check_origin=True)
