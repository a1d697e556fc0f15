"""Programs and web hooks that are told of changes: real programs, a real web server, and their failures."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from ami_watcher.event import EventKind, WatcherEvent
from ami_watcher.notify.hooks import Notification, Programs, Webhook
from ami_watcher.notify.notifier import QUEUED, Notifier
from lab.until import until

REJECTED = WatcherEvent(1_700_000_000.0, EventKind.REGISTRATION, "acme", "registered", "rejected", "forbidden (403)")


def notice(entry: WatcherEvent = REJECTED) -> Notification:
    return Notification(entry, "boston", "secondsignal")


def program(directory: Path, name: str, script: str) -> Path:
    path = directory / name
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)
    return path


class Receiver:
    """A web server that remembers what is posted to it, and answers as it is told."""

    def __init__(self) -> None:
        self.heard: list[tuple[dict[str, str], bytes]] = []
        self.answers: list[int] = []
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                receiver.heard.append((dict(self.headers), body))
                status = receiver.answers.pop(0) if receiver.answers else 200
                self.send_response(status)
                if status in (301, 307):
                    self.send_header("Location", f"http://127.0.0.1:{receiver.port}/elsewhere")
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - its name there
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.port = self._server.server_address[1]
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)
        self._thread.start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    found = Receiver()
    yield found
    found.close()


def test_a_program_finds_the_change_in_its_environment(tmp_path: Path) -> None:
    program(tmp_path, "10-tell", f"env | grep ^HOTSTANDBY_ | grep -v ^HOTSTANDBY_WORLD | sort > {tmp_path}/told")
    assert Programs(tmp_path, deadline_s=30).attempt(notice())() is None
    assert (tmp_path / "told").read_text().splitlines() == [
        "HOTSTANDBY_AFTER=rejected",
        "HOTSTANDBY_AT=2023-11-14T22:13:20+00:00",
        "HOTSTANDBY_BEFORE=registered",
        "HOTSTANDBY_CAUSE=forbidden (403)",
        "HOTSTANDBY_KIND=registration",
        "HOTSTANDBY_MACHINE=boston",
        "HOTSTANDBY_PAIR=secondsignal",
        "HOTSTANDBY_SENTENCE=acme on boston is rejected (was registered): forbidden (403)",
        "HOTSTANDBY_SUBJECT=acme",
    ]


def test_what_others_chose_reaches_a_program_as_one_printable_line() -> None:
    hostile = WatcherEvent(
        0.0, EventKind.REGISTRATION, "a\nHOTSTANDBY_AFTER=registered", None, "x\x1b[2J", "\x00" + "y" * 9000
    )
    for value in notice(hostile).environment.values():
        assert value.isprintable()
        assert len(value) < 2000


def test_only_the_program_that_failed_runs_again(tmp_path: Path) -> None:
    program(tmp_path, "10-good", f"echo good >> {tmp_path}/ran")
    program(tmp_path, "20-bad", f"echo bad >> {tmp_path}/ran; test -e {tmp_path}/mended")
    attempt = Programs(tmp_path, deadline_s=30).attempt(notice())
    why = attempt()
    assert why is not None
    assert "20-bad" in why
    (tmp_path / "mended").touch()
    assert attempt() is None
    assert (tmp_path / "ran").read_text().split() == ["good", "bad", "bad"]


def test_a_program_that_hangs_is_ended_at_its_deadline(tmp_path: Path) -> None:
    program(tmp_path, "10-hangs", "sleep 60")
    began = time.monotonic()
    assert Programs(tmp_path, deadline_s=0.3).attempt(notice())() is not None
    assert time.monotonic() - began < 30


def test_a_web_hook_is_posted_json_with_its_token(receiver: Receiver) -> None:
    webhook = Webhook(f"http://127.0.0.1:{receiver.port}/hook", "open-Sesame0", deadline_s=30)
    hostile = WatcherEvent(1.0, EventKind.REGISTRATION, 'ac"me\r\nX-Forged: yes', None, "rejected", "<script>")
    assert webhook.attempt(notice(hostile))() is None
    ((headers, body),) = receiver.heard
    assert headers["Authorization"] == "Bearer open-Sesame0"
    assert "X-Forged" not in headers
    document = json.loads(body)
    assert (document["subject"], document["machine"], document["cause"]) == (hostile.subject, "boston", "<script>")


@pytest.mark.parametrize("status", [301, 307, 400, 404, 500, 503])
def test_what_is_not_success_is_failure_and_no_redirect_is_followed(receiver: Receiver, status: int) -> None:
    receiver.answers = [status]
    why = Webhook(f"http://127.0.0.1:{receiver.port}/hook", "open-Sesame0", deadline_s=30).attempt(notice())()
    assert why is not None
    assert str(status) in why
    assert "open-Sesame0" not in why
    assert len(receiver.heard) == 1


def test_no_error_tells_the_path_which_may_hold_a_token(receiver: Receiver) -> None:
    receiver.answers = [500]
    webhook = Webhook(f"http://127.0.0.1:{receiver.port}/services/geheim?key=geheim", None, deadline_s=30)
    told = [webhook.attempt(notice())()]
    receiver.close()
    told.append(webhook.attempt(notice())())
    for why in told:
        assert why is not None
        assert f"127.0.0.1:{receiver.port}" in why
        assert "geheim" not in why


def test_a_web_hook_is_tried_again_with_pauses_and_then_given_up(receiver: Receiver) -> None:
    address = f"http://127.0.0.1:{receiver.port}/hook"
    receiver.answers = [503, 503]
    notifier = Notifier(Webhook(address, None, deadline_s=30), attempts=3, first_pause_s=0.05)
    notifier.start()
    notifier.tell(notice())
    assert notifier.idle(10)
    assert (len(receiver.heard), notifier.delivered, notifier.failed) == (3, 1, 0)
    receiver.answers = [503] * 9
    notifier.tell(notice())
    assert notifier.idle(10)
    assert (len(receiver.heard), notifier.delivered, notifier.failed) == (6, 1, 1)
    notifier.stop()


def test_nobody_home_is_said_in_words_and_does_not_stop_the_next(receiver: Receiver) -> None:
    port = receiver.port
    receiver.close()
    notifier = Notifier(Webhook(f"http://127.0.0.1:{port}/", None, deadline_s=30), attempts=1)
    notifier.start()
    notifier.tell(notice())
    notifier.tell(notice())
    assert notifier.idle(10)
    assert notifier.failed == 2
    notifier.stop()


def test_the_queue_is_bounded_and_gives_up_the_oldest_and_says_so_once(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    gate = tmp_path / "gate"
    program(
        tmp_path,
        "10-waits",
        f"touch {tmp_path}/begun; while ! test -e {gate}; do sleep 0.05; done\n"
        f"echo $HOTSTANDBY_SUBJECT >> {tmp_path}/told",
    )
    notifier = Notifier(Programs(tmp_path, deadline_s=30), attempts=1)
    notifier.start()
    notifier.tell(notice(WatcherEvent(0.0, EventKind.REGISTRATION, "first", None, "registered")))
    until(lambda: (tmp_path / "begun").exists(), "a program that has the first one")
    for number in range(QUEUED + 10):
        notifier.tell(notice(WatcherEvent(0.0, EventKind.REGISTRATION, str(number), None, "registered")))
    assert notifier.dropped == 10
    assert caplog.text.count("too slow") == 1
    notifier.stop()
    gate.touch()


def test_telling_never_waits_and_stopping_tries_nothing_again(receiver: Receiver) -> None:
    receiver.answers = [503] * 100
    notifier = Notifier(
        Webhook(f"http://127.0.0.1:{receiver.port}/", None, deadline_s=20), attempts=9, first_pause_s=30
    )
    notifier.start()
    began = time.monotonic()
    notifier.tell(notice())
    assert time.monotonic() - began < 20
    until(lambda: receiver.heard, "a first attempt")
    notifier.stop()
    assert notifier.idle(5)
    assert len(receiver.heard) == 1
