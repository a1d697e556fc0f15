"""What a misbehaving Domino is to a lookup, and how it knows us, over real sockets; tests/host/http has the rest."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from agi.domino.decoding import text_of
from agi.domino.errors import DominoError, DominoFailing, DominoLate, DominoNotData, DominoRefused, DominoUnreachable
from agi.domino.http import DominoClient
from agi.domino.login import AnonymousLogin, BasicLogin, DominoLogin, DominoUser, SessionLogin
from agi.domino.rows import Rows
from agi.domino.source import DominoSource
from agi.domino.views import DominoView
from host.http import HttpRequest
from lab.domino import Domino, Site, Trouble
from tests.agi import phones

DEADLINE_S = 0.3
KEY = "+14155551212"
USER = DominoUser("pbx", phones.PASSWORD)


@pytest.fixture
def domino() -> Iterator[Domino]:
    with Domino.serving(phones.data()) as serving:
        yield serving


def site(domino: Domino, *, keep: int = 4) -> DominoClient:
    return DominoClient(f"http://127.0.0.1:{domino.port}", keep=keep)


def fetch(
    http: DominoClient,
    database: str = "crm/phones.nsf",
    login: DominoLogin | None = None,
    *,
    deadline_s: float = DEADLINE_S,
) -> Rows:
    source = DominoSource(DominoView(database, "(ByNumber)", "Number"), http, login or AnonymousLogin())
    return source.fetch(KEY, time.monotonic() + deadline_s)


@pytest.mark.parametrize("keep", [0, 4])
@pytest.mark.parametrize(
    ("trouble", "error"),
    [
        (Trouble(headers_after_s=5), DominoLate),
        (Trouble(headers_drip_s=0.05), DominoLate),  # each byte in time, the whole not
        (Trouble(body_drip_s=0.05), DominoLate),
        (Trouble(stop_after=0), DominoLate),
        (Trouble(stop_after=100), DominoLate),
        (Trouble(cut_after=100), DominoUnreachable),
        (Trouble(reset_after=100), DominoUnreachable),
        (Trouble(unframed=True, cut_after=100), DominoNotData),
        (Trouble(chunked=True, cut_after=100), DominoUnreachable),
        (Trouble(chunked=True, body_drip_s=0.05), DominoLate),
        (Trouble(login_page=True), DominoNotData),
        (Trouble(error_page=True), DominoNotData),
        (Trouble(redirect="http://other.example.com/x"), DominoNotData),
        (Trouble(status=401), DominoRefused),
        (Trouble(status=404), DominoNotData),
        (Trouble(status=500), DominoFailing),
        (Trouble(status=503), DominoFailing),
        (Trouble(body=" " * 300_000), DominoNotData),
        (Trouble(body="null"), DominoNotData),
        (Trouble(body=""), DominoNotData),
    ],
)
def test_every_misbehaviour_is_an_error_by_the_deadline(
    domino: Domino, trouble: Trouble, error: type[DominoError], keep: int
) -> None:
    http = site(domino, keep=keep)
    assert fetch(http, deadline_s=30)
    domino.trouble = trouble
    with pytest.raises(error):
        fetch(http, deadline_s=1 if error is DominoLate else 30)
    domino.trouble = Trouble()
    assert fetch(http, deadline_s=30), "what went wrong once stays in no connection"


@pytest.mark.parametrize(
    "trouble",
    [
        Trouble(charset="ISO-8859-1"),
        Trouble(unframed=True),
        Trouble(chunked=True),
        Trouble(headers_after_s=0.1, body_drip_s=0.0001),
    ],
)
def test_oddities_do_no_harm(domino: Domino, trouble: Trouble) -> None:
    domino.trouble = trouble
    (row,) = fetch(site(domino), deadline_s=30)
    assert row.columns["Name"] == ("Jörg Müller",)


def test_connections_are_kept_for_the_five_requests_that_domino_allows(domino: Domino) -> None:
    http = site(domino)
    for _ in range(11):
        assert fetch(http)
    assert [request.connection for request in domino.requests] == [1] * 5 + [2] * 5 + [3]


def test_a_process_that_asks_once_says_that_it_closes(domino: Domino) -> None:
    fetch(site(domino, keep=0))
    assert domino.requests[0].headers["connection"] == "close"


@pytest.mark.parametrize(
    ("base", "says"),
    [
        ("http://127.0.0.1:1", "refused"),
        ("http://domino-nowhere.invalid:80", "render-localized"),
    ],
)
def test_a_domino_that_is_not_there_is_said(base: str, says: str) -> None:
    with pytest.raises(DominoUnreachable, match=says):
        fetch(DominoClient(base), deadline_s=20)


def test_the_address_decides_which_site_answers_unless_a_host_is_named() -> None:
    content = phones.data()
    content.sites = [Site("boston", addresses=("127.0.0.1",)), Site("dallas", hosts=("www.dallas.example",))]
    with Domino.serving(content) as domino:
        marker = HttpRequest("/marker.nsf/machine?ReadViewEntries")
        for host, name in ((None, "boston"), ("domino-local", "boston"), ("www.dallas.example", "dallas")):
            http = DominoClient(f"http://127.0.0.1:{domino.port}", host_header=host)
            assert name in text_of(http.exchange(marker, time.monotonic() + 30))
        content.sites = content.sites[1:]
        assert "No matching" in text_of(site(domino).exchange(marker, time.monotonic() + 30))


# Logins.


def test_basic_lets_in_and_a_wrong_password_is_refused(domino: Domino) -> None:
    http = site(domino)
    assert fetch(http, "basic.nsf", BasicLogin(USER))
    with pytest.raises(DominoRefused):
        fetch(http, "basic.nsf", BasicLogin(DominoUser("pbx", "wrong")))
    with pytest.raises(DominoRefused, match="ISO-8859-1"):
        BasicLogin(DominoUser("pbx", "пароль"))


@pytest.mark.parametrize("cookie", ["DomAuthSessId={}; path=/", "LtpaToken={}; domain=.example.com; path=/"])
def test_one_login_serves_many_requests_whatever_domain_its_cookie_names(domino: Domino, cookie: str) -> None:
    domino.content.data.cookie = cookie
    http = site(domino)
    login = SessionLogin(USER, http)
    for _ in range(3):
        assert fetch(http, "session.nsf", login)
    assert domino.content.logins == 1


def test_a_session_that_ran_out_is_renewed_within_the_same_lookup(domino: Domino) -> None:
    http = site(domino)
    login = SessionLogin(USER, http)
    assert fetch(http, "session.nsf", login)
    domino.expire_sessions()
    assert fetch(http, "session.nsf", login)
    assert domino.content.logins == 2


def test_a_refused_login_is_not_repeated_with_every_call(domino: Domino) -> None:
    http = site(domino)
    login = SessionLogin(DominoUser("pbx", "wrong"), http)
    for _ in range(5):
        with pytest.raises(DominoRefused, match="did not log"):
            fetch(http, "session.nsf", login)
    assert domino.content.logins == 1


def test_pages_that_a_new_login_does_not_turn_into_data_cause_one_login_only(domino: Domino) -> None:
    http = site(domino)
    login = SessionLogin(USER, http)
    source = DominoSource(DominoView("session.nsf", "no such view", "Number"), http, login)
    for _ in range(5):
        with pytest.raises(DominoNotData):
            source.fetch(KEY, time.monotonic() + 1)
    assert domino.content.logins == 2


def test_many_that_need_the_login_at_once_log_in_once(domino: Domino) -> None:
    http = site(domino, keep=8)
    login = SessionLogin(USER, http)
    found: list[Rows] = []
    threads = [
        threading.Thread(target=lambda: found.append(fetch(http, "session.nsf", login, deadline_s=30)))
        for _ in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(10)
    assert len(found) == 8
    assert domino.content.logins == 1


def test_no_password_stands_in_a_url_an_error_a_log_or_a_repr(
    domino: Domino, caplog: pytest.LogCaptureFixture, tmp_path: Path
) -> None:
    caplog.set_level(logging.DEBUG)
    http = site(domino)
    said: list[str] = [repr(USER), repr(HttpRequest("/", b"Password=" + phones.PASSWORD.encode()))]
    for trouble in (
        Trouble(),
        Trouble(status=500),
        Trouble(cut_after=3),
        Trouble(stop_after=3),
        Trouble(login_page=True),
    ):
        domino.trouble = trouble
        for database, login in (("basic.nsf", BasicLogin(USER)), ("session.nsf", SessionLogin(USER, http))):
            try:
                fetch(http, database, login, deadline_s=0.1)
            except DominoError as error:
                said += [str(error), repr(error), repr(error.__cause__), repr(error.__context__)]
    said += [record.getMessage() for record in caplog.records] + [request.target for request in domino.requests]
    assert len(said) > 15
    for spelled in (phones.PASSWORD, "geh%21eim", "cGJ4Om"):
        assert not [line for line in said if spelled in line]
