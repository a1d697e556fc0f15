"""What the fake Domino serves, and to whom: databases, users, sites, and an answer for each request.

As the real one, down to its oddities: a view's StartKey is a position, a login page comes as 200, with session login on
Basic does not count, and the site is chosen by host name, then address, then default.
"""

from __future__ import annotations

import base64
import binascii
import json
import secrets
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Final, Literal
from urllib.parse import parse_qs, unquote, unquote_plus
from xml.etree import ElementTree
from xml.sax.saxutils import escape

from lab.domino import pages
from lab.domino.pages import Record

COUNT: Final = 30
"""Rows of a view without `Count`."""
COUNT_LIMIT: Final = 1000
"""Rows of a view at most."""
SERVICE_COUNT: Final = 10
"""Entries of Domino Access Services without `count`."""
SERVICE_COUNT_LIMIT: Final = 100
"""Asked for more than these, they refuse."""


@dataclass
class View:
    """Rows sorted by their first column; `categorized` by it, or `(hidden)` from nobody.

    Attributes:
        kinds: a second category, the column of that name, whose headings stand between the first and the documents.
        total: a row of totals in this column ends every answer.
    """

    rows: list[Record]
    categorized: bool = False
    kinds: str | None = None
    total: str | None = None


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
    """All that a fake serves."""

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
                name: View(**view) if isinstance(view, dict) else View(view)
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


class Content:
    """Answers requests.

    Attributes:
        data: may be changed at any time.
        sessions: cookies that are valid.
        logins: how often the login form was sent.
    """

    def __init__(self, data: Data) -> None:
        self.data = data
        self.sessions: set[str] = set()
        self.logins = 0

    def answer(self, request: Request, address: str) -> Response:
        """The answer to a request that came to `address`."""
        site = self._site(request.headers.get("host", "").partition(":")[0], address)
        if site is None:
            return Response(404, HTML, pages.error_page(404, "No matching web sites"))
        if request.command == "login" and request.method == "POST":
            return self._log_in(request)
        if request.path == "marker.nsf/machine":
            return _view(View([{"Machine": site.name}]), request)
        nsf, _, rest = request.path.partition(".nsf")
        database = self.data.databases.get(f"{nsf}.nsf")
        if database is None:
            return Response(404, HTML, pages.error_page(404, "Item Not Found Exception"))
        return self._refusal(database, request) or _inside(database, f"{nsf}.nsf", rest.strip("/"), request)

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
            if not any(value in self.sessions for _, _, value in given_cookies):
                return Response(200, HTML, pages.login_page())
        return None

    def _log_in(self, request: Request) -> Response:
        self.logins += 1
        form = {name.lower(): values[0] for name, values in parse_qs(request.body.decode()).items()}
        password = self.data.users.get(form.get("username", ""))
        if password is None or password != form.get("password"):
            return Response(200, HTML, pages.login_page(2))
        session = secrets.token_hex(16).upper()
        self.sessions.add(session)
        headers = (("Location", "http://server.example.com/"), ("Set-Cookie", self.data.cookie.format(session)))
        return Response(302, HTML, "", headers)


def _inside(database: Database, path: str, name: str, request: Request) -> Response:
    if name.startswith("api/data/collections/name/"):
        return _access_services(database, path, name.rpartition("/")[2], request)
    if request.command == "readviewentries" and name in database.views:
        return _view(database.views[name], request)
    if request.command == "openagent" and name in database.agents:
        return _agent(database, database.agents[name], request)
    if request.command == "openwebservice" and name in database.services:
        return _service(database, database.services[name], request)
    return Response(404, HTML, pages.error_page(404, f"Couldn't find design note - {name}"))


def _view(view: View, request: Request) -> Response:
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
    if view.kinds is not None:
        rows = _below_headings(rows, view.kinds)
    count = _number(arguments.get("count"), COUNT)
    rows = rows[: min(COUNT_LIMIT if count < 0 else count, COUNT_LIMIT)]
    if view.total is not None:
        rows = [*rows, {"@total": "true", view.total: len(view.rows)}]
    if arguments.get("outputformat", "").lower() == "json":
        return Response(200, JSON, pages.view_json(rows, total))
    return Response(200, XML, pages.view_xml(rows, total))


def _below_headings(rows: list[Record], kinds: str) -> list[Record]:
    """Each heading once, then its documents, which do not repeat its column; positions are those below a category."""
    found: list[Record] = []
    last: object = None
    headings = below = 0
    for row in rows:
        if row.get(kinds) != last and kinds in row:
            last, headings, below = row[kinds], headings + 1, 0
            found.append({"@category": "true", "@position": f"1.{headings}", kinds: row[kinds]})
        below += 1
        rest = {name: value for name, value in row.items() if name != kinds}
        found.append({"@position": f"1.{headings}.{below}", **rest} if headings else row)
    return found


def _access_services(database: Database, path: str, view: str, request: Request) -> Response:
    if not database.access_services:
        said = "The Domino data service is not enabled for this database."
        return Response(403, JSON, pages.service_error(403, "Forbidden", said))
    if view not in database.views:
        said = "The URI must refer to an existing view."
        return Response(404, JSON, pages.service_error(404, "Not Found", said))
    rows = database.views[view].rows
    count = _number(request.arguments.get("count"), SERVICE_COUNT)
    if count > SERVICE_COUNT_LIMIT:
        said = f"Limit exceeded.  Cannot read more than {SERVICE_COUNT_LIMIT} entries."
        return Response(400, JSON, pages.service_error(400, "Bad Request", said))
    key = pages.folded(request.arguments.get("keys", ""))
    exact = request.arguments.get("keysexactmatch") == "true"
    found = []
    for row in rows:
        first = pages.folded(_text(row))
        if first == key or (first.startswith(key) and not exact):
            found.append(row)
    return Response(200, "application/json", pages.collection(found[:count], path, len(rows)))


def _agent(database: Database, agent: Agent, request: Request) -> Response:
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


def _service(database: Database, service: Service, request: Request) -> Response:
    if request.method == "GET":
        return Response(200, HTML, f"<html><body>Operations: {service.operation}</body></html>")  # no fault, a page
    try:
        operation = next(iter(ElementTree.fromstring(request.body)[0]))
    except (ElementTree.ParseError, IndexError, StopIteration):
        return Response(500, XML, pages.soap_fault("not a SOAP request"))
    if operation.tag != f"{{{service.namespace}}}{service.operation}":
        return Response(500, XML, pages.soap_fault(f"no such operation: {operation.tag}"))
    row = _found(database.views[service.view], operation[0].text or "") or {"RESULT": ""}
    return Response(200, XML, pages.soap_answer(service.operation, service.namespace, row))


def _number(text: str | None, default: int) -> int:
    try:
        return default if text is None else int(text)
    except ValueError:
        return default


def _text(row: Record) -> str:
    """The value of the first column."""
    return str(next((value for name, value in row.items() if not name.startswith("@")), ""))


def _found(view: View, key: str) -> Record | None:
    return next((row for row in view.rows if pages.folded(_text(row)) == pages.folded(key)), None)
