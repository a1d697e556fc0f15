"""Whether an UPDATE would be taken, tried without changing anything: prerequisites alone (RFC 2136 §3.2), signed."""

from __future__ import annotations

from dataclasses import dataclass

import dns.exception
import dns.message
import dns.query
import dns.rcode

from failover.dns.facts import Server, wanted
from failover.dns.tsig_key import TsigKey, parse
from failover.dns.wire import Change, Line, NotAnswered, PrerequisiteFailed, UpdateRefused, ask, send_update
from failover.here import Here
from pair import Dns, read_secret

DEADLINE_S = 5.0


@dataclass(frozen=True, slots=True)
class Tried:
    """What one server did with it.

    Attributes:
        good: it would take an update from us, as far as that can be known beforehand.
        words: what was seen.
    """

    good: bool
    words: str


def try_all(here: Here) -> list[Tried]:
    """The server that is primary of the zone now gets a message of prerequisites alone; our own, which is its
    secondary and would refuse any UPDATE, gets a signed question.

    Raises:
        SecretUnusable, KeyUnusable
    """
    zone = here.pair.dns
    if zone is None or zone.method != "update":
        return []
    if zone.key_file is None:
        return [Tried(False, "dns.key_file is missing in pair.toml: an UPDATE has to be signed")]
    key = parse(read_secret(here.places, zone.key_file), str(here.places.secrets / zone.key_file))
    line = Line(zone.port, zone.own.get(here.machine) or zone.servers.get(here.machine, ""))
    present = zone.primary or here.peer
    found = []
    if present in zone.servers:
        found.append(_update(zone, here.peer, Server(present, zone.servers[present]), key, line))
    if zone.primary is None:
        found.append(_signed(zone, Server(here.machine, zone.own_address(here.machine)), key, line))
    return found


def _update(zone: Dns, machine: str, server: Server, key: TsigKey, line: Line) -> Tried:
    seen = ask(server, zone.zone, wanted(zone, machine, 0).keys, line)
    if seen.failure:
        return Tried(False, f"{server}: {seen.failure}")
    nothing = Change(zone.zone, seen.records, {}, zone.ttl_s, "", 0)
    try:
        send_update(nothing, server, key, line, deadline_s=DEADLINE_S)
    except PrerequisiteFailed as error:
        return Tried(False, str(error))
    except (UpdateRefused, NotAnswered) as error:
        return Tried(False, str(error))
    return Tried(True, f"{server} took a signed UPDATE of prerequisites alone, serial {seen.serial} untouched")


def _signed(zone: Dns, server: Server, key: TsigKey, line: Line) -> Tried:
    query = dns.message.make_query(zone.zone, "SOA")
    query.use_tsig(key.keyring)
    try:
        answer = dns.query.udp(
            query, server.address, timeout=DEADLINE_S, port=line.port, source=line.towards(server.address)
        )
    except dns.exception.Timeout:
        return Tried(False, f"{server}, our own, did not answer a signed question")
    except (dns.exception.DNSException, OSError, ValueError) as error:
        return Tried(False, f"{server}, our own, does not take the key '{key.name}' ({type(error).__name__})")
    if answer.rcode() != dns.rcode.NOERROR or not answer.had_tsig:
        return Tried(False, f"{server}, our own, answers {dns.rcode.to_text(answer.rcode())} to a signed question")
    return Tried(True, f"{server}, our own, knows the key '{key.name}'")
