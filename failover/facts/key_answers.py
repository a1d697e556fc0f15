"""Asks each name server with a query that is signed with our key, whether it knows that key."""

from __future__ import annotations

from typing import Final

import dns.exception
import dns.message
import dns.query
import dns.tsig

from failover.context import Context
from failover.facts.facts import KeyAnswer
from pair import SecretUnusable
from pair.tsig_key import TsigKeyUnusable, read_tsig_key

QUERY_S: Final = 2.0


def ask_keys(context: Context) -> dict[str, KeyAnswer]:
    """Name server -> what it says to a query that is signed with dns.key_file; the silent are left out."""
    section = context.pair.dns
    if section is None or section.key_file is None:
        return {}
    try:
        key = read_tsig_key(context.places, section.key_file)
    except (TsigKeyUnusable, SecretUnusable):
        return {}
    found: dict[str, KeyAnswer] = {}
    for server, where in section.servers_seen_from(context.machine).items():
        query = dns.message.make_query(section.zone, "SOA")
        query.use_tsig(key.keyring)
        try:
            dns.query.udp(query, where, timeout=QUERY_S, port=section.port, ignore_unexpected=True)
            found[server] = KeyAnswer.TAKEN
        except dns.tsig.PeerBadSignature:
            found[server] = KeyAnswer.OTHER_SECRET
        except dns.tsig.PeerBadKey:
            found[server] = KeyAnswer.UNKNOWN_KEY
        except (OSError, ValueError, dns.exception.DNSException):
            continue
    return found
