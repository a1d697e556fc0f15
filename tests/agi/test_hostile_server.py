"""Whatever bytes a server sends in place of HTTP: data, or an error of ours, by the deadline."""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from agi.domino.errors import DominoError
from agi.domino.http import Http
from agi.domino.views import View
from agi.domino.wire import Ask, Reply

OK = b"HTTP/1.1 200 OK\r\n"
DEADLINE_S = 0.4


class Raw:
    """Sends `says` to whoever connects and asks, and closes; after `says`, `flood` until the other side is gone."""

    def __init__(self) -> None:
        self.says = b""
        self.flood = b""
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.http = Http(f"http://127.0.0.1:{self.listener.getsockname()[1]}", keep=2)
        threading.Thread(target=self._run, daemon=True).start()

    def _run(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                connection, _ = self.listener.accept()
                with connection, contextlib.suppress(OSError):
                    connection.settimeout(3)
                    connection.recv(65536)
                    connection.sendall(self.says)
                    while self.flood:
                        connection.sendall(self.flood)

    def ask(self) -> Reply:
        return self.http.exchange(Ask("/x"), time.monotonic() + DEADLINE_S)


@pytest.fixture(scope="module")
def raw() -> Iterator[Raw]:
    server = Raw()
    yield server
    server.listener.close()


@pytest.mark.parametrize(
    ("says", "flood"),
    [
        (b"", b""),
        (b"\r\n\r\n", b""),
        (b"SSH-2.0-OpenSSH_9\r\n", b""),
        (b"HTTP/1.1 200", b""),
        (b"HTTP/1.1 9999 OK\r\n\r\n", b""),
        (b"HTTP/1.1 abc OK\r\n\r\n", b""),
        (OK + b"Content-Length: 10\r\n\r\nabc", b""),
        (OK + b"Content-Length: 10, 12\r\n\r\nabc", b""),
        (OK + b"Transfer-Encoding: chunked\r\n\r\nzz\r\n", b""),
        (OK + b"Transfer-Encoding: chunked\r\n\r\n5\r\nab", b""),
        (OK + b"Transfer-Encoding: chunked\r\n\r\nfffffffffff\r\nab", b""),
        (OK + b"Content-Encoding: gzip\r\nContent-Length: 3\r\n\r\nabc", b""),
        (OK + b"X: " + b"a" * 70_000 + b"\r\n\r\n", b""),
        (OK + b"X: 1\r\n" * 200 + b"\r\n", b""),
        (OK, b"X: y\r\n" * 100),  # headers without end
        (b"", b"HTTP/1.1 100 Continue\r\n\r\n" * 100),
        (OK + b"\r\n", b"a" * 65536),  # a body without end
        (OK + b"Content-Length: 999999999999\r\n\r\n", b"a" * 65536),
        (OK + b"Transfer-Encoding: chunked\r\n\r\n", b"1\r\na\r\n" * 1000),
        (b"", b"a" * 65536),  # a line without end
    ],
)
def test_what_is_not_http_is_an_error_by_the_deadline(raw: Raw, says: bytes, flood: bytes) -> None:
    raw.says, raw.flood = says, flood
    begun = time.monotonic()
    with pytest.raises(DominoError):
        View("p.nsf", "v", "Number").read(raw.ask(), "+1")
    assert time.monotonic() - begun < DEADLINE_S + 0.4


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(head=st.sampled_from([b"", OK, OK + b"Content-Type: "]), rest=st.binary(max_size=200))
@example(head=OK, rest=b"Content-Length: \xff\r\n\r\nabc")
@example(head=OK, rest=b"Content-Length: -1\r\n\r\nabc")
@example(head=OK, rest=b"Content-Type: \x00;charset=\xff\r\nSet-Cookie: \xe4\r\nLocation: \xff\r\n\r\nabc")
def test_no_bytes_are_worse_than_an_error(raw: Raw, head: bytes, rest: bytes) -> None:
    raw.says, raw.flood = head + rest, b""
    with contextlib.suppress(DominoError):
        assert isinstance(raw.ask().text, str)


def test_what_a_library_thinks_of_a_header_stands_in_no_log(raw: Raw, caplog: pytest.LogCaptureFixture) -> None:
    raw.says, raw.flood = OK + b"Set-Cookie: DomAuthSessId=5e55101\r\nno header\r\n: x\r\n\r\n{}", b""
    with contextlib.suppress(DominoError):
        raw.http.exchange(Ask("/phones.nsf?Key=4155551212"), time.monotonic() + 5)
    assert "5e55101" not in caplog.text
    assert "4155551212" not in caplog.text
