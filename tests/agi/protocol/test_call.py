"""What a script says reaches Asterisk, and what Asterisk answers reaches the script."""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agi.protocol.call import Call
from agi.protocol.channel_io import ChannelClosed, NonBlockingIo
from agi.protocol.environment import Environment
from agi.protocol.errors import CommandRefused, LateError, MustWait
from agi.protocol.vocabulary import AGIAppError, AGIHangup, AGIResultHangup, AGIUsageError, DeadChannel
from tests.agi.protocol.channel import open_call

TEXT = st.text(st.characters(blacklist_categories=["Cs"], blacklist_characters="\r\n\0"), max_size=200)


@settings(max_examples=60)
@given(value=TEXT)
def test_a_value_comes_back_as_it_was_set(value: str) -> None:
    with open_call() as line:
        line.call.set_variable("X", value)

        assert line.call.get_variable("X") == (value or None)


@settings(max_examples=60)
@given(value=st.text(st.characters(blacklist_categories=["Cs"]), max_size=200))
def test_a_value_of_asterisks_may_hold_newlines_and_brackets(value: str) -> None:
    with open_call() as line:
        line.far.variables["X"] = value
        line.far.database["family/key"] = value

        assert line.call.get_variable("X") == (value or None)
        assert line.call.database_get("family", "key") == value
        assert line.call.channel_status() == 6  # the next reply is the next command's


@pytest.mark.parametrize("name", ["X}${SHELL(rm)", "X\nEXEC System x", '"', "", "1X", "${X}"])
def test_a_variable_cannot_be_asked_for_by_something_else(name: str) -> None:
    with open_call() as line, pytest.raises(CommandRefused):
        line.call.get_variable(name)


def test_commands_whose_replies_say_nothing_travel_together_at_the_end() -> None:
    with open_call() as line:
        line.call.set_variable("A", "1")
        line.call.verbose("hello")
        line.call.set_variable("B", "2")

        assert line.commands == []
    assert line.commands == ['SET VARIABLE "A" "1"', 'VERBOSE "hello" "1"', 'SET VARIABLE "B" "2"']
    assert line.far.variables == {"A": "1", "B": "2"}


def test_what_was_kept_back_goes_before_what_is_asked() -> None:
    with open_call() as line:
        line.call.set_variable("A", "1")
        assert line.call.get_variable("A") == "1"
        assert line.commands[0] == 'SET VARIABLE "A" "1"'


def test_an_argument_left_out_is_left_out_and_an_empty_one_is_sent() -> None:
    with open_call() as line:
        line.call.channel_status()
        line.call.stream_file("demo")
        line.call.set_variable("X", "")
        line.call.get_full_variable("x", None)
    assert line.commands[0] == "CHANNEL STATUS"
    assert line.commands[1] == 'STREAM FILE "demo" "" "0"'
    assert line.commands[2] == 'SET VARIABLE "X" ""'
    assert line.commands[3].startswith('GET FULL VARIABLE "x')


def test_a_hangup_is_known_and_variables_can_still_be_set() -> None:
    with open_call(rest=b"HANGUP\n") as line:
        line.far.dead = True
        assert line.call.get_variable("X") is None
        assert line.call.hungup
        with pytest.raises(DeadChannel):
            line.call.stream_file("demo")
        line.call.set_variable("X", "1")
    assert line.far.variables == {"X": "1"}


@pytest.mark.parametrize(
    ("reply", "error"),
    [
        ("200 result=-1\n", AGIAppError),
        ("200 result=-1 (hangup) endpos=0\n", AGIResultHangup),
        ("511 Command Not Permitted on a dead channel\n", AGIHangup),
        ("520 Invalid command syntax.  Proper usage not available.\n", AGIUsageError),
        ("520-Invalid\nUsage\n520 End of proper usage.\n", AGIUsageError),
        (None, ChannelClosed),
    ],
)
def test_what_asterisk_says_becomes_an_exception(reply: str | None, error: type[Exception]) -> None:
    with open_call(lambda _command: reply) as line, pytest.raises(error):
        line.call.answer()


@pytest.mark.parametrize("digits", [40, 5000])
def test_an_endpos_beyond_all_counting_is_told_and_left_out(digits: int, caplog: pytest.LogCaptureFixture) -> None:
    with open_call(lambda _command: f"200 result=49 endpos={'9' * digits}\n") as line:
        assert line.call.stream_file("demo") == "1"
    (told,) = caplog.messages
    assert told.startswith("An odd reply to STREAM FILE")
    assert len(told) < 400


@pytest.mark.parametrize("result", ["9" * 10, "9" * 40, "9" * 5000, "-" + "9" * 10, "1e3", "six"])
@pytest.mark.parametrize("ask", [lambda call: call.wait_for_digit(1), lambda call: call.execute("channel status")])
def test_a_result_that_is_no_c_int_is_refused(result: str, ask: Callable[[Call], object]) -> None:
    with (
        open_call(lambda _command: f"200 result={result}\n") as line,
        pytest.raises(AGIAppError, match="An odd reply to") as refused,
    ):
        ask(line.call)
    assert len(str(refused.value)) < 400


def test_what_the_caller_typed_may_be_longer_than_a_number() -> None:
    with open_call(lambda _command: f"200 result={'5' * 40}\n") as line:
        assert line.call.get_data("demo") == "5" * 40


@pytest.mark.parametrize("reply", ["520-Invalid\nUsage: half a", "200 resu", "100 Trying\n", ""])
def test_half_a_reply_ends_by_the_deadline(reply: str) -> None:
    begun = time.monotonic()
    with open_call(lambda _command: reply, deadline_s=0.3) as line, pytest.raises(LateError):
        line.call.answer()
    assert time.monotonic() - begun < 10


def test_where_nothing_may_wait_only_what_needs_no_reply_is_done() -> None:
    io = NonBlockingIo()
    call = Call(Environment(), io, deadline=time.monotonic() + 1)
    call.set_variable("A", "1")

    assert io.kept == [b'SET VARIABLE "A" "1"\n']
    with pytest.raises(MustWait):
        call.get_variable("A")
    with pytest.raises(MustWait):
        call.before_waiting()
    assert not issubclass(MustWait, Exception)  # a script's own net must not catch it


def test_a_line_that_is_too_long_is_refused_and_the_call_goes_on() -> None:
    with open_call() as line:
        with pytest.raises(CommandRefused):
            line.call.set_variable("X", "x" * 3000)
        line.call.set_variable("X", "short")
    assert line.far.variables == {"X": "short"}
