"""Following an Asterisk that answers, refuses, hangs, dies and comes back: a stand-in in the place of the real one."""

from __future__ import annotations

import asyncio
import contextlib
import os
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from pathlib import Path

import pytest

from ami_watcher.ami.errors import LoginInUse
from ami_watcher.ami.shared_login import login_requested
from ami_watcher.event import LinkState, WatcherEvent
from ami_watcher.follow.follow import Follower
from ami_watcher.follow.settings import FollowSettings
from ami_watcher.follow.snapshot import Snapshot
from ami_watcher.registrations.expected import ExpectedRegistration
from ami_watcher.registrations.lists import read_registrations
from host.errors import UsageError
from host.places import Places
from lab.fakes.ami import Action, Connection, FakeAmi
from pair.sections.machine import Ami
from tests.ami_watcher.until import until

ACME = ExpectedRegistration("acme", "sip", "5551000", "192.0.2.5", 5060, here=True)
METRO = ExpectedRegistration("metro", "iax2", "5556000", "192.0.2.5", 4569, here=True)
NOVA = ExpectedRegistration("nova", "pjsip", "5552000", "192.0.2.5", 5060, here=True)
ALL = (ACME, METRO, NOVA)
QUICK = FollowSettings(
    poll_s=0.2,
    answer_s=0.3,
    stale_s=1.0,
    refresh_grace_s=1.0,
    contacts_poll_s=0.5,
    retry_first_s=0.05,
    retry_most_s=0.1,
    refused_first_s=0.3,
    refused_most_s=0.3,
)


class Followed:
    """A follower that runs, and everything that it told."""

    def __init__(self, follower: Follower) -> None:
        self.follower = follower
        self.told: list[WatcherEvent] = []

    @property
    def snapshot(self) -> Snapshot:
        return self.follower.snapshot

    @property
    def states(self) -> dict[str, str]:
        return {one.trunk: one.state.value for one in self.snapshot.registrations}

    def link_is(self, state: LinkState) -> bool:
        return self.snapshot.link is state

    def changes(self, kind: str) -> list[tuple[str, str | None, str | None]]:
        return [(change.subject, change.before, change.after) for change in self.told if change.kind == kind]


@contextlib.asynccontextmanager
async def following(
    asterisk: FakeAmi,
    *wanted: ExpectedRegistration,
    settings: FollowSettings = QUICK,
    username: str = "hotstandby",
    may: str | None = None,
    give_way: Callable[[], bool] = lambda: False,
) -> AsyncIterator[Followed]:
    follower = Follower(
        "boston",
        Ami(port=asterisk.port, username=username),
        lambda: asterisk.secret,
        wanted or ALL,
        role="primary",
        settings=settings,
        may_register=lambda: may,
        give_way=give_way,
    )
    followed = Followed(follower)
    stop = asyncio.Event()

    async def listen() -> None:
        async with follower.subscribe() as changes:
            async for change in changes:
                followed.told.append(change)

    listener = asyncio.create_task(listen())
    await asyncio.sleep(0)
    running = asyncio.create_task(follower.run(stop))
    try:
        yield followed
        assert not running.done(), running.exception()
    finally:
        stop.set()
        async with asyncio.timeout(60):  # a hang ends
            await running
        listener.cancel()


async def test_it_reads_everything_and_says_that_it_is_synced() -> None:
    async with FakeAmi("16") as asterisk, following(asterisk) as followed:
        assert followed.states == {"acme": "unknown", "metro": "unknown", "nova": "unknown"}
        await until(lambda: followed.link_is(LinkState.SYNCED))
        assert followed.states == {"acme": "registered", "metro": "registered", "nova": "registered"}
        assert followed.snapshot.asterisk_version.startswith("16.28")
        assert followed.snapshot.link_reason == ""
        told = [("boston", "connecting", "logged in"), ("boston", "logged in", "synced")]
        await until(lambda: followed.changes("link") == told)  # after the snapshot that shows it
        await until(lambda: followed.snapshot.contacts)
        assert {contact.name for contact in followed.snapshot.contacts} == {"better", "carrier", "metro"}


