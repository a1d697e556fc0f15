"""AMI bytes: framing, limits, skipping, and what may be written."""

from __future__ import annotations

import tracemalloc
from typing import cast

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from ami_watcher.ami.errors import NotAmi, Unsendable
from ami_watcher.ami.message import AmiMessage, OversizeMessage
from ami_watcher.ami.wire import HEAD, AmiReader, encode_action

GREETING = b"Asterisk Call Manager/5.0.4\r\n"
LIMIT = 200


def seen(messages: list[AmiMessage | OversizeMessage]) -> list[tuple[bytes, int]]:
    """What tells one result from another: the bytes that are kept, and the whole length."""
    return [kept(found) for found in messages]


def kept(found: AmiMessage | OversizeMessage) -> tuple[bytes, int]:
    if isinstance(found, OversizeMessage):
        # mypy cannot tell the two apart: Message has a base without types.
        long = cast(OversizeMessage, found)
        return long.head.raw, long.size
    return found.raw, len(found.raw)


def fed(stream: bytes, cuts: list[int], wanted: list[str] | None) -> tuple[list[tuple[bytes, int]], int, str]:
    wire = AmiReader(wanted, longest=LIMIT)
    found: list[AmiMessage | OversizeMessage] = []
    at = 0
    try:
        for cut in [*sorted(cuts), len(stream)]:
            found += wire.feed(stream[at:cut])
            at = cut
    except NotAmi:
        return seen(found), wire.skipped, "not ami"
    return seen(found), wire.skipped, wire.version or ""


