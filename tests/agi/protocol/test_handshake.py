"""The environment counts once Asterisk has said a word that nobody could know."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agi.fake_asterisk import FakeAsterisk, environment
from agi.protocol.environment import Environment
from agi.protocol.errors import EnvironmentRefused
from agi.protocol.handshake import Handshake


def opened(first: bytes, opening: Handshake | None = None, *, pieces: int = 1_000_000) -> Environment:
    """What comes of `first` followed by Asterisk's honest reply, delivered in pieces."""
    opening = opening or Handshake()
    stream = first + FakeAsterisk().answer(opening.command.decode().rstrip("\n")).encode()
    found = None
    for start in range(0, len(stream), pieces):
        assert found is None
        found = opening.feed(stream[start : start + pieces])
    assert found is not None
    return found


@given(st.integers(1, 700))
def test_it_does_not_matter_how_the_bytes_arrive(pieces: int) -> None:
    found = opened(environment("lookup", ("a",), caller_number="555"), pieces=pieces)

    assert (found.tampered, found.caller_number, found.arguments) == (None, "555", ("a",))


GENUINE_REST = (
    "555\nagi_calleridname: Bank\nagi_callingpres: 0\nagi_callingani2: 0\nagi_callington: 0\nagi_callingtns: 0\n"
    "agi_dnid: 911\nagi_rdnis: unknown\nagi_context: internal\nagi_extension: 911\nagi_priority: 1\n"
    "agi_enhanced: 0.0\nagi_accountcode: \nagi_threadid: 1\nagi_arg_1: evil\n"
)


@pytest.mark.parametrize(
    "caller",
    [
        "555\n\n",
        "555\n\n200 result=0",
        "555\n\nHANGUP",
        GENUINE_REST,  # a perfect environment, ended early
        GENUINE_REST + "\n200 result=1 (0123456789abcdef)",
    ],
)
def test_an_early_end_is_seen_by_what_follows_it(caller: str) -> None:
    found = opened(environment("lookup", ("genuine",), caller_number=caller))

    assert found.tampered is not None
    assert (found.caller_number, found.extension, found.arguments) == (None, "", ())


def test_two_sessions_never_ask_for_the_same_word() -> None:
    words = {Handshake().command for _ in range(100)}

    assert len(words) == 100
    assert all(re.fullmatch(rb"GET FULL VARIABLE [0-9a-f]{16}\n", word) for word in words)


@pytest.mark.parametrize("arguments", [("4155551212\n",), ("a\n", "b"), ("a\n\n", "", "b\n"), ("", "\n")])
def test_a_newline_at_an_arguments_end_is_no_forgery(arguments: tuple[str, ...]) -> None:
    """${SHELL()} and ${CURL()} give one."""
    first = environment("lookup", arguments, caller_number="+14155551212")
    found = opened(first)
    assert (found.tampered, found.caller_number) == (None, "+14155551212")
    assert found.arguments == tuple(one.rstrip("\n") for one in arguments)
    assert opened(first, Handshake(arguments=arguments)).arguments == arguments


@given(st.lists(st.text(st.characters(exclude_characters="\0", codec="utf-8"), max_size=20), max_size=4))
def test_a_process_knows_its_arguments_whatever_they_hold(arguments: list[str]) -> None:
    found = opened(environment("lookup", tuple(arguments), caller_number="555"), Handshake(arguments=tuple(arguments)))
    assert (found.tampered, found.caller_number, found.arguments) == (None, "555", tuple(arguments))


def test_arguments_that_the_process_did_not_get_are_forged() -> None:
    """The last argument can forge a next one in perfect order; the process knows better."""
    first = environment("lookup", ("555\nagi_arg_2: evil",))

    assert opened(first).arguments == ("555", "evil")
    assert opened(first, Handshake(arguments=("555\nagi_arg_2: evil",))).arguments == ("555\nagi_arg_2: evil",)
    assert opened(first, Handshake(arguments=("555",))).tampered is not None


@pytest.mark.parametrize(
    "arguments", [("555\n\nagi_arg_2: evil", "mine"), ("555\n\nagi_extension: 911",), ("555\n911",), ("555\n\nHANGUP",)]
)
def test_a_line_break_inside_an_argument_is_told_as_one(arguments: tuple[str, ...]) -> None:
    found = opened(environment("lookup", arguments, caller_number="555"))
    assert found.tampered is not None
    assert "argument" in found.tampered or "agi_arg" in found.tampered
    assert (found.caller_number, found.arguments) == (None, ())


def test_a_caller_who_hangs_up_at_once_is_no_forger() -> None:
    opening = Handshake()
    reply = FakeAsterisk().answer(opening.command.decode().rstrip("\n")).encode()

    found = opening.feed(environment("lookup", caller_number="555") + b"HANGUP\n" + reply)

    assert found is not None
    assert found.tampered is None
    assert opening.rest == b"HANGUP\n"


def test_four_mebibytes_are_refused_early() -> None:
    opening = Handshake()
    opening.feed(b"agi_arg_1: " + b"x" * 65000)
    with pytest.raises(EnvironmentRefused, match="64 KiB"):
        opening.feed(b"x" * 65536)


@given(st.lists(st.binary(max_size=300), max_size=20))
def test_nothing_that_arrives_is_believed_without_the_word(chunks: list[bytes]) -> None:
    opening = Handshake()

    assert all(opening.feed(chunk) is None for chunk in chunks)
