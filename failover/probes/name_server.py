"""What one name server says of who is primary, and of the zone's serial."""

from __future__ import annotations

import time
from collections.abc import Collection
from dataclasses import dataclass

from failover.name_servers.agreement import NameServer
from failover.probe_result import ProbeAnswer, ProbeResult
from pair.public_role import NAME, RoleAnswer, parse


@dataclass(frozen=True, slots=True)
class ServerAnswer:
    """One server's answer.

    Attributes:
        found: as evidence.
        said: what it says of who is primary.
        serial: of its SOA; 0 where it did not say.
    """

    found: ProbeResult
    said: RoleAnswer
    serial: int


def ask_role(server: str, address: str, zone: str, machines: Collection[str], *, port: int = 53) -> ServerAnswer:
    """Asks for SOA and `_failover` TXT, authoritative answers only; about 3 s when the server is dead."""
    # dnspython: loaded beside whatever else is waited for
    from failover.name_servers.query import query_server
    from failover.name_servers.transport import DnsTransport

    asked = f"SOA and {NAME} TXT of {zone} at {address}"
    started = time.monotonic()
    seen = query_server(NameServer(server, address), zone, [(NAME, "TXT")], DnsTransport(port=port))
    seconds = time.monotonic() - started

    def answered(what: ProbeAnswer, words: str, said: RoleAnswer) -> ServerAnswer:
        return ServerAnswer(ProbeResult("dns", server, asked, what, words, seconds), said, seen.serial)

    if seen.silent:
        words = f"name server {server} does not answer"
        return answered(ProbeAnswer.SILENT, words, RoleAnswer(server, False, None, words))
    if seen.failure:
        words = f"name server {server} {seen.failure}"
        return answered(ProbeAnswer.ODD, words, RoleAnswer(server, False, None, words))
    texts = sorted(seen.records.get((NAME, "TXT"), frozenset()))
    roles = [found for text in texts if (found := parse(text, machines)) is not None]
    if len(roles) == 1:
        words = f"name server {server} says {roles[0]}, serial {seen.serial}"
        return answered(ProbeAnswer.YES, words, RoleAnswer(server, True, roles[0], words))
    words = f"name server {server} has {'no' if not roles else 'more than one'} {NAME} record, serial {seen.serial}"
    return answered(ProbeAnswer.ODD if roles else ProbeAnswer.YES, words, RoleAnswer(server, True, None, words))


def late(server: str, seconds: float) -> ServerAnswer:
    """What counts when it was not back in time."""
    words = f"name server {server} did not answer in {seconds:.1f} s"
    return ServerAnswer(
        ProbeResult("dns", server, "", ProbeAnswer.SILENT, words, seconds), RoleAnswer(server, False, None, words), 0
    )
