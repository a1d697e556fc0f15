"""Replies in all their forms, however they arrive."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agi.protocol.replies import AgiReply, ReplyReader, ReplyTooLong

USAGE = "520-Invalid command syntax.  Proper usage follows:\nUsage: NOOP\n Does nothing{}520 End of proper usage.\n"


def read(data: bytes, mark: bytes = b"") -> list[AgiReply]:
    reader = ReplyReader()
    reader.feed(data)
    found = []
    while (reply := reader.next(mark)) is not None:
        found.append(reply)
    return found


@pytest.mark.parametrize(
    ("line", "code", "result", "data", "endpos"),
    [
        ("200 result=1", 200, "1", None, None),
        ("200 result=-1", 200, "-1", None, None),
        ("200 result=0 endpos=8000", 200, "0", None, 8000),
        ("200 result=-1 (hangup) endpos=160", 200, "-1", "hangup", 160),
        ("200 result=1 (value)", 200, "1", "value", None),
        ("200 result=1 (a) b (c)", 200, "1", "a) b (c", None),
        ("200 result=1 ()", 200, "1", "", None),
        ("200 result= (timeout)", 200, "", "timeout", None),
        ("200 result=", 200, "", None, None),
        ("200 result=1 (result=-1)", 200, "1", "result=-1", None),
        ("200 result=1 (hangup)", 200, "1", "hangup", None),
        ("510 Invalid or unknown command", 510, "", None, None),
        ("511 Command Not Permitted on a dead channel", 511, "", None, None),
        ("520 Invalid command syntax.  Proper usage not available.", 520, "", None, None),
    ],
)
def test_a_line_is_understood(line: str, code: int, result: str, data: str | None, endpos: int | None) -> None:
    assert read(line.encode() + b"\n") == [AgiReply(code, result, data, endpos, line)]


@pytest.mark.parametrize("between", ["\n", ""])  # the documentation's text need not end with a newline
def test_a_usage_block_is_one_reply(between: str) -> None:
    found = read((USAGE.format(between) + "200 result=1\n").encode())

    assert [reply.code for reply in found] == [520, 200]


def test_a_usage_block_that_never_ends_is_no_reply() -> None:
    reader = ReplyReader()
    reader.feed(b"520-Invalid command syntax.  Proper usage follows:\n")
    reader.feed(b"Usage: NOOP\n")

    assert reader.next() is None


def test_trying_is_not_the_reply() -> None:
    assert [reply.result for reply in read(b"100 Trying...\n200 result=7\n")] == ["7"]


def test_a_hangup_comes_between_replies_and_takes_no_place() -> None:
    reader = ReplyReader()
    reader.feed(b"HANGUP\n200 result=1 (a)\nHANGUP\n200 result=1 (b)\n")

    first, second = reader.next(), reader.next()

    assert first is not None
    assert second is not None
    assert (first.data, second.data, reader.hungup) == ("a", "b", True)


VALUE = st.text(st.characters(blacklist_categories=["Cs"]), max_size=80)


@given(VALUE, st.integers(1, 40))
def test_a_marked_value_holds_anything(value: str, size: int) -> None:
    mark = b"5ca1ab1e5ca1ab1e"
    stream = b"200 result=1 (" + value.encode() + mark + b")\n200 result=3\n"
    reader = ReplyReader()
    found: list[AgiReply] = []
    for start in range(0, len(stream), size):
        reader.feed(stream[start : start + size])
        while (reply := reader.next(mark if not found else b"")) is not None:
            found.append(reply)

    assert [(reply.result, reply.data) for reply in found] == [("1", value), ("3", None)]


@pytest.mark.parametrize("refusal", ["510 Invalid or unknown command", "511 Command Not Permitted on a dead channel"])
def test_a_refusal_needs_no_mark(refusal: str) -> None:
    assert [reply.code for reply in read(refusal.encode() + b"\n", mark=b"5ca1ab1e")] == [int(refusal[:3])]


@given(VALUE)
def test_a_value_up_to_the_next_reply_holds_anything(value: str) -> None:
    reader = ReplyReader()
    reader.feed(b"200 result=1 (" + value.encode() + b")\n200 result=1 (word)\n")

    reply = reader.up_to(b"200 result=1 (word)\n")

    assert reply is not None
    assert (reply.code, reply.result, reply.data) == (200, "1", value)


@pytest.mark.parametrize("digits", [20, 40, 5000, 200_000])
@pytest.mark.parametrize("between", ["", " (hangup)"])
def test_an_endpos_that_no_asterisk_counts_to_is_an_odd_reply_without_one(digits: int, between: str) -> None:
    line = f"200 result=7{between} endpos={'9' * digits}"

    first, second = read(f"{line}\n200 result=0 endpos=8\n".encode())

    assert (first.code, first.result, first.endpos, first.odd) == (200, "7", None, True)
    assert second == AgiReply(200, "0", None, 8, "200 result=0 endpos=8")


def test_words_behind_a_result_are_not_odd() -> None:
    assert [
        reply.odd for reply in read(b"200 result=0 Gosub complete\n200 result=1 (speech) endpos=8 results=0\n")
    ] == [
        False,
        False,
    ]


@given(st.lists(st.binary(max_size=60), max_size=20))
def test_noise_is_skipped_and_never_a_reply_that_was_not_there(chunks: list[bytes]) -> None:
    reader = ReplyReader()
    for chunk in chunks:
        reader.feed(chunk.replace(b"2", b"x").replace(b"5", b"x").replace(b"1", b"x").replace(b"3", b"x"))
        while (reply := reader.next()) is not None:
            assert reply.code == 444 or reply.code // 100 == 4


def test_endless_noise_is_refused() -> None:
    reader = ReplyReader()
    for _ in range(4):
        reader.feed(b"x" * 65536)
    with pytest.raises(ReplyTooLong):
        reader.feed(b"x")
