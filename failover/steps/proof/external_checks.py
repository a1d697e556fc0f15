"""What can be seen of a promotion from outside when it is over: registrations, public resolvers, Domino's marker."""

from __future__ import annotations

import asyncio
import ipaddress
import logging
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Final

from ami_watcher.registrations.expected import expected_registrations, hosts_to_resolve, resolve_hosts
from failover.context import Context
from failover.probes import own_asterisk
from host.printable import printable
from localized.activation.comparison import compare
from pair import Dns as Zone

RESOLVER_S: Final = 2.0
"""Seconds for one question to a public resolver."""
LISTS_S: Final = 5.0


@dataclass(frozen=True, slots=True)
class ProofResult:
    """One thing that was looked at.

    Attributes:
        what: registrations, resolver, domino or call.
        good: it is as it shall be; None: that is not known, or passes by itself, and is told only.
        words: what was seen, one sentence.
        seconds: how long it took.
    """

    what: str
    good: bool | None
    words: str
    seconds: float


def check_registrations(context: Context) -> ProofResult:
    """Every trunk that this machine registers as primary, in Asterisk's own lists."""
    started = time.monotonic()
    lists, unread = own_asterisk.read_lists(context, deadline_s=LISTS_S)
    if lists is None:
        return ProofResult("registrations", False, f"registrations: not read: {unread}", time.monotonic() - started)
    trunks = expected_registrations(context.pair, context.machine, "primary")
    addresses = asyncio.run(resolve_hosts(hosts_to_resolve(trunks), deadline_s=1.0))
    found = compare(trunks, lists, addresses)
    here_now = [row for row in found.rows if row.wanted.here]
    good = len(here_now) - len(found.missing)
    words = f"registrations: {good} of {len(here_now)} listed as registered"
    if found.missing:
        words += "; missing: " + ", ".join(f"{row.wanted.trunk} ({row.state})" for row in found.missing)
    return ProofResult("registrations", not found.missing, words, time.monotonic() - started)


def check_resolvers(zone: Zone, machine: str) -> list[ProofResult]:
    """What each public resolver says of each followed name, and for how long it will."""
    if not zone.resolvers:
        return []
    with ThreadPoolExecutor(len(zone.resolvers)) as pool:
        return list(pool.map(lambda address: _resolver(zone, machine, address), zone.resolvers))


def _resolver(zone: Zone, machine: str, address: str) -> ProofResult:
    started = time.monotonic()
    said: list[str] = []
    stale = False
    for name, addresses in zone.follow.items():
        want = addresses[machine]
        kind = "A" if ipaddress.ip_address(want).version == 4 else "AAAA"
        whole = zone.zone if name == "@" else f"{name}.{zone.zone}"
        values, ttl_s, failure = _asked(whole, kind, address, zone.port)
        if failure:
            return ProofResult("resolver", None, f"resolver {address}: {failure}", time.monotonic() - started)
        if values == [want]:
            said.append(f"{name} {want}")
            continue
        stale = True
        more = f" (more than the {zone.ttl_s} s of the zone: it keeps its own)" if ttl_s > zone.ttl_s else ""
        shown = printable(" ".join(values), 80) or "nothing"
        said.append(f"{name} still {shown} for {ttl_s} s{more}")
    words = f"resolver {address}: {', '.join(said)}"
    # What a resolver still holds runs out by itself; it is told, and leaves nothing to be done.
    return ProofResult("resolver", None if stale else True, words, time.monotonic() - started)


def _asked(name: str, kind: str, address: str, port: int) -> tuple[Sequence[str], int, str]:
    """Values, remaining TTL, and why there are none."""
    # dnspython takes 0.1 s, and most pairs have no resolvers to ask: loaded beside whatever else is waited for.
    import dns.exception
    import dns.flags
    import dns.message
    import dns.rcode
    import dns.rdataclass
    import dns.rdatatype

    from failover.name_servers.transport import DnsTransport, InvalidAnswer, exchange

    query = dns.message.make_query(name, kind)
    query.flags |= dns.flags.RD
    try:
        answer = exchange(query, address, DnsTransport(port), wait_s=RESOLVER_S)
    except dns.exception.Timeout:
        return [], 0, "no answer"
    except (OSError, InvalidAnswer) as error:
        return [], 0, f"no answer that makes sense ({error})"
    if answer.rcode() not in (dns.rcode.NOERROR, dns.rcode.NXDOMAIN):
        return [], 0, f"it answers {dns.rcode.to_text(answer.rcode())}"
    wanted_type = dns.rdatatype.from_text(kind)
    sets = [one for one in answer.answer if one.rdtype == wanted_type and one.rdclass == dns.rdataclass.IN]
    values = sorted(rdata.to_text() for one in sets for rdata in one)
    # With an alias in between, the shorter of the two lives counts.
    return values, min((one.ttl for one in answer.answer), default=0), ""


def check_domino(context: Context) -> list[ProofResult]:
    """Whether each alias reaches this machine's own site, as its marker says."""
    if not context.pair.domino.sites:
        return []
    # Imported here: a promotion without Domino goes without an HTTP client.
    from agi.domino.marker import MarkerChecker

    # What it finds is told in our own words; without a handler Python would print its log lines as well.
    logging.getLogger("agi").addHandler(logging.NullHandler())
    started = time.monotonic()
    found = MarkerChecker(context.pair, context.machine).check()
    took = time.monotonic() - started
    return [ProofResult("domino", one.ok is True, f"domino {one.said}", took) for one in found.values()]
