"""What is known of the other machine and of who was promoted last: from the name servers, and from what failover saw.

A name server is asked without any privilege. The other machine is asked by `failover` alone, which has the key; each of
its commands that does so leaves what it saw in the run directory (failover.peer.remote).
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from typing import Final

from host.file_reading import MISREAD, read_json
from host.places import Places
from host.printable import printable
from pair import Pair
from pair.public_role import NAME, PublicRole, later, parse, sane

ASK_S: Final = 2.0
"""Seconds for one name server."""
SEEN_S: Final = 900.0
"""What was seen of the other machine a quarter of an hour ago says nothing of now: `failover ready` is to be run every
few minutes."""
FILE: Final = "peer-seen.json"
"""In the run directory."""
_LONGEST: Final = 256 * 1024


@dataclass(frozen=True, slots=True)
class OtherMachine:
    """The other machine, as far as it is known here.

    Attributes:
        own_epoch: of the right that this machine holds; 0 for none, and for a person's word.
        seen_at: unix seconds at which failover last had its answer; None where it never had one.
        is_primary: what it said then.
        epoch: of its right.
        held: shared trunks that its Asterisk listed as registered.
        roles: name server -> whom it calls primary.
    """

    own_epoch: int = 0
    seen_at: float | None = None
    is_primary: bool = False
    epoch: int = 0
    held: frozenset[str] = frozenset()
    roles: Mapping[str, PublicRole] = field(default_factory=dict)

    def seen(self, now: float) -> bool:
        """Whether it was seen lately."""
        return self.seen_at is not None and abs(now - self.seen_at) <= SEEN_S

    def named_primary(self, machine: str) -> bool:
        """Whether name servers call `machine` primary, and none another."""
        return bool(self.roles) and all(role.machine == machine for role in self.roles.values())

    def overtaken(self, machine: str, other: str, now: float) -> str:
        """That the other machine was promoted later, in one sentence without what to type; "" where nobody says so.

        For a machine that serves by a person's word there is no number to be later than, and nobody can say.
        """
        if not self.own_epoch:
            return ""
        told = {f"name server {name}": role for name, role in self.roles.items()}
        if self.seen(now) and self.is_primary:
            told[f"{other} itself"] = PublicRole(self.epoch, other)
        found = later(machine, self.own_epoch, told)
        if found is None:
            return ""
        role, witnesses = found
        verb = "says" if len(witnesses) == 1 else "say"
        return (
            f"{machine} was overtaken: {', '.join(sorted(witnesses))} {verb} that {role.machine} was promoted with "
            f"{role.epoch}, later than its {self.own_epoch}."
        )


OTHER_MACHINE_UNSEEN: Final = OtherMachine()
"""Before anything was looked at."""


def read_other_machine(places: Places, machine: str, other: str, before: OtherMachine) -> OtherMachine:
    """What the run directory says now; the name servers' word stays as it was. Blocks for a moment."""
    from ami_watcher.registrations.role import right_epoch  # asyncio: failover leaves its note without it

    own = right_epoch(places, machine)
    try:
        told = read_json(places.run / FILE, _LONGEST)
        if told["machine"] != other:
            raise ValueError
        return replace(
            before,
            own_epoch=own,
            seen_at=float(told["at"]),
            is_primary=told["is_primary"] is True,
            epoch=sane(int(told["epoch"])),
            held=frozenset(printable(str(name), 200) for name in told["held"]),
        )
    except (OSError, *MISREAD):
        return replace(before, own_epoch=own, seen_at=None, is_primary=False, epoch=0, held=frozenset())


def encode_peer_seen(machine: str, *, at: float, is_primary: bool, epoch: int, held: tuple[str, ...]) -> bytes:
    """What failover leaves there of a machine that answered."""
    return json.dumps({"machine": machine, "at": at, "is_primary": is_primary, "epoch": epoch, "held": held}).encode()


def query_public_roles(pair: Pair, machine: str) -> dict[str, PublicRole]:
    """Name server -> whom it calls primary; those that do not answer, or have no such record, are left out.

    Blocks, ASK_S at most.
    """
    section = pair.dns
    if section is None or not section.servers:
        return {}
    where = section.servers_seen_from(machine)
    with ThreadPoolExecutor(len(where)) as pool:
        asked = {
            name: pool.submit(_role, address, section.port, section.zone, tuple(pair.machines))
            for name, address in where.items()
        }
        answers = {name: one.result() for name, one in asked.items()}
    return {name: role for name, role in answers.items() if role is not None}


def _role(address: str, port: int, zone: str, machines: tuple[str, ...]) -> PublicRole | None:
    import dns.exception
    import dns.flags
    import dns.message
    import dns.query
    import dns.rdatatype

    query = dns.message.make_query(f"{NAME}.{zone}", "TXT")
    query.flags &= ~dns.flags.RD
    try:
        answer = dns.query.udp(query, address, timeout=ASK_S, port=port, ignore_unexpected=True)
    except (OSError, ValueError, dns.exception.DNSException):
        return None
    if not answer.flags & dns.flags.AA:
        return None
    owner = query.question[0].name
    texts = [
        b"".join(data.strings).decode("ascii", "replace")
        for records in answer.answer
        if records.name == owner and records.rdtype == dns.rdatatype.TXT
        for data in records
    ]
    roles = [role for text in texts if (role := parse(text, machines)) is not None]
    return roles[0] if len(roles) == 1 else None
