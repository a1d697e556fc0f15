"""What the carrier's answers on the wire mean."""

from __future__ import annotations

import struct

import pytest

from lab.carrier.registers import Answer, iax_answer, iax_asker, sip_answer


def sip(status: str, *headers: str, method: str = "REGISTER") -> bytes:
    lines = [
        f"SIP/2.0 {status}",
        "Via: SIP/2.0/UDP 192.0.2.11:5060;branch=z9hG4bK1",
        "From: <sip:5551000@192.0.2.5>;tag=a",
        "To: <sip:5551000@192.0.2.5>;tag=b",
        f"CSeq: 2 {method}",
        *headers,
        "Content-Length: 0",
    ]
    return ("\r\n".join(lines) + "\r\n\r\n").encode()


OURS = "Contact: <sip:5551000@192.0.2.11:5060>;expires=59"
THEIRS = "Contact: <sip:5551000@192.0.2.12:5060>;expires=40"


@pytest.mark.parametrize(
    ("message", "status", "expires_s"),
    [
        (sip("200 OK", OURS), 200, 59),
        (sip("200 OK", THEIRS, OURS), 200, 59),
        (sip("200 OK", f"{THEIRS},{OURS.removeprefix('Contact: ')}"), 200, 59),
        (sip("200 OK", OURS.replace("Contact", "m")), 200, 59),  # RFC 3261 §7.3.3: compact form
        (sip("200 OK", THEIRS), 200, 0),  # our binding is gone, the other machine's is not
        (sip("200 OK"), 200, 0),
        (sip("403 Forbidden"), 403, 0),
        (sip("423 Interval Too Brief", "Min-Expires: 60"), 423, 0),
    ],
)
def test_a_final_answer_to_a_register(message: bytes, status: int, expires_s: int) -> None:
    assert sip_answer(message, "192.0.2.11", 7.0) == Answer(7.0, "5551000", "192.0.2.11", "sip", status, expires_s)


@pytest.mark.parametrize(
    "message",
    [
        sip("401 Unauthorized"),  # a challenge is not an answer yet
        sip("100 Trying"),
        sip("200 OK", method="INVITE"),
        b"REGISTER sip:192.0.2.5 SIP/2.0\r\nCSeq: 1 REGISTER\r\n\r\n",
        b"\r\n\r\n",
        b"",
        b"\xff\xfe\x00",
    ],
)
def test_anything_else_is_no_answer(message: bytes) -> None:
    assert sip_answer(message, "192.0.2.11", 7.0) is None


def iax(subclass: int, *elements: tuple[int, bytes], kind: int = 6) -> bytes:
    header = struct.pack("!HHIBBBB", 0x8001, 7, 10, 0, 1, kind, subclass)
    return header + b"".join(bytes([number, len(data)]) + data for number, data in elements)


@pytest.mark.parametrize(
    ("frame", "status", "account", "expires_s"),
    [
        (iax(15, (6, b"5556000"), (19, struct.pack("!H", 45))), 200, "5556000", 45),
        (iax(15, (6, b"5556000")), 200, "5556000", 60),  # RFC 5456 §8.6.15: 60 s where REFRESH is absent
        (iax(16, (22, b"Registration Refused")), 403, "whoever asked as call 7", 0),
    ],
)
def test_an_answer_to_a_regreq(frame: bytes, status: int, account: str, expires_s: int) -> None:
    askers = {7: "whoever asked as call 7"}
    assert iax_answer(frame, "192.0.2.11", 7.0, askers) == Answer(7.0, account, "192.0.2.11", "iax2", status, expires_s)


@pytest.mark.parametrize("frame", [b"", b"\x00" * 20, iax(13), iax(15, kind=2), iax(14, (6, b"x"))])
def test_any_other_frame_is_no_answer(frame: bytes) -> None:
    assert iax_answer(frame, "192.0.2.11", 7.0, {}) is None


@pytest.mark.parametrize(
    ("frame", "expected"),
    [
        (iax(13, (6, b"5556000"), (19, b"\x00<")), (1, "5556000")),
        (iax(13), (1, "")),
        (iax(15, (6, b"5556000")), None),
        (b"\x80", None),
    ],
)
def test_who_asks_is_remembered_by_call_number(frame: bytes, expected: tuple[int, str] | None) -> None:
    assert iax_asker(frame) == expected


@pytest.mark.parametrize(
    ("address", "machine"), [("192.0.2.11", "boston"), ("192.0.2.12", "dallas"), ("9.9.9.9", None)]
)
def test_an_answer_knows_whose_it_is(address: str, machine: str | None) -> None:
    answer = Answer(0.0, "5551000", address, "sip", 200, 60)
    assert (answer.machine, answer.accepted) == (machine, True)
