"""One HTTP exchange with one server through requests: whole or an error, by its deadline.

A server may close an idle connection at the moment when a request goes out on it; a GET is then sent once more, on a
connection of its own.
"""

from __future__ import annotations

import http.client
import logging
import socket
import ssl
import time
from http.cookiejar import DefaultCookiePolicy
from typing import Final
from urllib.parse import urlsplit

import requests
import urllib3

from host.http.deadline import DeadlineAdapter, ExchangeUnderWay, under_way
from host.http.exchange import (
    BodyCompressed,
    BodyTooLarge,
    ConnectionBroken,
    DeadlinePassed,
    HttpError,
    HttpRequest,
    HttpResponse,
    NoAddress,
    NotConnected,
    NotHttp,
    TlsRefused,
)
from host.printable import printable

BODY_LIMIT: Final = 256 * 1024
"""Bytes of a body, where the caller sets no other limit."""
_PIECE: Final = 16 * 1024
_REPEATABLE: Final = ("GET", "HEAD")
_QUOTING: Final = ("urllib3", "requests", "charset_normalizer")
"""Libraries that quote in log lines what they were sent: addresses with numbers and tokens, headers, cookies."""


class HttpClient:
    """One server.

    Args:
        base: such as "http://domino-local:80"; the name is looked up by the system for every new connection, so a
            changed /etc/hosts counts at once.
        host_header: whom to ask for, where the site is chosen by name; None: the name in `base`.
        keep: idle connections to keep. 0 for a process that asks once.
        tls_host_name: whom the certificate must name; None: the name in `base`.
        tls_ca_file: certificates that are trusted; None: the system's.
        body_limit: bytes; 0: the status is enough, and no body is read.
    """

    def __init__(
        self,
        base: str,
        *,
        host_header: str | None = None,
        keep: int = 0,
        tls_host_name: str | None = None,
        tls_ca_file: str | None = None,
        body_limit: int = BODY_LIMIT,
    ) -> None:
        parts = urlsplit(base)
        self.origin = f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}"
        self._base = base.rstrip("/")
        self._host_header = host_header
        self._body_limit = body_limit
        self._once = _session(self._base, 1, tls_host_name, tls_ca_file)
        self._kept = _session(self._base, keep, tls_host_name, tls_ca_file) if keep else None

    def exchange(self, request: HttpRequest, deadline: float) -> HttpResponse:
        """Sends `request` and reads the whole response, whatever its status.

        Args:
            deadline: time.monotonic() seconds.

        Raises:
            HttpError
        """
        if self._kept is not None:
            exchange = ExchangeUnderWay(deadline)
            try:
                return self._send(self._kept, request, exchange)
            except (ConnectionBroken, NotHttp):
                if exchange.dialled or request.verb not in _REPEATABLE:
                    raise
        return self._send(self._once, request.with_headers((("Connection", "close"),)), ExchangeUnderWay(deadline))

    def close(self) -> None:
        """Closes the idle connections."""
        self._once.close()
        if self._kept is not None:
            self._kept.close()

    def _send(self, session: requests.Session, request: HttpRequest, exchange: ExchangeUnderWay) -> HttpResponse:
        begun = time.monotonic()
        token = under_way.set(exchange)
        try:
            prepared = requests.Request(request.verb, self._base, data=request.body).prepare()
            prepared.url = self._base + request.target  # as it is: requests would rewrite some escapes
            prepared.headers.update(
                {"User-Agent": "hotstandby", "Accept-Encoding": "identity", **dict(request.headers)}
            )
            if self._host_header is not None:
                prepared.headers["Host"] = self._host_header
            with session.send(prepared, stream=True, allow_redirects=False, timeout=exchange.left()) as response:
                return self._read(response, exchange)
        except (requests.RequestException, urllib3.exceptions.HTTPError, OSError, ValueError) as error:
            # Only type and reason are told: these exceptions quote URLs.
            raise self._failure(error, time.monotonic() - begun, sent=exchange.sent) from None
        finally:
            under_way.reset(token)

    def _read(self, response: requests.Response, exchange: ExchangeUnderWay) -> HttpResponse:
        headers = response.headers
        if not self._body_limit:
            return HttpResponse(response.status_code, tuple(response.raw.headers.items()), b"")
        if headers.get("Content-Encoding", "identity").strip().lower() not in ("", "identity"):
            raise BodyCompressed(f"{self.origin} compressed its answer although told not to", sent=True)
        length = headers.get("Content-Length", "")
        expected = int(length) if length.isascii() and length.isdigit() and len(length) < 16 else None
        body = bytearray()
        try:
            while len(body) <= self._body_limit:
                exchange.left()
                piece = response.raw.read(_PIECE)
                if not piece:
                    break
                body += piece
        except urllib3.exceptions.ProtocolError:
            raise self._half(len(body), "bytes") from None
        whole = HttpResponse(
            status=response.status_code,
            headers=tuple(response.raw.headers.items()),
            body=bytes(body[: self._body_limit]),
            framed=expected is not None or "chunked" in headers.get("Transfer-Encoding", "").lower(),
        )
        if len(body) > self._body_limit:
            raise BodyTooLarge(f"{self.origin} sent more than {self._body_limit} bytes", whole)
        if expected is not None and len(body) < expected:
            raise self._half(len(body), f"of {expected} bytes")
        return whole

    def _half(self, received: int, unit: str) -> ConnectionBroken:
        return ConnectionBroken(
            f"{self.origin} stopped in the middle of its answer, after {received} {unit}", sent=True, begun=True
        )

    def _failure(self, error: Exception, after_s: float, *, sent: bool) -> HttpError:
        """The library's exception as ours, without the URL, which it would quote."""
        causes = list(_causes(error))
        if any(isinstance(cause, TimeoutError | urllib3.exceptions.ReadTimeoutError) for cause in causes):
            message = f"{self.origin} did not answer in full by the deadline ({after_s * 1000:.0f} ms)"
            return DeadlinePassed(message, sent=sent)
        if isinstance(error, requests.exceptions.SSLError):
            why = next((str(cause) for cause in reversed(causes) if isinstance(cause, ssl.SSLError | ValueError)), "")
            return TlsRefused(f"{self.origin}: its certificate or TLS is not accepted: {printable(why)}", sent=sent)
        if any(isinstance(cause, socket.gaierror) for cause in causes):
            return NoAddress(f"{self.origin}: the name has no address on this machine", sent=False)
        reason = next(
            (cause.strerror for cause in causes if isinstance(cause, OSError) and isinstance(cause.strerror, str)),
            type(causes[-1]).__name__,
        )
        message = f"{self.origin} does not answer: {printable(reason)}"
        if not sent:
            return NotConnected(message, refused=any(isinstance(cause, ConnectionRefusedError) for cause in causes))
        if any(isinstance(cause, OSError) and not isinstance(cause, requests.RequestException) for cause in causes):
            return ConnectionBroken(message, sent=True)
        if any(isinstance(cause, http.client.HTTPException | ValueError) for cause in causes):
            return NotHttp(message, sent=True)
        return ConnectionBroken(message, sent=True)