def allow_one_login(asterisk: FakeAmi) -> list[str]:
    """allowmultiplelogin = no; the users that were refused since."""
    refused: list[str] = []

    async def login(connection: Connection, action: Action) -> None:
        lines: tuple[str, ...] = ("Response: Success", "ActionID: recorded", "Message: Authentication accepted")
        if any(other.user for other in asterisk.connections if other is not connection):
            refused.append(action["Username"])
            connection.send([("Response: Error", "ActionID: recorded", "Message: Login Already In Use")], action)
            connection.cut()
            return
        connection.user = action["Username"]
        connection.send([lines], action)

    asterisk.handlers["Login"] = login
    return refused


async def test_where_one_login_is_allowed_phones_are_listed_over_it_again_and_again() -> None:
    async with FakeAmi("16") as asterisk:
        refused = allow_one_login(asterisk)
        async with following(asterisk) as followed:
            await until(lambda: followed.snapshot.contacts)
            assert {contact.name for contact in followed.snapshot.contacts} == {"better", "carrier", "metro"}
            before = asterisk.count("SIPpeers")
            await until(lambda: asterisk.count("SIPpeers") > before)
            assert "phones" not in followed.snapshot.link_reason
            await until(lambda: followed.changes("link")[-1] == ("boston", "logged in", "synced"))
            assert len(refused) == 1


async def test_where_one_login_is_allowed_what_was_given_up_is_started_again_over_it() -> None:
    async with FakeAmi("16") as asterisk:
        allow_one_login(asterisk)
        asterisk.items["SIPshowregistry"] = [{"State": "No Authentication"}]
        async with following(asterisk, ACME, settings=KICKED) as followed:
            await until(lambda: followed.changes("kick") == [("acme", "rejected", "Reload chan_sip")])
            assert followed.link_is(LinkState.SYNCED)


async def test_where_one_login_is_allowed_no_poll_is_late_because_phones_take_long() -> None:
    meanwhile: list[int] = []

    async def slowly(connection: Connection, action: Action) -> None:
        before = len(asterisk.received)
        await asyncio.sleep(4 * QUICK.answer_s)
        meanwhile.append(len(asterisk.received) - before)
        connection.send([("Response: Error", "ActionID: recorded", "Message: No such command")], action)

    async with FakeAmi("16") as asterisk:
        allow_one_login(asterisk)
        asterisk.handlers["SIPpeers"] = slowly
        async with following(asterisk) as followed:
            await until(lambda: meanwhile)
            # Asterisk answers one action of a connection after the other: whatever came would have been late.
            assert meanwhile[0] == 0
            polls = asterisk.count("SIPshowregistry")
            await until(lambda: asterisk.count("SIPshowregistry") > polls)
            await until(lambda: followed.changes("link")[-1] == ("boston", "logged in", "synced"))


async def test_the_only_login_that_is_allowed_is_lent_to_whoever_needs_it(tmp_path: Path) -> None:
    """allowmultiplelogin = no: a promotion must read its lists while the watcher runs, and the watcher comes back."""
    places = Places(tmp_path, tmp_path, tmp_path)
    async with FakeAmi("16") as asterisk:
        allow_one_login(asterisk)
        ami = Ami(port=asterisk.port)
        async with following(asterisk, give_way=lambda: login_requested(places)) as followed:
            await until(lambda: followed.link_is(LinkState.SYNCED))
            with pytest.raises(LoginInUse, match="allowmultiplelogin"):
                await read_registrations(ami, asterisk.secret, deadline_s=30)
            lists = await read_registrations(ami, asterisk.secret, deadline_s=30, places=places)
            assert {one.username for one in lists.registrations} >= {"5551000"}
            await until(lambda: followed.link_is(LinkState.SYNCED))
            assert not login_requested(places)


