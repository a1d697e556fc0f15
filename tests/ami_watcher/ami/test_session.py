"""One connection: how it begins, what is said when it cannot, and that nothing outlives it."""

from __future__ import annotations

import asyncio
import socket
import time
from pathlib import Path
from typing import Any

import pytest

from ami_watcher.ami.errors import (
    ActionLate,
    ActionRefused,
    AmiError,
    AmiUnreachable,
    LinkLost,
    LoginRefused,
    MessageTooLong,
    NotAmi,
    PrivilegeMissing,
)
from ami_watcher.ami.session import AmiSession
from lab.fakes.ami import Action, Connection, FakeAmi
from pair.sections.machine import Ami
from tests.ami_watcher.certificates import self_signed, serving
from tests.ami_watcher.until import until


async def opened(asterisk: FakeAmi, **ami: Any) -> AmiSession:
    session = AmiSession(Ami(port=asterisk.port, **ami), asterisk.secret)
    await session.open(deadline_s=30)
    return session


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


async def test_it_logs_in_by_challenge_and_the_secret_is_never_sent() -> None:
    async with FakeAmi("22") as asterisk:
        session = await opened(asterisk)
        assert session.version == "11.0.0"
        assert [action["Action"] for action in asterisk.received] == ["Challenge", "Login"]
        assert all(asterisk.secret not in value for action in asterisk.received for value in action.values())
        await session.close()


async def test_closing_logs_off_and_leaves_no_task_and_no_socket() -> None:
    async with FakeAmi("16") as asterisk:
        before = asyncio.all_tasks()
        session = await opened(asterisk)
        await session.close()
        await until(lambda: not asterisk.connections)
        assert asterisk.received[-1]["Action"] == "Logoff"
        assert {task for task in asyncio.all_tasks() - before if "_serve" not in repr(task)} == set()
        with pytest.raises(LinkLost):
            await session.action("Ping", deadline_s=30)
        await session.close()


async def test_closing_a_frozen_asterisk_takes_no_second() -> None:
    async with FakeAmi("16") as asterisk:
        session = await opened(asterisk)
        asterisk.freeze()
        begun = time.monotonic()
        await session.close()
        assert time.monotonic() - begun < 10.0


@pytest.mark.parametrize(
    ("greeting", "error", "words"),
    [
        (b"SSH-2.0-OpenSSH_9.2p1\r\n", NotAmi, "greets with 'SSH-2.0-OpenSSH_9.2p1'"),
        (b"\x16\x03\x01\x02\x00\x01\r\n", NotAmi, r"\\x16"),
        (b"x" * 100_000, NotAmi, "Correct host and port"),
    ],
)
async def test_something_else_at_that_port_is_named(greeting: bytes, error: type[AmiError], words: str) -> None:
    async with FakeAmi("16", greeting=greeting) as asterisk:
        with pytest.raises(error, match=words):
            await opened(asterisk)


async def test_silence_after_connecting_has_a_deadline() -> None:
    async with FakeAmi("16", greeting=b"") as asterisk:
        session = AmiSession(Ami(port=asterisk.port), asterisk.secret)
        with pytest.raises(AmiUnreachable, match=r"did not answer within 0\.2 s"):
            await session.open(deadline_s=0.2)


async def test_nothing_listens_there_and_the_message_says_what_that_means() -> None:
    session = AmiSession(Ami(port=free_port()), "x")
    with pytest.raises(AmiUnreachable, match=r"Nothing listens at .* enabled = no"):
        await session.open(deadline_s=30)


async def test_a_wrong_host_name_is_said_as_such() -> None:
    session = AmiSession(Ami(host="pbx.invalid"), "x")
    with pytest.raises(AmiUnreachable, match=r"No address for pbx\.invalid"):
        await session.open(deadline_s=30)


async def test_a_wrong_secret_is_said_with_the_section_to_compare_and_without_the_secret() -> None:
    async with FakeAmi("16") as asterisk:
        session = AmiSession(Ami(port=asterisk.port), "not-the-secret")
        with pytest.raises(LoginRefused, match=r"\[hotstandby\] in manager.conf") as refused:
            await session.open(deadline_s=30)
        assert "not-the-secret" not in str(refused.value)
        assert session.ended.done()


async def test_a_missing_write_privilege_names_the_line_to_change() -> None:
    async with FakeAmi("16") as asterisk:
        session = await opened(asterisk, username="idle")
        with pytest.raises(PrivilegeMissing, match=r"section \[idle\], write: write = system,reporting"):
            await session.listing("IAXregistry", deadline_s=30)
        await session.close()


async def test_a_refusal_is_told_in_asterisks_words() -> None:
    async with FakeAmi("16") as asterisk:
        session = await opened(asterisk)
        with pytest.raises(ActionRefused, match="Unable to retrieve registration entry"):
            await session.action("PJSIPRegister", ("Registration", "nobody"), deadline_s=30)
        await session.close()


async def test_an_action_that_is_late_is_not_sent_again_and_its_answer_is_dropped() -> None:
    async def late(connection: Connection, action: Action) -> None:
        await asyncio.sleep(0.2)
        connection.send([("Response: Success", "ActionID: recorded")], action)

    async with FakeAmi("16") as asterisk:
        asterisk.handlers["CoreStatus"] = late
        session = await opened(asterisk)
        with pytest.raises(ActionLate, match="Whether it was done is not known"):
            await session.action("CoreStatus", deadline_s=0.05)
        await asyncio.sleep(0.25)
        await session.action("Ping", deadline_s=30)
        assert asterisk.count("CoreStatus") == 1
        assert session.protocol.responses == {}
        await session.close()


