"""The same script as a process, handed over to the server, and over FastAGI."""

from __future__ import annotations

import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from lab.until import until
from tests.agi.fake_asterisk import AgiRun, fastagi, process
from tests.agi.served import LIMIT_S, Site, make_site, served, served_by_process

Way = Callable[..., AgiRun]


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    with served(tmp_path_factory.mktemp("served"), "deadline_s = 30") as found:
        yield found


@pytest.fixture(scope="module")
def alone(tmp_path_factory: pytest.TempPathFactory) -> Site:
    """A configuration without a server."""
    return make_site(tmp_path_factory.mktemp("alone"), "deadline_s = 30")


@pytest.fixture(params=["process", "handover", "fastagi"])
def way(request: pytest.FixtureRequest, site: Site, alone: Site) -> Way:
    """Runs a script one of the three ways."""

    def run(script: str, *arguments: str, **options: Any) -> AgiRun:
        if request.param == "fastagi":
            return fastagi(site.port, script, arguments, **options)
        where = site if request.param == "handover" else alone
        return process([where.launcher(script), *arguments], env=where.env, **options)

    return run


def test_the_dialplan_gets_the_variables(way: Way) -> None:
    happened = way("hello", "5551212", "two words", "", caller_number="15551234567")

    assert happened.variables == {
        "CALLER": "15551234567",
        "ARGUMENTS": "5551212|two words|",
        "TAMPERED": "",
        "LOOKUP_STATUS": "FOUND",
    }
    assert happened.ended
    assert happened.returncode in (None, 0)


def test_a_script_that_waits_gets_its_replies(way: Way) -> None:
    happened = way("ask")

    assert (happened.variables["BACK"], happened.variables["LOOKUP_STATUS"]) == ("1)", "FOUND")


def test_a_script_that_was_started_again_sent_nothing_twice(way: Way) -> None:
    happened = way("again")

    assert happened.commands[1:] == ['SET VARIABLE "ONCE" "1"', 'SET VARIABLE "LOOKUP_STATUS" "FOUND"']


@pytest.mark.parametrize(
    "caller",
    [
        "555\nagi_extension: 911\nagi_arg_1: evil",
        "555\n\n",
        "555\n\n200 result=1 (x)\n200 result=1",
        "555\n\nSET VARIABLE CALLER evil",
    ],
)
def test_nothing_forged_is_used(way: Way, caller: str) -> None:
    happened = way("hello", "genuine", caller_number=caller)

    assert happened.variables["LOOKUP_STATUS"] == "TAMPERED"
    assert happened.variables["CALLER"] == "nobody"
    assert happened.variables["ARGUMENTS"] == ""
    assert "evil" not in str(happened.variables)


def test_what_a_crashing_script_said_before_arrives_and_the_call_goes_on(way: Way) -> None:
    happened = way("crash")

    assert happened.variables == {"BEFORE": "1"}
    assert happened.ended


@pytest.mark.parametrize("script", ["broken", "leaves", "empty", "nowhere"])
def test_a_broken_script_breaks_itself_alone(way: Way, script: str) -> None:
    happened = way(script)

    assert happened.ended
    assert happened.variables == {}
    assert way("hello").variables["LOOKUP_STATUS"] == "FOUND"


def test_what_a_script_prints_is_no_command(way: Way) -> None:
    happened = way("noisy")

    assert not any("EXEC" in command for command in happened.commands)
    assert happened.variables == {"LOOKUP_STATUS": "FOUND"}


def test_a_script_that_takes_too_long_does_not_hold_the_call(way: Way, tmp_path: Path) -> None:
    happened = way("slow", str(tmp_path / "gate"))
    (tmp_path / "gate").touch()  # its thread ends then, long after its call

    assert happened.ended
    assert happened.variables == {"BEFORE": "1"}


@pytest.mark.parametrize("way_name", ["process", "handover"])
def test_a_sighup_reaches_the_script(way_name: str, site: Site, alone: Site) -> None:
    where = site if way_name == "handover" else alone
    script = """\
import time


def run(call, services):
    try:
        call.wait_for_digit(10)
    except Exception:
        pass
    while not call.hungup and call.left_s:
        time.sleep(0.01)
    call.set_variable("HUNGUP", call.hungup)
"""
    (where.home / "config/agi/hup.py").write_text(script)
    if where is site:
        site.reload()
    happened = process([where.launcher("hup")], env=where.env, hangup_at="WAIT FOR DIGIT")

    assert happened.variables == {"HUNGUP": "True"}


