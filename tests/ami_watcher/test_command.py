"""What the command prints, of documents that a daemon might give."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest
from rich.text import Text

from ami_watcher import command
from ami_watcher.event import LinkState
from ami_watcher.level import Level
from ami_watcher.web.documents import Document, LinkDocument, RegistrationsDocument
from host.errors import UsageError


def registrations(at: float, level: Level = Level.GOOD) -> RegistrationsDocument:
    link = LinkDocument(state=LinkState.SYNCED, level=Level.GOOD, sentence="", since=at - 60, asterisk_version="16")
    return RegistrationsDocument(
        machine="boston",
        pair="secondsignal",
        role="primary",
        at=at,
        level=level,
        sentence="All 2 registrations hold.",
        detail=None,
        link=link,
        registrations=(),
    )


def watched(*documents: Document) -> Iterator[Document]:
    """One a second, until somebody types Ctrl-C."""
    yield from documents
    raise KeyboardInterrupt


def test_watching_as_json_prints_a_line_when_something_differs(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(command, "WATCH_S", 0.0)
    found = watched(
        registrations(1.0), registrations(2.0), registrations(3.0, Level.WARNING), registrations(4.0, Level.WARNING)
    )
    with pytest.raises(KeyboardInterrupt):
        command._show(lambda: next(found), Text, as_json=True, watch=True)
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [(line["at"], line["level"]) for line in lines] == [(1.0, "good"), (3.0, "warning")]


def test_watching_without_a_terminal_says_what_to_add() -> None:
    with pytest.raises(UsageError, match="add --json"):
        command._show(lambda: registrations(1.0), Text, as_json=False, watch=True)


def test_json_holds_no_character_that_moves_a_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    hostile = registrations(1.0).model_copy(update={"sentence": "\x9b2J\u202eevil"})
    command._show(lambda: hostile, Text, as_json=True, watch=False)
    out = capsys.readouterr().out
    assert out.isascii()
    assert json.loads(out)["sentence"] == hostile.sentence


@pytest.mark.parametrize(("text", "seconds"), [("90m", 5400.0), ("24h", 86_400.0), ("7d", 604_800.0), ("5s", 5.0)])
def test_how_far_back_is_a_number_and_a_unit(text: str, seconds: float) -> None:
    assert command._seconds(text) == seconds


@pytest.mark.parametrize("text", ["", "7", "d", "1 h", "-1h", "1w", "1234567h"])
def test_another_spelling_of_it_is_refused(text: str) -> None:
    with pytest.raises(Exception, match="is no time"):
        command._seconds(text)
