"""A Domino web server that is none: the formats, logins and sites of the real one, and every way in which it fails.

    with Domino.serving(data) as domino:
        domino.trouble = Trouble(login_page=True)

As a process, for the world and the demo:

    python -m lab.domino --bind 192.0.2.21:80 --site boston --data phones.json

It is then told its troubles by POST /.control with a JSON object of Trouble's fields; `{}` ends them.
"""

from __future__ import annotations

import argparse
import base64
import binascii
import json
import secrets
import signal
import socket
import struct
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal
from urllib.parse import parse_qs, unquote, unquote_plus
from xml.etree import ElementTree
from xml.sax.saxutils import escape

from lab import domino_pages as pages
from lab.domino_pages import Record

PER_CONNECTION = 5
"""Requests that Domino answers on one connection."""
CONTROL = ".control"
"""Path by which a process is told its troubles."""
COUNT, COUNT_LIMIT = 30, 1000
"""Rows of a view without `Count`, and at most."""


@dataclass(frozen=True)
class Trouble:
    """What goes wrong, with every request unless `times` says otherwise; all times in seconds.

    Attributes:
        headers_after_s: nothing is said for so long.
        headers_drip_s, body_drip_s: between one byte and the next.
        stop_after, cut_after, reset_after: bytes of the body, after which it says no more, closes, or resets.
        login_page: the page with status 200, whatever was asked.
        error_page: an error's page with status 200.
        status: this one, with an error's page.
        redirect: 302 to there.
        charset: what Content-Type claims; the body stays UTF-8.
        body: instead of the genuine one; content_type stays.
        unframed: neither length nor chunks: the end of the connection ends the body.
        drop_reused: a connection that served already is closed when its next request arrives.
        times: so many requests, then all is well again.
    """

    headers_after_s: float = 0
    headers_drip_s: float = 0
    body_drip_s: float = 0
    stop_after: int | None = None
    cut_after: int | None = None
    reset_after: int | None = None
    login_page: bool = False
    error_page: bool = False
    status: int | None = None
    redirect: str | None = None
    charset: str | None = None
    body: str | None = None
    unframed: bool = False
    drop_reused: bool = False
    times: int | None = None


@dataclass
class View:
    """Rows sorted by their first column; `categorized` by it, or `(hidden)` from nobody."""

    rows: list[Record]
    categorized: bool = False


@dataclass
class Agent:
    """Finds `argument` in `view` and prints the row."""

    view: str
    argument: str = "key"
    output: Literal["json", "xml", "text"] = "json"
    wrapped: bool = False


@dataclass
class Service:
    """Finds the operation's one argument in `view`."""

    view: str
    operation: str = "FIND"
    namespace: str = "urn:DefaultNamespace"


@dataclass
class Database:
    """An .nsf; `login` is how one gets in."""

    views: dict[str, View] = field(default_factory=dict)
    agents: dict[str, Agent] = field(default_factory=dict)
    services: dict[str, Service] = field(default_factory=dict)
    login: Literal["none", "basic", "session"] = "none"
    access_services: bool = True


@dataclass
class Site:
    """A web site; the marker database says its name."""

    name: str
    hosts: tuple[str, ...] = ()
    addresses: tuple[str, ...] = ()
    default: bool = False


@dataclass
class Data:
    """All that a stand-in serves."""

    databases: dict[str, Database] = field(default_factory=dict)
    users: dict[str, str] = field(default_factory=dict)
    sites: list[Site] = field(default_factory=lambda: [Site("boston", default=True)])
    cookie: str = "DomAuthSessId={}; path=/"
    """With SSO: "LtpaToken={}; domain=.example.com; path=/"."""


def from_json(text: str) -> Data:
    """Data from a file: {"users": …, "databases": {"phones.nsf": {"login": …, "views": {"(ByNumber)": [row, …]}}}}."""
    found = json.loads(text)
    databases = {
        path: Database(
            views={
                name: View(view["rows"], bool(view.get("categorized"))) if isinstance(view, dict) else View(view)
                for name, view in given.get("views", {}).items()
            },
            agents={name: Agent(**agent) for name, agent in given.get("agents", {}).items()},
            services={name: Service(**service) for name, service in given.get("services", {}).items()},
            login=given.get("login", "none"),
        )
        for path, given in found.get("databases", {}).items()
    }
    return Data(databases, found.get("users", {}))


@dataclass(frozen=True)
class Request:
    """One request as it came."""

    method: str
    target: str
    headers: Mapping[str, str]
    body: bytes
    connection: int
    """Which connection it came on, counted from 1."""

    @property
    def path(self) -> str:
        return unquote(self.target.partition("?")[0]).strip("/")

    @property
    def command(self) -> str:
        return self.target.partition("?")[2].partition("&")[0].lower()

    @property
    def arguments(self) -> dict[str, str]:
        pairs = (piece.partition("=") for piece in self.target.partition("?")[2].split("&"))
        return {name.lower(): unquote_plus(text) for name, _, text in pairs}


