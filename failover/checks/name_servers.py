"""The name servers for the lint: who they call primary, and whether they know our key."""

from __future__ import annotations

from typing import Final

import dns.exception
import dns.message
import dns.query
import dns.tsig

from ami_watcher.other_machine import query_public_roles
from failover.context import Context
from failover.name_servers.tsig_key import TsigKeyUnusable, parse_tsig_key
from pair import SecretUnusable, read_secret

QUERY_S: Final = 2.0
OTHER_KEY: Final = "knows a key by our key's name, with another secret"
NO_KEY: Final = "does not know our key"


def published(context: Context) -> tuple[str, ...]:
    """Name servers that tell who is primary."""
    return tuple(query_public_roles(context.pair, context.machine))


def keys(context: Context) -> dict[str, str]:
    """Name server -> what it says to a query that is signed with dns.key_file: OTHER_KEY, NO_KEY, or "" where it
    takes it; servers that do not answer are left out."""
    section = context.pair.dns
    if section is None or section.key_file is None:
        return {}
    try:
        key = parse_tsig_key(read_secret(context.places, section.key_file), section.key_file)
    except (TsigKeyUnusable, SecretUnusable):
        return {}
    found = {}
    for server, address in section.servers.items():
        query = dns.message.make_query(section.zone, "SOA")
        query.use_tsig(key.keyring)
        where = section.own_address(server) if server == context.machine else address
        try:
            dns.query.udp(query, where, timeout=QUERY_S, port=section.port, ignore_unexpected=True)
            found[server] = ""
        except dns.tsig.PeerBadSignature:
            found[server] = OTHER_KEY
        except dns.tsig.PeerBadKey:
            found[server] = NO_KEY
        except (OSError, ValueError, dns.exception.DNSException):
            continue
    return found