def test_a_wish_for_the_login_ends_by_itself(tmp_path: Path) -> None:
    places = Places(tmp_path, tmp_path, tmp_path)
    assert not login_requested(places)
    wish = tmp_path / "ami-login-wanted"
    for after_s, wanted in ((5.0, True), (-1.0, False), (3600.0, False)):  # the last one: a clock that was set
        wish.touch()
        os.utime(wish, (time.time() + after_s,) * 2)
        assert login_requested(places) is wanted


async def test_what_is_shown_is_on_the_clock_of_the_wall() -> None:
    async with FakeAmi("16") as asterisk, following(asterisk) as followed:
        await until(lambda: followed.link_is(LinkState.SYNCED))
        snapshot = followed.snapshot
        for at in (snapshot.at, snapshot.link_since, snapshot.registrations_at, snapshot.registrations[0].proof):
            assert at is not None
            assert abs(at - time.time()) < 5


async def test_a_removal_of_which_no_event_tells_is_seen_within_a_poll() -> None:
    async with FakeAmi("16") as asterisk, following(asterisk) as followed:
        await until(lambda: followed.link_is(LinkState.SYNCED))
        asterisk.items["SIPshowregistry"] = []
        await until(lambda: followed.states["acme"] == "gone")
        assert followed.states["metro"] == "registered"


async def test_an_event_is_answered_by_a_look_at_once() -> None:
    slow = replace(QUICK, poll_s=30.0, stale_s=60.0)
    async with FakeAmi("16") as asterisk, following(asterisk, settings=slow) as followed:
        await until(lambda: followed.link_is(LinkState.SYNCED))
        asterisk.items["IAXregistry"] = [{"State": "Rejected"}]
        asterisk.tell(*asterisk.event("Registry", ChannelType="IAX2", Status="Rejected", Cause="No authority found"))
        await until(lambda: followed.states["metro"] == "rejected")
        metro = next(one for one in followed.snapshot.registrations if one.trunk == "metro")
        assert metro.cause == "the carrier says: No authority found"


async def test_a_thousand_events_are_answered_by_a_few_looks() -> None:
    slow = replace(QUICK, poll_s=30.0, stale_s=60.0)
    async with FakeAmi("16") as asterisk, following(asterisk, settings=slow) as followed:
        await until(lambda: followed.link_is(LinkState.SYNCED))
        before = asterisk.count("SIPshowregistry")
        for _ in range(1000):
            asterisk.tell(*asterisk.event("Registry", ChannelType="SIP", Status="Registered"))
        await asyncio.sleep(1.0)
        assert 1 <= asterisk.count("SIPshowregistry") - before <= 5


async def test_a_refresh_is_no_outage_and_a_lasting_one_is() -> None:
    asterisk_state = [{"State": "Registered", "Refresh": "8"}]
    # 20 % of ten seconds are left when the refresh begins; the setting allows less.
    async with FakeAmi("16") as asterisk:
        asterisk.items["SIPshowregistry"] = asterisk_state
        async with following(asterisk, ACME) as followed:
            await until(lambda: followed.states["acme"] == "registered")
            for _ in range(3):
                asterisk_state[0]["State"] = "Request Sent"
                await asyncio.sleep(0.3)
                asterisk_state[0]["State"] = "Registered"
                await asyncio.sleep(0.3)
            acme = [change for change in followed.changes("registration") if change[0] == "acme"]
            assert acme == [("acme", "unknown", "registered")]
            asterisk_state[0]["State"] = "Request Sent"
            await until(lambda: followed.states["acme"] == "registering")


async def test_a_frozen_asterisk_is_unknown_by_its_deadline_and_known_when_it_thaws() -> None:
    async with FakeAmi("16") as asterisk, following(asterisk) as followed:
        await until(lambda: followed.link_is(LinkState.SYNCED))
        asterisk.freeze()
        await until(lambda: followed.link_is(LinkState.LOST))
        assert set(followed.states.values()) == {"unknown"}
        assert "hangs" in followed.snapshot.link_reason
        asterisk.thaw()
        await until(lambda: followed.link_is(LinkState.SYNCED))
        assert set(followed.states.values()) == {"registered"}


