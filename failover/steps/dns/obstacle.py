"""What would keep this machine from changing the zone, seen long before, without touching anything.

`failover check` and `failover ready` tell it; the DNS step looks again before it begins.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Final

import dns.exception
import dns.flags
import dns.message
import dns.name
import dns.rdatatype

from failover.bind.named import LocalNamed, NamedRefuses, NamedSilent, ZoneInSeveralViews
from failover.bind.named_conf import ZoneStatement
from failover.bind.proofread import read_proofread
from failover.bind.zone_status import ZoneStatus
from failover.bind.zone_text import ZoneFileUnclear
from failover.name_servers.agreement import wanted_records
from failover.name_servers.transport import DnsTransport, InvalidAnswer, exchange
from pair.sections.dns import Dns

_ASK_S: Final = 1.5
_PAYLOAD: Final = 4096


def zone_obstacle_here(dns_section: Dns, machine: str) -> str:
    """As `obstacle`, of the machine that one is on.

    Raises:
        NamedSilent
    """
    line = DnsTransport.of(dns_section, machine)
    named = LocalNamed.of(dns_section)
    return (
        zone_obstacle(dns_section, named, dns_section.own_address(machine), line)
        or _expired(dns_section, named)
        or _file(dns_section, named, machine)
    )


def _expired(dns_section: Dns, named: LocalNamed) -> str:
    """A promotion takes over what the copy says, old as it is; that is worth knowing before."""
    zone = dns_section.zone
    if dns_section.primary is not None:
        return ""
    try:
        if named.status(zone).loaded:
            return ""
    except NamedRefuses as error:
        return str(error)
    return (
        f"the copy of {zone} that this machine has is expired, so its BIND answers nothing of it. See why it gets no "
        f"newer one: rndc refresh {zone}; journalctl -u named"
    )


def _file(dns_section: Dns, named: LocalNamed, machine: str) -> str:
    """Why the zone's file could not be edited, for method zonefile; a raw one is converted at a take-over."""
    path = Path(dns_section.zone_file or "")
    if dns_section.primary is not None or dns_section.method != "zonefile":
        return ""
    try:
        block = named.block(dns_section.zone)
        if block is not None and block.kind == "secondary" and block.raw:
            return ""
        keys = wanted_records(dns_section, machine, 0).keys
        read_proofread(dns_section.zone, path, named, keys)
    except (ZoneFileUnclear, NamedRefuses) as error:
        return str(error)
    return ""


def zone_obstacle(dns_section: Dns, named: LocalNamed, own: str, line: DnsTransport) -> str:
    """Why this machine could not make the zone say anything else; empty where nothing stands in the way.

    Args:
        named: our own, which would be the zone's primary.
        own: address at which it answers.

    Raises:
        NamedSilent: it does not run; that is told by others.
    """
    zone = dns_section.zone
    if dns_section.primary is not None:
        return ""
    try:
        status, block = named.status(zone), named.block(zone)
    except ZoneInSeveralViews as error:
        return str(error)
    except NamedSilent:
        raise
    except NamedRefuses as error:
        return str(error)
    if status.kind == "primary" and status.frozen and dns_section.method == "update":
        return f"{zone} is frozen on this machine, and takes no update. Type: rndc thaw {zone}"
    if not status.secure or status.inline_signing:
        return ""
    if dns_section.method == "zonefile":
        return (
            f"{zone} is signed (DNSSEC) in its own file, and an edit would make its signatures wrong. Let named sign "
            "it: dnssec-policy with 'inline-signing yes;', and the file that is not signed; or use method 'update' "
            "with dns.dnssec_policy."
        )
    return _keys(dns_section, status, block, own, line)


def _keys(dns_section: Dns, status: ZoneStatus, block: ZoneStatement | None, own: str, line: DnsTransport) -> str:
    """A signed zone is changed by whoever has its keys: named signs what an UPDATE brings (RFC 3007), or answers
    SERVFAIL without them; with a dnssec-policy and no keys it makes new ones, which no DS at the parent knows."""
    directory = Path(dns_section.key_directory or (block.key_directory if block is not None else "."))
    policy = dns_section.dnssec_policy or (
        block.dnssec_policy if block is not None and status.kind == "primary" else ""
    )
    signers = signed_by(dns_section.zone, own, line, whole=bool(policy))
    missing = [name for name in signers if not (directory / f"{name}.private").is_file()]
    if not missing:
        return ""
    where = "" if status.kind == "primary" else ", as the copy of it that this machine has is,"
    return (
        f"{dns_section.zone} is signed (DNSSEC){where} and this machine has not the keys to sign it with: "
        f"{', '.join(f'{name}.private' for name in missing[:4])} not in {directory}. After a promotion its name server "
        f"would answer SERVFAIL to an update, or sign with keys that nobody trusts. Copy K{dns_section.zone}.* there "
        "from the other machine, readable for named, and have them synced; name the policy in dns.dnssec_policy and "
        "the directory in dns.key_directory"
    )


def signed_by(zone: str, address: str, line: DnsTransport, *, whole: bool) -> tuple[str, ...]:
    """The keys that the zone is signed with, by the names of their files (K<zone>.+<algorithm>+<tag>).

    Args:
        whole: those that sign the keys as well, and not what an update changes alone.
    """
    origin = dns.name.from_text(zone)
    signers: set[tuple[int, int]] = set()
    for kind in (dns.rdatatype.SOA, *([dns.rdatatype.DNSKEY] if whole else [])):
        query = dns.message.make_query(origin, kind, want_dnssec=True, payload=_PAYLOAD)
        query.flags &= ~dns.flags.RD
        try:
            answer = exchange(query, address, line, wait_s=_ASK_S)
        except (dns.exception.DNSException, InvalidAnswer, OSError):
            continue
        signers |= {
            (rdata.algorithm, rdata.key_tag)
            for rrset in answer.answer
            for rdata in rrset
            if rrset.rdtype == dns.rdatatype.RRSIG and rdata.type_covered == kind
        }
    return files_of(zone, signers)


def files_of(zone: str, signers: Iterable[tuple[int, int]]) -> tuple[str, ...]:
    """How dnssec-keygen names the files of keys, without their endings."""
    name = zone.lower().rstrip(".")
    return tuple(f"K{name}.+{algorithm:03d}+{tag:05d}" for algorithm, tag in sorted(signers))
