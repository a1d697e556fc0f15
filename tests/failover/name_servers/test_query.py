"""From which address a name server is asked, and what of all that comes back is its answer."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable

import dns.flags
import dns.message
import dns.rdatatype
import dns.rrset
import pytest

from failover.name_servers.agreement import NameServer
from failover.name_servers.query import query_server
from failover.name_servers.transport import DnsTransport, InvalidAnswer, exchange


@pytest.mark.parametrize(
    ("source", "to", "expected"),
    [
        ("192.0.2.12", "192.0.2.13", "192.0.2.12"),
        ("192.0.2.12", "127.0.0.1", "192.0.2.12"),
        ("192.0.2.12", "2001:db8::13", None),  # another family
        ("127.0.0.1", "192.0.2.13", None),  # own = loopback: nobody else is reached from there
        ("127.0.0.9", "127.0.0.1", "127.0.0.9"),
        ("::1", "2001:db8::13", None),
        ("", "192.0.2.13", None),
    ],
)
def test_the_source_address_reaches_the_server(source: str, to: str, expected: str | None) -> None:
    assert DnsTransport(53, source).towards(to) == expected


class Scripted:
    """A name server on loopback that sends what it is told, one after the other, to each question."""

    def __init__(self, *replies: Callable[[dns.message.Message], bytes]) -> None:
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.bind(("127.0.0.1", 0))
        self._replies = replies
        self.port: int = self._socket.getsockname()[1]
        self._thread = threading.Thread(target=self._serve, daemon=True)

    def __enter__(self) -> Scripted:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as end:
            end.sendto(b"", ("127.0.0.1", self.port))
        self._thread.join(10)
        self._socket.close()

    def _serve(self) -> None:
        while True:
            data, whom = self._socket.recvfrom(4096)
            if not data:
                return
            asked = dns.message.from_wire(data)
            for reply in self._replies:
                self._socket.sendto(reply(asked), whom)


def right(asked: dns.message.Message) -> bytes:
    answer = dns.message.make_response(asked)
    answer.flags |= dns.flags.AA
    name, kind = asked.question[0].name, asked.question[0].rdtype
    text = "ns1. host. 7 1 2 3 4" if kind == dns.rdatatype.SOA else "192.0.2.12"
    answer.answer.append(dns.rrset.from_text(name, 30, "IN", kind, text))
    return answer.to_wire()


def of_another_question(asked: dns.message.Message) -> bytes:
    wrong = dns.message.make_query("other.example", "A")
    wrong.id = asked.id
    return right(wrong)


def with_another_number(asked: dns.message.Message) -> bytes:
    return bytes(byte ^ 1 for byte in right(asked)[:2]) + right(asked)[2:]


@pytest.mark.parametrize(
    "bad",
    [
        lambda _: b"x",
        lambda _: b"\0" * 12,
        lambda asked: right(asked)[:-3],
        lambda asked: right(asked) + b"more",
        lambda asked: asked.to_wire(),
        with_another_number,
        of_another_question,
    ],
)
def test_a_datagram_that_is_no_answer_is_passed_over(bad: Callable[[dns.message.Message], bytes]) -> None:
    with Scripted(bad, bad, right) as server:
        seen = query_server(
            NameServer("ns3", "127.0.0.1"), "acme.example", [("pbx", "A")], DnsTransport(server.port), tries_s=(20.0,)
        )
    assert seen.failure == ""
    assert seen.serial == 7
    assert seen.records == {("pbx", "A"): frozenset({"192.0.2.12"})}
    assert seen.ttls == {("pbx", "A"): 30}


def test_who_never_answers_what_was_asked_is_told_from_who_is_silent() -> None:
    with Scripted(of_another_question) as server:
        seen = query_server(
            NameServer("ns3", "127.0.0.1"), "acme.example", [], DnsTransport(server.port), tries_s=(0.3,)
        )
    assert (seen.silent, seen.failure) == (False, "an answer that makes no sense (BadResponse)")
    with Scripted() as server:
        seen = query_server(
            NameServer("ns3", "127.0.0.1"), "acme.example", [], DnsTransport(server.port), tries_s=(0.1,)
        )
    assert (seen.silent, seen.failure) == (True, "no answer")


def test_a_flood_of_what_is_no_answer_ends_at_the_deadline() -> None:
    with Scripted(*[of_another_question] * 3000) as server, pytest.raises(InvalidAnswer):
        exchange(dns.message.make_query("acme.example", "SOA"), "127.0.0.1", DnsTransport(server.port), wait_s=0.2)


def test_one_who_answers_each_question_at_the_last_moment_has_a_deadline_for_all() -> None:
    began = time.monotonic()
    keys = [(f"name{n}", "A") for n in range(200)]

    def slow(asked: dns.message.Message) -> bytes:
        time.sleep(0.05)
        return right(asked)

    with Scripted(slow) as server:
        seen = query_server(
            NameServer("ns3", "127.0.0.1"), "acme.example", keys, DnsTransport(server.port), until=began + 0.5
        )
    assert seen.failure
    assert len(seen.records) == 0