async def test_a_killed_asterisk_is_unknown_at_once_and_known_when_it_is_back() -> None:
    async with FakeAmi("16") as asterisk, following(asterisk) as followed:
        await until(lambda: followed.link_is(LinkState.SYNCED))
        await asterisk.stop()
        await until(lambda: followed.link_is(LinkState.LOST))
        assert set(followed.states.values()) == {"unknown"}
        await until(lambda: "Nothing listens" in followed.snapshot.link_reason)
        await asterisk.start()
        await until(lambda: followed.link_is(LinkState.SYNCED))
        assert set(followed.states.values()) == {"registered"}


async def test_an_asterisk_that_says_that_it_shuts_down_is_believed() -> None:
    async with FakeAmi("16") as asterisk, following(asterisk) as followed:
        await until(lambda: followed.link_is(LinkState.SYNCED))
        asterisk.tell("Event: Shutdown", "Privilege: system,all", "Shutdown: Cleanly", "Restart: False")
        await until(lambda: any("Asterisk shuts down" in (change.cause or "") for change in followed.told))


async def test_a_refused_login_says_what_to_change_and_is_not_hammered() -> None:
    async with FakeAmi("16") as asterisk:
        asterisk.secret, right = "changed in manager.conf", asterisk.secret
        follower = Follower("boston", Ami(port=asterisk.port), lambda: right, ALL, settings=QUICK)
        stop = asyncio.Event()
        running = asyncio.create_task(follower.run(stop))
        await until(lambda: follower.snapshot.link is LinkState.REFUSED)
        await asyncio.sleep(0.5)
        assert asterisk.count("Login") <= 4
        assert {one.state.value for one in follower.snapshot.registrations} == {"unknown"}
        asterisk.secret = right
        await until(lambda: follower.snapshot.link is LinkState.SYNCED)
        stop.set()
        await running


async def test_a_secret_that_cannot_be_read_is_a_refusal_in_its_own_words() -> None:
    def unreadable() -> str:
        raise UsageError("secrets/ami is missing. Write the secret of [hotstandby] in manager.conf into it.")

    follower = Follower("boston", Ami(port=1), unreadable, ALL, settings=QUICK)
    stop = asyncio.Event()
    running = asyncio.create_task(follower.run(stop))
    await until(lambda: follower.snapshot.link is LinkState.REFUSED)
    assert "secrets/ami is missing" in follower.snapshot.link_reason
    stop.set()
    await running


async def test_a_user_without_write_privilege_is_refused_with_the_line_to_change() -> None:
    async with FakeAmi("16") as asterisk, following(asterisk, username="idle") as followed:
        await until(lambda: followed.link_is(LinkState.REFUSED))
        assert "section [idle], write: write = system,reporting" in followed.snapshot.link_reason


async def test_a_user_who_is_shown_no_events_is_followed_by_polls_and_warned_of() -> None:
    async with FakeAmi("16") as asterisk, following(asterisk, username="blind") as followed:
        await until(lambda: followed.link_is(LinkState.SYNCED))
        assert "section [blind], write: read = system" in followed.snapshot.link_reason
        assert set(followed.states.values()) == {"registered"}


async def test_an_asterisk_that_is_still_booting_is_no_missing_privilege() -> None:
    async def booting(connection: Connection, action: Action) -> None:
        connection.send([("Response: Success", "ActionID: recorded", "CoreStartupDate: 1970-01-01")], action)

    async with FakeAmi("16") as asterisk:
        asterisk.handlers["CoreStatus"] = booting
        async with following(asterisk, username="blind") as followed:
            await until(lambda: followed.link_is(LinkState.SYNCED))
            assert followed.snapshot.link_reason == ""


async def test_phones_that_cannot_be_listed_do_not_hide_the_registrations() -> None:
    async def never(connection: Connection, action: Action) -> None:
        return

    async with FakeAmi("16") as asterisk:
        asterisk.handlers["PJSIPShowContacts"] = never
        async with following(asterisk) as followed:
            await until(lambda: followed.link_is(LinkState.SYNCED))
            before = asterisk.count("SIPshowregistry")
            await until(lambda: asterisk.count("SIPshowregistry") > before + 3)
            assert followed.link_is(LinkState.SYNCED)


