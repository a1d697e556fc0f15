"""A carrier's web API that behaves, or misbehaves as real ones do: voip.ms, Twilio, Telnyx, Flowroute and a plain one.

One server speaks all five, each under its own paths, about the same numbers.
`python -m lab.carrier.web_api PORT [ADDRESS]` runs it by hand.
"""

from __future__ import annotations

import base64
import gzip
import json
import math
import re
import sys
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Final
from urllib.parse import parse_qs, unquote, urlsplit

USER: Final = "acme@example.com"
SECRET: Final = "p&ss w/rd+12345"
TRUNK: Final = "TK0123456789abcdef"
_HANG_S: Final = 20.0
"""Seconds; a hanging request ends with the server at the latest."""


@dataclass
class Misbehaviour:
    """What goes wrong, with which requests, how many times.

    kind: error-500, gateway (502 with a page), login-page, half, late-applied, late-not-applied, rate-limit,
        ip-not-allowed, redirect, drip, empty, null, ignored (says success and does nothing), echo (quotes the whole
        request in its error), error-200 (an error, and HTTP 200; nothing is done), as-html, bom, latin-1, compressed
        (what is right, said to be another type or written otherwise), own-spelling (the number as the API likes it),
        no-route (null where the route stands), secret-route (our own secret there), long-route; or busy: and the value
        of a Retry-After.
    on: read, write or any.
    times: so many requests.
    until: and not after this, seconds of the server's clock.
    """

    kind: str
    on: str = "any"
    times: int = 1
    until: float = math.inf


@dataclass
class Asked:
    """One request, as it came."""

    method: str
    path: str
    writes: bool
    host: str


@dataclass
class Book:
    """What the carrier knows: routes of numbers (11 digits) and switches of origination URLs."""

    routes: dict[str, str] = field(default_factory=dict)
    switches: dict[str, bool] = field(default_factory=dict)
    stale_reads: int = 0
    """How many reads still show what was before the last write."""
    before: dict[str, str] = field(default_factory=dict)


@dataclass
class Reply:
    """An answer."""

    status: int
    body: Any = None
    headers: Mapping[str, str] = field(default_factory=dict)
    text: bytes | None = None


