"""Asks name servers and sends them NOTIFY. One exchange each, by a deadline, errors in our words."""

from __future__ import annotations

import math
import socket
import time
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import Final

import dns.exception
import dns.flags
import dns.inet
import dns.message
import dns.name
import dns.opcode
import dns.query
import dns.rcode
import dns.rdata
import dns.rdataclass
import dns.rdatatype
import dns.rrset
from dns.rdtypes.ANY.TXT import TXT

from failover.errors import FailoverError
from failover.name_servers.agreement import MOST_SERVERS, NameServer, RecordKey, ZoneAnswer
from host.printable import printable
from pair.tsig_key import TsigKey

TRIES_S: Final = (0.5, 1.0)
"""Seconds that each try over UDP waits: a lost datagram costs half a second."""
NOTIFY_TRIES_S: Final = (0.3, 0.7, 1.5)
"""RFC 1996 §3.6 suggests 60 s between tries; callers cannot wait for that."""
ASK_S: Final = 10.0
"""Seconds for all questions to one server: one that answers each of them at the last moment holds nobody up."""
_AT_ONCE: Final = MOST_SERVERS
"""Servers asked at the same time."""


class InvalidAnswer(FailoverError):
    """Something came that is no answer to what was asked, and nothing else until the deadline."""


@dataclass(frozen=True, slots=True)
class DnsTransport:
    """How servers are reached.

    Attributes:
        port: of all of them.
        source: our address that they know us by; empty for the kernel's choice.
    """

    port: int = 53
    source: str = ""

    def towards(self, address: str) -> str | None:
        """The source address for a destination of the same family; a loopback one reaches nothing but loopback."""
        if not self.source or (":" in self.source) != (":" in address):
            return None
        return None if _loopback(self.source) and not _loopback(address) else self.source


def _loopback(address: str) -> bool:
    return address == "::1" or address.startswith("127.")


def query_servers(
    servers: Sequence[NameServer],
    zone: str,
    keys: Sequence[RecordKey],
    line: DnsTransport,
    *,
    until: float = math.inf,
    key_for: Callable[[NameServer], TsigKey | None] = lambda _: None,
) -> list[ZoneAnswer]:
    """What each server says, all asked at the same time; a dead one holds up nobody."""
    if not servers:
        return []
    with ThreadPoolExecutor(min(_AT_ONCE, len(servers))) as pool:
        asked = (
            partial(query_server, server, zone, keys, line, until=until, key=key_for(server)) for server in servers
        )
        return list(pool.map(lambda one: one(), asked))


def query_server(
    server: NameServer,
    zone: str,
    keys: Sequence[RecordKey],
    line: DnsTransport,
    *,
    tries_s: Sequence[float] = TRIES_S,
    until: float = math.inf,
    key: TsigKey | None = None,
) -> ZoneAnswer:
    """What one server says of some records and the SOA, as an authority (AA set), without recursion. Never raises.

    Args:
        tries_s: seconds that each try of each question waits.
        until: on the monotonic clock; whatever is asked after it gets no answer. ASK_S from now at the latest.
        key: signs the questions; a server with views may choose the view by it.
    """
    origin = dns.name.from_text(zone)
    asking = _Asking(server, origin, line, tries_s, min(until, time.monotonic() + ASK_S), key)
    try:
        soa_set = asking.for_records(origin, "SOA")
        soa = next(iter(soa_set)) if soa_set else None
        if soa_set is None or soa is None:
            return ZoneAnswer(server, failure="it has no SOA for the zone")
        found: dict[RecordKey, frozenset[str]] = {}
        ttls: dict[RecordKey, int] = {}
        for name, kind in keys:
            rrset = asking.for_records(owner_of(name, origin), kind)
            found[name, kind] = frozenset(text_of(rdata) for rdata in rrset or ())
            if rrset:
                ttls[name, kind] = rrset.ttl
    except _Unfit as error:
        return ZoneAnswer(server, failure=str(error), silent=error.silent)
    return ZoneAnswer(server, records=found, serial=soa.serial, soa=soa.to_text(), soa_ttl=soa_set.ttl, ttls=ttls)


