"""The environment is read by Asterisk's order, and nothing that a caller forged is used."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agi.fake_asterisk import environment
from agi.protocol.environment import NAMES, Environment, read_environment

CALLER = "15551234567"


def block(*arguments: str, network: bool = False, **fields: str) -> bytes:
    return environment("lookup", arguments, network=network, **fields).removesuffix(b"\n")


@pytest.mark.parametrize("network", [False, True])
def test_a_genuine_environment_is_read_whole(network: bool) -> None:
    found = read_environment(
        block("5551212", "two words", "", network=network, caller_number=CALLER, caller_name="Ann", dialled="100")
    )

    assert found == Environment(
        script="lookup",
        request="agi://127.0.0.1/lookup" if network else "lookup.py",
        channel="SIP/carrier-00000001",
        uniqueid="1763814000.7",
        version="22.10.1",
        caller_number=CALLER,
        caller_name="Ann",
        dnid="100",
        rdnis=None,
        context="from-carrier",
        extension="100",
        priority=2,
        accountcode="",
        arguments=("5551212", "two words", ""),
    )


@pytest.mark.parametrize(
    ("caller", "reason"),
    [
        ("555\nagi_extension: 911\nagi_arg_1: evil", "agi_extension stands where agi_calleridname belongs"),
        ("555\nagi_callerid: 911", "agi_callerid came twice"),
        ("555\nagi_arg_1: evil", "agi_arg_1 stands where agi_calleridname belongs"),
        ("555\nagi_calleridname: Bank", "agi_calleridname came twice"),
        (
            "555\nagi_calleridname: Bank\nagi_callingpres: 0\nagi_dnid: 1",
            "agi_dnid stands where agi_callingani2 belongs",
        ),
        ("555\nagi_trusted: yes", "a name that Asterisk does not know"),
        ("555\nnothing", "a line that is no 'name: value'"),
        ("555\nagi_callingpres: 0", "agi_callingpres stands where agi_calleridname belongs"),
        ("555\nagi_request: other.py", "agi_request came twice"),
        ("555\nagi_network: yes", ""),
    ],
)
@pytest.mark.parametrize("network", [False, True])
def test_a_forged_line_makes_the_call_anonymous(caller: str, reason: str, network: bool) -> None:
    found = read_environment(block("5551212", caller_number=caller, network=network))

    assert found.tampered is not None
    assert found.tampered.startswith(reason)
    assert (found.caller_number, found.caller_name, found.dnid, found.rdnis) == (None, None, None, None)
    assert (found.context, found.extension, found.priority, found.arguments) == ("", "", 0, ())
    assert found.script == "lookup"
    assert found.channel == "SIP/carrier-00000001"


def test_what_a_channel_name_could_have_forged_is_not_used() -> None:
    forged = "SIP/x\nagi_language: en\nagi_type: SIP\nagi_uniqueid: 9.9\nagi_version: 99.0"

    found = read_environment(block(channel=forged))

    assert found.tampered is not None
    assert (found.uniqueid, found.version) == ("", None)
    assert found.script == "lookup"


def test_a_forger_does_not_fill_the_log() -> None:
    found = read_environment(block(caller_number="555\nagi_arg_" + "a" * 50_000 + ": x"))

    assert found.tampered is not None
    assert len(found.tampered) < 120


def test_a_forged_argument_behind_the_last_genuine_one_is_seen_by_its_number() -> None:
    assert read_environment(block("555\nagi_arg_3: evil")).tampered == "agi_arg_3 stands where agi_arg_2 belongs"


@pytest.mark.parametrize("name", ["agi_priority", "agi_callingpres", "agi_threadid", "agi_enhanced"])
def test_a_value_that_asterisk_never_prints_is_forged(name: str) -> None:
    lines = [f"{name}: ; drop" if line.startswith(f"{name}: ") else line for line in block().decode().split("\n")]

    assert read_environment("\n".join(lines).encode()).tampered == f"{name} has a value that Asterisk never prints"


def test_bytes_that_are_no_utf_8_survive() -> None:
    found = read_environment(block(caller_name="M\udcfcller"))

    assert found.tampered is None
    assert found.caller_name == "M\udcfcller"


LINE = st.text(st.characters(blacklist_characters="\n", blacklist_categories=["Cs"]), max_size=40)


@given(number=LINE, name=LINE, dialled=LINE, arguments=st.lists(LINE, max_size=5))
def test_values_without_a_newline_are_never_taken_for_forged(
    number: str, name: str, dialled: str, arguments: list[str]
) -> None:
    found = read_environment(block(*arguments, caller_number=number, caller_name=name, dialled=dialled))

    assert found.tampered is None
    assert found.arguments == tuple(arguments)
    assert found.caller_number == (None if number in ("", "unknown") else number)
    assert found.extension == dialled


FORGERY = st.one_of(
    st.text(max_size=60),
    st.lists(
        st.tuples(st.sampled_from([*NAMES, "agi_arg_1", "agi_arg_2", "agi_network", "evil"]), LINE), max_size=6
    ).map(lambda pairs: "\n".join(f"{name}: {value}" for name, value in pairs)),
)


@given(before=LINE, forgery=FORGERY)
def test_a_newline_in_the_callers_number_is_always_seen(before: str, forgery: str) -> None:
    found = read_environment(block("genuine", caller_number=f"{before}\n{forgery}"))

    assert found.tampered is not None
    assert found.caller_number is None
    assert found.arguments == ()


@given(st.binary(max_size=400))
def test_whatever_arrives_is_an_environment_or_anonymous(data: bytes) -> None:
    found = read_environment(data)

    assert found.tampered is not None
