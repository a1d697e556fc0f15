"""NOTIFY (RFC 1996): tells secondaries that the zone changed. A hint: what it achieves is seen by asking."""

from __future__ import annotations

from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from enum import Enum
from typing import Final

import dns.exception
import dns.flags
import dns.message
import dns.name
import dns.opcode
import dns.rcode
import dns.rrset

from failover.name_servers.agreement import MOST_SERVERS, NameServer
from failover.name_servers.transport import DnsTransport, InvalidAnswer, exchange
from pair.tsig_key import TsigKey

TRIES_S: Final = (0.3, 0.7, 1.5)
"""RFC 1996 §3.6 suggests 60 s between tries; callers cannot wait for that."""


class NotifyOutcome(Enum):
    """What became of a NOTIFY."""

    TAKEN = "taken"
    REFUSED = "refused"
    """We are none of its primaries."""
    FAILED = "failed"
    """It answered something else, or nothing."""


@dataclass(frozen=True, slots=True)
class NotifyResult:
    """What one server did with a NOTIFY.

    Attributes:
        server: which.
        outcome: what became of it.
        answer: its answer's code, or why there is none.
    """

    server: NameServer
    outcome: NotifyOutcome
    answer: str

    def __str__(self) -> str:
        return f"{self.server} took no NOTIFY: {self.answer}"


def notify_all(
    servers: Iterable[NameServer], zone: str, soa: str, line: DnsTransport, key: TsigKey | None
) -> list[NotifyResult]:
    """Tells every secondary at once, over UDP with retries.

    Args:
        soa: the SOA record's text, as it is now.
        key: signs it, where secondaries want that.
    """
    targets = list(servers)
    if not targets:
        return []
    with ThreadPoolExecutor(min(MOST_SERVERS, len(targets))) as pool:
        return list(pool.map(lambda server: _notify(server, zone, soa, line, key), targets))


def _notify(server: NameServer, zone: str, soa: str, line: DnsTransport, key: TsigKey | None) -> NotifyResult:
    origin = dns.name.from_text(zone)
    message = dns.message.make_query(origin, "SOA")
    message.set_opcode(dns.opcode.NOTIFY)
    message.flags = (message.flags & ~dns.flags.RD) | dns.flags.AA
    message.answer.append(dns.rrset.from_text(origin, 0, "IN", "SOA", soa))
    if key is not None:
        message.use_tsig(key.keyring)
    why = "no answer"
    for wait_s in TRIES_S:
        try:
            answer = exchange(message, server.address, line, wait_s=wait_s)
        except dns.exception.Timeout:
            continue
        except InvalidAnswer as error:
            why = str(error)
            continue
        except OSError as error:
            why = error.strerror or type(error).__name__
            continue
        outcomes = {dns.rcode.NOERROR: NotifyOutcome.TAKEN, dns.rcode.REFUSED: NotifyOutcome.REFUSED}
        outcome = outcomes.get(answer.rcode(), NotifyOutcome.FAILED)
        return NotifyResult(server, outcome, dns.rcode.to_text(answer.rcode()))
    return NotifyResult(server, NotifyOutcome.FAILED, why)