async def test_phones_are_read_over_a_connection_of_their_own() -> None:
    async with FakeAmi("16") as asterisk, following(asterisk) as followed:
        await until(lambda: len(followed.snapshot.contacts) == 3)
        asterisk.items["PJSIPShowContacts"] = [{"ObjectName": "100;@1"}, {"ObjectName": "101;@1"}]
        await until(lambda: len(followed.snapshot.contacts) == 5)
        assert asterisk.connected == 2


async def test_another_role_is_another_expectation_at_once() -> None:
    async with FakeAmi("16") as asterisk, following(asterisk) as followed:
        await until(lambda: followed.link_is(LinkState.SYNCED))
        followed.follower.reconfigure([replace(one, here=False) for one in ALL], role="standby")
        await until(lambda: set(followed.states.values()) == {"unexpected"})
        await until(lambda: followed.changes("role") == [("boston", "primary", "standby")])
        assert asterisk.connected <= 2


async def test_another_address_makes_another_connection() -> None:
    async with FakeAmi("16") as first, FakeAmi("22") as second, following(first, METRO, NOVA) as followed:
        await until(lambda: followed.link_is(LinkState.SYNCED))
        followed.follower.reconfigure([METRO, NOVA], role="primary", ami=Ami(port=second.port))
        await until(lambda: followed.snapshot.asterisk_version.startswith("22"))
        assert followed.states["nova"] == "registered"
        await until(lambda: not first.connections)


# Kicks


KICKED = replace(QUICK, reregister_after_s=0.3)


async def test_a_registration_that_was_given_up_is_started_again() -> None:
    async with FakeAmi("16") as asterisk:
        asterisk.items["SIPshowregistry"] = [{"State": "No Authentication"}]
        async with following(asterisk, ACME, settings=KICKED) as followed:
            await until(lambda: asterisk.count("Reload") == 1)
            assert next(one for one in asterisk.received if one["Action"] == "Reload")["Module"] == "chan_sip"
            await until(lambda: followed.changes("kick") == [("acme", "rejected", "Reload chan_sip")])


@pytest.mark.parametrize("why", ["may not", "switched off"])
async def test_nothing_is_started_without_the_right(why: str) -> None:
    settings = replace(KICKED, reregister=why == "may not")
    async with FakeAmi("16") as asterisk:
        asterisk.items["SIPshowregistry"] = [{"State": "No Authentication"}]
        async with following(asterisk, ACME, settings=settings, may="it is not primary") as followed:
            await until(lambda: followed.states["acme"] == "rejected")
            await asyncio.sleep(1.0)
            assert asterisk.count("Reload") == 0


async def test_a_kick_that_hangs_holds_up_no_poll() -> None:
    async def never(connection: Connection, action: Action) -> None:
        await asyncio.sleep(30)

    async with FakeAmi("16") as asterisk:
        asterisk.items["SIPshowregistry"] = [{"State": "Failed"}]
        asterisk.handlers["Reload"] = never
        async with following(asterisk, ACME, settings=KICKED) as followed:
            await until(lambda: asterisk.count("Reload") == 1)
            before = asterisk.count("SIPshowregistry")
            await until(lambda: asterisk.count("SIPshowregistry") > before)
            assert followed.link_is(LinkState.SYNCED)


async def test_a_subscriber_that_does_not_listen_loses_the_oldest_and_holds_up_nobody() -> None:
    async with (
        FakeAmi("16") as asterisk,
        following(asterisk) as followed,
        followed.follower.subscribe() as changes,
    ):
        await until(lambda: followed.link_is(LinkState.SYNCED))
        for _ in range(700):
            followed.follower.reconfigure(ALL, role="standby")
            followed.follower.reconfigure(ALL, role="primary")
        first = await anext(changes)
        assert first.kind == "role"