@dataclass(frozen=True)
class Response:
    """What is sent, before any trouble."""

    status: int
    content_type: str
    body: str
    headers: tuple[tuple[str, str], ...] = ()


HTML = "text/html; charset=US-ASCII"
XML = "text/xml;charset=UTF-8"
JSON = "application/json;charset=UTF-8"


class Domino:
    """The server: a thread for each connection. Everything public may be changed while it runs."""

    def __init__(self, data: Data, address: str = "127.0.0.1", port: int = 0) -> None:
        self.data = data
        self.trouble = Trouble()
        self.requests: list[Request] = []
        self.logins = 0
        self.address = address
        self._sessions: set[str] = set()
        self._stopping = threading.Event()
        self._lock = threading.Lock()
        self._open: set[socket.socket] = set()
        self._connections = 0
        self._listener = socket.create_server((address, port))
        self.port: int = self._listener.getsockname()[1]

    @classmethod
    @contextmanager
    def serving(cls, data: Data, address: str = "127.0.0.1", port: int = 0) -> Iterator[Domino]:
        """A stand-in on a free port of `address`, gone at the end."""
        domino = cls(data, address, port)
        threading.Thread(target=domino.run, name="domino", daemon=True).start()
        try:
            yield domino
        finally:
            domino.stop()

    def run(self) -> None:
        """Serves until `stop`."""
        while not self._stopping.is_set():
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            with self._lock:
                self._connections += 1
                self._open.add(connection)
                connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                number = self._connections
            threading.Thread(target=self._serve, args=(connection, number), daemon=True).start()

    def stop(self) -> None:
        """Closes every socket."""
        self._stopping.set()
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        with self._lock:
            for connection in self._open:
                with suppress(OSError):
                    connection.shutdown(socket.SHUT_RDWR)

    def expire_sessions(self) -> None:
        """Every session has ended: what follows gets the login page."""
        self._sessions.clear()

    def asked(self, command: str) -> list[Request]:
        """The requests with that command, such as "readviewentries"."""
        return [request for request in self.requests if request.command == command.lower()]

    # One connection.

    def _serve(self, connection: socket.socket, number: int) -> None:
        try:
            with connection, connection.makefile("rb") as reader:
                for served in range(1, PER_CONNECTION + 1):
                    request = _read(reader, number)
                    if request is None:
                        return
                    trouble = self._trouble_now(request)
                    if trouble.drop_reused and served > 1:
                        return
                    if request.path != CONTROL:
                        self.requests.append(request)
                    response = self._troubled(request, trouble, connection.getsockname()[0])
                    wants_close = request.headers.get("connection", "").lower() == "close"
                    closing = served == PER_CONNECTION or response.status >= 400 or wants_close or trouble.unframed
                    if not self._send(connection, response, trouble, closing=closing) or closing:
                        return
        except OSError:
            pass
        finally:
            with self._lock:
                self._open.discard(connection)

    def _trouble_now(self, request: Request) -> Trouble:
        with self._lock:
            trouble = self.trouble
            if request.path == CONTROL:
                return Trouble()
            if trouble.times is not None:
                left = trouble.times - 1
                self.trouble = Trouble(**{**asdict(trouble), "times": left}) if left > 0 else Trouble()
            return trouble

    def _troubled(self, request: Request, trouble: Trouble, address: str) -> Response:
        if trouble.status is not None:
            return Response(trouble.status, HTML, pages.error_page(trouble.status, "Illegal Arguments Exception"))
        if trouble.error_page:
            return Response(200, HTML, pages.error_page(404, "Couldn't find design note - lookup"))
        if trouble.login_page:
            return Response(200, HTML, pages.login_page())
        if trouble.redirect is not None:
            return Response(302, HTML, "", (("Location", trouble.redirect),))
        response = self._answer(request, address)
        if trouble.body is not None:
            response = Response(response.status, response.content_type, trouble.body, response.headers)
        if trouble.charset is not None:
            kind = response.content_type.partition(";")[0]
            response = Response(response.status, f"{kind}; charset={trouble.charset}", response.body, response.headers)
        return response

    def _send(self, connection: socket.socket, response: Response, trouble: Trouble, *, closing: bool) -> bool:
        """Sends it; False when the connection is no use any more."""
        body = response.body.encode("utf-8", "surrogatepass")
        lines = [f"HTTP/1.1 {response.status} {'OK' if response.status == 200 else 'Status'}", "Server: Lotus-Domino"]
        lines += [f"Content-Type: {response.content_type}", *(f"{name}: {value}" for name, value in response.headers)]
        if not trouble.unframed:
            lines.append(f"Content-Length: {len(body)}")
        if closing:
            lines.append("Connection: close")
        head = ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1")
        self._stopping.wait(trouble.headers_after_s)
        self._drip(connection, head, trouble.headers_drip_s)
        limits = [limit for limit in (trouble.stop_after, trouble.cut_after, trouble.reset_after) if limit is not None]
        self._drip(connection, body[: min(limits)] if limits else body, trouble.body_drip_s)
        if trouble.stop_after is not None:
            self._stopping.wait(60)
        if trouble.reset_after is not None:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        return not limits

    def _drip(self, connection: socket.socket, data: bytes, pause_s: float) -> None:
        if not pause_s:
            connection.sendall(data)
            return
        for byte in data:
            connection.sendall(bytes([byte]))
            if self._stopping.wait(pause_s):
                return

    # One answer.

    def _answer(self, request: Request, address: str) -> Response:
        if request.path == CONTROL:
            return self._control(request)
        site = self._site(request.headers.get("host", "").partition(":")[0], address)
        if site is None:
            return Response(404, HTML, pages.error_page(404, "No matching web sites"))
        if request.command == "login" and request.method == "POST":
            return self._log_in(request)
        if request.path == "marker.nsf/machine":
            return self._view(View([{"Machine": site.name}]), request)
        nsf, _, rest = request.path.partition(".nsf")
        database = self.data.databases.get(f"{nsf}.nsf")
        if database is None:
            return Response(404, HTML, pages.error_page(404, "Item Not Found Exception"))
        return self._refusal(database, request) or self._inside(database, f"{nsf}.nsf", rest.strip("/"), request)

    def _site(self, host: str, address: str) -> Site | None:
        """By name, then by the address that was connected to, then the default."""
        sites = self.data.sites
        by_name = (site for site in sites if host.lower() in site.hosts)
        by_address = (site for site in sites if address in site.addresses)
        default = (site for site in sites if site.default)
        return next(by_name, None) or next(by_address, None) or next(default, None)

    def _refusal(self, database: Database, request: Request) -> Response | None:
        """The page for who may not in. With session login on, Basic does not count."""
        if database.login == "basic":
            scheme, _, given = request.headers.get("authorization", "").partition(" ")
            with suppress(binascii.Error):
                name, _, password = base64.b64decode(given).decode("latin-1").partition(":")
                if scheme.lower() == "basic" and self.data.users.get(name) == password:
                    return None
            challenge = (("WWW-Authenticate", 'Basic realm="/"'),)
            return Response(401, HTML, pages.error_page(401, "You are not authorized"), challenge)
        if database.login == "session":
            given_cookies = (one.strip().partition("=") for one in request.headers.get("cookie", "").split(";"))
            if not any(value in self._sessions for _, _, value in given_cookies):
                return Response(200, HTML, pages.login_page())
        return None

    def _log_in(self, request: Request) -> Response:
        self.logins += 1
        form = {name.lower(): values[0] for name, values in parse_qs(request.body.decode()).items()}
        password = self.data.users.get(form.get("username", ""))
        if password is None or password != form.get("password"):
            return Response(200, HTML, pages.login_page(2))
        session = secrets.token_hex(16).upper()
        self._sessions.add(session)
        headers = (("Location", "http://server.example.com/"), ("Set-Cookie", self.data.cookie.format(session)))
        return Response(302, HTML, "", headers)

    def _inside(self, database: Database, path: str, name: str, request: Request) -> Response:
        if name.startswith("api/data/collections/name/"):
            return self._access_services(database, path, name.rpartition("/")[2], request)
        if request.command == "readviewentries" and name in database.views:
            return self._view(database.views[name], request)
        if request.command == "openagent" and name in database.agents:
            return self._agent(database, database.agents[name], request)
        if request.command == "openwebservice" and name in database.services:
            return self._service(database, database.services[name], request)
        return Response(404, HTML, pages.error_page(404, f"Couldn't find design note - {name}"))

    def _view(self, view: View, request: Request) -> Response:
        arguments = request.arguments
        rows = sorted(view.rows, key=lambda row: pages.folded(_text(row)))
        total = len(rows)
        if "restricttocategory" in arguments:
            category = pages.folded(arguments["restricttocategory"])
            # The category's own column is not repeated in its rows.
            rows = [dict(list(row.items())[1:]) for row in rows if pages.folded(_text(row)) == category]
        elif "startkey" in arguments:
            # A position: without a match, whatever follows.
            rows = [row for row in rows if pages.folded(_text(row)) >= pages.folded(arguments["startkey"])]
        if view.categorized and "restricttocategory" not in arguments and rows:
            rows = [{"@category": "true", **dict(list(rows[0].items())[:1])}, *rows]
        count = int(arguments.get("count", COUNT))
        rows = rows[: min(COUNT_LIMIT if count < 0 else count, COUNT_LIMIT)]
        if arguments.get("outputformat", "").lower() == "json":
            return Response(200, JSON, pages.view_json(rows, total))
        return Response(200, XML, pages.view_xml(rows, total))

    def _access_services(self, database: Database, path: str, view: str, request: Request) -> Response:
        if not database.access_services:
            said = "The Domino data service is not enabled for this database."
            return Response(403, JSON, pages.service_error(403, "Forbidden", said))
        if view not in database.views:
            said = "The URI must refer to an existing view."
            return Response(404, JSON, pages.service_error(404, "Not Found", said))
        rows = database.views[view].rows
        key = pages.folded(request.arguments.get("keys", ""))
        exact = request.arguments.get("keysexactmatch") == "true"
        found = []
        for row in rows:
            first = pages.folded(_text(row))
            if first == key or (first.startswith(key) and not exact):
                found.append(row)
        return Response(200, "application/json", pages.collection(found, path, len(rows)))

    def _agent(self, database: Database, agent: Agent, request: Request) -> Response:
        row = _found(database.views[agent.view], request.arguments.get(agent.argument.lower(), ""))
        fields = {name: value for name, value in (row or {}).items() if not name.startswith("@")}
        if agent.output == "json":
            printed, kind = json.dumps({name: pages.plain(value) for name, value in fields.items()}), "application/json"
        elif agent.output == "xml":
            inner = "".join(f"<{name}>{escape(pages.shown(value))}</{name}>" for name, value in fields.items())
            printed, kind = f"<answer>{inner}</answer>", "text/xml"
        else:
            printed = "\n".join(f"{name}={pages.shown(value)}" for name, value in fields.items()) or "NOTFOUND"
            kind = "text/plain"
        return Response(200, HTML, pages.wrapped(printed)) if agent.wrapped else Response(200, kind, printed)

    def _service(self, database: Database, service: Service, request: Request) -> Response:
        try:
            operation = next(iter(ElementTree.fromstring(request.body)[0]))
        except (ElementTree.ParseError, IndexError, StopIteration):
            return Response(500, XML, pages.soap_fault("not a SOAP request"))
        if operation.tag != f"{{{service.namespace}}}{service.operation}":
            return Response(500, XML, pages.soap_fault(f"no such operation: {operation.tag}"))
        row = _found(database.views[service.view], operation[0].text or "") or {"RESULT": ""}
        return Response(200, XML, pages.soap_answer(service.operation, service.namespace, row))

    def _control(self, request: Request) -> Response:
        if request.method == "POST":
            given: dict[str, Any] = json.loads(request.body or b"{}")
            if given.pop("expire_sessions", False):
                self.expire_sessions()
            self.trouble = Trouble(**given)
        state = {"trouble": asdict(self.trouble), "requests": len(self.requests), "logins": self.logins}
        return Response(200, JSON, json.dumps(state))