def keys_from_wildcards(
    seen: ZoneAnswer, zone: str, line: DnsTransport, key: TsigKey | None = None
) -> frozenset[RecordKey]:
    """Of what a server said, what may come from a "*" above the name (RFC 4592): the same values stand there.

    An answer does not tell whether a record is at its name or was made from a wildcard. A prerequisite of an UPDATE and
    the zone's file speak of what is at the name alone.
    """
    origin = dns.name.from_text(zone)
    asking = _Asking(seen.server, origin, line, TRIES_S, time.monotonic() + ASK_S, key)
    found = set()
    for (name, kind), values in seen.records.items():
        try:
            owner = owner_of(name, origin)
            for wildcard in _wildcards(owner, origin) if values else ():
                same = frozenset(text_of(rdata) for rdata in asking.for_records(wildcard, kind) or ()) == values
                if same and asking.everything(owner) == asking.everything(wildcard):
                    found.add((name, kind))
        except _Unfit:
            continue
    return frozenset(found)


def owner_of(name: str, origin: dns.name.Name) -> dns.name.Name:
    """A name of [dns.follow] as an absolute one; "@" is the zone itself."""
    return origin if name == "@" else dns.name.from_text(name, origin)


def _wildcards(owner: dns.name.Name, origin: dns.name.Name) -> Iterable[dns.name.Name]:
    """Every "*" that may stand for a name, the nearest first."""
    above = owner
    while above != origin and above.is_subdomain(origin):
        above = above.parent()
        if dns.name.from_text("*", above) != owner:
            yield dns.name.from_text("*", above)


class _Unfit(Exception):
    def __init__(self, words: str, *, silent: bool = False) -> None:
        super().__init__(words)
        self.silent = silent


@dataclass(frozen=True, slots=True)
class _Asking:
    """Questions to one server as an authority."""

    server: NameServer
    origin: dns.name.Name
    line: DnsTransport
    tries_s: Sequence[float]
    until: float
    key: TsigKey | None

    def for_records(self, owner: dns.name.Name, kind: str) -> dns.rrset.RRset | None:
        """What stands at a name. An alias that was made from a wildcard is none: nothing stands there.

        Raises:
            _Unfit
        """
        answer = self._answer(owner, kind)
        shown = printable(owner.to_text())
        if answer.rcode() not in (dns.rcode.NOERROR, dns.rcode.NXDOMAIN):
            raise _Unfit(f"answers {dns.rcode.to_text(answer.rcode())} for {shown}")
        if not answer.flags & dns.flags.AA:
            self._raise_if_delegated(answer, owner)
            raise _Unfit(f"answers for {shown} without authority: the zone is not loaded there")
        alias = answer.get_rrset(answer.answer, owner, dns.rdataclass.IN, dns.rdatatype.CNAME)
        if alias and not self._is_from_wildcard(owner, alias):
            raise _Unfit(f"has an alias (CNAME) at {shown}; give that name its addresses itself")
        return answer.get_rrset(answer.answer, owner, dns.rdataclass.IN, dns.rdatatype.from_text(kind))

    def everything(self, owner: dns.name.Name) -> frozenset[str]:
        """Every record of a name, signatures aside; a server may tell less (RFC 8482)."""
        answer = self._answer(owner, "ANY")
        return frozenset(
            f"{rrset.rdtype} {rdata}"
            for rrset in answer.answer
            for rdata in rrset
            if rrset.name == owner and rrset.rdtype not in (dns.rdatatype.RRSIG, dns.rdatatype.NSEC)
        )

    def _is_from_wildcard(self, owner: dns.name.Name, alias: dns.rrset.RRset) -> bool:
        for wildcard in _wildcards(owner, self.origin):
            answer = self._answer(wildcard, "CNAME")
            there = answer.get_rrset(answer.answer, wildcard, dns.rdataclass.IN, dns.rdatatype.CNAME)
            if there and set(there) == set(alias):
                return True
        return False

    def _raise_if_delegated(self, answer: dns.message.Message, owner: dns.name.Name) -> None:
        for rrset in answer.authority:
            below = rrset.name != self.origin and rrset.name.is_subdomain(self.origin)
            if rrset.rdtype == dns.rdatatype.NS and below and owner.is_subdomain(rrset.name):
                raise _Unfit(
                    f"delegates {printable(rrset.name.to_text())} to other name servers, so nothing that stands at "
                    f"{printable(owner.to_text())} in this zone is ever served. Follow a name outside of that "
                    "delegation in [dns.follow]"
                )

    def _answer(self, owner: dns.name.Name, kind: str) -> dns.message.Message:
        query = dns.message.make_query(owner, kind)
        query.flags &= ~dns.flags.RD
        if self.key is not None:
            query.use_tsig(self.key.keyring)
        why, silent = "no answer", True
        for wait_s in self.tries_s:
            left_s = self.until - time.monotonic()
            if left_s <= 0:
                break
            try:
                return exchange(query, self.server.address, self.line, wait_s=min(wait_s, left_s))
            except dns.exception.Timeout:
                continue
            except InvalidAnswer as error:
                why, silent = f"an answer that makes no sense ({error})", False
            except OSError as error:
                why, silent = f"no answer ({error.strerror or type(error).__name__})", True
        raise _Unfit(why, silent=silent)