def test_a_sighup_while_the_process_is_starting_is_not_lost(alone: Site) -> None:
    (alone.home / "config/agi/early.py").write_text(
        "def run(call, services):\n    call.set_variable('HUNGUP', call.hungup)\n"
    )
    launcher = alone.launcher("early")
    # The launcher becomes another program, which takes some hundred ms to come up: the signal arrives in between.
    text = launcher.read_text().replace("arguments = [*ALONE", "posix.kill(posix.getpid(), 1); arguments = [*ALONE")
    assert "posix.kill" in text
    launcher.write_text(text)

    happened = process([launcher], env=alone.env)

    assert happened.variables == {"HUNGUP": "True"}


def test_the_launcher_imports_nothing_that_is_written_in_python(site: Site) -> None:
    code = (
        "import sys; before = set(sys.modules); exec(open(sys.argv[1]).read(), {'__name__': 'x'}); "
        "print([name for name in {*sys.modules} - before if getattr(sys.modules[name], '__file__', '').endswith('y')])"
    )
    argv = [sys.executable, "-IS", "-c", code, str(site.launcher("hello"))]
    assert subprocess.run(argv, capture_output=True, text=True, check=True, timeout=60).stdout == "[]\n"


def test_a_server_killed_during_a_call_lets_the_call_go_on(tmp_path: Path) -> None:
    with served_by_process(tmp_path) as site:

        def during(command: str) -> None:
            if command.startswith("WAIT FOR DIGIT"):
                assert site.process is not None
                site.process.kill()
                site.process.wait()

        happened = process([site.launcher("ask")], env=site.env, during=during)
        site.process = None

    assert happened.ended
    assert happened.variables["BACK"] == "1)"
    assert happened.returncode == 1  # AGISTATUS is FAILURE: it did not end as it should


def test_a_server_frozen_before_a_call_is_passed_by(tmp_path: Path) -> None:
    with served_by_process(tmp_path) as site:
        assert site.process is not None
        site.process.send_signal(signal.SIGSTOP)

        happened = process([site.launcher("hello")], env=site.env)

    assert happened.ended
    assert happened.variables["LOOKUP_STATUS"] == "FOUND"


def test_a_server_frozen_during_a_call_holds_it_no_longer_than_the_deadline(tmp_path: Path) -> None:
    with served_by_process(tmp_path, "deadline_s = 0.5") as site:

        def answer(command: str) -> str | None:
            if command.startswith("failure"):
                return None  # Asterisk ends the application at this word, whoever holds the pipe
            if command.startswith("WAIT FOR DIGIT"):
                assert site.process is not None
                site.process.send_signal(signal.SIGSTOP)
                return ""
            return "200 result=1 (" + command.rpartition(" ")[2].strip('"').removeprefix("${X}") + ")\n"

        happened = process([site.launcher("ask")], env=site.env, answer=answer)

    assert not happened.ended
    assert happened.returncode == 1


def test_a_server_that_is_too_busy_sends_calls_back_at_once(tmp_path: Path) -> None:
    gate = tmp_path / "gate"
    with served(tmp_path, "concurrency = 1\nqueue = 0") as site:
        first: list[AgiRun] = []
        held = [site.launcher("gate"), gate]
        thread = threading.Thread(target=lambda: first.append(process(held, env=site.env, deadline_s=LIMIT_S)))
        thread.start()
        until(lambda: not site.health()[1]["healthy"], "the one thread is taken")

        status, health = site.health()
        happened = process([site.launcher("ask")], env=site.env)
        quick = process([site.launcher("hello")], env=site.env)
        other_way = fastagi(site.port, "ask")
        assert first == []  # nobody waited for the call that holds the one place
        gate.touch()
        thread.join(LIMIT_S)

        assert status == 503
        assert health["refusing"] == ["handover: all threads are taken, and so are the turns to wait for one"]
        assert happened.variables == {}
        assert quick.variables["LOOKUP_STATUS"] == "FOUND"  # needs no thread
        assert other_way.variables["LOOKUP_STATUS"] == "FOUND"  # has threads of its own
        assert first[0].variables == {"BEFORE": "1", "AFTER": "1"}
        assert "sent back to the dialplan" in site.log


def test_a_launcher_is_for_nobody_but_asterisk(site: Site) -> None:
    mode = (site.home / "run/agi/agi.sock").stat().st_mode & 0o777

    assert mode == 0o660


def test_descriptors_do_not_leak(site: Site) -> None:
    fastagi(site.port, "hello")
    process([site.launcher("hello")], env=site.env)
    site.await_idle()
    before = site.open_descriptors()
    for _ in range(5):
        fastagi(site.port, "ask")
        process([site.launcher("ask")], env=site.env)
        fastagi(site.port, "nowhere")
        process([site.launcher("nowhere")], env=site.env)

    site.await_idle()
    # A question to the health page may still be closing.
    until(lambda: site.open_descriptors() <= before + 2, "they are closed")
