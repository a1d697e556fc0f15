"""What stands between the network and the API: who may ask, under which name, and what a browser may do with answers.

An ASGI middleware for the TCP listener alone; the Unix socket is guarded by its permissions.
"""

from __future__ import annotations

import hashlib
import hmac
import ipaddress
import time
from collections.abc import Callable, Iterable, Mapping
from typing import Final

from starlette.datastructures import MutableHeaders
from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from host.errors import UsageError
from host.places import Places
from pair import Pair, read_secret

COOKIE: Final = "hotstandby"
MOST_COOKIES: Final = 100
MOST_SESSIONS: Final = 4
SESSION_S: Final = 30 * 86_400
OPEN_PATHS: Final = frozenset({"/healthz", "/login"})
"""Answered without a token: whether the daemon lives, and where to show the token."""
OPEN_PREFIX: Final = "/page/"
"""Style and script of the login page; nothing in it is about this pair."""

HEADERS: Final[Mapping[str, str]] = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
        "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
}


def host_of(header: str) -> str:
    """The host of a Host header, without its port, in lower case; brackets of IPv6 are taken off."""
    text = header.strip().lower()
    if text.startswith("["):
        return text[1:].partition("]")[0]
    return text.partition(":")[0].removesuffix(".")


def sessions_of(header: str) -> list[str]:
    """What a Cookie header shows as our session (RFC 6265, section 4.2.1); a few at most, for a browser sends one.

    http.cookies is not asked: up to Python 3.11.9 its time grows with the square of the backslashes in a quoted value
    (CVE-2024-7592), and a cookie that it does not like hides all others.
    """
    pairs = (one.partition("=") for one in header.split(";", MOST_COOKIES))
    shown = [value.strip().strip('"') for name, equals, value in pairs if equals and name.strip() == COOKIE]
    return shown[:MOST_SESSIONS]


class AccessTokens:
    """Compares tokens and sessions in constant time."""

    def __init__(self, token: str, *, clock: Callable[[], float] = time.time) -> None:
        """
        Args:
            token: the secret.
            clock: unix seconds.
        """
        self._digest = hashlib.sha256(token.encode()).digest()
        self._key = hmac.new(token.encode(), b"hotstandby page session", hashlib.sha256).digest()
        self._clock = clock

    def fits(self, shown: str) -> bool:
        """Whether `shown` is the token. Digests are compared, so neither content nor length shows in the time."""
        return hmac.compare_digest(hashlib.sha256(shown.encode("utf-8", "surrogateescape")).digest(), self._digest)

    def session(self) -> str:
        """A value for the cookie: until when it holds, and the proof that we said so."""
        until = str(int(self._clock()) + SESSION_S)
        return f"{until}.{self._proof(until)}"

    def holds(self, session: str) -> bool:
        """Whether a cookie is one of ours, and not over."""
        until, _, proof = session.partition(".")
        if not hmac.compare_digest(self._proof(until).encode(), proof.encode("utf-8", "surrogateescape")):
            return False
        return until.isascii() and until.isdigit() and int(until) > self._clock()

    def _proof(self, until: str) -> str:
        return hmac.new(self._key, until.encode("utf-8", "surrogateescape"), hashlib.sha256).hexdigest()


class AccessGuard:
    """Refuses what is not for us; adds the headers that keep a browser in bounds."""

    def __init__(self, app: ASGIApp, *, hosts: Iterable[str], tokens: AccessTokens | None) -> None:
        """
        Args:
            app: what is guarded.
            hosts: names and addresses by which it may be asked.
            tokens: None: everybody who reaches us may ask.
        """
        self._app = app
        self.reconfigure(hosts=hosts, tokens=tokens)

    def reconfigure(self, *, hosts: Iterable[str], tokens: AccessTokens | None) -> None:
        """Other names, or another token, from the next request on."""
        self._hosts = frozenset(host.lower().removesuffix(".") for host in hosts)
        self._tokens = tokens

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in HEADERS.items():
                    headers.setdefault(name, value)
                headers.setdefault("Cache-Control", "no-store")
            await send(message)

        refusal = self._refusal(scope)
        await (refusal or self._app)(scope, receive, with_headers)

    def _refusal(self, scope: Scope) -> Response | None:
        headers = _headers(scope)
        host = host_of(headers.get("host", ""))
        if host not in self._hosts:
            # A page elsewhere may point a name of its own at our address; only a request under our names is for us.
            return JSONResponse(
                {
                    "error": "This name is not one of ours. Ask by address, or add the name to hosts in [watcher] of "
                    "pair.toml and reload: systemctl reload ami-watcher"
                },
                status_code=421,
            )
        path = scope["path"]
        if self._tokens is None or path in OPEN_PATHS or path.startswith(OPEN_PREFIX):
            return None
        scheme, _, shown = headers.get("authorization", "").partition(" ")
        if scheme.lower() == "bearer" and self._tokens.fits(shown.strip()):
            return None
        if any(self._tokens.holds(session) for session in sessions_of(headers.get("cookie", ""))):
            return None
        if path == "/" and scope["method"] == "GET":
            return RedirectResponse("/login", status_code=303)
        return JSONResponse(
            {"error": "A token is needed. Send it as: Authorization: Bearer TOKEN"},
            status_code=401,
            headers={"WWW-Authenticate": "Bearer"},
        )


def is_loopback(address: str) -> bool:
    """Whether only this machine reaches it."""
    return ipaddress.ip_address(address).is_loopback


def _headers(scope: Scope) -> dict[str, str]:
    # The first of repeated ones counts, as it does for the application.
    found: dict[str, str] = {}
    for name, value in scope["headers"]:
        found.setdefault(name.decode("latin-1"), value.decode("latin-1"))
    return found


def token_of(places: Places, pair: Pair, listening: str) -> AccessTokens | None:
    """What callers have to show.

    Args:
        places: of this machine.
        pair: pair.toml.
        listening: the address that others reach: at a reload the one that is open, whatever pair.toml says now.

    Raises:
        UsageError: none is set, and others than this machine could ask.
        SecretUnusable
    """
    if pair.watcher.token_file is not None:
        return AccessTokens(read_secret(places, pair.watcher.token_file))
    if not is_loopback(listening):
        raise UsageError(
            f'Without a token, listen = "{listening}" in [watcher] would show phones and trunks to everybody '
            "who reaches it. Set token_file in [watcher] of pair.toml, and make the token with: "
            f"(umask 077; openssl rand -hex 24 > {places.secrets}/watcher-token)"
        )
    return None


def hosts_of(pair: Pair, machine: str) -> set[str]:
    """Names and addresses by which the page of `machine` may be asked for."""
    own = pair.machines[machine]
    names = {"localhost", "127.0.0.1", "::1", pair.watcher.listen, machine, own.public_address, own.bind}
    return names | set(pair.watcher.hosts)