class CarrierApi:
    """The server. Give it numbers, and perhaps a misbehaviour; look at what it was asked."""

    def __init__(self, address: str = "127.0.0.1", port: int = 0, *, now: Callable[[], float] = time.monotonic) -> None:
        self.book = Book()
        self.asked: list[Asked] = []
        self._wrong: list[Misbehaviour] = []
        self._now = now
        self._lock = threading.Lock()
        self._end = threading.Event()
        self._server = ThreadingHTTPServer((address, port), _handler(self))
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.005,), daemon=True)

    @property
    def base(self) -> str:
        """http://address:port."""
        host, port = self._server.server_address[:2]
        return f"http://{host!s}:{port}"

    def __enter__(self) -> CarrierApi:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._end.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(5)

    def misbehave(self, kind: str, *, on: str = "any", times: int = 1, for_s: float = math.inf) -> None:
        """From now on, so many times, and for so many seconds at most."""
        with self._lock:
            self._wrong.append(Misbehaviour(kind, on, times, self._now() + for_s))

    @property
    def writes(self) -> int:
        """How many writes came."""
        with self._lock:
            return sum(asked.writes for asked in self.asked)

    def handle(self, handler: BaseHTTPRequestHandler) -> None:
        """Answers one request."""
        url = urlsplit(handler.path)
        body = handler.rfile.read(int(handler.headers.get("Content-Length") or 0))
        query = {key: values[0] for key, values in parse_qs(url.query, keep_blank_values=True).items()}
        dialect = _DIALECTS[next(index for index, (pattern, _) in enumerate(_DIALECTS) if re.match(pattern, url.path))][
            1
        ]
        writes = handler.command != "GET" or query.get("method", "").startswith("set")
        with self._lock:
            self.asked.append(Asked(handler.command, handler.path, writes, handler.headers.get("Host", "")))
            wrong = self._due("write" if writes else "read")
        kind = wrong.kind if wrong else ""
        if kind == "late-not-applied":
            self._end.wait(_HANG_S)
            return
        early = self._early(kind, handler, url.path)
        if early is not None:
            self._send(handler, early, kind)
            return
        with self._lock:
            book = Book(dict(self.book.routes), dict(self.book.switches)) if kind == "ignored" else self.book
            reply = dialect(
                book, handler.command, unquote(url.path), query, body, handler.headers.get("Authorization", "")
            )
        if kind == "late-applied":
            self._end.wait(_HANG_S)
            return
        if kind == "empty":
            reply = Reply(200, text=b"")
        if kind == "null":
            reply = Reply(200, text=b"null")
        if kind in _ROUTES and not writes:
            _retell(reply.body, _ROUTES[kind])
        if kind == "own-spelling":
            _respell(reply.body)
        self._send(handler, reply, kind)

    def _due(self, what: str) -> Misbehaviour | None:
        for wrong in self._wrong:
            if wrong.times > 0 and wrong.on in (what, "any") and self._now() < wrong.until:
                wrong.times -= 1
                return wrong
        return None

    def _early(self, kind: str, handler: BaseHTTPRequestHandler, path: str) -> Reply | None:
        voipms = path.endswith("rest.php")
        if kind == "gateway":
            page = b"<html><head><title>502 Bad Gateway</title></head><body><h1>502 Bad Gateway</h1></body></html>"
            return Reply(502, text=page, headers={"Content-Type": "text/html"})
        if kind == "error-200":
            return Reply(200, next(body for pattern, body in _ERRORS if re.match(pattern, path)))
        if kind.startswith("busy:"):
            return Reply(429, {}, {"Retry-After": kind.removeprefix("busy:").strip()})
        if kind == "error-500":
            return Reply(500, text=b"<html>Internal Server Error</html>", headers={"Content-Type": "text/html"})
        if kind == "login-page":
            page = b"<!DOCTYPE html><form>Password</form>"
            return Reply(200, text=page, headers={"Content-Type": "text/html"})
        if kind == "redirect":
            return Reply(302, {}, {"Location": "http://127.0.0.1:1/elsewhere"})
        if kind == "rate-limit":
            return Reply(200, {"status": "api_limit_exceeded"}) if voipms else Reply(429, {}, {"Retry-After": "1"})
        if kind == "ip-not-allowed":
            return Reply(200, {"status": "ip_not_enabled"}) if voipms else Reply(403, {"message": "IP not allowed"})
        if kind == "echo":
            said = f"bad request \x1b[31m {handler.path} {handler.headers.get('Authorization', '')}"
            return Reply(400, {"status": "bad", "message": said, "errors": [{"title": said, "detail": said}]})
        return None

    def _send(self, handler: BaseHTTPRequestHandler, reply: Reply, kind: str) -> None:
        text = reply.text
        if text is None:
            text = b"" if reply.status == 204 else json.dumps(reply.body).encode()
        headers = {"Content-Type": "application/json", **reply.headers}
        if kind == "as-html" and text:
            headers["Content-Type"] = "text/html; charset=UTF-8"
        if kind == "bom" and text:
            text = b"\xef\xbb\xbf" + text
        if kind == "latin-1" and isinstance(reply.body, dict):
            text = json.dumps({**reply.body, "note": "Zürich"}, ensure_ascii=False).encode("latin-1")
        if kind == "compressed" and text:
            headers["Content-Encoding"], text = "gzip", gzip.compress(text)
        handler.send_response(reply.status)
        for key, value in headers.items():
            handler.send_header(key, value)
        if reply.status != 204:
            handler.send_header("Content-Length", str(len(text)))
        handler.end_headers()
        if kind == "half":
            handler.wfile.write(text[: len(text) // 2])
            handler.close_connection = True
            return
        if kind == "drip":
            for byte in text:
                if self._end.wait(0.3):
                    return
                handler.wfile.write(bytes([byte]))
                handler.wfile.flush()
            return
        handler.wfile.write(text)


def _handler(api: CarrierApi) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def _serve(self) -> None:
            try:
                api.handle(self)
            except (BrokenPipeError, ConnectionResetError):
                self.close_connection = True

        do_GET = do_POST = do_PUT = do_PATCH = _serve  # noqa: N815

        def log_message(self, *_: object) -> None:
            """Nothing: the request line holds the password."""

    return Handler


def _read(book: Book, number: str) -> str | None:
    if book.stale_reads > 0 and number in book.before:
        book.stale_reads -= 1
        return book.before[number]
    return book.routes.get(number)


def _write(book: Book, number: str, value: str) -> None:
    book.before[number] = book.routes.get(number, "")
    book.routes[number] = value


def _voipms(book: Book, _method: str, _path: str, query: dict[str, str], _body: bytes, _login: str) -> Reply:
    if (query.get("api_username"), query.get("api_password")) != (USER, SECRET):
        return Reply(200, {"status": "invalid_credentials"})
    did = query.get("did", "")
    number = "1" + did
    if not re.fullmatch(r"\d{10}", did) or number not in book.routes:
        return Reply(200, {"status": "invalid_did"})
    if query.get("method") == "getDIDsInfo":
        dids = [{"did": did, "routing": _read(book, number), "pop": 16, "cnam": "1", "failover_busy": "none:"}]
        return Reply(200, {"status": "success", "dids": dids})
    if query.get("method") == "setDIDRouting":
        if not re.match(r"(account|fwd|vm|sip|none|sys):", query.get("routing", "")):
            return Reply(200, {"status": "invalid_routing_header", "message": "Should be: account/vm/fwd"})
        _write(book, number, query["routing"])
        return Reply(200, {"status": "success"})
    return Reply(200, {"status": "invalid_method"})


def _basic(login: str) -> bool:
    return login == "Basic " + base64.b64encode(f"{USER}:{SECRET}".encode()).decode()


def _twilio(book: Book, method: str, path: str, _query: dict[str, str], body: bytes, login: str) -> Reply:
    if not _basic(login):
        return Reply(401, {"code": 20003, "message": "Authenticate", "status": 401})
    found = re.fullmatch(r"/v1/Trunks/([^/]+)/OriginationUrls/([^/]+)", path)
    if not found or found[1] != TRUNK or found[2] not in book.switches:
        return Reply(404, {"code": 20404, "message": "The requested resource was not found", "status": 404})
    sid = found[2]
    if method == "POST":
        form = {key: values[0] for key, values in parse_qs(body.decode()).items()}
        enabled = form.get("Enabled") == "true"
        if not enabled and not any(on for other, on in book.switches.items() if other != sid):
            return Reply(400, {"code": 32010, "message": "No valid/active origination URLs", "status": 400})
        book.switches[sid] = enabled
    return Reply(200, {"sid": sid, "enabled": book.switches[sid], "weight": 10, "priority": 10, "trunk_sid": TRUNK})


def _telnyx(book: Book, method: str, path: str, query: dict[str, str], body: bytes, login: str) -> Reply:
    if login != f"Bearer {SECRET}":
        return Reply(401, {"errors": [{"code": "10009", "title": "Authentication failed", "detail": "No key"}]})
    if method == "GET":
        number = query.get("filter[phone_number]", "").removeprefix("+")
        # The filter is a prefix search: neighbours come along.
        found = [each for each in book.routes if each.startswith(number[:8])]
        return Reply(200, {"data": [_telnyx_number(book, each) for each in found], "meta": {"total_pages": 1}})
    number = path.removeprefix("/v2/phone_numbers/").removeprefix("id-")
    if number not in book.routes:
        return Reply(404, {"errors": [{"code": "10005", "title": "Resource not found", "detail": "no such id"}]})
    _write(book, number, str(json.loads(body)["connection_id"]))
    return Reply(200, {"data": _telnyx_number(book, number)})


def _telnyx_number(book: Book, number: str) -> dict[str, Any]:
    return {
        "id": f"id-{number}",
        "phone_number": f"+{number}",
        "connection_id": _read(book, number),
        "status": "active",
    }


def _flowroute(book: Book, method: str, path: str, _query: dict[str, str], body: bytes, login: str) -> Reply:
    if not _basic(login):
        return Reply(401, {"errors": [{"status": 401, "title": "Unauthorized", "detail": "bad credentials"}]})
    number = path.split("/")[3]
    if number not in book.routes:
        return Reply(404, {"errors": [{"status": 404, "title": "Not Found", "detail": "no such number"}]})
    if method == "PATCH":
        _write(book, number, str(json.loads(body)["data"]["id"]))
        return Reply(204)
    route = {"data": {"type": "route", "id": _read(book, number)}}
    data = {"type": "number", "id": number, "relationships": {"primary_route": route, "failover_route": {"data": None}}}
    return Reply(200, {"data": data, "included": []})


def _plain(book: Book, method: str, path: str, _query: dict[str, str], body: bytes, login: str) -> Reply:
    if login != f"Bearer {SECRET}":
        return Reply(401, {"error": "unauthorized"})
    number = path.removeprefix("/numbers/").removeprefix("+")
    if number not in book.routes:
        return Reply(404, {"error": "no such number"})
    if method == "PUT":
        _write(book, number, str(json.loads(body)["route"]))
    return Reply(200, {"route": _read(book, number)})


_ROUTES: Final[Mapping[str, str | None]] = {"no-route": None, "secret-route": SECRET, "long-route": "x" * 5000}
_ROUTE_KEYS: Final = ("routing", "connection_id", "route", "enabled")


def _retell(body: Any, route: str | None) -> None:
    """Puts `route` where the answer tells one; Flowroute's stands in an object that is null without one."""
    if isinstance(body, list):
        for one in body:
            _retell(one, route)
    elif isinstance(body, dict):
        for key, value in body.items():
            if key in _ROUTE_KEYS:
                body[key] = route
            elif key == "primary_route":
                body[key] = {"data": None if route is None else {"type": "route", "id": route}}
            else:
                _retell(value, route)


def _respell(body: Any) -> None:
    """The number in another spelling: with its country, or without its plus."""
    if isinstance(body, list):
        for one in body:
            _respell(one)
    elif isinstance(body, dict):
        for key, value in body.items():
            if key == "did":
                body[key] = int(f"1{value}")
            elif key == "phone_number":
                body[key] = f"1 ({value[2:5]}) {value[5:8]}-{value[8:]}"
            else:
                _respell(value)


_ERRORS: Final[list[tuple[str, Any]]] = [
    (r"/api/v1/rest\.php$", {"status": "invalid_did", "message": "Invalid DID number"}),
    (r"/v1/Trunks/", {"code": 20404, "message": "The requested resource was not found", "status": 404}),
    (r"/v2/phone_numbers", {"errors": [{"code": "10005", "title": "Resource not found", "detail": "no such number"}]}),
    (r"/v2/numbers/", {"errors": [{"status": 404, "title": "Not Found", "detail": "no such number"}]}),
    (r"/", {"error": "no such number", "message": "look at the portal"}),
]
"""What each says with HTTP 200 when something is wrong."""

_Dialect = Callable[[Book, str, str, dict[str, str], bytes, str], Reply]

_DIALECTS: Final[list[tuple[str, _Dialect]]] = [
    (r"/api/v1/rest\.php$", _voipms),
    (r"/v1/Trunks/", _twilio),
    (r"/v2/phone_numbers", _telnyx),
    (r"/v2/numbers/", _flowroute),
    (r"/", _plain),
]


def main() -> None:
    """Serves a few numbers until it is interrupted."""
    address = sys.argv[2] if len(sys.argv) > 2 else "127.0.0.1"
    with CarrierApi(address, int(sys.argv[1])) as api:
        api.book.routes = {"15551234567": "account:100001_boston", "15551234568": "account:100001_boston"}
        api.book.switches = {"OUboston": True, "OUdallas": False}
        print(f"{api.base} user {USER} secret {SECRET} trunk {TRUNK}", flush=True)
        while True:
            time.sleep(3600)


if __name__ == "__main__":
    main()
