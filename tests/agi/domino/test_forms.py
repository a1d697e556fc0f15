"""Agents, Domino Access Services and web services: what is asked, and what counts as an answer."""

from __future__ import annotations

import time
from collections.abc import Iterator
from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agi.domino.access_services import DominoCollection
from agi.domino.agents import DominoAgent
from agi.domino.errors import DominoError, DominoFailing, DominoNotData, DominoRefused
from agi.domino.http import DominoClient
from agi.domino.login import AnonymousLogin
from agi.domino.rows import Rows
from agi.domino.source import DominoSource
from agi.domino.web_services import WebServiceOperation
from agi.domino.wire import RequestForm
from host.http import HttpResponse
from lab.domino import Domino, pages
from tests.agi import phones

DB = "crm/phones.nsf"
PHONES = WebServiceOperation(DB, "Phones", "urn:DefaultNamespace", "FIND", "KEY")
COLLECTION = DominoCollection(DB, "(ByNumber)", "Number")


@pytest.fixture(scope="module")
def domino() -> Iterator[Domino]:
    with Domino.serving(phones.data()) as serving:
        yield serving


@pytest.mark.parametrize(
    "form",
    [
        DominoAgent(DB, "find-json", "key", "json"),
        DominoAgent(DB, "find-wrapped", "key", "json"),
        DominoAgent(DB, "find-xml", "key", "xml"),
        DominoAgent(DB, "find-text", "key", "text"),
        COLLECTION,
        DominoCollection(DB, "(ByNumber)"),
        PHONES,
    ],
)
def test_every_kind_of_request_finds_and_finds_nothing(domino: Domino, form: RequestForm) -> None:
    source = DominoSource(form, DominoClient(f"http://127.0.0.1:{domino.port}"), AnonymousLogin())
    (row,) = source.fetch("+14155551212", time.monotonic() + 5)
    assert row.columns["Name"] == ("Jörg Müller",)
    assert row.columns["Company"] == ("Acme <!> 'Söhne'",)
    assert source.fetch("+14155551213", time.monotonic() + 5) == ()


def read(form: RequestForm, body: str, kind: str, *, status: int = 200, framed: bool = True) -> Rows:
    return form.read(HttpResponse(status, (("Content-Type", kind),), body.encode(), framed), "+1")


def columns(rows: Rows) -> list[dict[str, tuple[str, ...]]]:
    return [dict(row.columns) for row in rows]


@pytest.mark.parametrize(
    ("output", "kind", "body", "expected"),
    [
        ("json", "application/json", '{"n":7,"list":["a","b"],"no":null}', [{"n": ("7",), "list": ("a", "b")}]),
        ("json", "application/json", '[{"Name":"x"},{"Name":"y"}]', [{"Name": ("x",)}, {"Name": ("y",)}]),
        ("json", "text/html", pages.wrapped('{"Name":"x"}<br>\n'), [{"Name": ("x",)}]),
        ("json", "application/json", "{}", []),
        ("json", "application/json", "[]", []),
        ("xml", "text/xml", "<a><Name>x</Name><Name>y</Name></a>", [{"Name": ("x", "y")}]),
        ("xml", "text/xml", "<a/>", []),
        ("xml", "text/html", pages.wrapped("<a><Name>x</Name></a>"), [{"Name": ("x",)}]),
        ("text", "text/plain", "Name=x=y\nGroup=a\nGroup=b\n\n", [{"Name": ("x=y",), "Group": ("a", "b")}]),
        ("text", "text/html", pages.wrapped("Name=x<br>\nCompany=<br>\n"), [{"Name": ("x",)}]),
        ("text", "text/plain", "NOTFOUND\n", []),
    ],
)
def test_what_an_agent_prints_is_read(
    output: str, kind: str, body: str, expected: list[dict[str, tuple[str, ...]]]
) -> None:
    form = DominoAgent(DB, "find", "key", "json" if output == "json" else "xml" if output == "xml" else "text")
    assert columns(read(form, body, kind)) == expected


