"""Each defect of pyst2's AGI class, shown on the bare class and absent in ours.

The bare class reads from a file, so its defects are shown with one; ours has the fake Asterisk on the line.
"""

from __future__ import annotations

import io
import signal
import subprocess
import sys
import threading
from typing import Any

import pytest
from asterisk.agi import AGI, AGIResultHangup, AGIUnknownError

from agi.fake_asterisk import environment, words
from agi.protocol.environment import read_environment
from agi.protocol.errors import LateError
from agi.protocol.vocabulary import AGIAppError, AGIHangup, AGIUsageError, DeadChannel, Vocabulary
from tests.agi.protocol.channel import open_call


@pytest.fixture(autouse=True)
def _sighup() -> Any:
    """The bare class sets a handler for good."""
    before = signal.getsignal(signal.SIGHUP)
    yield
    signal.signal(signal.SIGHUP, before)


def bare(replies: str) -> tuple[Any, io.StringIO]:
    """pyst2's AGI with these replies, and what it sends."""
    sent = io.StringIO()
    return AGI(io.StringIO("agi_request: x\n\n" + replies), sent, io.StringIO()), sent


@pytest.mark.parametrize("reply", ["", "HANGUP\n", "nonsense\n"])
def test_end_of_input_and_hangup_were_a_value_error(reply: str) -> None:
    with pytest.raises(ValueError, match="invalid literal"):
        bare(reply)[0].answer()

    with open_call(lambda _command: reply + "200 result=0\n") as line:
        line.call.answer()


def test_a_dead_channel_was_an_unknown_error() -> None:
    reply = "511 Command Not Permitted on a dead channel\n"
    with pytest.raises(AGIUnknownError) as raised:
        bare(reply)[0].answer()
    assert not isinstance(raised.value, AGIHangup)

    with open_call(lambda _command: reply) as line, pytest.raises(DeadChannel) as ours:
        line.call.answer()
    assert isinstance(ours.value, AGIHangup)


def test_trying_was_an_unknown_error() -> None:
    with pytest.raises(AGIUnknownError):
        bare("100 Trying\n200 result=0\n")[0].answer()

    with open_call(lambda _command: "100 Trying\n200 result=0\n") as line:
        line.call.answer()


def test_half_a_usage_block_was_an_endless_loop() -> None:
    program = (
        "import io\nfrom asterisk.agi import AGI\n"
        "AGI(io.StringIO('agi_request: x\\n\\n520-Invalid\\nUsage'), io.StringIO(), io.StringIO()).answer()\n"
    )
    with pytest.raises(subprocess.TimeoutExpired):
        subprocess.run([sys.executable, "-c", program], timeout=2, check=False)

    with (
        open_call(lambda _command: "520-Invalid\nUsage", deadline_s=0.2) as line,
        pytest.raises(LateError),
    ):
        line.call.answer()


def test_a_usage_error_on_one_line_waited_for_a_second() -> None:
    one_line = "520 Invalid command syntax.  Proper usage not available.\n"
    agi, _ = bare(one_line + "200 result=1\n520 late\n")
    with pytest.raises(AGIUsageError) as raised:
        agi.answer()
    assert "200 result=1" in str(raised.value)  # it swallowed the next command's reply

    with open_call(lambda _command: one_line) as line, pytest.raises(AGIUsageError) as ours:
        line.call.answer()
    assert "200" not in str(ours.value)


def test_a_value_could_be_a_second_command() -> None:
    evil = 'x"\nEXEC System "rm -rf /'
    agi, sent = bare("200 result=1\n")
    agi.set_variable("N", evil)
    assert sent.getvalue().count("\n") == 2
    assert words(sent.getvalue().splitlines()[1])[0] == "EXEC"

    with open_call() as line:
        line.call.set_variable("N", evil)
    assert len(line.commands) == 1
    assert line.far.variables == {"N": 'x" EXEC System "rm -rf /'}


@pytest.mark.parametrize(
    ("method", "arguments", "meant"),
    [
        ("database_get", ("fam ily", "key"), ["DATABASE", "GET", "fam ily", "key"]),
        ("set_callerid", ('"Ann" <555>',), ["SET", "CALLERID", '"Ann" <555>']),
        ("stream_file", ("my file",), ["STREAM", "FILE", "my file", "", "0"]),
        ("set_context", ("my context",), ["SET", "CONTEXT", "my context"]),
        ("exec_command", ("Playback", "a b", "c"), ["EXEC", "Playback", "a b,c"]),
        ("verbose", ('say "hi"',), ["VERBOSE", 'say "hi"', "1"]),
        ("set_variable", ("A", "back\\slash"), ["SET", "VARIABLE", "A", "back\\slash"]),
    ],
)
def test_quoting_was_missing_doubled_or_unescaped(method: str, arguments: tuple[str, ...], meant: list[str]) -> None:
    agi, sent = bare("200 result=1 (x)\n")
    getattr(agi, method)(*arguments)
    assert words(sent.getvalue().rstrip("\n")) != meant

    with open_call() as line:
        line.far.database["fam ily/key"] = "x"
        getattr(line.call, method)(*arguments)
    assert words(line.commands[0]) == meant


