"""One exchange over real sockets, with servers that misbehave. No row measures time: a deadline that did not hold would
let the response through, or hang until the runner's own limit.
"""

from __future__ import annotations

import logging
import socket
import threading
import time

import pytest

from host.http import (
    BodyCompressed,
    BodyTooLarge,
    ConnectionBroken,
    DeadlinePassed,
    HttpError,
    HttpRequest,
    NoAddress,
    NotConnected,
    NotHttp,
)
from host.http.client import HttpClient
from host.http.exchange import escaped
from tests.host.http.scripted import Act, Answer, Drip, response, scripted

LATE_S = 0.15
"""For rows whose server never ends."""
LONG_S = 30.0
"""Ends a hang, and no row that passes."""
OK = b"HTTP/1.1 200 OK\r\n"
CHUNKED = OK + b"Transfer-Encoding: chunked\r\n\r\n"


def soon() -> float:
    return time.monotonic() + LONG_S


@pytest.mark.parametrize("keep", [0, 2])
@pytest.mark.parametrize(
    ("answer", "error"),
    [
        ((Act.HANG,), DeadlinePassed),
        ((Drip(b"HTTP/1.1 100 Continue\r\n\r\n"),), DeadlinePassed),
        ((OK, Drip(b"X: y\r\n")), DeadlinePassed),  # each byte in time, the whole not
        ((OK + b"\r\n", Drip(b"a")), DeadlinePassed),
        ((OK + b"Content-Length: 9\r\n\r\nabc", Act.HANG), DeadlinePassed),
        ((CHUNKED, Drip(b"1\r\na\r\n")), DeadlinePassed),
        ((Act.CLOSE,), ConnectionBroken),
        ((Act.RESET,), ConnectionBroken),
        ((OK + b"Content-Length: 9\r\n\r\nabc", Act.CLOSE), ConnectionBroken),
        ((OK + b"Content-Length: 9\r\n\r\nabc", Act.RESET), ConnectionBroken),
        ((CHUNKED + b"5\r\nab", Act.CLOSE), ConnectionBroken),
        ((CHUNKED + b"zz\r\n", Act.CLOSE), ConnectionBroken),
        ((b"SSH-2.0-OpenSSH_9\r\n", Act.CLOSE), NotHttp),
        ((b"HTTP/1.1 abc OK\r\n\r\n", Act.CLOSE), NotHttp),
        ((OK + b"X: " + b"a" * 70_000 + b"\r\n\r\n", Act.CLOSE), NotHttp),
        ((response(b"abc", b"Content-Encoding: gzip"),), BodyCompressed),
        ((response(b"a" * 1001),), BodyTooLarge),
        ((OK + b"\r\n" + b"a" * 1001, Act.CLOSE), BodyTooLarge),
    ],
)
def test_what_is_not_a_whole_response_is_an_error_by_the_deadline(
    answer: Answer, error: type[HttpError], keep: int
) -> None:
    with scripted((response(),), answer) as server:
        client = HttpClient(server.origin, keep=keep, body_limit=1000)
        assert client.exchange(HttpRequest("/"), soon()).body == b"{}"
        with pytest.raises(error) as raised:
            client.exchange(HttpRequest("/"), time.monotonic() + (LATE_S if error is DeadlinePassed else LONG_S))
        assert raised.value.sent
        server.answers = [(response(b"well again"),)]
        assert client.exchange(HttpRequest("/"), soon()).body == b"well again", "what went wrong stays in no connection"
        client.close()


def test_a_body_that_is_too_large_comes_with_its_beginning() -> None:
    with scripted((response(b"abc" * 1000),)) as server, pytest.raises(BodyTooLarge) as raised:
        HttpClient(server.origin, body_limit=6).exchange(HttpRequest("/"), soon())
    assert raised.value.response.body == b"abcabc"
    assert raised.value.response.status == 200


@pytest.mark.parametrize(
    ("answer", "framed"),
    [
        ((response(b"body"),), True),
        ((CHUNKED + b"2\r\nbo\r\n2\r\ndy\r\n0\r\n\r\n",), True),
        ((OK + b"\r\nbody", Act.CLOSE), False),
    ],
)
def test_a_body_is_read_however_it_is_framed(answer: Answer, framed: bool) -> None:
    with scripted(answer) as server:
        found = HttpClient(server.origin).exchange(HttpRequest("/"), soon())
    assert (found.status, found.body, found.framed) == (200, b"body", framed)


def test_headers_are_found_whatever_their_case() -> None:
    kind = b'Content-Type: Text/HTML; x; Charset="utf-8"'
    with scripted((response(b"", kind, b"Set-Cookie: a", b"set-cookie: b"),)) as server:
        found = HttpClient(server.origin).exchange(HttpRequest("/"), soon())
    assert (found.content_type, found.charset) == ("text/html", "utf-8")
    assert found.all_headers("SET-COOKIE") == ("a", "b")
    assert found.header("missing") == ""


