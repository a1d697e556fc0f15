"""A call without a server: what `python -m agi` does, in this process, with the fake Asterisk at the other end."""

from __future__ import annotations

import signal
from collections.abc import Iterator

import pytest

from agi.fake_asterisk import FakeAsterisk
from tests.agi.fake_asterisk import in_this_process
from tests.agi.served import Site, make_site


@pytest.fixture
def site(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Iterator[Site]:
    made = make_site(tmp_path_factory.mktemp("alone"), "deadline_s = 30\nenvironment_s = 0.3")
    for name, value in made.env.items():
        monkeypatch.setenv(name, value)
    before = signal.getsignal(signal.SIGHUP)
    alarm = signal.signal(signal.SIGALRM, signal.SIG_IGN)  # it would end this process, as it ends a script's
    yield made
    signal.signal(signal.SIGHUP, before)
    signal.signal(signal.SIGALRM, alarm)


def test_a_call_gets_its_variables(site: Site) -> None:
    run = in_this_process(["--config", str(site.home / "config"), "hello.py", "a", "b"], caller_number="555")

    assert run.returncode == 0
    assert run.ended
    assert (run.variables["CALLER"], run.variables["ARGUMENTS"]) == ("555", "a|b")


def test_a_script_that_waits_gets_its_replies(site: Site) -> None:
    run = in_this_process(["ask.py"])

    assert (run.returncode, run.variables["BACK"], run.variables["HUNGUP"]) == (0, "1)", "False")


def test_a_caller_who_hangs_up_is_told_to_the_script(site: Site) -> None:
    run = in_this_process(["ask.py"], hangup_at="WAIT FOR DIGIT")

    assert run.returncode == 0, "a script that ends with its call has not failed"
    assert "HUNGUP" not in run.variables  # 511: wait_for_digit raised


def test_a_hang_up_before_the_script_began_is_told_as_well(site: Site) -> None:
    (site.home / "config/agi/early.py").write_text(
        "def run(call, services):\n    call.set_variable('HUNGUP', call.hungup)\n"
    )
    run = in_this_process(["early.py"], hangup_at="GET FULL VARIABLE")

    assert run.variables == {"HUNGUP": "True"}


@pytest.mark.parametrize(("script", "says"), [("nowhere", "There is no script"), ("broken", "SyntaxError in line 1")])
def test_a_script_that_is_not_there_leaves_the_call_alone(
    site: Site, script: str, says: str, caplog: pytest.LogCaptureFixture
) -> None:
    run = in_this_process([f"{script}.py"])

    assert (run.returncode, run.variables) == (1, {})
    assert says in caplog.text


def test_a_script_that_crashes_has_said_what_it_said(site: Site) -> None:
    run = in_this_process(["crash.py"])

    assert (run.returncode, run.variables) == (1, {"BEFORE": "1"})


def test_a_deadline_counts_from_the_beginning_of_the_process(site: Site) -> None:
    far = FakeAsterisk()
    run = in_this_process(
        ["ask.py"], held_s=31.0, answer=lambda command: "" if command.startswith("WAIT") else far.answer(command)
    )

    assert run.returncode == 1
    assert "LOOKUP_STATUS" not in far.variables


def test_a_forged_environment_is_an_anonymous_call(site: Site, caplog: pytest.LogCaptureFixture) -> None:
    run = in_this_process(["hello.py"], caller_number="555\nagi_extension: 911")

    assert run.variables["LOOKUP_STATUS"] == "TAMPERED"
    assert "is forged" in caplog.text


@pytest.mark.parametrize("first", [b"", b"agi_network: yes\n"])
def test_an_environment_that_does_not_come_is_not_waited_for(site: Site, first: bytes) -> None:
    assert in_this_process(["hello.py"], first=first, answer=lambda _: "").returncode == 1


def test_an_asterisk_that_ends_the_session_has_ended_the_call(site: Site) -> None:
    def answer(command: str) -> str | None:
        return None if command.startswith("WAIT") else "200 result=1 (" + command.split()[-1].strip('"') + ")\n"

    assert in_this_process(["ask.py"], answer=answer).returncode == 0
