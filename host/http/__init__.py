"""HTTP as everything here speaks it: one exchange, whole or an error, by one deadline over all of it.

The deadline covers finding the address, connecting, TLS, headers and body, however slowly each byte comes. A body has
a size limit, redirects are not followed, nothing is taken from the environment (no proxy, no .netrc), no cookie is
kept, compressed answers are refused, and no error and no log quotes an address, a header or a body.

    HttpRequest, HttpResponse   what is sent, and what came
    escaped                     a path that a person wrote, as it can be sent
    HttpError                   the tree of what goes wrong
    host.http.client.HttpClient the exchange; it imports requests (60 ms), which this package does not
"""

from __future__ import annotations

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
    escaped,
)

__all__ = [
    "BodyCompressed",
    "BodyTooLarge",
    "ConnectionBroken",
    "DeadlinePassed",
    "HttpError",
    "HttpRequest",
    "HttpResponse",
    "NoAddress",
    "NotConnected",
    "NotHttp",
    "TlsRefused",
    "escaped",
]