@pytest.mark.parametrize(
    "answer",
    [
        (CHUNKED + b"5\r\nhalf", Act.CLOSE),
        (OK + b"Content-Length: 1000\r\n\r\n", Act.HANG),
        (OK + b"Content-Encoding: gzip\r\n\r\nx", Act.CLOSE),
    ],
)
def test_where_the_status_is_enough_the_body_is_not_waited_for(answer: Answer) -> None:
    with scripted(answer) as server:
        found = HttpClient(server.origin, body_limit=0).exchange(HttpRequest("/", b"x"), soon())
    assert (found.status, found.body) == (200, b"")


def test_the_body_of_a_redirect_is_read_like_any_other_and_bounded() -> None:
    location = b"Location: http://127.0.0.1:1/"
    with scripted((response(b"moved", location, status=302),)) as server:
        assert HttpClient(server.origin).exchange(HttpRequest("/"), soon()).body == b"moved"
        with pytest.raises(BodyTooLarge):
            HttpClient(server.origin, body_limit=4).exchange(HttpRequest("/"), soon())


@pytest.mark.parametrize("status", [204, 302, 404, 503])
def test_every_status_is_a_response_and_no_redirect_is_followed(status: int) -> None:
    with scripted((response(b"", b"Location: http://127.0.0.1:1/", status=status),)) as server:
        assert HttpClient(server.origin).exchange(HttpRequest("/"), soon()).status == status
        assert len(server.requests) == 1


def test_a_request_is_sent_as_it_is() -> None:
    request = HttpRequest("/a%2Fb?c=%2B1", b"body", (("X-Given", "1"),)).with_headers((("X-More", "2"),))
    with scripted((response(),)) as server:
        HttpClient(server.origin, host_header="site.example").exchange(request, soon())
        ((_, text),) = server.requests
    first, *lines = text.partition("\r\n\r\n")[0].split("\r\n")
    assert first == "POST /a%2Fb?c=%2B1 HTTP/1.1"
    assert {"Host: site.example", "X-Given: 1", "X-More: 2", "Content-Length: 4", "Connection: close"} <= set(lines)
    assert {"Accept-Encoding: identity", "User-Agent: hotstandby"} <= set(lines)
    assert text.endswith("\r\n\r\nbody")


def test_a_method_may_be_named() -> None:
    with scripted((response(),)) as server:
        HttpClient(server.origin).exchange(HttpRequest("/x", method="DELETE"), soon())
        assert server.requests[0][1].startswith("DELETE /x HTTP/1.1\r\n")


def test_a_password_in_the_address_is_sent_and_never_shown() -> None:
    with scripted((response(b"a" * 9),)) as server:
        client = HttpClient(server.origin.replace("//", "//pbx:geheim@"), body_limit=1)
        with pytest.raises(BodyTooLarge) as raised:
            client.exchange(HttpRequest("/"), soon())
        assert "Authorization: Basic" in server.requests[0][1]
    assert str(raised.value) == f"{server.origin} sent more than 1 bytes"


# Connections.


def test_idle_connections_are_kept_and_used_again() -> None:
    with scripted((response(),)) as server:
        client = HttpClient(server.origin, keep=2)
        for _ in range(3):
            client.exchange(HttpRequest("/"), soon())
        assert [number for number, _ in server.requests] == [1, 1, 1]


def test_a_get_on_an_idle_connection_that_just_closed_is_sent_once_more() -> None:
    with scripted((response(),), (Act.CLOSE,), (response(b"again"),)) as server:
        client = HttpClient(server.origin, keep=2)
        client.exchange(HttpRequest("/"), soon())
        assert client.exchange(HttpRequest("/"), soon()).body == b"again"
        assert [number for number, _ in server.requests] == [1, 1, 2]


@pytest.mark.parametrize("request_", [HttpRequest("/", b"x"), HttpRequest("/", method="DELETE")])
def test_what_may_change_something_is_never_sent_twice(request_: HttpRequest) -> None:
    with scripted((response(),), (Act.CLOSE,), (response(),)) as server:
        client = HttpClient(server.origin, keep=2)
        client.exchange(HttpRequest("/"), soon())
        with pytest.raises(ConnectionBroken):
            client.exchange(request_, soon())
        assert len(server.requests) == 2


def test_a_connection_that_was_just_opened_is_not_tried_twice() -> None:
    with scripted((Act.CLOSE,)) as server:
        with pytest.raises(ConnectionBroken):
            HttpClient(server.origin, keep=2).exchange(HttpRequest("/"), soon())
        assert len(server.requests) == 1


