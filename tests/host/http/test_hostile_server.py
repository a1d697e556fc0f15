"""Whatever bytes a server sends in place of HTTP: a response, or an error of ours, by the deadline."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from host.http import DeadlinePassed, HttpError, HttpRequest
from host.http.client import HttpClient
from tests.host.http.scripted import Act, Scripted, scripted
from tests.host.http.test_client import soon

OK = b"HTTP/1.1 200 OK\r\n"


@pytest.fixture(scope="module")
def server() -> Iterator[Scripted]:
    with scripted((Act.CLOSE,)) as serving:
        yield serving


@settings(max_examples=60)
@given(head=st.sampled_from([b"", OK, OK + b"Content-Type: "]), rest=st.binary(max_size=200))
@example(head=b"", rest=b"\r\n\r\n")
@example(head=b"", rest=b"HTTP/1.1 9999 OK\r\n\r\n")
@example(head=OK, rest=b"Content-Length: \xff\r\n\r\nabc")
@example(head=OK, rest=b"Content-Length: -1\r\n\r\nabc")
@example(head=OK, rest=b"Content-Length: 10, 12\r\n\r\nabc")
@example(head=OK, rest=b"Transfer-Encoding: chunked\r\n\r\nfffffffffff\r\nab")
@example(head=OK, rest=b"X: 1\r\n" * 200 + b"\r\n")
@example(head=OK, rest=b"Content-Type: \x00;charset=\xff\r\nSet-Cookie: \xe4\r\nLocation: \xff\r\n\r\nabc")
def test_no_bytes_are_worse_than_an_error(server: Scripted, head: bytes, rest: bytes) -> None:
    server.answers = [(head + rest, Act.CLOSE)]
    with contextlib.suppress(HttpError):
        found = HttpClient(server.origin, keep=2).exchange(HttpRequest("/x"), soon())
        assert isinstance(found.content_type, str)
        assert found.charset is None or isinstance(found.charset, str)


@pytest.mark.parametrize(
    ("head", "flood"),
    [
        (OK, b"X: y\r\n" * 100),  # headers without end
        (OK + b"\r\n", b"a" * 65536),  # a body without end
        (OK + b"Content-Length: 999999999999\r\n\r\n", b"a" * 65536),
        (OK + b"Transfer-Encoding: chunked\r\n\r\n", b"1\r\na\r\n" * 1000),
        (b"", b"a" * 65536),  # a line without end
    ],
)
def test_what_never_ends_is_an_error_without_being_kept(server: Scripted, head: bytes, flood: bytes) -> None:
    server.answers = [(head, *[flood] * 200, Act.HANG)]
    with pytest.raises(HttpError) as raised:
        HttpClient(server.origin, body_limit=100_000).exchange(HttpRequest("/x"), soon())
    assert not isinstance(raised.value, DeadlinePassed), "its size ends it, long before its time"
