"""One exchange with a name server: UDP, TCP where the answer is cut short, by a deadline."""

from __future__ import annotations

import socket
import time
from dataclasses import dataclass

import dns.exception
import dns.inet
import dns.message
import dns.query

from failover.errors import FailoverError
from pair.sections.dns import Dns


class InvalidAnswer(FailoverError):
    """Something came that is no answer to what was asked, and nothing else until the deadline."""


@dataclass(frozen=True, slots=True)
class DnsTransport:
    """How servers are reached.

    Attributes:
        port: of all of them.
        source: our address that they know us by; empty for the kernel's choice.
    """

    port: int = 53
    source: str = ""

    @classmethod
    def of(cls, section: Dns, machine: str) -> DnsTransport:
        """How `machine` reaches the servers of [dns]."""
        return cls(section.port, section.source_address(machine))

    def towards(self, address: str) -> str | None:
        """The source address for a destination of the same family; a loopback one reaches nothing but loopback."""
        if not self.source or (":" in self.source) != (":" in address):
            return None
        return None if _loopback(self.source) and not _loopback(address) else self.source


def _loopback(address: str) -> bool:
    return address == "::1" or address.startswith("127.")


def exchange(query: dns.message.Message, address: str, line: DnsTransport, *, wait_s: float) -> dns.message.Message:
    """One question over UDP, over TCP where the answer is cut short.

    A datagram that is no answer to it is passed over, whoever sent it: the right one may come behind it.

    Args:
        wait_s: seconds, for all of it.

    Raises:
        InvalidAnswer, dns.exception.Timeout, OSError
    """
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    source = line.towards(address)
    # dnspython reckons its deadlines on this clock.
    expiration = time.time() + wait_s
    odd = ""
    with socket.socket(family, socket.SOCK_DGRAM) as sock:
        sock.setblocking(False)
        if source:
            sock.bind((source, 0))
        where = dns.inet.low_level_address_tuple((address, line.port), family)
        try:
            dns.query.send_udp(sock, query, where, expiration)
            while time.time() < expiration:
                try:
                    answer: dns.message.Message = dns.query.receive_udp(
                        sock,
                        where,
                        expiration,
                        ignore_unexpected=True,
                        keyring=query.keyring,
                        request_mac=query.mac,
                        raise_on_truncation=True,
                    )[0]
                except dns.message.Truncated as cut:
                    answer = cut.message()  # type: ignore[no-untyped-call]
                    if query.is_response(answer):
                        left_s = max(0.0, expiration - time.time())
                        return dns.query.tcp(query, address, timeout=left_s, port=line.port, source=source)
                except dns.exception.Timeout:
                    break
                except (dns.exception.DNSException, ValueError) as error:
                    odd = type(error).__name__
                    continue
                if query.is_response(answer):
                    return answer
                odd = "BadResponse"
        except (dns.exception.DNSException, ValueError, EOFError) as error:
            if isinstance(error, dns.exception.Timeout):
                raise
            odd = type(error).__name__
    if odd:
        raise InvalidAnswer(odd)
    raise dns.exception.Timeout
