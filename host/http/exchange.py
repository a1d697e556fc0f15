"""A request, its response, and what can go wrong between them, as values."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from typing import Final
from urllib.parse import quote

from host.errors import HotstandbyError


@dataclass(frozen=True, slots=True)
class HttpRequest:
    """One request. Body and headers are never shown: they may carry a password.

    Attributes:
        target: path and query, percent-encoded.
        body: sent with its length.
        headers: beside those that every request has.
        method: None: GET without a body, POST with one.
    """

    target: str
    body: bytes | None = field(default=None, repr=False)
    headers: tuple[tuple[str, str], ...] = field(default=(), repr=False)
    method: str | None = None

    @property
    def verb(self) -> str:
        """The method that it is sent with."""
        return self.method or ("GET" if self.body is None else "POST")

    def with_headers(self, headers: Iterable[tuple[str, str]]) -> HttpRequest:
        """The same request with further headers; one that it has already is replaced."""
        return replace(self, headers=(*self.headers, *headers))


@dataclass(frozen=True, slots=True)
class HttpResponse:
    """One response, read to its end.

    Attributes:
        headers: as they came, in order.
        framed: the body's end was marked by a length or by chunks; otherwise it ended because the connection did,
            and may be half a body.
    """

    status: int
    headers: tuple[tuple[str, str], ...]
    body: bytes
    framed: bool = True

    def header(self, name: str) -> str:
        """The first header of that name, in any case; "" if there is none."""
        return next(iter(self.all_headers(name)), "")

    def all_headers(self, name: str) -> tuple[str, ...]:
        """Every header of that name, as Set-Cookie comes."""
        return tuple(value for given, value in self.headers if given.lower() == name.lower())

    @property
    def content_type(self) -> str:
        """In lower case, without parameters; "" if there is none."""
        return self.header("Content-Type").partition(";")[0].strip().lower()

    @property
    def charset(self) -> str | None:
        """What the Content-Type claims."""
        parameters = (one.partition("=") for one in self.header("Content-Type").split(";")[1:])
        return next((value.strip(" \"'") for name, _, value in parameters if name.strip().lower() == "charset"), None)


_STAYS: Final = "!#$%&'()*+,/:;=?@[]~"
"""What delimits or escapes in an address (RFC 3986 §2.2)."""


def escaped(target: str) -> str:
    """A path and query as a person wrote it, with what cannot stand in a request percent-encoded; escapes stay."""
    return quote(target, safe=_STAYS)


class HttpError(HotstandbyError):
    """There is no whole response. The message names scheme, host and port, never the rest of the address.

    Attributes:
        sent: whether the server may have seen the request; False: it certainly has not.
    """

    def __init__(self, message: str, *, sent: bool) -> None:
        super().__init__(message)
        self.sent = sent


class NoAddress(HttpError):
    """The name has no address on this machine."""


class NotConnected(HttpError):
    """No connection was made.

    Attributes:
        refused: the machine answered that nobody listens there.
    """

    def __init__(self, message: str, *, refused: bool = False) -> None:
        super().__init__(message, sent=False)
        self.refused = refused


class TlsRefused(HttpError):
    """TLS failed, or the certificate is not accepted."""


class DeadlinePassed(HttpError):
    """The deadline passed; `sent` tells whether that was after the connection had been made."""


class ConnectionBroken(HttpError):
    """The connection ended before the response did.

    Attributes:
        begun: status and headers had come; only a part of the body is missing.
    """

    def __init__(self, message: str, *, sent: bool, begun: bool = False) -> None:
        super().__init__(message, sent=sent)
        self.begun = begun


class NotHttp(HttpError):
    """What came is no HTTP response."""


class BodyCompressed(HttpError):
    """The body is compressed although the request forbade it: a few bytes may stand for as many as memory holds."""


class BodyTooLarge(HttpError):
    """The body is longer than the limit.

    Attributes:
        response: with the beginning of the body, as long as the limit.
    """

    def __init__(self, message: str, response: HttpResponse) -> None:
        super().__init__(message, sent=True)
        self.response = response
