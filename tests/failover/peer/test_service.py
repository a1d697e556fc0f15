"""The answering side: what is read, who carries it out, and what is logged."""

from __future__ import annotations

import io
import os
import sys
from pathlib import Path

import pytest

from failover.context import Context
from failover.peer.messages import PeerAnswer, PeerRefusal, PeerRequest, Verb
from failover.peer.service import LOG_LIMIT, Asker, answer, asker_from, log, output_is_closed, read_input
from host.places import Places
from tests.pair.example import example


@pytest.fixture
def context(tmp_path: Path) -> Context:
    return Context(Places(tmp_path / "etc", tmp_path, tmp_path / "run"), example(), "dallas")


class Done(PeerAnswer):
    """What the handlers of these tests answer."""

    verb: str


def handler(context: Context, request: PeerRequest, asker: Asker) -> PeerAnswer:
    del context, asker
    return Done(verb=request.verb)


def logged(context: Context) -> str:
    return (context.places.state / "peer.log").read_text()


@pytest.mark.parametrize("verb", ["status", "digest", "facts", "secrets", "switchover"])
def test_a_request_goes_to_its_handler(context: Context, verb: Verb) -> None:
    assert answer(context, verb, Asker(), {verb: handler}) == Done(verb=verb)


def test_what_is_no_request_reaches_no_handler_and_is_logged_with_who_asked(context: Context) -> None:
    said = answer(context, "status; reboot\n", asker_from({"SSH_CONNECTION": "192.0.2.7 5 192.0.2.8 22"}), {})
    assert isinstance(said, PeerRefusal)
    assert not said.done
    assert "refused 192.0.2.7: 'status; reboot\\n' is not a request" in logged(context)


def test_a_log_that_has_grown_is_begun_anew_and_the_last_one_kept(context: Context) -> None:
    path = context.places.state / "peer.log"
    path.write_bytes(b"x" * (LOG_LIMIT + 1))
    log(context.places, "the next")
    assert logged(context).endswith("the next\n")
    assert path.with_suffix(".log.1").stat().st_size == LOG_LIMIT + 1


def test_a_log_that_cannot_be_written_fails_nobody(context: Context) -> None:
    (context.places.state / "peer.log").mkdir()
    log(context.places, "lost")


def fed(monkeypatch: pytest.MonkeyPatch, data: bytes, *, closed: bool = True) -> None:
    """Standard input is a pipe that holds these bytes."""
    reading, writing = os.pipe()
    os.write(writing, data)
    if closed:
        os.close(writing)
    monkeypatch.setattr(sys, "stdin", os.fdopen(reading))


def test_what_is_sent_besides_is_read_to_its_end(monkeypatch: pytest.MonkeyPatch) -> None:
    fed(monkeypatch, b"a question")
    assert read_input() == b"a question"


def test_who_sends_for_too_long_or_never_ends_has_asked_what_came(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("failover.peer.service.LONGEST", 5)
    fed(monkeypatch, b"more than that")
    assert read_input() == b""
    monkeypatch.setattr("failover.peer.service.INPUT_S", 0.0)
    fed(monkeypatch, b"", closed=False)
    assert read_input() == b""


def test_an_asker_whose_connection_has_ended_is_gone(monkeypatch: pytest.MonkeyPatch) -> None:
    reading, writing = os.pipe()
    with os.fdopen(writing, "w") as output:
        monkeypatch.setattr(sys, "stdout", output)
        assert not output_is_closed()
        os.close(reading)
        assert output_is_closed()


def test_an_output_that_is_no_file_is_nobody_that_could_have_gone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdout", io.StringIO())
    assert not output_is_closed()
