"""AGI(lookup.py) as Asterisk sees it: which variables it sets, and LOOKUP_STATUS last, whatever happens."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from agi import lookup
from agi.protocol.call import Call
from agi.protocol.channel_io import NonBlockingIo
from agi.protocol.environment import Environment
from agi.protocol.errors import LateError, MustWait
from agi.script import Services
from lab.domino import Domino, Trouble
from tests.agi import phones

FOUND = [
    'SET VARIABLE "COMPANY" "Acme <!> \'Söhne\'"',
    'SET VARIABLE "CALLERID(name)" "Jörg Müller"',
    'SET VARIABLE "LOOKUP_STATUS" "FOUND"',
]


class MayWait(NonBlockingIo):
    """A conversation that nobody has to answer: a lookup asks Asterisk nothing."""

    def before_waiting(self) -> None:
        return


class LateIo(NonBlockingIo):
    def before_waiting(self) -> None:
        raise LateError("The session's deadline has passed.")


@pytest.fixture
def domino() -> Iterator[Domino]:
    with Domino.serving(phones.data()) as serving:
        yield serving


def services(domino: Domino, tmp_path: Path, lookups: str | None = None) -> Services:
    text = phones.lookup(domino.port) if lookups is None else lookups
    return Services(phones.places(tmp_path), phones.pair_with(text))


def said(services: Services, environment: Environment, io: NonBlockingIo | None = None) -> list[str]:
    """The commands of one session."""
    io = io or MayWait()
    lookup.run(Call(environment, io, deadline=time.monotonic() + 5), services)
    return [line.decode().strip() for line in io.kept]


def called(*arguments: str, caller: str | None = "+14155551212") -> Environment:
    return Environment(script="lookup.py", caller_number=caller, arguments=arguments)


@pytest.mark.parametrize(
    "environment",
    [
        called(),
        called("caller"),
        called("+14155551212", caller=None),
        called("caller", "4155551212", caller="+14155559999"),  # an argument comes before the caller
        called("", caller="(415) 555-1212"),
        called("", " 4155551212", caller=None),  # the name is left out
        called(" caller ", " +14155551212\n", caller="+14155559999"),  # blanks after the commas
        called(caller="4155551212;npdi;rn=+14155550000"),
        called("4155551212;npdi", caller=None),
    ],
)
def test_the_key_is_the_argument_or_the_caller(domino: Domino, tmp_path: Path, environment: Environment) -> None:
    assert said(services(domino, tmp_path), environment) == FOUND


@pytest.mark.parametrize(
    ("environment", "trouble", "status"),
    [
        (called(caller="+14155550000"), Trouble(), "NOTFOUND"),
        (called(caller=None), Trouble(), "NOTFOUND"),
        (called(), Trouble(headers_after_s=5), "TIMEOUT"),
        (called(), Trouble(login_page=True), "ERROR"),
        (Environment(tampered="agi_extension came twice"), Trouble(), "TAMPERED"),
    ],
)
def test_without_an_answer_the_defaults_are_set_and_the_status_last(
    domino: Domino, tmp_path: Path, environment: Environment, trouble: Trouble, status: str
) -> None:
    domino.trouble = trouble
    commands = said(services(domino, tmp_path), environment)
    assert commands == ['SET VARIABLE "COMPANY" "unknown"', f'SET VARIABLE "LOOKUP_STATUS" "{status}"']


def test_a_forged_call_asks_domino_nothing(domino: Domino, tmp_path: Path) -> None:
    said(services(domino, tmp_path), Environment(caller_number="+14155551212", tampered="forged"))
    assert not domino.requests


TWO = "".join(phones.lookup(1).replace("lookup.caller", f"lookup.{name}") for name in ("one", "two"))


@pytest.mark.parametrize("lookups", ["", TWO])
def test_a_dialplan_that_names_no_lookup_hears_error(domino: Domino, tmp_path: Path, lookups: str) -> None:
    assert said(services(domino, tmp_path, lookups), called()) == ['SET VARIABLE "LOOKUP_STATUS" "ERROR"']


@pytest.mark.parametrize("first", ["callers", "Caller", "accuont", "vip-2", "a b", "2nd"])
def test_a_misspelt_name_asks_no_other_lookup(
    domino: Domino, tmp_path: Path, first: str, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level("INFO"):
        assert said(services(domino, tmp_path), called(first, "4155551212")) == ['SET VARIABLE "LOOKUP_STATUS" "ERROR"']
    assert not domino.requests
    assert f"'{first}'" in caplog.text
    assert "there are: caller" in caplog.text


def test_the_only_lookup_needs_no_name(domino: Domino, tmp_path: Path) -> None:
    only = phones.lookup(domino.port).replace("lookup.caller", "lookup.book")
    assert said(services(domino, tmp_path, only), called()) == FOUND


def test_a_cached_answer_needs_no_waiting_and_a_new_one_does(domino: Domino, tmp_path: Path) -> None:
    one = services(domino, tmp_path)
    with pytest.raises(MustWait):
        said(one, called(), NonBlockingIo())
    said(one, called())
    assert said(one, called(), NonBlockingIo()) == FOUND


def test_a_session_that_is_late_says_timeout(domino: Domino, tmp_path: Path) -> None:
    assert said(services(domino, tmp_path), called(), LateIo()) == ['SET VARIABLE "LOOKUP_STATUS" "TIMEOUT"']


def test_a_defect_says_error(domino: Domino, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lookup, "_named", lambda *_: 1 / 0)
    assert said(services(domino, tmp_path), called()) == ['SET VARIABLE "LOOKUP_STATUS" "ERROR"']


@pytest.mark.parametrize(
    ("name", "sent"),
    [
        ("Jörg\r\nEXEC System x", "Jörg EXEC System x"),
        ('"quoted" \\', '\\"quoted\\" \\\\'),
        ("a\u202eb\x1b[2J\x00", "ab [2J"),
        ("😀" * 200, "😀" * 80),
    ],
)
def test_what_domino_sends_cannot_become_a_command(domino: Domino, tmp_path: Path, name: str, sent: str) -> None:
    book = domino.content.data.databases["crm/phones.nsf"].views["(ByNumber)"]
    book.rows[0] = {
        "Number": "+14155551212",
        "Name": name,
    }
    commands = said(services(domino, tmp_path), called())
    assert commands[1] == f'SET VARIABLE "CALLERID(name)" "{sent}"'
    assert len(commands) == 3