async def test_every_pending_action_fails_at_once_when_the_link_drops() -> None:
    async def cut(connection: Connection, action: Action) -> None:
        connection.cut()

    async with FakeAmi("16") as asterisk:
        asterisk.handlers["CoreStatus"] = cut
        session = await opened(asterisk)
        begun = time.monotonic()
        answers = await asyncio.gather(
            *(session.action("CoreStatus", deadline_s=30.0) for _ in range(5)), return_exceptions=True
        )
        assert time.monotonic() - begun < 10.0
        assert all(isinstance(answer, LinkLost) for answer in answers)
        assert isinstance(session.ended.result(), LinkLost)


async def test_a_list_that_asterisk_breaks_off_fails() -> None:
    async def broken(connection: Connection, action: Action) -> None:
        start = ("Response: Success", "ActionID: recorded", "EventList: start")
        item = ("Event: RegistryEntry", "ActionID: recorded", "Host: 192.0.2.5")
        end = ("Event: RegistrationsComplete", "ActionID: recorded", "EventList: Cancelled")
        connection.send([start, item, end], action)

    async with FakeAmi("16") as asterisk:
        asterisk.handlers["SIPshowregistry"] = broken
        session = await opened(asterisk)
        with pytest.raises(ActionRefused, match="broke off"):
            await session.listing("SIPshowregistry", deadline_s=30)
        await session.close()


async def test_an_item_that_is_too_long_fails_its_list_and_not_the_link() -> None:
    async def long(connection: Connection, action: Action) -> None:
        start = ("Response: Success", "ActionID: recorded", "EventList: start")
        item = ("Event: ContactList", "ActionID: recorded", "Uri: " + "x" * 2**23)
        end = ("Event: ContactListComplete", "ActionID: recorded", "EventList: Complete")
        connection.send([start, item, end], action)

    async with FakeAmi("16") as asterisk:
        asterisk.handlers["PJSIPShowContacts"] = long
        session = await opened(asterisk)
        with pytest.raises(MessageTooLong, match=r"ContactList of \d+ bytes, more than the 1048576"):
            await session.listing("PJSIPShowContacts", deadline_s=30)
        await session.action("Ping", deadline_s=30)
        await session.close()


async def test_events_between_the_items_of_a_list_are_events() -> None:
    heard: list[str] = []

    async def mixed(connection: Connection, action: Action) -> None:
        start, *items, end = asterisk.answer(connection, action)
        connection.send([start, asterisk.event("Registry"), *items, asterisk.event("Registry"), end], action)

    async with FakeAmi("16") as asterisk:
        asterisk.handlers["SIPshowregistry"] = mixed
        session = await opened(asterisk)
        session.register_event("Registry", lambda _, event: heard.append(event["ChannelType"]))
        items = await session.listing("SIPshowregistry", deadline_s=30)
        assert [item["Username"] for item in items] == ["5551000"]
        assert len(heard) == 2
        await session.close()


async def test_a_callback_that_nobody_would_await_is_refused() -> None:
    async def callback(_: AmiSession, event: object) -> None: ...

    session = AmiSession(Ami(), "x")
    with pytest.raises(TypeError, match="coroutine function"):
        session.register_event("*", callback)


# TLS


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A certificate for pbx.example, signed by itself, and its key."""
    return self_signed(tmp_path_factory.mktemp("tls"), "pbx.example")


async def test_tls_with_the_right_name_and_authority(certificate: tuple[Path, Path]) -> None:
    async with FakeAmi("16", tls=serving(certificate)) as asterisk:
        session = await opened(asterisk, tls=True, tls_host_name="pbx.example", tls_ca_file=str(certificate[0]))
        await session.action("Ping", deadline_s=30)
        await session.close()


@pytest.mark.parametrize(
    ("ami", "words"),
    [
        ({"tls_host_name": "other.example"}, r"Hostname mismatch.* \(expected the name other\.example"),
        ({}, "expected the name 127.0.0.1"),
        ({"tls_host_name": "pbx.example", "tls_ca_file": None}, "is not accepted: self-signed certificate"),
    ],
)
async def test_tls_with_a_wrong_name_or_an_unknown_authority_sends_nothing(
    certificate: tuple[Path, Path], ami: dict[str, Any], words: str
) -> None:
    async with FakeAmi("16", tls=serving(certificate)) as asterisk:
        with pytest.raises(AmiUnreachable, match=words):
            await opened(asterisk, **{"tls": True, "tls_ca_file": str(certificate[0]), **ami})
        assert asterisk.received == []


async def test_tls_to_a_port_without_it_says_so(certificate: tuple[Path, Path]) -> None:
    async with FakeAmi("16") as asterisk:
        with pytest.raises(AmiUnreachable, match="does not agree on TLS"):
            await opened(asterisk, tls=True, tls_ca_file=str(certificate[0]))


async def test_a_certificate_file_that_is_missing_is_named(tmp_path: Path) -> None:
    session = AmiSession(Ami(tls=True, tls_ca_file=str(tmp_path / "none.pem")), "x")
    with pytest.raises(AmiUnreachable, match=r"none\.pem"):
        await session.open(deadline_s=30)


async def test_no_tls_to_a_port_that_wants_it_ends_by_its_deadline(certificate: tuple[Path, Path]) -> None:
    async with FakeAmi("16", tls=serving(certificate)) as asterisk:
        session = AmiSession(Ami(port=asterisk.port), asterisk.secret)
        with pytest.raises((AmiUnreachable, NotAmi)):
            await session.open(deadline_s=0.5)
