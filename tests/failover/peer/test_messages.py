"""What the machines say to each other, and what hostile input does: nothing."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from failover.errors import FailoverError
from failover.peer.messages import (
    LONGEST,
    AnswerUnreadable,
    AsteriskStatus,
    DemotionReport,
    NotUnderstood,
    PeerRefusal,
    PeerRefused,
    PeerRegistration,
    PeerRequest,
    PeerStatus,
    decode_answer,
    encode_answer,
    parse_request,
)

ACME = PeerRegistration(trunk="acme", shared=True, state="Registered", registered=True, expiry_s=60)
OWN = PeerRegistration(trunk="own", shared=False, state="Registered", registered=True, expiry_s=60)


def status(**changed: object) -> PeerStatus:
    facts: dict[str, object] = {
        "machine": "boston",
        "pair": "secondsignal",
        "pair_digest": "0" * 64,
        "wall": 1_800_000_000.0,
        "boot_id": "b",
        "role": "standby",
        "generation": "2-standby-0123456789ab",
        "is_primary": False,
        "why": "boston is standby",
        "right_held": False,
        "epoch": 7,
        "dns_role": "secondary",
        "fenced": "",
        "paused": "",
        "open_run": "",
        "asterisk": AsteriskStatus(state="answers", words="it answers", listed=True, registrations=(OWN,)),
    }
    return PeerStatus.model_validate({**facts, **changed})


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("status", PeerRequest("status")),
        ("digest", PeerRequest("digest")),
        ("facts", PeerRequest("facts")),
        ("switchover", PeerRequest("switchover")),
        ("demote 7", PeerRequest("demote", 7)),
        ("serve 7", PeerRequest("serve", 7)),
        ("drain 15", PeerRequest("drain", seconds=15)),
        ("demote 000000000007", PeerRequest("demote", 7)),
    ],
)
def test_the_requests_are_understood(text: str, expected: PeerRequest) -> None:
    assert parse_request(text) == expected


@pytest.mark.parametrize(
    "text",
    [
        "",
        "demote",
        "demote -1",
        "drain",
        "drain 100",
        "serve",
        "serve 7 8",
        "serve 1234567890123",
        "demote 7; rm -rf /",
        "demote 7\n",
        "status status",
        "switchover 7",
        " status",
        "STATUS",
        "demote ٧",  # a digit, and not one of ours
        "demote 1234567890123",
        "$(reboot)",
        "\x1b[2J",
    ],
)
def test_anything_else_is_refused_and_cannot_forge_a_line(text: str) -> None:
    with pytest.raises(NotUnderstood) as refused:
        parse_request(text)
    assert "\n" not in str(refused.value)
    assert "\x1b" not in str(refused.value)


@given(st.text())
def test_no_other_text_is_understood(text: str) -> None:
    try:
        understood = parse_request(text)
    except NotUnderstood:
        return
    assert str(understood) == text or text.startswith(("demote 0", "drain 0"))


def test_an_answer_reads_back_between_lines_that_are_none() -> None:
    said = f"Welcome to boston!\n{encode_answer(status())}\n"
    assert decode_answer(said.encode(), PeerStatus) == status()


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", "no answer of hotstandby"),
        (b"bash: failover: command not found\n", "command not found"),
        (b'{"hotstandby":2,"kind":"status","body":{}}', "version 2"),
        (b'{"hotstandby":1,"kind":"status"}', "not JSON of ours"),
        (b'{"hotstandby":1,"kind":"status","body":[]}', "not one"),
        (b'{"hotstandby":1,"kind":"digest","body":{}}', "where status was asked"),
        (b'{"hotstandby":' + b"[" * 20_000, "not JSON of ours"),
        (b'{"hotstandby":1', "not JSON of ours"),
        (encode_answer(status()).encode() * 2, "not JSON of ours"),
        ((encode_answer(status()) + "\n").encode() * 2, "more than one answer"),
        (b'{"hotstandby":1}' + b" " * LONGEST, "4096 KiB"),
        (encode_answer(status()).replace("standby", "emperor").encode(), "no answer of hotstandby"),
        (encode_answer(status()).replace('"role":"standby"', '"role":"emperor"').encode(), "role"),
        (encode_answer(status()).replace('"wall":1800000000.0', '"wall":NaN').encode(), "wall"),
        (encode_answer(status()).replace('"epoch":7', '"epoch":-7').encode(), "epoch"),
    ],
)
def test_what_is_no_answer_is_told_as_such(data: bytes, words: str) -> None:
    with pytest.raises(AnswerUnreadable, match=words):
        decode_answer(data, PeerStatus)


@given(st.binary(max_size=300))
def test_bytes_from_outside_raise_nothing_but_ours(data: bytes) -> None:
    for given_bytes in (data, b'{"hotstandby":' + data):
        with pytest.raises(FailoverError):
            decode_answer(given_bytes, PeerStatus)


@given(
    st.recursive(
        st.none() | st.booleans() | st.floats(allow_nan=False) | st.text(max_size=20),
        lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
        max_leaves=10,
    ),
    st.sampled_from(sorted(PeerStatus.model_fields)),
)
def test_a_field_of_any_kind_is_either_right_or_told(value: object, field: str) -> None:
    body = status().model_dump(mode="json") | {field: value}
    data = json.dumps({"hotstandby": 1, "kind": "status", "body": body}, separators=(",", ":")).encode()
    try:
        found = decode_answer(data, PeerStatus)
    except AnswerUnreadable:
        return
    assert found.why.isprintable()


def test_the_status_of_twenty_thousand_registrations_is_read() -> None:
    many = tuple(ACME.model_copy(update={"trunk": f"trunk-with-a-long-name-{number}"}) for number in range(20_000))
    said = encode_answer(status(asterisk=AsteriskStatus(state="answers", words="", listed=True, registrations=many)))
    assert len(decode_answer(said.encode(), PeerStatus).registered) == 20_000


def test_a_refusal_is_raised_in_its_own_words_made_printable() -> None:
    with pytest.raises(PeerRefused) as refused:
        decode_answer(encode_answer(PeerRefusal(reason="no\x1b[31m\nnext")).encode(), DemotionReport)
    assert str(refused.value) == "no\\x1b[31m\\nnext"


@pytest.mark.parametrize(
    ("changed", "standby", "serves"),
    [
        ({}, True, False),
        ({"role": "primary"}, False, False),
        ({"right_held": True}, False, False),
        ({"role": "primary", "right_held": True, "is_primary": True}, False, True),
        ({"asterisk": AsteriskStatus(state="down", words="")}, True, False),
        ({"asterisk": AsteriskStatus(state="silent", words="")}, False, False),  # frozen: it may go on
        ({"asterisk": AsteriskStatus(state="answers", words="")}, False, False),  # its lists were not read
        ({"asterisk": AsteriskStatus(state="answers", words="", listed=True, registrations=(ACME,))}, False, True),
        (
            {
                "asterisk": AsteriskStatus(
                    state="answers",
                    words="",
                    listed=True,
                    registrations=(ACME.model_copy(update={"registered": False, "state": "Request Sent"}),),
                )
            },
            False,  # it goes on trying, and would take the account
            False,
        ),
    ],
)
def test_what_a_status_proves(changed: dict[str, object], standby: bool, serves: bool) -> None:
    found = status(**changed)
    assert found.proven_standby is standby
    assert found.serves is serves
