"""Each probe against something real on loopback: who answers, who refuses, who hangs, who lies."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest
from hypothesis import given
from hypothesis import strategies as st

from failover.probe_result import ProbeAnswer
from failover.probes.asterisk_process import configuration
from failover.probes.parallel import Probe, run_probes
from failover.probes.ping import checksum, echo, is_reply, ping
from failover.probes.sip import probe_sip
from failover.probes.sip_message import Options, Status, answer
from failover.probes.web import probe_site
from tests.failover.probes.udp_server import udp

SENT = Options("192.0.2.11", 5060, "192.0.2.12", 40000, "abc", "abc@hotstandby")


def sip(first: str, call_id: str = "Call-ID: abc@hotstandby") -> bytes:
    return f"{first}\r\nVia: SIP/2.0/UDP 192.0.2.12\r\n{call_id}\r\n\r\n".encode()


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (sip("SIP/2.0 200 OK"), Status(200, "OK")),
        (sip("SIP/2.0 401 Unauthorized"), Status(401, "Unauthorized")),
        (sip("SIP/2.0 200 OK", "i: abc@hotstandby"), Status(200, "OK")),  # the compact form
        (sip("SIP/2.0 200 \x1b[31mOK"), Status(200, "\\x1b[31mOK")),
        (sip("SIP/2.0 100 Trying"), None),  # not final
        (sip("SIP/2.0 200 OK", "Call-ID: another@hotstandby"), None),
        (sip("SIP/2.0 200 OK", "X: abc@hotstandby"), None),
        (sip("SIP/2.0 999 No"), None),
        (SENT.encode(), None),  # a request, such as our own reflected
        (b"", None),
        (b"\0" * 9000, None),
    ],
)
def test_only_a_final_answer_to_our_request_counts(data: bytes, expected: Status | None) -> None:
    assert answer(data, SENT) == expected


@given(st.binary(max_size=400))
def test_any_datagram_is_an_answer_or_nothing(data: bytes) -> None:
    answer(data, SENT)
    answer(b"SIP/2.0 200 " + data, SENT)


def test_the_request_names_ipv6_in_brackets() -> None:
    text = Options("2001:db8::1", 5060, "2001:db8::2", 4, "b", "c").encode().decode()
    assert "sip:[2001:db8::1]:5060 " in text
    assert text.endswith("\r\n\r\n")


def echoing(data: bytes) -> bytes:
    call_id = next(line for line in data.split(b"\r\n") if line.startswith(b"Call-ID"))
    return b"SIP/2.0 404 Not Found\r\n" + call_id + b"\r\n\r\n"


def test_a_pbx_that_knows_nobody_is_alive() -> None:
    with udp(echoing) as port:
        found = probe_sip("boston", "127.0.0.1", port)
    assert found.answer is ProbeAnswer.YES
    assert "(404)" in found.words


def test_a_lost_datagram_is_sent_again() -> None:
    seen: list[bytes] = []

    def second(data: bytes) -> bytes | None:
        seen.append(data)
        return echoing(data) if len(seen) == 2 else None

    with udp(second) as port:
        assert probe_sip("boston", "127.0.0.1", port).answer is ProbeAnswer.YES
    assert len(seen) == 2


def test_noise_is_no_answer_and_silence_ends() -> None:
    with udp(lambda _: b"SIP/2.0 200 OK\r\n\r\n") as port:
        found = probe_sip("boston", "127.0.0.1", port)
    assert found.answer is ProbeAnswer.SILENT
    assert found.seconds < 15


def test_a_closed_port_says_that_the_machine_lives() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as unused:
        unused.bind(("127.0.0.1", 0))
        port = unused.getsockname()[1]
    found = probe_sip("boston", "127.0.0.1", port)
    assert found.answer is ProbeAnswer.REFUSED
    assert found.answer.alive


def test_loopback_answers_ping() -> None:
    found = ping("boston", "127.0.0.1")
    assert found.answer in {ProbeAnswer.YES, ProbeAnswer.UNKNOWN}, "UNKNOWN only where this user may not ping"


def test_an_echo_is_well_formed_and_only_its_own_answer_counts() -> None:
    sent = echo(4, 7, 3)
    assert checksum(sent) == 0
    reply = b"\0\0\0\0" + sent[4:]
    assert is_reply(reply, 4, 3)
    assert is_reply(b"\x45" + b"\0" * 19 + reply, 4, 3)  # with its IP header
    assert not is_reply(sent, 4, 3)  # our own request on loopback
    assert not is_reply(reply, 4, 2)
    assert not is_reply(reply[:7], 4, 3)


@contextmanager
def tcp(serve_one: Callable[[socket.socket], None]) -> Iterator[int]:
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            try:
                while True:
                    connection, _ = server.accept()
                    with connection:
                        serve_one(connection)
            except OSError:
                return

        threading.Thread(target=serve, daemon=True).start()
        yield int(server.getsockname()[1])


def page(status: str, body: str) -> Callable[[socket.socket], None]:
    def send(connection: socket.socket) -> None:
        connection.recv(4096)
        connection.sendall(f"HTTP/1.1 {status}\r\nContent-Length: {len(body)}\r\n\r\n{body}".encode())

    return send


def dripping(connection: socket.socket) -> None:
    connection.recv(4096)
    connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n")
    for _ in range(80):
        connection.sendall(b".")
        time.sleep(0.05)


@pytest.mark.parametrize(
    ("serve", "marker", "expected"),
    [
        (page("200 OK", '{"machine": "boston"}'), "/marker", ProbeAnswer.YES),
        (page("200 OK", '{"machine": "dallas"}'), "/marker", ProbeAnswer.ODD),  # another machine's site
        (page("200 OK", "anything"), None, ProbeAnswer.YES),
        (page("500 Error", "boston"), "/marker", ProbeAnswer.ODD),
        (lambda connection: connection.sendall(b"\0\0\0"), "/marker", ProbeAnswer.ODD),  # no HTTP
        (dripping, "/marker", ProbeAnswer.SILENT),
        (lambda connection: connection.recv(4096), "/marker", ProbeAnswer.ODD),  # closed without an answer
        (page("200 OK", "boston" + "x" * 20_000), "/marker", ProbeAnswer.YES),  # its beginning is enough
        (page("200 OK\r\nContent-Encoding: gzip", "boston"), "/marker", ProbeAnswer.ODD),
        (page("200 OK", "boston"), "/a marker?of=boston", ProbeAnswer.YES),
        (page("302 Found\r\nLocation: http://127.0.0.1:1/", "boston"), "/marker", ProbeAnswer.YES),
    ],
)
def test_a_site_proves_whose_it_is(
    serve: Callable[[socket.socket], None], marker: str | None, expected: ProbeAnswer
) -> None:
    with tcp(serve) as port:
        found = probe_site("boston", "domino-local", "127.0.0.1", marker, port=port)
    assert found.answer is expected, found
    assert found.seconds < 15


def test_a_web_server_that_does_not_run_says_that_the_machine_lives() -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        found = probe_site("boston", "domino-local", "127.0.0.1", None, port=unused.getsockname()[1])
    assert found.answer is ProbeAnswer.REFUSED


def test_a_probe_that_hangs_holds_up_nobody() -> None:
    stop = threading.Event()
    looks = [
        Probe(lambda: "quick", lambda _: "late"),
        Probe(lambda: "hung" if stop.wait(30) else "", lambda seconds: f"late after {seconds:.1f}"),
    ]
    started = time.monotonic()
    found = run_probes(looks, total_s=0.3)
    stop.set()
    assert found == ("quick", "late after 0.3")
    assert time.monotonic() - started < 15


@pytest.mark.parametrize(
    ("argv", "expected"),
    [
        (["asterisk"], "/etc/asterisk/asterisk.conf"),
        (["/usr/sbin/asterisk", "-f", "-U", "asterisk", "-vvvg"], "/etc/asterisk/asterisk.conf"),
        (["asterisk", "-C", "/srv/pbx/asterisk.conf", "-f"], "/srv/pbx/asterisk.conf"),
        (["asterisk", "-fC", "/srv/pbx/asterisk.conf"], "/srv/pbx/asterisk.conf"),
        (["asterisk", "-C/srv/pbx/asterisk.conf"], "/srv/pbx/asterisk.conf"),
        (["asterisk", "-G", "-r"], "/etc/asterisk/asterisk.conf"),  # a group called -r
        (["asterisk", "-rx", "core show uptime"], None),
        (["asterisk", "-vvvr"], None),
        (["asterisk", "-R"], None),
        (["asterisk", "-x", "core stop now"], None),
    ],
)
def test_a_console_is_never_taken_for_the_server(argv: list[str], expected: str | None) -> None:
    assert configuration(argv) == expected
