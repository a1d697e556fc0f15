"""Each defect of panoramisk that we mend: the same scenario, on bare panoramisk and on our session.

Every scenario ends in a value. The row says which value bare panoramisk gives, which is the defect, and which ours
gives, which is the mend. The AMI is a stand-in that speaks what Asterisk 16 said.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import panoramisk
import pytest

from ami_watcher.ami.errors import AmiError
from ami_watcher.ami.message import AmiAction
from ami_watcher.ami.session import AmiSession
from ami_watcher.event import LinkState
from ami_watcher.follow.follow import Follower
from ami_watcher.follow.settings import FollowSettings
from ami_watcher.registrations.lists import list_registrations
from lab.fakes.ami import Action, Connection, FakeAmi
from pair.sections.machine import Ami
from tests.ami_watcher.certificates import self_signed, serving
from tests.ami_watcher.until import until

RECONNECT_S = 0.05
WAIT_S = 0.4
"""How long something that does not happen is waited for."""


class Bare:
    """panoramisk as it is installed."""

    def __init__(self, asterisk: FakeAmi, **config: Any) -> None:
        self.manager = panoramisk.Manager(
            host="127.0.0.1",
            port=asterisk.port,
            username="hotstandby",
            **{"secret": asterisk.secret, "ping_delay": 3600, **config},
        )
        self.manager.reconnect_timeout = RECONNECT_S

    async def open(self) -> None:
        await self.manager.connect()
        await until(lambda: self.manager.authenticated_future is None and self.manager.authenticated)

    def on(self, pattern: str, callback: Callable[[Any, Any], Any]) -> None:
        self.manager.register_event(pattern, callback)

    def send(self, action: dict[str, str], *, as_list: bool | None = None) -> asyncio.Future[Any]:
        future: asyncio.Future[Any] = self.manager.send_action(action, as_list=as_list)
        return future

    def receive(self, data: bytes) -> None:
        """What the network would do with the bytes of one read."""
        self.manager.protocol.data_received(data)

    async def close(self) -> None:
        self.manager.close()

    async def end(self) -> None:
        """Ends it for good, which close() does not."""
        self.manager.connect = lambda *_: None
        self.manager.close()

    @property
    def up(self) -> bool:
        return self.manager.protocol is not None and not self.manager.protocol.transport.is_closing()


class Ours:
    """The session that the watcher uses."""

    def __init__(self, asterisk: FakeAmi, **config: Any) -> None:
        self.session = AmiSession(Ami(port=asterisk.port), config.get("secret", asterisk.secret))

    async def open(self) -> None:
        await self.session.open(deadline_s=30)

    def on(self, pattern: str, callback: Callable[[Any, Any], Any]) -> None:
        self.session.register_event(pattern, callback)

    def send(self, action: dict[str, str], *, as_list: bool | None = None) -> asyncio.Future[Any]:
        name, *fields = action.items()
        if self.session.protocol is None:
            return asyncio.ensure_future(self.session.action(name[1], *fields, deadline_s=30))
        return self.session.protocol.send(AmiAction(name[1], fields, as_list=as_list))

    def receive(self, data: bytes) -> None:
        """What the network would do with the bytes of one read."""
        self.session.protocol.data_received(data)

    async def close(self) -> None:
        await self.session.close()

    async def end(self) -> None:
        await self.session.close()

    @property
    def up(self) -> bool:
        return not self.session.ended.done()


Client = Bare | Ours
Scenario = Callable[[FakeAmi, type[Client]], Awaitable[object]]


async def outcome(future: asyncio.Future[Any]) -> str:
    """What became of an action: the response, the name of our error, or that nothing will ever come."""
    try:
        async with asyncio.timeout(WAIT_S):
            reply = await asyncio.shield(future)
    except TimeoutError:
        return "pending for ever"
    except AmiError as error:
        return type(error).__name__
    first = reply[0] if isinstance(reply, list | tuple) else reply
    return str(first.get("Response", ""))


@contextlib.asynccontextmanager
async def opened(asterisk: FakeAmi, kind: type[Client]) -> AsyncIterator[Client]:
    client = kind(asterisk)
    await client.open()
    try:
        yield client
    finally:
        await client.end()


async def settled(client: Client) -> None:
    """Returns when everything that was sent before has been received: replies come in order. Not where nobody reads."""
    with contextlib.suppress(AmiError):
        await outcome(client.send({"Action": "Ping"}))


async def cut_before_the_reply(connection: Connection, action: Action) -> None:
    connection.cut()


async def no_reply(connection: Connection, action: Action) -> None:
    return


# The scenarios, each named after what is wrong with it.


async def a_callback_raises(asterisk: FakeAmi, kind: type[Client]) -> object:
    """(the link stayed up, the next event of the same read was delivered)"""
    heard: list[str] = []

    def callback(_: Any, event: Any) -> None:
        heard.append(event["Status"])
        if event["Status"] == "Rejected":
            raise RuntimeError("a fault of the caller")

    async with opened(asterisk, kind) as client:
        client.on("Registry", callback)
        asterisk.connections[0].send(
            [asterisk.event("Registry", Status="Rejected"), asterisk.event("Registry", Status="Registered")]
        )
        await settled(client)
        return asterisk.connected == 1, "Registered" in heard


async def originate_without_async(asterisk: FakeAmi, kind: type[Client]) -> object:
    """(what becomes of the action, whether the link stayed up)"""

    async def queued(connection: Connection, action: Action) -> None:
        connection.send([("Response: Success", "ActionID: recorded", "Message: Originate successfully queued")], action)

    asterisk.handlers["Originate"] = queued
    async with opened(asterisk, kind) as client:
        future = client.send({"Action": "Originate", "Channel": "Local/1@x"})
        ended = await outcome(future)
        return ended, asterisk.connected == 1


async def the_link_is_lost_before_the_reply(asterisk: FakeAmi, kind: type[Client]) -> object:
    """How often Asterisk executed it, though it was asked for once."""
    asterisk.handlers["Originate"] = cut_before_the_reply
    async with opened(asterisk, kind) as client:
        future = client.send({"Action": "Originate", "Channel": "Local/1@x", "Async": "true"})
        await until(lambda: asterisk.count("Originate") == 1)
        asterisk.handlers["Originate"] = no_reply
        # The stand-in sends FullyBooted after a login, as Asterisk does to who may read system events.
        await asyncio.sleep(WAIT_S)
        future.cancel()
        return asterisk.count("Originate")


async def the_link_is_lost_and_no_event_says_booted(asterisk: FakeAmi, kind: type[Client]) -> object:
    asterisk.handlers["Originate"] = cut_before_the_reply
    asterisk.recording = asterisk.recording.without_events()
    async with opened(asterisk, kind) as client:
        return await outcome(client.send({"Action": "Originate", "Channel": "Local/1@x", "Async": "true"}))


async def the_link_is_lost_in_a_list(asterisk: FakeAmi, kind: type[Client]) -> object:
    async def half(connection: Connection, action: Action) -> None:
        connection.send(asterisk.answer(connection, action)[:2], action)
        connection.cut()

    asterisk.handlers["SIPshowregistry"] = half
    async with opened(asterisk, kind) as client:
        return await outcome(client.send({"Action": "SIPshowregistry"}, as_list=True))


async def it_is_closed_with_an_action_pending(asterisk: FakeAmi, kind: type[Client]) -> object:
    asterisk.handlers["CoreStatus"] = no_reply
    async with opened(asterisk, kind) as client:
        future = client.send({"Action": "CoreStatus"})
        await client.close()
        return await outcome(future)


async def a_refused_list_is_asked_for(asterisk: FakeAmi, kind: type[Client]) -> object:
    async with opened(asterisk, kind) as client:
        return await outcome(client.send({"Action": "PJSIPShowContacts"}, as_list=True))


async def a_value_holds_a_line_break(asterisk: FakeAmi, kind: type[Client]) -> object:
    """How many actions reach Asterisk, of one."""
    async with opened(asterisk, kind) as client:
        before = len(asterisk.received)
        with contextlib.suppress(AmiError):
            client.send({"Action": "CoreStatus", "Zebra": "x\r\n\r\nAction: CoreSettings\r\nActionID: 2"})
        await settled(client)
        return len(asterisk.received) - before - asterisk.count("Ping")


async def it_is_used_before_it_is_connected(asterisk: FakeAmi, kind: type[Client]) -> object:
    client = kind(asterisk)
    try:
        await client.send({"Action": "Ping"})
    except Exception as error:
        return type(error).__name__
    return None


async def an_event_carries_the_id_of_an_action(asterisk: FakeAmi, kind: type[Client]) -> object:
    """Whether somebody who wants all events hears of it."""

    async def event_first(connection: Connection, action: Action) -> None:
        connection.send(
            [("Event: OriginateResponse", "Privilege: call,all", "ActionID: recorded", "Response: Failure")], action
        )

    heard: list[str] = []
    asterisk.handlers["Originate"] = event_first
    async with opened(asterisk, kind) as client:
        client.on("*", lambda _, event: heard.append(event["Event"]))
        future = client.send({"Action": "Originate", "Channel": "Local/1@x", "Async": "true"})
        await settled(client)
        future.cancel()
        return "OriginateResponse" in heard


async def heard_name(asterisk: FakeAmi, kind: type[Client], *parts: bytes) -> object:
    names: list[str] = []
    async with opened(asterisk, kind) as client:
        client.on("PeerStatus", lambda _, event: names.append(event.get("Peer", "")))
        for part in parts:
            client.receive(part)
        return names[0] if names else None


async def a_character_is_split_over_two_reads(asterisk: FakeAmi, kind: type[Client]) -> object:
    data = "Event: PeerStatus\r\nPrivilege: system,all\r\nPeer: SIP/Müller\r\n\r\n".encode()
    at = data.index(b"\xc3") + 1
    return await heard_name(asterisk, kind, data[:at], data[at:])


async def a_name_is_latin_1(asterisk: FakeAmi, kind: type[Client]) -> object:
    data = b"Event: PeerStatus\r\nPrivilege: system,all\r\nPeer: SIP/M\xfcller\r\n\r\n"
    return await heard_name(asterisk, kind, data)


async def parsed(asterisk: FakeAmi, kind: type[Client], *lines: str, header: str) -> object:
    found: list[object] = []
    async with opened(asterisk, kind) as client:
        client.on("PeerStatus", lambda _, event: found.append(event.get(header, "absent")))
        client.receive("\r\n".join(["Event: PeerStatus", "Privilege: system,all", *lines, "", ""]).encode())
        return found[0] if found else None


async def the_last_header_is_empty(asterisk: FakeAmi, kind: type[Client]) -> object:
    return await parsed(asterisk, kind, "Peer: SIP/100", "Cause: ", header="Cause")


async def a_header_has_no_space(asterisk: FakeAmi, kind: type[Client]) -> object:
    return await parsed(asterisk, kind, "Cause:Expired", "Peer: SIP/100", header="Cause")


async def a_header_comes_twice(asterisk: FakeAmi, kind: type[Client]) -> object:
    return await parsed(asterisk, kind, "Cause: one", "Cause: two", "Peer: SIP/100", header="Cause")


async def a_header_comes_in_other_letters(asterisk: FakeAmi, kind: type[Client]) -> object:
    return await parsed(asterisk, kind, "Cause: Asterisk's", "CAUSE: forged", "Peer: SIP/100", header="Cause")


async def a_message_is_very_long(asterisk: FakeAmi, kind: type[Client]) -> object:
    """Whether eight megabytes of one header are delivered."""
    heard: list[int] = []
    async with opened(asterisk, kind) as client:
        client.on("PeerStatus", lambda _, event: heard.append(len(event["Peer"])))
        asterisk.connections[0].raw(
            b"Event: PeerStatus\r\nPrivilege: system,all\r\nPeer: " + b"x" * 2**23 + b"\r\nTime: 1\r\n\r\n"
        )
        async with asyncio.timeout(10.0):
            await asyncio.wait([client.send({"Action": "Ping"})])
        return heard, client.up


@pytest.mark.parametrize(
    ("scenario", "bare", "ours"),
    [
        (a_callback_raises, (False, False), (True, True)),
        (originate_without_async, ("pending for ever", False), ("Success", True)),
        (the_link_is_lost_before_the_reply, 2, 1),
        (the_link_is_lost_and_no_event_says_booted, "pending for ever", "LinkLost"),
        (the_link_is_lost_in_a_list, "pending for ever", "LinkLost"),
        (it_is_closed_with_an_action_pending, "pending for ever", "LinkLost"),
        (a_refused_list_is_asked_for, "pending for ever", "Error"),
        (a_value_holds_a_line_break, 2, 0),
        (it_is_used_before_it_is_connected, "AttributeError", "LinkLost"),
        (an_event_carries_the_id_of_an_action, False, True),
        (a_character_is_split_over_two_reads, "SIP/Mller", "SIP/Müller"),
        (a_name_is_latin_1, "SIP/Mller", "SIP/M\ufffdller"),
        (the_last_header_is_empty, "absent", ""),
        (a_header_has_no_space, "absent", "Expired"),
        (a_header_comes_twice, ["one", "two"], "one"),
        (a_header_comes_in_other_letters, "forged", "Asterisk's"),
        (a_message_is_very_long, ([2**23], True), ([], True)),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
async def test_what_panoramisk_does_and_we_do_not(scenario: Scenario, bare: object, ours: object) -> None:
    async with FakeAmi("16") as asterisk:
        assert await scenario(asterisk, Bare) == bare, "panoramisk has mended it: the mend can go"
    async with FakeAmi("16") as asterisk:
        assert await scenario(asterisk, Ours) == ours


def follower(asterisk: FakeAmi, secret: str) -> Follower:
    settings = FollowSettings(retry_first_s=RECONNECT_S)
    return Follower("boston", Ami(port=asterisk.port), lambda: secret, (), settings=settings)


async def test_closing_while_it_waits_to_reconnect_reconnects_in_panoramisk_and_ends_ours() -> None:
    async with FakeAmi("16") as asterisk:
        bare = Bare(asterisk)
        await bare.open()
        asterisk.cut()
        await until(lambda: not bare.up)
        bare.manager.close()
        before = asterisk.connected
        await until(lambda: asterisk.connected > before)
        await bare.end()
    async with FakeAmi("16") as asterisk:
        stop = asyncio.Event()
        running = asyncio.create_task(follower(asterisk, asterisk.secret).run(stop))
        await until(lambda: asterisk.connected >= 2)
        asterisk.cut()
        await asyncio.sleep(0.01)
        stop.set()
        await running
        before = asterisk.connected
        await asyncio.sleep(RECONNECT_S * 4)
        assert asterisk.connected == before


async def test_a_refused_login_is_hammered_by_panoramisk_and_reported_by_ours() -> None:
    async with FakeAmi("16") as asterisk:
        bare = Bare(asterisk, secret="wrong")
        await bare.manager.connect()  # no error
        await until(lambda: asterisk.count("Login") >= 4)
        await bare.end()
    async with FakeAmi("16") as asterisk:
        stop = asyncio.Event()
        follows = follower(asterisk, "wrong")
        running = asyncio.create_task(follows.run(stop))
        await until(lambda: follows.snapshot.link is LinkState.REFUSED)
        await asyncio.sleep(WAIT_S)
        assert asterisk.count("Login") == 1
        assert "[hotstandby] in manager.conf" in follows.snapshot.link_reason
        stop.set()
        await running


async def test_unanswered_pings_are_never_noticed_by_panoramisk_and_end_our_session() -> None:
    gone: list[object] = []
    async with FakeAmi("16") as asterisk:
        bare = Bare(asterisk, on_disconnect=lambda *_: gone.append(1))
        await bare.open()
        asterisk.freeze()
        for _ in range(7):
            bare.manager.ping()
        await asyncio.sleep(WAIT_S)
        assert bare.up
        assert not gone
        assert len(bare.manager.protocol.responses) >= 7  # one leaked for each
        await bare.end()
    async with FakeAmi("16") as asterisk:
        session = AmiSession(Ami(port=asterisk.port), asterisk.secret)
        await session.open(deadline_s=30)
        asterisk.freeze()
        with pytest.raises(AmiError, match=r"did not answer Ping within 0\.1 s"):
            await session.action("Ping", deadline_s=0.1)
        assert not session.protocol.responses


async def test_passwords_reach_the_debug_log_of_panoramisk_and_not_ours(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    async with FakeAmi("16") as asterisk:
        asterisk.recording = asterisk.recording.with_password("carrier-password")
        bare = Bare(asterisk)
        await bare.open()
        await bare.send({"Action": "PJSIPShowRegistrationsOutbound"}, as_list=True)
        assert "carrier-password" in caplog.text
        await bare.end()
    caplog.clear()
    async with FakeAmi("16") as asterisk:
        asterisk.recording = asterisk.recording.with_password("carrier-password")
        session = AmiSession(Ami(port=asterisk.port), asterisk.secret)
        await session.open(deadline_s=30)
        lists = await list_registrations(session, deadline_s=30)
        items = await session.listing("PJSIPShowRegistrationsOutbound", deadline_s=30)
        await session.close()
        assert any(listed.name == "nova" for listed in lists.registrations)
        assert "carrier-password" not in caplog.text + repr(lists) + repr([item.raw for item in items])


# TLS


@pytest.fixture
def certificate(tmp_path: Path) -> tuple[Path, Path]:
    """A certificate for pbx.example and its key."""
    return self_signed(tmp_path, "pbx.example")


async def test_a_bad_certificate_is_tried_for_ever_without_a_cause_by_panoramisk_and_told_by_ours(
    certificate: tuple[Path, Path], caplog: pytest.LogCaptureFixture
) -> None:
    async with FakeAmi("16", tls=serving(certificate)) as asterisk:
        bare = Bare(asterisk, ssl=ssl.create_default_context())
        attempts = []
        connect = bare.manager.connect
        bare.manager.connect = lambda *_: attempts.append(connect())
        bare.manager.connect()
        await asyncio.sleep(WAIT_S)
        assert len(attempts) >= 3
        assert "Not able to reconnect" in caplog.text
        assert "certificate" not in caplog.text.lower()
        await bare.end()
        await asyncio.gather(*attempts, return_exceptions=True)
        session = AmiSession(Ami(port=asterisk.port, tls=True), asterisk.secret)
        with pytest.raises(AmiError, match="self-signed certificate"):
            await session.open(deadline_s=30)


async def test_a_host_name_cannot_be_given_to_panoramisk(certificate: tuple[Path, Path]) -> None:
    """Asterisk's AMI is on loopback or an address, and its certificate is for a name."""
    async with FakeAmi("16", tls=serving(certificate)) as asterisk:
        context = ssl.create_default_context(cafile=str(certificate[0]))
        bare = Bare(asterisk, ssl=context, server_hostname="pbx.example")
        with pytest.raises(ssl.SSLCertVerificationError, match="IP address mismatch"):
            await bare.manager.connect()
        await bare.end()
        ami = Ami(port=asterisk.port, tls=True, tls_host_name="pbx.example", tls_ca_file=str(certificate[0]))
        session = AmiSession(ami, asterisk.secret)
        await session.open(deadline_s=30)
        await session.close()


async def test_no_tls_in_a_file_is_an_error_in_panoramisk(tmp_path: Path) -> None:
    """`ssl = false` is read as a string, which is true; in pair.toml it is a boolean, or it is refused."""
    async with FakeAmi("16") as asterisk:
        config = tmp_path / "panoramisk.ini"
        config.write_text(f"[asterisk]\nhost = 127.0.0.1\nport = {asterisk.port}\nssl = false\n")
        with pytest.raises(AttributeError, match="wrap_bio"):
            await panoramisk.Manager.from_config(str(config)).connect()
        with pytest.raises(ValueError, match="tls"):
            Ami.model_validate({"tls": "perhaps"})