def test_a_value_with_a_newline_was_lost_and_the_next_reply_with_it() -> None:
    agi, _ = bare("200 result=1 (one\ntwo)\n200 result=6\n")
    assert agi.get_variable("X") != "one\ntwo"
    with pytest.raises(ValueError, match="invalid literal"):
        agi.channel_status()

    with open_call() as line:
        line.far.variables["X"] = "one\ntwo"
        assert line.call.get_variable("X") == "one\ntwo"
        assert line.call.channel_status() == 6


def test_the_word_hangup_as_a_value_was_a_hangup() -> None:
    with pytest.raises(AGIResultHangup):
        bare("200 result=1 (hangup)\n")[0].database_get("a", "b")

    with open_call() as line:
        line.far.database["a/b"] = "hangup"
        assert line.call.database_get("a", "b") == "hangup"


def test_a_time_out_of_get_data_was_dropped() -> None:
    assert not hasattr(bare("200 result=12 (timeout)\n")[0].get_data("x"), "timed_out")

    with open_call(lambda _command: "200 result=12 (timeout)\n") as line:
        digits = line.call.get_data("x")
    assert (digits, digits.timed_out) == ("12", True)


def test_none_as_an_argument_was_a_type_error() -> None:
    with pytest.raises(TypeError):
        bare("200 result=1 (x)\n")[0].send_text(None)

    with open_call(lambda _command: "200 result=0\n") as line:
        line.call.send_text(None)
    assert line.commands == ['SEND TEXT ""']


@pytest.mark.parametrize("cut", [0, 100])
def test_an_environment_cut_short_was_taken_for_a_whole_one(cut: int) -> None:
    agi = AGI(io.StringIO(environment("x").decode()[:cut]), io.StringIO(), io.StringIO())
    assert "agi_threadid" not in agi.env  # and no complaint

    assert read_environment(environment("x")[:cut]).tampered is not None


def test_after_a_hangup_nothing_was_sent_although_it_is_allowed() -> None:
    agi, sent = bare("200 result=1\n")
    agi._got_sighup = True
    with pytest.raises(AGIHangup):
        agi.set_variable("X", "1")
    assert sent.getvalue() == ""

    with open_call() as line:
        line.far.dead = True
        line.call.caller_hung_up()
        line.call.set_variable("X", "1")
    assert line.far.variables == {"X": "1"}


def test_it_worked_in_the_main_thread_alone() -> None:
    failures: list[BaseException] = []

    def elsewhere() -> None:
        try:
            bare("")
        except ValueError as error:
            failures.append(error)
        with open_call() as line:
            line.call.answer()

    thread = threading.Thread(target=elsewhere)
    thread.start()
    thread.join(10)

    assert "main thread" in str(failures[0])


def test_bytes_that_are_no_utf_8_ended_the_script() -> None:
    first = environment("x", caller_name="M\udcfcller")
    strict = io.TextIOWrapper(io.BytesIO(first), encoding="utf-8")
    with pytest.raises(UnicodeDecodeError):
        AGI(strict, io.StringIO(), io.StringIO())

    found = read_environment(first.removesuffix(b"\n"))
    assert found.caller_name == "M\udcfcller"
    with open_call() as line:
        line.call.set_variable("NAME", found.caller_name)
        assert line.call.get_variable("NAME") == "M\udcfcller"  # goes back as it came


def test_the_callers_data_was_printed(capfd: pytest.CaptureFixture[str]) -> None:
    console = io.StringIO()
    AGI(io.StringIO(environment("x", caller_number="555").decode()), io.StringIO(), console)
    assert "agi_callerid: 555" in console.getvalue()

    with open_call() as line:
        line.call.set_variable("X", "secret")
    assert capfd.readouterr() == ("", "")


def test_a_closed_stderr_ended_the_script() -> None:
    with pytest.raises(AttributeError):
        AGI(io.StringIO("\n"), io.StringIO(), None)

    assert "stderr" not in Vocabulary.execute.__code__.co_names


def test_minus_one_is_still_an_error() -> None:
    with pytest.raises(AGIAppError):
        bare("200 result=-1\n")[0].answer()
    with open_call(lambda _command: "200 result=-1\n") as line, pytest.raises(AGIAppError):
        line.call.answer()
