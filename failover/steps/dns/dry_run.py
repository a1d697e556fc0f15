"""Whether an UPDATE would be taken, tried without changing anything: the real one, signed, with a prerequisite that no
zone meets. What a key may change is looked at before (BIND since 9.18.11), so REFUSED is told apart from YXRRSET."""

from __future__ import annotations

from dataclasses import dataclass, replace

import dns.exception
import dns.message
import dns.rcode

from failover.context import Context
from failover.name_servers.agreement import NameServer, update_server, wanted_records
from failover.name_servers.query import query_server
from failover.name_servers.serial import plus
from failover.name_servers.transport import DnsTransport, InvalidAnswer, exchange
from failover.name_servers.update import (
    PrerequisiteFailed,
    UpdateNotAllowed,
    UpdateRefused,
    UpdateUnanswered,
    ZoneUpdate,
    send_update,
    with_serial,
)
from failover.steps.dns.obstacle import zone_obstacle_here
from pair import Dns
from pair.tsig_key import TsigKey, read_tsig_key

DEADLINE_S = 5.0


@dataclass(frozen=True, slots=True)
class DryRunResult:
    """What one server did with it.

    Attributes:
        good: it would take an update from us, as far as that can be known beforehand.
        words: what was seen.
    """

    good: bool
    words: str


def dry_run_updates(context: Context) -> list[DryRunResult]:
    """The server that is primary of the zone now gets what a promotion of this machine would send, made impossible;
    our own, which is its secondary and would refuse any UPDATE, gets a signed question, and is looked at.

    Raises:
        SecretUnusable, TsigKeyUnusable, NamedSilent
    """
    zone = context.pair.dns
    if zone is None:
        return []
    line = DnsTransport.of(zone, context.machine)
    stands = zone_obstacle_here(zone, context.machine)
    if stands:
        return [DryRunResult(False, stands)]
    if zone.method != "update":
        return []
    if zone.key_file is None:
        return [DryRunResult(False, "dns.key_file is missing in pair.toml: an UPDATE has to be signed")]
    key = read_tsig_key(context.places, zone.key_file)
    found = []
    present = zone.primary or context.peer
    if present in zone.servers:
        # As it is reached from here: its own address for itself may be another one.
        found.append(_update(zone, context.peer, NameServer(present, zone.servers[present]), key, line))
    if zone.primary is None:
        found.append(_signed(zone, update_server(zone, context.machine), key, line))
    return found


def _update(zone: Dns, machine: str, server: NameServer, key: TsigKey, line: DnsTransport) -> DryRunResult:
    """What a promotion of this machine would send, with a prerequisite that cannot be met."""
    want = wanted_records(zone, machine, 0)
    seen = query_server(server, zone.zone, want.keys, line)
    if seen.failure:
        return DryRunResult(False, f"{server}: {seen.failure}")
    soa = with_serial(seen.soa, plus(seen.serial, 1))
    whole = ZoneUpdate(zone.zone, {}, want.records, zone.ttl_s, soa, seen.soa_ttl, impossible=True)
    took = f"{server} would take a signed UPDATE of these names from us, serial {seen.serial} untouched"
    try:
        if _would_take(whole, server, key, line):
            return DryRunResult(True, took)
        alone = replace(whole, soa="")
        if _would_take(alone, server, key, line):
            return DryRunResult(
                True, f"{took}; the key '{key.name}' may not change the SOA, so BIND raises the serial itself"
            )
        send_update(whole, server, key, line, deadline_s=DEADLINE_S)
    except (UpdateRefused, UpdateUnanswered) as error:
        return DryRunResult(False, str(error))
    return DryRunResult(False, f"{server} carried out what it could not: {zone.zone} has no SOA there")


def _would_take(change: ZoneUpdate, server: NameServer, key: TsigKey, line: DnsTransport) -> bool:
    try:
        send_update(change, server, key, line, deadline_s=DEADLINE_S)
    except PrerequisiteFailed:
        return True
    except UpdateNotAllowed:
        return False
    return False


def _signed(zone: Dns, server: NameServer, key: TsigKey, line: DnsTransport) -> DryRunResult:
    query = dns.message.make_query(zone.zone, "SOA")
    query.use_tsig(key.keyring)
    try:
        answer = exchange(query, server.address, line, wait_s=DEADLINE_S / 2)
    except dns.exception.Timeout:
        return DryRunResult(False, f"{server}, our own, did not answer a signed question")
    except (InvalidAnswer, OSError) as error:
        return DryRunResult(False, f"{server}, our own, does not take the key '{key.name}' ({error})")
    if answer.rcode() != dns.rcode.NOERROR or not answer.had_tsig:
        return DryRunResult(
            False, f"{server}, our own, answers {dns.rcode.to_text(answer.rcode())} to a signed question"
        )
    return DryRunResult(True, f"{server}, our own, knows the key '{key.name}'")
