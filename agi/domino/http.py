"""The edge: one HTTP exchange with a Domino server through requests, whole or an error, by its deadline.

Domino keeps a connection for five requests, closes it after any answer of 400 or more, and may close an idle one at
the moment when a request goes out on it; a GET is then sent once more, on a connection of its own.
"""

from __future__ import annotations

import socket
import ssl
import time
from collections.abc import Sequence
from http.cookiejar import DefaultCookiePolicy
from typing import Final
from urllib.parse import urlsplit

import requests
import urllib3

from agi.domino.deadline import DeadlineAdapter, Exchange, under_way
from agi.domino.errors import DominoError, Late, NotData, Unreachable
from agi.domino.wire import Ask, Reply
from host.printable import printable
from host.quiet_libraries import hush

BODY_LIMIT: Final = 256 * 1024
"""Bytes. Ten rows of a view are a few thousand; more is not an answer to a lookup."""
_AGENT: Final = "hotstandby"


class Http:
    """One Domino site.

    Args:
        base: such as "http://domino-local:80"; the name is looked up by the system for every new connection, so a
            changed /etc/hosts counts at once.
        host_header: whom to ask for, where the site is chosen by name; None: the name in `base`, which matches no site
            of Domino's, so that the address decides.
        keep: idle connections to keep. 0 for a process that asks once.
        tls_host_name, tls_ca_file: for https.

    No proxy, .netrc or certificate bundle is taken from the environment, no redirect is followed, and no cookie is
    kept: the login handles those itself, since cookies with a Domain never match an alias without a dot.
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
        self.base = base.rstrip("/")
        self._host_header = host_header
        self._body_limit = body_limit
        self._once = _session(self.base, 1, tls_host_name, tls_ca_file)
        self._kept = _session(self.base, keep, tls_host_name, tls_ca_file) if keep else None

    def exchange(self, ask: Ask, deadline: float, headers: Sequence[tuple[str, str]] = ()) -> Reply:
        """Sends `ask`, with `headers` beside its own, and reads the whole reply.

        Args:
            deadline: time.monotonic() seconds.

        Raises:
            Late, Unreachable, NotData
        """
        if self._kept is not None:
            under = Exchange(deadline)
            try:
                return self._send(self._kept, ask, headers, under)
            except Unreachable:
                if under.dialled or ask.body is not None:
                    raise
        return self._send(self._once, ask, (*headers, ("Connection", "close")), Exchange(deadline))

    def close(self) -> None:
        """Closes the idle connections."""
        self._once.close()
        if self._kept is not None:
            self._kept.close()

    def _send(self, session: requests.Session, ask: Ask, headers: Sequence[tuple[str, str]], under: Exchange) -> Reply:
        method = "GET" if ask.body is None else "POST"
        request = requests.Request(method, self.base, data=ask.body).prepare()
        request.url = self.base + ask.target  # as it is: requests would rewrite some escapes
        request.headers.update({"User-Agent": _AGENT, "Accept-Encoding": "identity", **dict((*ask.headers, *headers))})
        if self._host_header is not None:
            request.headers["Host"] = self._host_header
        begun = time.monotonic()
        token = under_way.set(under)
        try:
            with session.send(request, stream=True, allow_redirects=False, timeout=under.left()) as response:
                return self._read(response, under)
        except (requests.RequestException, urllib3.exceptions.HTTPError, OSError, ValueError) as error:
            # Only type and reason are told: these exceptions quote URLs.
            raise self._said(error, time.monotonic() - begun) from None
        finally:
            under_way.reset(token)

    def _read(self, response: requests.Response, under: Exchange) -> Reply:
        headers = response.headers
        if headers.get("Content-Encoding", "identity").lower() != "identity":
            raise NotData(f"{self.base} compressed its answer although told not to")
        length = headers.get("Content-Length", "")
        expected = int(length) if length.isascii() and length.isdigit() and len(length) < 16 else None
        body = bytearray()
        try:
            while len(body) <= self._body_limit:
                under.left()
                piece = response.raw.read(16 * 1024)
                if not piece:
                    break
                body += piece
        except urllib3.exceptions.ProtocolError as error:
            raise Unreachable(f"{self.base} stopped in the middle of its answer, after {len(body)} bytes") from error
        if len(body) > self._body_limit:
            raise NotData(f"{self.base} sent more than {self._body_limit} bytes, which is no answer to a lookup")
        if expected is not None and len(body) < expected:
            raise Unreachable(f"{self.base} stopped in the middle of its answer, after {len(body)} of {expected} bytes")
        kind, _, parameters = headers.get("Content-Type", "").partition(";")
        charset = next(
            (value.strip(" \"'") for name, _, value in _pairs(parameters) if name.strip().lower() == "charset"), None
        )
        return Reply(
            status=response.status_code,
            content_type=kind.strip().lower(),
            charset=charset,
            body=bytes(body),
            framed=expected is not None or "chunked" in headers.get("Transfer-Encoding", "").lower(),
            location=headers.get("Location", ""),
            cookies=tuple(response.raw.headers.getlist("Set-Cookie")),
        )

    def _said(self, error: Exception, after_s: float) -> DominoError:
        """The library's exception as ours, without the URL, which it would quote."""
        causes = list(_causes(error))
        if any(isinstance(cause, TimeoutError | urllib3.exceptions.ReadTimeoutError) for cause in causes):
            return Late(f"{self.base} did not answer in full by the deadline ({after_s * 1000:.0f} ms)")
        if isinstance(error, requests.exceptions.SSLError):
            reason = next(
                (str(cause) for cause in reversed(causes) if isinstance(cause, ssl.SSLError | ValueError)), ""
            )
            return Unreachable(
                f"{self.base}: its certificate or TLS is not accepted: {printable(reason)}. "
                "Check tls_host_name and tls_ca_file"
            )
        if any(isinstance(cause, socket.gaierror) for cause in causes):
            return Unreachable(
                f"{self.base}: the name has no address on this machine; `render-localized` writes it to /etc/hosts"
            )
        reason = next(
            (cause.strerror for cause in causes if isinstance(cause, OSError) and isinstance(cause.strerror, str)),
            type(causes[-1]).__name__,
        )
        return Unreachable(f"{self.base} does not answer: {printable(reason)}")


def _session(base: str, connections: int, tls_host_name: str | None, tls_ca_file: str | None) -> requests.Session:
    hush()
    session = requests.Session()
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


def _pairs(parameters: str) -> list[tuple[str, str, str]]:
    return [parameter.partition("=") for parameter in parameters.split(";")]


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
