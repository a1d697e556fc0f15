"""Which name servers the parent delegates a zone to: those are the ones that the world asks."""

from __future__ import annotations

from typing import Final

import dns.exception
import dns.flags
import dns.message
import dns.name
import dns.query
import dns.rdataclass
import dns.rdatatype
import dns.resolver

from failover.errors import FailoverError
from pair.dns import Dns

_TRY_S: Final = 1.0
_LOOK_UP_S: Final = 3.0


class DelegationUnknown(FailoverError):
    """The parent could not be asked; the servers of pair.toml are all that is known."""


def delegated(dns_section: Dns) -> dict[str, tuple[str, ...]]:
    """Name server -> addresses, as the parent delegates; `delegation` of pair.toml goes before asking.

    The parent's referral (RFC 1034 §4.2.1) names the servers, with addresses where they lie inside the zone; those
    of others are looked up. A name without any address is left with none: then it is named as lagging by nobody,
    and `failover check` tells of it.

    Raises:
        DelegationUnknown
    """
    if dns_section.delegation:
        return {name: tuple(addresses) for name, addresses in dns_section.delegation.items()}
    origin = dns.name.from_text(dns_section.zone)
    resolver = _resolver(dns_section)
    why = "it has no address"
    for address in dns_section.parent or _parent_addresses(origin, resolver):
        try:
            referral, _ = dns.query.udp_with_fallback(
                _question(origin), address, timeout=_TRY_S, port=dns_section.port, ignore_unexpected=True
            )
        except (dns.exception.DNSException, OSError, ValueError) as error:
            why = type(error).__name__
            continue
        found = _referred(referral, origin, resolver)
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


def _referred(
    referral: dns.message.Message, origin: dns.name.Name, resolver: dns.resolver.Resolver | None
) -> dict[str, tuple[str, ...]]:
    named = referral.get_rrset(referral.authority, origin, dns.rdataclass.IN, dns.rdatatype.NS) or referral.get_rrset(
        referral.answer, origin, dns.rdataclass.IN, dns.rdatatype.NS
    )
    found: dict[str, tuple[str, ...]] = {}
    for rdata in named or ():
        target = dns.name.from_text(rdata.to_text())
        glue = [
            record.to_text()
            for kind in (dns.rdatatype.A, dns.rdatatype.AAAA)
            for record in referral.get_rrset(referral.additional, target, dns.rdataclass.IN, kind) or ()
        ]
        found[target.to_text(omit_final_dot=True).lower()] = tuple(glue) or _looked_up(target, resolver)
    return found


def _parent_addresses(origin: dns.name.Name, resolver: dns.resolver.Resolver | None) -> tuple[str, ...]:
    if resolver is None:
        return ()
    zone = origin
    while zone != dns.name.root:
        zone = zone.parent()
        try:
            servers = resolver.resolve(zone, "NS", lifetime=_LOOK_UP_S)
        except (dns.resolver.NoAnswer, dns.resolver.NXDOMAIN):
            continue
        except (dns.exception.DNSException, OSError):
            return ()
        for rdata in list(servers)[:4]:
            addresses = _looked_up(dns.name.from_text(rdata.to_text()), resolver)
            if addresses:
                return addresses
    return ()


def _looked_up(name: dns.name.Name, resolver: dns.resolver.Resolver | None) -> tuple[str, ...]:
    found: list[str] = []
    for kind in ("A", "AAAA") if resolver is not None else ():
        try:
            found += [record.to_text() for record in resolver.resolve(name, kind, lifetime=_LOOK_UP_S)]  # type: ignore[union-attr]
        except (dns.exception.DNSException, OSError):
            continue
    return tuple(found)


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
