"""One request to a carrier's API: bounded in time and size, believed only when it makes sense, told without secrets."""

from __future__ import annotations

import base64
import codecs
import json
import re
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from functools import cached_property
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlencode

from failover.errors import FailoverError
from failover.journal.mask import Mask
from failover.steps.carrier.preset import Preset, RequestTemplate, ValueMissing, filled, filled_json, filled_path, taken
from host.http import (
    BodyCompressed,
    BodyTooLarge,
    ConnectionBroken,
    DeadlinePassed,
    HttpError,
    HttpRequest,
    HttpResponse,
    NoAddress,
    NotConnected,
    TlsRefused,
)
from host.printable import printable

if TYPE_CHECKING:
    from host.http.client import HttpClient

_LIMIT: Final = 1024 * 1024
"""Bytes of an answer."""
CALL_S: Final = 8.0
"""Seconds for one request, all of it."""
_PAUSE_S: Final = 2.0
"""Seconds before a request that was one too many is sent again, when the carrier does not say."""
_PAUSES_S: Final = (0.5, 60.0)
"""Seconds that a carrier may have us wait, least and most."""
_SECONDS: Final = re.compile(r"[0-9]{1,9}(?:\.[0-9]{1,9})?")
_NO_ERROR: Final = ("", "0", "false", "none")
"""What stands where an error would, when all is well."""
_VALUE_LONGEST: Final = 250
"""Characters of a route, or of an id, that a carrier tells."""


class CarrierError(FailoverError):
    """Something went wrong at a carrier."""


class CarrierRefused(CarrierError):
    """It said no; nothing was done, and asking again will not help."""


class CarrierBusy(CarrierError):
    """Too many requests; nothing was done, and it may be asked again after `pause_s` seconds."""

    def __init__(self, words: str, pause_s: float) -> None:
        super().__init__(words)
        self.pause_s = pause_s


class CarrierNotReached(CarrierError):
    """No connection was made: nothing was done."""


class CarrierUnclear(CarrierError):
    """No answer, or none that makes sense: whether anything was done is not known. Read before anything else."""


@dataclass(frozen=True, slots=True)
class CarrierAccount:
    """Who we are at a carrier.

    Attributes:
        base: https://host.
        user: account name; empty for none.
        secret: password, token or key; the mask knows it.
        ca_file: certificates that are trusted; empty for the system's.
    """

    base: str
    user: str
    secret: str
    ca_file: str = ""

    def __repr__(self) -> str:
        return f"Account({self.base}, {self.user})"


