"""How Domino knows us: not at all, by Basic authentication, or by a session that a form login gives.

A wrong password, a session that ran out and a right that is missing all look the same: status 200 and a page. So a
login counts when its cookie came, and only then.
"""

from __future__ import annotations

import re
import threading
import time
from base64 import b64encode
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final, Protocol
from urllib.parse import urlencode

from agi.domino.errors import DominoLate, DominoRefused
from agi.domino.wire import path
from host.http import HttpRequest, HttpResponse

Headers = Sequence[tuple[str, str]]

RETRY_S: Final = 60.0
"""After a login was refused, none is tried for so long: repeated ones lock the account."""
_COOKIE: Final = re.compile(r"\s*(DomAuthSessId|LtpaToken2?)\s*=\s*\"?([!#-+\--:<-\[\]-~]+)", re.IGNORECASE)


class Exchanges(Protocol):
    """What a login needs of agi.domino.http.DominoClient."""

    def exchange(self, request: HttpRequest, deadline: float) -> HttpResponse:
        """Sends `request` and reads the response."""


@dataclass(frozen=True, slots=True)
class DominoUser:
    """A Domino user; the password is never shown."""

    name: str
    password: str = field(repr=False)


class DominoLogin(Protocol):
    """What to send along with every request."""

    def headers(self, deadline: float) -> Headers:
        """The headers that say who asks.

        Raises:
            DominoError
        """

    def renew(self, stale: Headers, deadline: float) -> bool:
        """Whether there are other headers now than `stale`, with which Domino gave no data."""


class AnonymousLogin:
    """Whatever Domino shows to everybody."""

    def headers(self, deadline: float) -> Headers:  # noqa: ARG002
        """None."""
        return ()

    def renew(self, stale: Headers, deadline: float) -> bool:  # noqa: ARG002
        """Never: nothing would change."""
        return False


class BasicLogin(AnonymousLogin):
    """Basic authentication, sent unasked (RFC 7617).

    Raises:
        DominoRefused: name or password cannot be sent: Domino takes ISO-8859-1.
    """

    def __init__(self, user: DominoUser) -> None:
        try:
            pair = f"{user.name}:{user.password}".encode("latin-1")
        except UnicodeEncodeError:
            raise DominoRefused(f"the name or the password of {user.name!a} has characters beyond ISO-8859-1") from None
        self._headers = (("Authorization", f"Basic {b64encode(pair).decode('ascii')}"),)

    def headers(self, deadline: float) -> Headers:  # noqa: ARG002
        """The Authorization header."""
        return self._headers


class SessionLogin:
    """Form login at `/names.nsf?Login`; its cookie is kept until Domino stops taking it.

    The cookie is handled here and not by a cookie jar: an LtpaToken comes with `domain=.example.com`, and a jar
    drops that when it comes from an alias without a dot.
    """

    def __init__(self, user: DominoUser, http: Exchanges) -> None:
        self._user = user
        self._http = http
        self._lock = threading.Lock()
        self._headers: Headers = ()
        self._refused_until = 0.0
        self._refusal = ""

    def headers(self, deadline: float) -> Headers:
        """The Cookie header, after a login if there was none yet."""
        if not self._headers:
            self.renew((), deadline)
        return self._headers

    def renew(self, stale: Headers, deadline: float) -> bool:
        """Logs in, unless somebody else just did; one at a time.

        Raises:
            DominoRefused: the login was refused, now or less than RETRY_S seconds ago.
            DominoError
        """
        if not self._lock.acquire(timeout=max(deadline - time.monotonic(), 0)):
            raise DominoLate("another lookup's login at Domino has not ended by the deadline")
        try:
            if self._headers and self._headers != stale:
                return True
            if time.monotonic() < self._refused_until:
                raise DominoRefused(self._refusal)
            self._headers = ()
            self._headers = self._log_in(deadline)
            return True
        finally:
            self._lock.release()

    def _log_in(self, deadline: float) -> Headers:
        fields = {"Username": self._user.name, "Password": self._user.password, "RedirectTo": "/"}
        form = ("Content-Type", "application/x-www-form-urlencoded")
        target = f"{path('names.nsf')}?Login"
        reply = self._http.exchange(
            HttpRequest(target, urlencode(fields, encoding="utf-8").encode(), (form,)), deadline
        )
        cookies = [match for cookie in reply.all_headers("Set-Cookie") if (match := _COOKIE.match(cookie))]
        if reply.status >= 400 or not cookies:
            self._refused_until = time.monotonic() + RETRY_S
            self._refusal = (
                f"Domino did not log {self._user.name!a} in ({reply.status}, no session cookie). Check user and "
                f"secret_file; the next attempt is made after {RETRY_S:g} s, because repeated ones lock the account"
            )
            raise DominoRefused(self._refusal)
        return (("Cookie", "; ".join(f"{match[1]}={match[2]}" for match in cookies)),)