# Addresses.


def test_nobody_who_listens_is_a_refusal_and_nothing_was_sent() -> None:
    with pytest.raises(NotConnected, match="refused") as raised:
        HttpClient("http://127.0.0.1:1").exchange(HttpRequest("/"), soon())
    assert raised.value.refused
    assert not raised.value.sent


@pytest.mark.parametrize("host", ["nowhere.invalid", "a" * 300, "."])
def test_a_name_without_an_address_is_said(host: str) -> None:
    with pytest.raises((NoAddress, NotConnected)) as raised:
        HttpClient(f"http://{host}:80").exchange(HttpRequest("/"), soon())
    assert not raised.value.sent


def test_a_listener_that_never_accepts_is_late_and_nothing_was_sent() -> None:
    with socket.create_server(("127.0.0.1", 0), backlog=0) as silent:
        port = silent.getsockname()[1]
        fillers = [socket.socket() for _ in range(4)]
        for filler in fillers:
            filler.setblocking(False)
            filler.connect_ex(("127.0.0.1", port))
        with pytest.raises(DeadlinePassed) as raised:
            HttpClient(f"http://127.0.0.1:{port}").exchange(HttpRequest("/"), time.monotonic() + LATE_S)
        assert not raised.value.sent
        for filler in fillers:
            filler.close()


def test_a_deadline_that_has_passed_sends_nothing() -> None:
    with scripted((response(),)) as server:
        with pytest.raises(DeadlinePassed):
            HttpClient(server.origin).exchange(HttpRequest("/"), time.monotonic())
        assert not server.requests


def test_a_resolver_that_hangs_is_late_and_costs_one_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    hangs = threading.Event()

    def never(*_: object, **__: object) -> list[object]:
        hangs.wait(LONG_S)
        raise socket.gaierror(socket.EAI_AGAIN, "again")

    monkeypatch.setattr(socket, "getaddrinfo", never)
    for _ in range(3):
        with pytest.raises(DeadlinePassed):
            HttpClient("http://slow.invalid").exchange(HttpRequest("/"), time.monotonic() + 0.05)
    assert sum(thread.name == "resolve slow.invalid" for thread in threading.enumerate()) == 1
    hangs.set()


def test_every_address_of_a_name_is_tried(monkeypatch: pytest.MonkeyPatch) -> None:
    def two(_: str, port: int, **__: object) -> list[tuple[object, ...]]:
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port)) for address in ("127.0.0.9", "127.0.0.1")]

    with scripted((response(),)) as server:
        monkeypatch.setattr(socket, "getaddrinfo", two)
        client = HttpClient(f"http://two.invalid:{server.port}")
        assert client.exchange(HttpRequest("/"), soon()).status == 200


def test_an_address_may_be_ipv6() -> None:
    try:
        socket.create_server(("::1", 0), family=socket.AF_INET6).close()
    except OSError as error:
        pytest.skip(f"this machine has no IPv6: {error}")
    with scripted((response(),), address="::1") as server:
        assert HttpClient(server.origin).exchange(HttpRequest("/"), soon()).status == 200


def test_no_proxy_of_the_environment_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    with scripted((response(),)) as server:
        assert HttpClient(server.origin).exchange(HttpRequest("/"), soon()).status == 200


def test_no_target_header_or_body_stands_in_an_error_a_log_or_a_repr(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    request = HttpRequest("/x?token=geheim", b"password=geheim", (("Authorization", "Bearer geheim"),))
    said = [repr(HttpRequest("/", b"geheim", (("X", "geheim"),)))]
    bad = OK + b"Set-Cookie: id=geheim\r\nno header\r\n: x\r\n\r\n{}"
    for answer in ((Act.CLOSE,), (b"nonsense\r\n", Act.CLOSE), (bad, Act.CLOSE), (response(b"a" * 99),)):
        with scripted(answer) as server:
            try:
                HttpClient(server.origin, body_limit=50).exchange(request, soon())
            except HttpError as error:
                said += [str(error), repr(error), repr(error.__cause__)]
    said += [record.getMessage() for record in caplog.records]
    assert len(said) > 9
    assert not [line for line in said if "geheim" in line]


@pytest.mark.parametrize(
    ("written", "sent"),
    [
        ("/a b?c=d e", "/a%20b?c=d%20e"),
        ("/a%20b?c=%2B1&d=+1", "/a%20b?c=%2B1&d=+1"),
        ("/zürich", "/z%C3%BCrich"),
        ("/x\r\nX-Forged: yes", "/x%0D%0AX-Forged:%20yes"),
    ],
)
def test_a_path_as_a_person_wrote_it_can_be_sent(written: str, sent: str) -> None:
    assert escaped(written) == sent
