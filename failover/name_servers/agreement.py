"""What the zone shall say, what a name server said, and whether that is the same. Values and rules, no I/O."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from itertools import zip_longest
from typing import Final, TypeAlias

from failover.name_servers.serial import later
from host.printable import printable
from pair.public_role import NAME, PublicRole, text
from pair.sections.dns import Dns

MOST_SERVERS: Final = 32
"""Addresses that have to agree, at the most: a parent may name any number, and each of them is asked and waited for."""

RecordKey: TypeAlias = tuple[str, str]
"""Name relative to the zone ("@" for itself), and type (A, AAAA, TXT)."""

Records: TypeAlias = Mapping[RecordKey, frozenset[str]]
"""Values by name and type; an empty set says that there is no such record."""


@dataclass(frozen=True, slots=True)
class WantedRecords:
    """What the zone shall say.

    Attributes:
        zone: without the final dot.
        records: addresses of the followed names, and who is primary.
        ttl_s: seconds, of these records.
    """

    zone: str
    records: Records
    ttl_s: int

    @property
    def keys(self) -> tuple[RecordKey, ...]:
        """What has to be asked."""
        return tuple(self.records)


def wanted_records(dns: Dns, machine: str, epoch: int) -> WantedRecords:
    """What the zone shall say while `machine` is primary.

    A name whose two machines have addresses of different families loses the one and gets the other.
    """
    records: dict[RecordKey, frozenset[str]] = {}
    for name, addresses in dns.follow.items():
        for address in addresses.values():
            records.setdefault((name, rdtype(address)), frozenset())
        records[name, rdtype(addresses[machine])] = frozenset({addresses[machine]})
    records[NAME, "TXT"] = frozenset({text(PublicRole(epoch, machine))})
    return WantedRecords(dns.zone, records, dns.ttl_s)


def rdtype(address: str) -> str:
    """A or AAAA."""
    return "A" if ipaddress.ip_address(address).version == 4 else "AAAA"


@dataclass(frozen=True, slots=True)
class NameServer:
    """A name server at one of its addresses.

    Attributes:
        name: in pair.toml, or as the parent calls it.
        address: where it is asked.
    """

    name: str
    address: str

    def __str__(self) -> str:
        return f"{self.name} ({self.address})"


@dataclass(frozen=True, slots=True)
class ZoneAnswer:
    """What one server answered.

    Attributes:
        server: which.
        failure: why there is no answer to believe; empty when there is.
        silent: it did not answer at all, so it misleads nobody.
        records: what it says, for each key asked.
        serial: of its SOA.
        soa: the SOA record as text, without owner, TTL and class.
        soa_ttl: seconds.
        ttls: seconds, of each key that has records.
    """

    server: NameServer
    failure: str = ""
    silent: bool = False
    records: Records = field(default_factory=dict)
    serial: int = 0
    soa: str = ""
    soa_ttl: int = 0
    ttls: Mapping[RecordKey, int] = field(default_factory=dict)


def update_server(dns: Dns, machine: str) -> NameServer:
    """The server that takes the zone's changes while `machine` is primary: the one that [dns] primary names, else its
    own."""
    if dns.primary is not None:
        return NameServer(dns.primary, dns.servers[dns.primary])
    return NameServer(machine, dns.own_address(machine))


class Agreement(Enum):
    """What an answer means for the promotion."""

    AGREES = "agrees"
    LAGS = "lags"
    """It tells clients something else."""
    SILENT = "silent"
    UNFIT = "unfit"
    """It answers, and not as an authority for the zone."""


def agreement(seen: ZoneAnswer, want: WantedRecords, serial: int) -> Agreement:
    """Whether a server says what it shall, with a serial that is not older than `serial`.

    Contents are compared, not serials alone: two primaries that were updated apart can have the same serial.
    """
    if seen.silent:
        return Agreement.SILENT
    if seen.failure:
        return Agreement.UNFIT
    same = all(seen.records.get(key, frozenset()) == values for key, values in want.records.items())
    return Agreement.AGREES if same and not later(serial, seen.serial) else Agreement.LAGS


def differences(seen: ZoneAnswer, want: WantedRecords, serial: int) -> str:
    """What a lagging or unfit server said, in words."""
    if seen.failure:
        return f"{seen.server}: {seen.failure}"
    said = [
        f"{name} {kind} {_values(seen.records.get((name, kind), frozenset()))}"
        for (name, kind), values in want.records.items()
        if seen.records.get((name, kind), frozenset()) != values
    ]
    if later(serial, seen.serial):
        said.append(f"serial {seen.serial}, older than {serial}")
    return f"{seen.server}: {', '.join(said)}"


def summary(answers: Sequence[ZoneAnswer], want: WantedRecords, serial: int) -> str:
    """The proof in one sentence: who agrees, who does not and what they said."""
    agreeing = [seen for seen in answers if agreement(seen, want, serial) is Agreement.AGREES]
    values = [f"{name} {_values(values)}" for (name, kind), values in want.records.items() if kind != "TXT" and values]
    newest = agreeing[0].serial if agreeing else serial
    said = f"{len(agreeing)} of {len(answers)} servers agree: {', '.join(values)}, serial {newest}"
    others = [differences(seen, want, serial) for seen in answers if seen not in agreeing]
    return "; ".join([said, *others])


def servers_to_agree(dns: Dns, delegated: Mapping[str, Iterable[str]]) -> list[NameServer]:
    """Every server that has to agree, at each of its addresses: those configured, and those delegated to.

    MOST_SERVERS of them at the most, the configured ones first; of those delegated to one address of each before a
    second one of any.
    """
    found: dict[str, NameServer] = {}
    for name, address in dns.servers.items():
        for each in (address, *dns.more_addresses.get(name, ())):
            found.setdefault(each, NameServer(name, each))
    for turn in zip_longest(*([(name, each) for each in addresses] for name, addresses in delegated.items())):
        for name, each in filter(None, turn):
            if len(found) < MOST_SERVERS:
                found.setdefault(each, NameServer(name, each))
    return list(found.values())[:MOST_SERVERS]


def _values(values: frozenset[str]) -> str:
    return printable(" ".join(sorted(values)), 120) if values else "nothing"