def _text(row: Record) -> str:
    """The value of the first column."""
    return str(next((value for name, value in row.items() if not name.startswith("@")), ""))


def _found(view: View, key: str) -> Record | None:
    return next((row for row in view.rows if pages.folded(_text(row)) == pages.folded(key)), None)


def _read(reader: Any, connection: int) -> Request | None:
    """The next request; None at the end of the connection."""
    method, _, rest = reader.readline(65536).decode("latin-1").strip().partition(" ")
    if not rest:
        return None
    headers: dict[str, str] = {}
    while line := reader.readline(65536).decode("latin-1").strip():
        name, _, value = line.partition(":")
        headers[name.lower()] = value.strip()
    body = reader.read(int(headers.get("content-length", "0")))
    return Request(method, rest.rpartition(" ")[0], headers, body, connection)


def main() -> None:
    """Serves until SIGTERM."""
    parser = argparse.ArgumentParser(prog="python -m lab.domino", description=__doc__.partition("\n")[0])
    parser.add_argument("--bind", default="127.0.0.1:8080", help="ADDRESS:PORT")
    parser.add_argument("--site", default="boston", help="the site's name, which the marker says")
    parser.add_argument(
        "--host", action="append", default=[], help="a host name of the site; any other is answered too"
    )
    parser.add_argument("--data", type=Path, help="JSON, see lab.domino.from_json")
    given = parser.parse_args()
    data = from_json(given.data.read_text()) if given.data else Data()
    data.sites = [Site(given.site, hosts=tuple(given.host), default=True)]
    address, _, port = given.bind.rpartition(":")
    domino = Domino(data, address, int(port))
    signal.signal(signal.SIGTERM, lambda *_: domino.stop())
    print(f"domino-standin {given.site} listens on {address}:{domino.port}", flush=True)
    with suppress(KeyboardInterrupt):
        domino.run()


if __name__ == "__main__":
    main()
