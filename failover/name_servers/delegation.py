"""Which name servers the parent delegates a zone to: those are the ones that the world asks."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Final

import dns.exception
import dns.flags
import dns.message
import dns.name
import dns.rdataclass
import dns.rdatatype
import dns.resolver

from failover.errors import FailoverError
from failover.name_servers.agreement import MOST_SERVERS
from failover.name_servers.transport import DnsTransport, InvalidAnswer, exchange
from pair.sections.dns import Dns

DELEGATION_S: Final = 5.0
"""Seconds for finding the parent, asking it, and looking up whom it names."""
_TRY_S: Final = 1.0
_LOOK_UP_S: Final = 3.0
_MOST_PARENTS: Final = 4


class DelegationUnknown(FailoverError):
    """The parent could not be asked; the servers of pair.toml are all that is known."""


def read_delegation(dns_section: Dns) -> dict[str, tuple[str, ...]]:
    """Name server -> addresses, as the parent delegates; `delegation` of pair.toml goes before asking.

    The parent's referral (RFC 1034 §4.2.1) names the servers, with addresses where they lie inside the zone; those
    of others are looked up. A name without any address is left with none: then it is named as lagging by nobody,
    and `failover check` tells of it. Of more than MOST_SERVERS names the first ones are looked at, until DELEGATION_S
    are over: what a parent says must not decide how long a promotion takes, or how many strangers it asks.

    Raises:
        DelegationUnknown
    """
    if dns_section.delegation:
        return {name: tuple(addresses) for name, addresses in dns_section.delegation.items()}
    origin = dns.name.from_text(dns_section.zone)
    looking = _LookUp(_resolver(dns_section), time.monotonic() + DELEGATION_S)
    why = "it has no address"
    for address in (dns_section.parent or _parent_addresses(origin, looking))[:_MOST_PARENTS]:
        try:
            referral = exchange(_question(origin), address, DnsTransport(dns_section.port), wait_s=_TRY_S)
        except (dns.exception.DNSException, InvalidAnswer, OSError) as error:
            why = type(error).__name__
            continue
        found = _referred(referral, origin, looking)
        if found:
            return found
        why = "it delegates the zone to nobody"
    raise DelegationUnknown(
        f"The parent of {dns_section.zone} could not be asked for its name servers: {why}. "
        "Name its servers in pair.toml: dns.parent = [...], or the delegation itself: dns.delegation"
    )


def _question(origin: dns.name.Name) -> dns.message.QueryMessage:
    question = dns.message.make_query(origin, "NS")
    question.flags &= ~dns.flags.RD
    return question


def _referred(referral: dns.message.Message, origin: dns.name.Name, looking: _LookUp) -> dict[str, tuple[str, ...]]:
    named = referral.get_rrset(referral.authority, origin, dns.rdataclass.IN, dns.rdatatype.NS) or referral.get_rrset(
        referral.answer, origin, dns.rdataclass.IN, dns.rdatatype.NS
    )
    found: dict[str, tuple[str, ...]] = {}
    for rdata in list(named or ())[:MOST_SERVERS]:
        target = dns.name.from_text(rdata.to_text())
        glue = [
            record.to_text()
            for kind in (dns.rdatatype.A, dns.rdatatype.AAAA)
            for record in referral.get_rrset(referral.additional, target, dns.rdataclass.IN, kind) or ()
        ]
        found[target.to_text(omit_final_dot=True).lower()] = tuple(glue) or looking.addresses(target)
    return found


@dataclass(frozen=True, slots=True)
class _LookUp:
    """A resolver, for as long as there is time."""

    resolver: dns.resolver.Resolver | None
    until: float

    def answer(self, name: dns.name.Name, kind: str) -> dns.resolver.Answer | None:
        """What it finds; None where there is no such record.

        Raises:
            dns.exception.DNSException, OSError
        """
        left_s = min(_LOOK_UP_S, self.until - time.monotonic())
        if self.resolver is None or left_s <= 0:
            raise dns.exception.Timeout
        try:
            return self.resolver.resolve(name, kind, lifetime=left_s)
        except (dns.resolver.NoAnswer, dns.resolver.NXDOMAIN):
            return None

    def addresses(self, name: dns.name.Name) -> tuple[str, ...]:
        """The addresses of a name; none where they cannot be found in time."""
        found: list[str] = []
        for kind in ("A", "AAAA"):
            try:
                found += [record.to_text() for record in self.answer(name, kind) or ()]
            except (dns.exception.DNSException, OSError):
                continue
        return tuple(found)


def _parent_addresses(origin: dns.name.Name, looking: _LookUp) -> tuple[str, ...]:
    zone = origin
    while zone != dns.name.root:
        zone = zone.parent()
        try:
            servers = looking.answer(zone, "NS")
        except (dns.exception.DNSException, OSError):
            return ()
        for rdata in list(servers or ())[:_MOST_PARENTS]:
            addresses = looking.addresses(dns.name.from_text(rdata.to_text()))
            if addresses:
                return addresses
    return ()


def _resolver(dns_section: Dns) -> dns.resolver.Resolver | None:
    """One that does not depend on the dead machine, where pair.toml names any; else the system's."""
    try:
        resolver = dns.resolver.Resolver(configure=not dns_section.resolvers)
    except dns.exception.DNSException:
        return None
    if dns_section.resolvers:
        resolver.nameservers = list(dns_section.resolvers)
        resolver.port = dns_section.port
    return resolver
