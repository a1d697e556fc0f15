"""Messages from Asterisk, and actions to it, as values."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ami_watcher.ami import message as message_module
from ami_watcher.ami.errors import ListIncomplete
from ami_watcher.ami.message import AmiAction, AmiMessage

NAMES = st.text("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ-", min_size=1, max_size=12)
VALUES = st.text(st.characters(blacklist_categories=["Cs"], blacklist_characters="\r\n"), max_size=30)


@given(st.lists(st.tuples(NAMES, VALUES), max_size=12))
def test_headers_keep_their_order_and_the_first_of_each_name_answers(fields: list[tuple[str, str]]) -> None:
    message = AmiMessage("\r\n".join(f"{name}: {value}" for name, value in fields).encode())
    assert message.fields == tuple((name, value.strip()) for name, value in fields)
    for name, _ in fields:
        same = tuple(value.strip() for other, value in fields if other.lower() == name.lower())
        spelt = tuple(value.strip() for other, value in fields if other == name)
        assert message.all(name) == same
        assert message[name] == message.get(name) == spelt[0]
        other = name.swapcase()
        if other not in dict(fields):
            assert message[other] == message.get(other) == same[0]


@given(st.lists(st.tuples(NAMES, VALUES), max_size=12), st.booleans())
def test_a_message_read_whole_has_the_first_of_each_name_in_order(fields: list[tuple[str, str]], long: bool) -> None:
    lines = [f"{name}: {value}" for name, value in fields] + ["no header"] + ["Filler: " + "x" * 3000] * long
    message = AmiMessage("\r\n".join(lines).encode())
    expected: dict[str, str] = {}
    for name, value in message.fields:
        expected.setdefault(name, value)
    whole: dict[str, str] = dict(message)
    assert whole == expected
    in_order = [name for at, (name, _) in enumerate(message.fields) if name not in dict(message.fields[at + 1 :])]
    assert list(whole) == list(message) == in_order
    assert [*message.items()] == [(name, expected[name]) for name in in_order]
    assert [*message.values()] == [expected[name] for name in in_order]
    assert len(message) == len(expected)
    assert {**AmiMessage(message.raw)} == expected
    for name in expected:
        assert name in message
        assert message.get(name) == expected[name]


def test_lines_that_are_remembered_stay_few_and_short() -> None:
    for number in range(5000):
        dict(AmiMessage(f"Event: X\r\nNumber: {number}\r\nLong: {'x' * 4000}".encode()))
        dict(AmiMessage(f"Event: X\r\nNumber: {number}".encode()))
    lines = message_module._remembered.__self__  # type: ignore[attr-defined]
    assert len(lines) <= 2048
    assert max(map(len, lines)) <= 2048


@given(st.binary(max_size=60), st.binary(max_size=60))
def test_a_value_is_the_same_whether_it_is_searched_for_or_parsed(value: bytes, before: bytes) -> None:
    message = AmiMessage(b"Event: X\r\nBefore: " + before + b"\r\nCause: " + value + b"\r\nAfter: x")
    assert message["Cause"] == next(found for name, found in message.fields if name == "Cause")


@given(st.binary(max_size=300))
def test_no_bytes_are_too_strange_to_be_looked_at(raw: bytes) -> None:
    message = AmiMessage(raw)
    assert message.get("Event", "none") is not None
    assert isinstance(message.event_name, str)
    assert isinstance(message.success, bool)
    repr(message)


def test_repeated_output_lines_are_the_content() -> None:
    message = AmiMessage(b"Response: Success\r\nOutput: one\r\nOutput: two: 2\r\nOutput: ")
    assert message.content == "one\ntwo: 2\n"
    assert message.success


def test_an_absent_header_is_a_key_error_and_an_empty_attribute() -> None:
    message = AmiMessage(b"Event: Registry")
    assert message.username == ""
    with pytest.raises(KeyError):
        message["Username"]
    with pytest.raises(AttributeError):
        _ = message._something


def test_what_is_printed_of_a_message_holds_no_value_of_it() -> None:
    assert "hunter2" not in repr(AmiMessage(b"Event: AuthDetail\r\nPassword: hunter2"))


def messages(*raws: bytes) -> list[AmiMessage]:
    return [AmiMessage(raw) for raw in raws]


@pytest.mark.parametrize(
    ("as_list", "came", "ends_with"),
    [
        (False, [b"Response: Success\r\nMessage: x will follow"], 1),
        (None, [b"Response: Success\r\nPing: Pong"], 1),
        (None, [b"Response: Success\r\nEventList: start", b"Event: A", b"Event: AComplete\r\nEventList: Complete"], 3),
        (True, [b"Response: Success", b"Event: A", b"Event: B\r\nEventList: Complete"], 3),
        (True, [b"Response: Success", b"Event: RegistrationsComplete"], 2),
        (True, [b"Response: Error\r\nMessage: No Contacts found"], 1),
        (True, [b"Response: Success", b"Event: A", b"Event: A"], None),
    ],
)
async def test_an_action_ends_with_its_last_message(
    as_list: bool | None, came: list[bytes], ends_with: int | None
) -> None:
    action = AmiAction("Anything", as_list=as_list)
    ended = [action.add_message(message) for message in messages(*came)]
    assert (ended.index(True) + 1 if True in ended else None) == ends_with
    assert action.future.done() is (ends_with is not None)


LIST = b"Response: Success\r\nEventList: start"


@pytest.mark.parametrize(
    ("came", "says"),
    [
        # An end of the message before the reply that swallowed it.
        ([b"Event: A", b"Event: AComplete\r\nEventList: Complete\r\nListItems: 1"], "its reply did not come"),
        ([b"Event: A", LIST, b"Event: AComplete\r\nEventList: Complete\r\nListItems: 1"], "1 items, and 0 came"),
        ([LIST, b"Event: AComplete\r\nEventList: Complete\r\nListItems: 1"], "1 items, and 0 came"),
        ([LIST, b"Event: A", b"Event: AComplete\r\nEventList: Complete\r\nListItems: 999999999999"], "and 1 came"),
        ([LIST, b"Event: A", b"Event: AComplete\r\nEventList: Cancelled\r\nListItems: 1"], "broke off"),
    ],
)
async def test_a_list_that_is_not_whole_is_an_error_and_never_an_empty_one(came: list[bytes], says: str) -> None:
    action = AmiAction("SIPshowregistry", as_list=True)
    ended = [action.add_message(message) for message in messages(*came)]
    assert ended == [False] * (len(came) - 1) + [True]
    with pytest.raises(ListIncomplete, match=says):
        action.future.result()


async def test_a_phone_that_calls_itself_the_end_of_a_list_ends_none() -> None:
    action = AmiAction("PJSIPShowContacts", as_list=True)
    item = b"Event: ContactList\r\nUserAgent: EventList: Complete"
    came = [LIST, item, item, b"Event: ContactListComplete\r\nEventList: Complete\r\nListItems: 2"]
    assert [action.add_message(message) for message in messages(*came)] == [False, False, False, True]
    assert len(action.future.result()) == 4


async def test_a_list_that_counts_less_than_it_shows_is_whole() -> None:
    """PJSIP's list of registrations counts those alone that have a state."""
    action = AmiAction("PJSIPShowRegistrationsOutbound", as_list=True)
    came = [LIST, b"Event: OutboundRegistrationDetail", b"Event: XComplete\r\nEventList: Complete\r\nListItems: 0"]
    assert [action.add_message(message) for message in messages(*came)] == [False, False, True]
    assert len(action.future.result()) == 3


