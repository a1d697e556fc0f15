"""Asks name servers what they say of some records, as authorities. Never raises: no answer is an answer of its own."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import Final

import dns.exception
import dns.flags
import dns.message
import dns.name
import dns.rcode
import dns.rdataclass
import dns.rdatatype
import dns.rrset

from failover.name_servers.agreement import MOST_SERVERS, NameServer, RecordKey, ZoneAnswer
from failover.name_servers.records import owner_of, text_of
from failover.name_servers.transport import DnsTransport, InvalidAnswer, exchange
from host.printable import printable
from pair.tsig_key import TsigKey

TRIES_S: Final = (0.5, 1.0)
"""Seconds that each try over UDP waits: a lost datagram costs half a second."""
ASK_S: Final = 10.0
"""Seconds for all questions to one server: one that answers each of them at the last moment holds nobody up."""


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
    with ThreadPoolExecutor(min(MOST_SERVERS, len(servers))) as pool:
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
    conversation = _Conversation(server, origin, line, tries_s, min(until, time.monotonic() + ASK_S), key)
    try:
        soa_set = conversation.for_records(origin, "SOA")
        soa = next(iter(soa_set)) if soa_set else None
        if soa_set is None or soa is None:
            return ZoneAnswer(server, failure="it has no SOA for the zone")
        found: dict[RecordKey, frozenset[str]] = {}
        ttls: dict[RecordKey, int] = {}
        for name, kind in keys:
            rrset = conversation.for_records(owner_of(name, origin), kind)
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
    conversation = _Conversation(seen.server, origin, line, TRIES_S, time.monotonic() + ASK_S, key)
    found = set()
    for (name, kind), values in seen.records.items():
        try:
            owner = owner_of(name, origin)
            for wildcard in _wildcards(owner, origin) if values else ():
                same = frozenset(text_of(rdata) for rdata in conversation.for_records(wildcard, kind) or ()) == values
                if same and conversation.everything(owner) == conversation.everything(wildcard):
                    found.add((name, kind))
        except _Unfit:
            continue
    return frozenset(found)


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
class _Conversation:
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