def exchange(query: dns.message.Message, address: str, line: DnsTransport, *, wait_s: float) -> dns.message.Message:
    """One question over UDP, over TCP where the answer is cut short.

    A datagram that is no answer to it is passed over, whoever sent it: the right one may come behind it.

    Args:
        wait_s: seconds, for all of it.

    Raises:
        InvalidAnswer, dns.exception.Timeout, OSError
    """
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    source = line.towards(address)
    # dnspython reckons its deadlines on this clock.
    expiration = time.time() + wait_s
    odd = ""
    with socket.socket(family, socket.SOCK_DGRAM) as sock:
        sock.setblocking(False)
        if source:
            sock.bind((source, 0))
        where = dns.inet.low_level_address_tuple((address, line.port), family)
        try:
            dns.query.send_udp(sock, query, where, expiration)
            while time.time() < expiration:
                try:
                    answer: dns.message.Message = dns.query.receive_udp(
                        sock,
                        where,
                        expiration,
                        ignore_unexpected=True,
                        keyring=query.keyring,
                        request_mac=query.mac,
                        raise_on_truncation=True,
                    )[0]
                except dns.message.Truncated as cut:
                    answer = cut.message()  # type: ignore[no-untyped-call]
                    if query.is_response(answer):
                        left_s = max(0.0, expiration - time.time())
                        return dns.query.tcp(query, address, timeout=left_s, port=line.port, source=source)
                except dns.exception.Timeout:
                    break
                except (dns.exception.DNSException, ValueError) as error:
                    odd = type(error).__name__
                    continue
                if query.is_response(answer):
                    return answer
                odd = "BadResponse"
        except (dns.exception.DNSException, ValueError, EOFError) as error:
            if isinstance(error, dns.exception.Timeout):
                raise
            odd = type(error).__name__
    if odd:
        raise InvalidAnswer(odd)
    raise dns.exception.Timeout


def text_of(rdata: dns.rdata.Rdata) -> str:
    """A record's value: a TXT's strings joined, without quotes; else as it is written."""
    if isinstance(rdata, TXT):
        return b"".join(rdata.strings).decode("utf-8", "backslashreplace")
    return rdata.to_text()


def notify_all(
    servers: Iterable[NameServer], zone: str, serial_soa: str, line: DnsTransport, key: TsigKey | None
) -> list[str]:
    """Tells every secondary at once that the zone changed (RFC 1996), over UDP with retries.

    A hint only: what it achieves is seen by asking. Returns, in words, who did not take it.
    """
    targets = list(servers)
    if not targets:
        return []
    with ThreadPoolExecutor(min(_AT_ONCE, len(targets))) as pool:
        return [words for words in pool.map(lambda to: _notify(to, zone, serial_soa, line, key), targets) if words]


def _notify(server: NameServer, zone: str, soa: str, line: DnsTransport, key: TsigKey | None) -> str:
    origin = dns.name.from_text(zone)
    message = dns.message.make_query(origin, "SOA")
    message.set_opcode(dns.opcode.NOTIFY)
    message.flags = (message.flags & ~dns.flags.RD) | dns.flags.AA
    message.answer.append(dns.rrset.from_text(origin, 0, "IN", "SOA", soa))
    if key is not None:
        message.use_tsig(key.keyring)
    why = "no answer"
    for wait_s in NOTIFY_TRIES_S:
        try:
            answer = exchange(message, server.address, line, wait_s=wait_s)
        except dns.exception.Timeout:
            continue
        except InvalidAnswer as error:
            why = str(error)
            continue
        except OSError as error:
            why = error.strerror or type(error).__name__
            continue
        if answer.rcode() == dns.rcode.NOERROR:
            return ""
        return f"{server} took no NOTIFY: {dns.rcode.to_text(answer.rcode())}"
    return f"{server} took no NOTIFY: {why}"