async def test_authentication_details_are_no_part_of_a_list() -> None:
    action = AmiAction("PJSIPShowRegistrationsOutbound", as_list=True)
    for message in messages(
        b"Response: Success\r\nEventList: start",
        b"Event: AuthDetail\r\nPassword: hunter2",
        b"Event: OutboundRegistrationDetailComplete\r\nEventList: Complete",
    ):
        action.add_message(message)
    assert all(b"hunter2" not in kept.raw for kept in action.responses)


async def test_the_headers_of_an_action_begin_with_its_name_and_id() -> None:
    names = [name for name, _ in AmiAction("Reload", [("Module", "chan_sip")]).lines]
    assert names == ["Action", "Module", "ActionID"]


async def test_a_list_is_bounded_in_bytes_as_well_as_in_items(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ami_watcher.ami.message.MOST_BYTES", 10_000)
    action = AmiAction("PJSIPShowContacts", as_list=True)
    action.add_message(AmiMessage(b"Response: Success\r\nEventList: start"))
    for _ in range(100):
        assert not action.add_message(AmiMessage(b"Event: ContactList\r\nUri: " + b"x" * 1_000))
    assert sum(len(one.raw) for one in action.responses) <= 10_000
    assert action.dropped > 80
    assert not action.future.done()  # its deadline ends it