class CarrierClient:
    """A carrier's API, as its preset describes it."""

    def __init__(self, preset: Preset, account: CarrierAccount, mask: Mask) -> None:
        self._preset = preset
        self._account = account
        self._mask = mask
        mask.hide_login(account.user, account.secret)

    @property
    def title(self) -> str:
        """The carrier's name for people."""
        return self._preset.title

    def call(self, request: RequestTemplate, values: Mapping[str, str], *, deadline_s: float) -> Any:
        """Sends one request and returns the JSON of its answer; None for an answer without a body.

        Redirects are not followed and no proxy or .netrc of the environment is used: the secret goes to the
        carrier's host or nowhere.

        Args:
            request: template.
            values: what stands in it.
            deadline_s: seconds for all of it, however slowly the answer drips.

        Raises:
            CarrierRefused, CarrierBusy, CarrierNotReached, CarrierUnclear
        """
        preset, account = self._preset, self._account
        given = {**values, "account": account.user}
        login = {**given, "secret": account.secret}
        what = f"{preset.title} ({request.method} {filled_path(request.path, given)})"
        query = {key: filled(value, given) for key, value in request.query.items()}
        headers = {"Accept": "application/json"}
        if preset.login.kind == "query":
            query |= {key: filled(value, login) for key, value in preset.login.query.items()}
        elif preset.login.kind == "basic":
            headers["Authorization"] = _basic(filled(preset.login.user, given), account.secret)
        elif preset.login.kind == "bearer":
            headers["Authorization"] = f"Bearer {account.secret}"
        else:
            headers |= {key: filled(value, login) for key, value in preset.login.header.items()}
        body: bytes | None = None
        if request.form:
            body = urlencode({key: filled(value, given) for key, value in request.form.items()}).encode()
            headers["Content-Type"] = "application/x-www-form-urlencoded"
        if request.body:
            body = json.dumps(filled_json(request.body, given)).encode()
            headers["Content-Type"] = "application/json"
        target = filled_path(request.path, given) + (f"?{urlencode(query)}" if query else "")
        prepared = HttpRequest(target, body, tuple(headers.items()), request.method)
        response = self._exchange(what, prepared, min(deadline_s, CALL_S))
        return self._understood(what, response)

    def told(self, value: str, *, known: Iterable[str] = ()) -> str:
        """A route or an id that the carrier told, if it can be one: it is journalled, shown, and sent back.

        Args:
            known: values of pair.toml, which are ours whatever they hold.

        Raises:
            ValueMissing: it is none.
        """
        if value in known:
            return value
        if len(value) > _VALUE_LONGEST or not value.isprintable():
            raise ValueMissing(f"{len(value)} characters that are no route: {printable(self._mask(value[:500]), 40)}")
        if self._mask(value) != value:
            raise ValueMissing("our own secret stands where a route belongs")
        return value

    def _exchange(self, what: str, request: HttpRequest, deadline_s: float) -> HttpResponse:
        try:
            return self._client.exchange(request, time.monotonic() + deadline_s)
        except TlsRefused as error:
            if error.sent:
                raise CarrierUnclear(f"{what} broke off in the middle of TLS") from None
            raise CarrierNotReached(f"{what}: its certificate is not trusted; nothing was sent") from None
        except (NoAddress, NotConnected):
            raise CarrierNotReached(f"{what} was not reached: no connection to {self._account.base}") from None
        except DeadlinePassed as error:
            if not error.sent:
                raise CarrierNotReached(f"{what} was not reached within {deadline_s:.1f} s") from None
            raise CarrierUnclear(f"{what} did not answer within {deadline_s:.1f} s") from None
        except ConnectionBroken as error:
            if error.begun:
                raise CarrierUnclear(f"{what} gave half an answer") from None
            raise CarrierUnclear(f"{what} closed the connection without an answer") from None
        except BodyCompressed:
            raise CarrierUnclear(f"{what} answered compressed although told not to") from None
        except BodyTooLarge:
            raise CarrierUnclear(f"{what} answered with more than {_LIMIT // 1024} KiB") from None
        except HttpError:
            raise CarrierUnclear(f"{what} answered what is no HTTP") from None

    @cached_property
    def _client(self) -> HttpClient:
        from host.http.client import HttpClient  # it takes 60 ms, and most carriers are called by a person

        return HttpClient(self._account.base, tls_ca_file=self._account.ca_file or None, body_limit=_LIMIT)

    def _understood(self, what: str, response: HttpResponse) -> Any:
        status, body = response.status, response.body
        # Whatever the answer calls itself: PHP says text/html of JSON, and a page is told by how it begins.
        parsed, is_json = _parsed(body)
        if status == 429:
            raise CarrierBusy(f"{what}: too many requests", _pause(response))
        if 300 <= status < 400:
            raise CarrierRefused(f"{what} redirects elsewhere, which is not followed. Is carriers.X.base right?")
        if 400 <= status < 500 and status != 408:
            raise CarrierRefused(f"{what} refused: {self._why(parsed) or f'HTTP {status}'}")
        if not 200 <= status < 300:
            raise CarrierUnclear(f"{what} failed: {self._why(parsed) or f'HTTP {status}'}")
        if not body.strip():
            return None
        if not is_json:
            if body.removeprefix(codecs.BOM_UTF8).lstrip()[:1] == b"<":
                raise CarrierUnclear(
                    f"{what} answered with a web page, not with data. Is its API enabled, and carriers.X.base right?"
                )
            raise CarrierUnclear(f"{what} gave half an answer")
        self._status(what, parsed)
        return parsed

    def _status(self, what: str, parsed: Any) -> None:
        form = self._preset.answer
        if form.error is not None and _found(parsed, form.error).lower() not in _NO_ERROR:
            raise CarrierRefused(f"{what} refused: {self._why(parsed) or 'with an error that says nothing'}")
        if form.status is None:
            return
        try:
            said = taken(parsed, form.status, {})
        except ValueMissing:
            raise CarrierUnclear(f"{what} answered without a status") from None
        if said in form.limited:
            raise CarrierBusy(f"{what}: too many requests ({said})", _PAUSE_S)
        if said not in form.good:
            raise CarrierRefused(f"{what} refused: {self._why(parsed) or printable(self._mask(said))}")

    def _why(self, parsed: Any) -> str:
        """The carrier's own words, and what they mean; untrusted text, made printable and masked."""
        form = self._preset.answer
        said = [_found(parsed, place) for place in (form.status, form.code, *form.words) if place]
        meaning = next((form.meaning[word] for word in said if word in form.meaning), "")
        words = " ".join(dict.fromkeys(printable(self._mask(word), 160) for word in said if word))
        return f"{words}, {meaning}" if meaning and words else words


def _parsed(body: bytes) -> tuple[Any, bool]:
    """The JSON of an answer, and whether it is any: UTF-8 with a byte order mark or without, UTF-16, or Latin-1."""
    for encoding in (json.detect_encoding(body), "cp1252"):
        try:
            return json.loads(body.decode(encoding)), True
        except (ValueError, RecursionError):
            continue
    return None, False


def _found(parsed: Any, place: str) -> str:
    try:
        return taken(parsed, place, {})
    except ValueMissing:
        return ""


def _basic(user: str, secret: str) -> str:
    """The login as RFC 7617 has it; letters beyond Latin-1 go as UTF-8."""
    login = f"{user}:{secret}"
    try:
        octets = login.encode("latin-1")
    except UnicodeEncodeError:
        octets = login.encode()
    return f"Basic {base64.b64encode(octets).decode()}"


def _pause(response: HttpResponse) -> float:
    """Seconds that Retry-After says, or its date less the answer's own (RFC 9110 §10.2.3); ours where it is neither."""
    said = response.header("Retry-After").strip()
    least, most = _PAUSES_S
    if _SECONDS.fullmatch(said):
        return min(most, max(least, float(said)))
    until, since = _date(said), _date(response.header("Date")) or datetime.now(UTC)
    return _PAUSE_S if until is None else min(most, max(least, (until - since).total_seconds()))


def _date(text: str) -> datetime | None:
    try:
        found = parsedate_to_datetime(text[:100])
        return found.replace(tzinfo=UTC) if found.tzinfo is None else found
    except (ValueError, OverflowError, TypeError):
        return None