PIECES = st.sampled_from(
    [
        b"\r\n\r\n",
        b"\r\n",
        b"\n",
        b"\r",
        b"Event: PeerStatus",
        b"Event: VarSet",
        b"ActionID: 7",
        b"Response: Success",
        b"Privilege: system,all",
        b"Peer: M\xfcller",
        "Peer: Müller".encode(),
        b"x" * 90,
        b"y" * (LIMIT + 3),
        b"z" * 3000,
        b"\r\n\nEvent: VarSet",
        b"\r\nEvent: " + b"e" * LIMIT,
        b"\r\n\nResponse: " + b"r" * (LIMIT // 2),
    ]
)
STREAMS = st.one_of(st.binary(max_size=600), st.lists(PIECES, max_size=30).map(b"".join))


@given(
    stream=STREAMS,
    greeted=st.booleans(),
    cuts=st.lists(st.integers(0, 4000), max_size=12),
    wanted=st.sampled_from([None, [], ["PeerStatus"]]),
)
@example(stream=b"\r\n\r\n\r\nEvent: " + b"e" * LIMIT + b"\r\n\r\n", greeted=True, cuts=[87], wanted=None)
@example(stream=b"a" * 150 + b"\r\n\nEvent: " + b"e" * 150 + b"\r\n\r\n", greeted=True, cuts=[210], wanted=None)
@settings(max_examples=600)
def test_any_split_of_any_stream_gives_the_same_messages(
    stream: bytes, greeted: bool, cuts: list[int], wanted: list[str] | None
) -> None:
    whole = (GREETING if greeted else b"") + stream
    once = fed(whole, [], wanted)
    some = fed(whole, [min(cut, len(whole)) for cut in cuts], wanted)
    assert some == once
    assert fed(whole, list(range(len(whole))), wanted) == once


@given(st.lists(st.binary(min_size=1, max_size=60).filter(lambda part: b"\r" not in part), max_size=20))
def test_what_stands_between_ends_is_what_comes_out(parts: list[bytes]) -> None:
    wire = AmiReader()
    found = wire.feed(GREETING + b"".join(part + b"\r\n\r\n" for part in parts))
    assert [message.raw for message in found if isinstance(message, AmiMessage)] == parts


def test_a_bare_line_feed_ends_nothing() -> None:
    """Asterisk 16 and 22 write "No Contacts found\\n" into a value."""
    [reply] = AmiReader().feed(
        GREETING + b"Response: Error\r\nActionID: 7\r\nMessage: No Contacts found\n\r\n\r\nEvent: Registry\r\n"
    )
    assert isinstance(reply, AmiMessage)
    assert reply.get("Message") == "No Contacts found"


@pytest.mark.parametrize(
    "garbage",
    [
        b"SSH-2.0-OpenSSH_9.2\r\n",
        b"HTTP/1.1 400 Bad Request\r\n\r\n",
        b"\x15\x03\x01\x00\x02\x02\x46",
        b"\r\n",
        b"Asterisk\r\n",
        b"Asterisk Call Manager/" + b"5" * 300,
        b"Asterisk Call Manager/" + b"5" * 300 + b"\r\n",
    ],
)
def test_what_does_not_greet_like_ami_is_refused_with_its_words(garbage: bytes) -> None:
    with pytest.raises(NotAmi, match="Asterisk Manager Interface"):
        AmiReader().feed(garbage)


def test_events_that_nobody_wants_are_dropped_unparsed_and_replies_never() -> None:
    wire = AmiReader(["Registry"])
    found = wire.feed(
        GREETING
        + b"Event: VarSet\r\nPrivilege: dialplan,all\r\nValue: x\r\n\r\n"
        + b"Event: Registry\r\nPrivilege: system,all\r\n\r\n"
        + b"Event: RegistryEntry\r\nActionID: 7\r\n\r\n"
        + b"Response: Success\r\nPing: Pong\r\n\r\n"
    )
    assert [message.raw.partition(b"\r\n")[0] for message in found if isinstance(message, AmiMessage)] == [
        b"Event: Registry",
        b"Event: RegistryEntry",
        b"Response: Success",
    ]
    assert wire.skipped == 1


@pytest.mark.parametrize("read", [1400, 65536, 2**23 + 100])
def test_eight_megabytes_of_one_header_are_told_and_not_kept(read: int) -> None:
    wire = AmiReader(longest=2**20)
    wire.feed(GREETING)
    stream = b"Event: PeerStatus\r\nActionID: 7\r\nPeer: " + b"x" * 2**23 + b"\r\n\r\nEvent: Registry\r\n\r\n"
    found: list[AmiMessage | OversizeMessage] = []
    tracemalloc.start()
    for at in range(0, len(stream), read):
        found += wire.feed(stream[at : at + read])
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    first, short = found
    assert isinstance(first, OversizeMessage)
    long = cast(OversizeMessage, first)
    assert long.size == 2**23 + len(b"Event: PeerStatus\r\nActionID: 7\r\nPeer: ")
    assert len(long.head.raw) == HEAD
    assert long.head.get("ActionID") == "7"
    assert isinstance(short, AmiMessage)
    # A read that is larger than the limit is the caller's own; what is kept beside it is bounded.
    assert peak < 8 * 2**20


def test_a_stream_that_never_ends_a_message_does_not_grow() -> None:
    wire = AmiReader(longest=10_000)
    wire.feed(GREETING)
    tracemalloc.start()
    for _ in range(2_000):
        assert wire.feed(b"x" * 1000) == []
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 200_000


def test_an_action_is_its_lines_in_order() -> None:
    assert encode_action([("Action", "Ping"), ("ActionID", "7")]) == b"Action: Ping\r\nActionID: 7\r\n\r\n"


@pytest.mark.parametrize(
    ("fields", "why"),
    [
        ([("Action", "Ping\r\nAction: Originate")], "line break"),
        ([("Action", "Ping\n")], "line break"),
        ([("Action", "Ping\r")], "line break"),
        ([("Action", "Ping\0")], "NUL"),
        ([("Action\r\nX", "Ping")], "line break"),
        ([("Acti:on", "Ping")], "colon in its name"),
        ([("", "Ping")], "name"),
        ([("Command", "x" * 1024)], "1035 bytes and Asterisk reads 1024"),
        ([("Command", "ü" * 508)], "1027 bytes and Asterisk reads 1024"),
        ([("Variable", "x")] * 129, "1 to 128 headers"),
        ([], "1 to 128 headers"),
    ],
)
def test_what_asterisk_would_misread_is_not_sent(fields: list[tuple[str, str]], why: str) -> None:
    with pytest.raises(Unsendable, match=why):
        encode_action(fields)


def test_the_longest_line_that_asterisk_reads_is_sent() -> None:
    assert len(encode_action([("Command", "x" * (1024 - len("Command: \r\n")))])) == 1024 + 2


@given(st.lists(st.tuples(st.text(max_size=12), st.text(max_size=40)), max_size=8))
def test_whatever_is_written_is_one_action_with_as_many_headers(fields: list[tuple[str, str]]) -> None:
    try:
        data = encode_action(fields)
    except Unsendable:
        return
    assert data.count(b"\r\n\r\n") == 1
    assert data.endswith(b"\r\n\r\n")
    lines = data.removesuffix(b"\r\n\r\n").split(b"\r\n")
    assert len(lines) == len(fields)
    assert all(len(line) + 2 <= 1024 and b"\n" not in line and b"\r" not in line for line in lines)


@pytest.mark.parametrize("pieces", [1, 3, 7, 1000])
def test_a_message_that_ends_with_cr_lf_lf_swallows_none(pieces: int) -> None:
    """CoreShowChannelMap of 18.19, 20.4 and later; the reply behind it is a message of its own."""
    wrong = b"Event: CoreShowChannelMapComplete\r\nEventList: Complete\r\nListItems: 0\r\n\n"
    reply = b"Response: Success\r\nActionID: 7\r\n\r\n"
    held = b"Event: X\r\nMessage: a line feed\n\r\nNext: \n\nEvent: no end\r\n\r\n"
    stream = b"Asterisk Call Manager/5.0.4\r\n" + wrong + reply + held + wrong + wrong + reply
    wire = AmiReader()
    found = [one for at in range(0, len(stream), pieces) for one in wire.feed(stream[at : at + pieces])]
    names = [one.event_name or one.get("Response") for one in found if isinstance(one, AmiMessage)]
    complete = "CoreShowChannelMapComplete"
    assert names == [complete, "Success", "X", complete, complete, "Success"]


@pytest.mark.parametrize(
    ("stream", "expected"),
    [
        # One empty line too many, or two, behind a message: no message of its own.
        (b"Event: TestEvent\r\nChannel: x\r\n\r\n\r\nEvent: VarSet\r\nValue: 0\r\n\r\n", ["x", "0"]),
        (b"Event: DongleNewSMS\r\nMessage: x\r\n\r\n\r\n\r\nEvent: VarSet\r\nValue: 0\r\n\r\n", ["x", "0"]),
        # A header without a blank, and without a value.
        (b"Event: RTCPSent\r\nReportBlock:\r\nDLSR: 0.0\r\n\r\n", ["0.0"]),
        # A line that is no header.
        (b"Event: ReceivedSMS\r\nContent: x\r\n--END SMS EVENT--\r\n\r\n", ["x"]),
        # A line that ends with LF alone: what follows is part of its value, and no header of what comes after is lost.
        (b"Event: Agents\r\nCallStarted: 14\nLoggedInTime: 13\r\nChannel: x\r\n\r\n", ["x"]),
    ],
)
def test_what_modules_send_against_the_protocol_is_read_as_far_as_it_goes(stream: bytes, expected: list[str]) -> None:
    wire = AmiReader()
    found = wire.feed(b"Asterisk Call Manager/5.0.4\r\n" + stream)
    whole: list[dict[str, str]] = [dict(one) for one in found if isinstance(one, AmiMessage) and one.event_name]
    assert [list(one.values())[-1] for one in whole] == expected