class _Session(requests.Session):
    """requests' own, which knows no redirect: even where it follows none, it reads the whole body of each that names
    a Location, beyond any limit of ours, to have the next request ready."""

    def get_redirect_target(self, resp: requests.Response) -> str | None:  # noqa: ARG002 - requests names it
        """Nowhere."""
        return None


def _session(base: str, connections: int, tls_host_name: str | None, tls_ca_file: str | None) -> requests.Session:
    _silence_libraries()
    session = _Session()
    session.trust_env = False
    session.headers.clear()
    session.cookies.set_policy(DefaultCookiePolicy(allowed_domains=[]))
    for adapter in session.adapters.values():
        adapter.close()
    session.adapters.clear()
    if base.startswith("https:"):
        context = ssl.create_default_context(cafile=tls_ca_file)
        session.mount("https://", DeadlineAdapter(connections, context, tls_host_name or urlsplit(base).hostname))
        session.verify = tls_ca_file or True
    else:
        session.mount("http://", DeadlineAdapter(connections))
    return session


def _silence_libraries() -> None:
    """Has them log nothing. What went wrong they raise as well, and then it is told in our own words.

    urllib3 warns of headers that it cannot parse with the whole address and the text of all of them, Set-Cookie
    included (connectionpool.py, _make_request).
    """
    for name in _QUOTING:
        logging.getLogger(name).setLevel(logging.CRITICAL)


def _causes(error: BaseException) -> list[BaseException]:
    """The exception and all that it wraps; libraries put the inner one into args, `reason` or the context."""
    found: list[BaseException] = []
    todo: list[object] = [error]
    while todo and len(found) < 20:
        one = todo.pop(0)
        if isinstance(one, BaseException) and one not in found:
            found.append(one)
            todo += [*one.args, getattr(one, "reason", None), one.__cause__, one.__context__]
    return found