@pytest.mark.parametrize(
    ("output", "kind", "body"),
    [
        ("json", "text/html", pages.login_page()),
        ("json", "text/html", pages.wrapped("Object variable not set")),
        ("json", "text/html", pages.wrapped('{"Name":"x"}')[:-10]),
        ("json", "application/json", '"x"'),
        ("json", "application/json", "null"),
        ("json", "application/json", '[{"a":{"b":1}}]'),
        ("json", "image/png", "{}"),
        ("xml", "text/xml", "<html><body>Error</body></html>"),
        ("xml", "text/html", pages.login_page()),
        ("text", "text/plain", ""),  # an agent that broke says nothing
        ("text", "text/plain", "Error 4091 in line 7"),
        ("text", "text/html", pages.login_page()),
        ("text", "text/html", pages.error_page(500, "x")),
    ],
)
def test_an_agent_that_failed_is_an_error_and_never_not_found(output: str, kind: str, body: str) -> None:
    form = DominoAgent(DB, "find", "key", "json" if output == "json" else "xml" if output == "xml" else "text")
    with pytest.raises(DominoNotData):
        read(form, body, kind)


def test_text_whose_end_nobody_saw_may_be_half_of_it() -> None:
    with pytest.raises(DominoNotData, match="half"):
        read(DominoAgent(DB, "find", "key", "text"), "Name=x\n", "text/plain", framed=False)


@pytest.mark.parametrize(
    ("status", "kind", "body", "error"),
    [
        (403, "application/json", pages.service_error(403, "Forbidden", "not enabled"), DominoRefused),
        (404, "application/json", pages.service_error(404, "Not Found", "no view"), DominoNotData),
        (400, "application/json", pages.service_error(400, "Bad Request", "Limit exceeded"), DominoNotData),
        (500, "application/json", pages.service_error(500, "Error", "x"), DominoFailing),
        (200, "application/json", pages.service_error(403, "Forbidden", "not enabled"), DominoRefused),
        (200, "application/json", "{}", DominoNotData),
        (200, "application/json", '[{"Number":"+1"}', DominoNotData),
        (200, "application/json", '[{"Number":{"x":1}}]', DominoNotData),
        (200, "application/json", "[7]", DominoNotData),
        (200, "text/html", pages.login_page(), DominoNotData),  # with session login, here too
        (500, "text/html", pages.error_page(500, "x"), DominoFailing),
    ],
)
def test_errors_of_access_services_are_errors(status: int, kind: str, body: str, error: type[DominoError]) -> None:
    with pytest.raises(error) as caught:
        read(COLLECTION, body, kind, status=status)
    assert "com.ibm" not in str(caught.value), "no stack traces"


def test_access_services_that_ignore_the_key_are_seen_through() -> None:
    assert columns(read(COLLECTION, '[{"Number":"+2"},{"Number":"+1","@form":"P"}]', "application/json")) == [
        {"Number": ("+1",)}
    ]


@pytest.mark.parametrize(
    ("status", "kind", "body", "error"),
    [
        (500, "text/xml", pages.soap_fault("no such number"), DominoNotData),
        (200, "text/xml", pages.soap_fault("no such number"), DominoNotData),
        (500, "text/html", pages.error_page(500, "x"), DominoFailing),
        (500, "text/xml", pages.soap_answer("FIND", "urn:x", {"N": "x"}), DominoFailing),
        (200, "text/html", pages.login_page(), DominoNotData),
        (200, "text/xml", "<viewentries/>", DominoNotData),
        (200, "text/xml", pages.soap_answer("FIND", "urn:x", {"N": "x"})[:-20], DominoNotData),
    ],
)
def test_faults_of_web_services_are_errors(status: int, kind: str, body: str, error: type[DominoError]) -> None:
    with pytest.raises(error):
        read(PHONES, body, kind, status=status)


@given(st.text(st.characters(codec="utf-8", exclude_characters="\ufffe\uffff")).filter(str.isprintable))
def test_a_key_stays_one_value_of_the_envelope(key: str) -> None:
    body = PHONES.ask(key).body
    assert body is not None
    (operation,) = ElementTree.fromstring(body)[0]
    assert [(part.tag, part.text or "") for part in operation] == [("KEY", key)]


@given(st.text(st.characters(codec="utf-8")))
def test_a_key_stays_one_value_of_the_url(key: str) -> None:
    for form in (DominoAgent(DB, "find", "key", "json"), COLLECTION):
        target = form.ask(key).target
        assert target.count("?") == 1
        assert not set("#\r\n \"'<>") & set(target)
