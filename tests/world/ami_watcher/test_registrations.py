"""The follower beside a real Asterisk and a real carrier: what it shows is what they say, within one poll."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path

import pytest

import ami_watcher.registrations.reregister
from ami_watcher.ami.errors import AmiUnreachable, LoginInUse, PrivilegeMissing
from ami_watcher.ami.session import AmiSession
from ami_watcher.ami.shared_login import login_requested
from ami_watcher.event import LinkState
from ami_watcher.registrations.lists import read_registrations
from host.places import Places
from lab import Release, World
from lab.until import HANG_S
from lab.world.ami_relay import AmiRelay
from lab.world.pair_toml import AMI_SECRET
from lab.world.registrations import write_registrations
from pair.sections.machine import Ami
from tests.ami_watcher.certificates import self_signed
from tests.ami_watcher.until import until
from tests.world.ami_watcher.watched import ALL_REGISTERED, Watched, do, own_words, watching
from tests.world.conftest import Worlds

pytestmark = pytest.mark.world

IAX_EXPIRY_S = 10
"""What the carrier grants to IAX2."""


@pytest.fixture(scope="module")
def world(worlds: Worlds, release: Release) -> World:
    return worlds(boston=release, dallas=release, start=["boston"], iax_expiry_s=IAX_EXPIRY_S)


def granting(world: World, seconds: int) -> None:
    """Has the carrier grant so much to the next IAX2 registration; `registered` makes one."""
    world.carrier.prepare(iax_expiry_s=seconds)
    world.carrier.asterisk("iax2 reload")


async def registered(world: World, release: Release, watched: Watched) -> None:
    """Has all trunks registered, whatever the test before left behind."""
    await do(write_registrations, world.boston, release)
    await watched.shows(**ALL_REGISTERED)


async def test_registrations_that_succeed(world: World, release: Release) -> None:
    async with watching(world, world.boston, release) as watched:
        await registered(world, release, watched)
        await watched.agrees_with_the_carrier()
        lists = await read_registrations(Ami(port=watched.relay.port), AMI_SECRET, deadline_s=HANG_S)
        assert [one.registered for one in lists.registrations] == [True] * 3
        assert lists.version.startswith(release)


async def test_the_carrier_refuses_a_wrong_secret(world: World, release: Release) -> None:
    async with watching(world, world.boston, release) as watched:
        await registered(world, release, watched)
        await do(write_registrations, world.boston, release, wrong=True)
        # PJSIP's registration has not changed, only its secret: it meets the refusal when it refreshes.
        await watched.shows(metro="rejected", nova="rejected")
        if release == "16":
            # chan_sip goes on trying and never says that it was refused.
            await watched.shows(acme="registering")
        else:
            await watched.shows(acme="rejected")
        await watched.agrees()
        metro = next(one for one in watched.follower.snapshot.registrations if one.trunk == "metro")
        assert metro.cause == "the carrier says: Registration Refused"
        await do(write_registrations, world.boston, release)
        await watched.shows(**ALL_REGISTERED)
        await watched.agrees_with_the_carrier()


async def test_a_registration_is_removed_and_no_event_says_so(world: World, release: Release) -> None:
    async with watching(world, world.boston, release) as watched:
        await registered(world, release, watched)
        await do(write_registrations, world.boston, release, trunks=["nova"])
        await until(lambda: "acme" not in own_words(world.boston), deadline_s=HANG_S)
        await watched.next_poll()
        assert watched.states == {**ALL_REGISTERED, "acme": "gone", "metro": "gone"}
        await watched.agrees()
        await do(write_registrations, world.boston, release)
        await watched.shows(**ALL_REGISTERED)


async def test_a_module_is_unloaded_and_loaded(world: World, release: Release) -> None:
    async with watching(world, world.boston, release) as watched:
        await registered(world, release, watched)
        await do(world.boston.asterisk, "module unload chan_iax2.so")
        await watched.next_poll()
        assert watched.states == {**ALL_REGISTERED, "metro": "gone"}
        metro = next(one for one in watched.follower.snapshot.registrations if one.trunk == "metro")
        assert metro.cause == "chan_iax2.so is not loaded in this Asterisk"
        await do(world.boston.asterisk, "module load chan_iax2.so")
        await watched.shows(**ALL_REGISTERED)
        await watched.agrees_with_the_carrier()


async def test_a_storm_of_reloads_is_no_outage(world: World, release: Release) -> None:
    async with watching(world, world.boston, release) as watched:
        await registered(world, release, watched)
        watched.told.clear()
        commands = ["iax2 reload", "module reload res_pjsip.so", *(["sip reload"] if release == "16" else [])]
        for _ in range(8):
            for command in commands:
                await do(world.boston.asterisk, command)
        await watched.next_poll()
        await watched.shows(**ALL_REGISTERED)
        await watched.agrees_with_the_carrier()
        assert watched.registrations_told == []


async def test_a_frozen_asterisk_is_unknown_and_known_again(world: World, release: Release) -> None:
    await frozen(world, release, seconds=3.0)


@pytest.mark.soak
async def test_an_asterisk_that_is_frozen_for_30_s(world: World, release: Release) -> None:
    await frozen(world, release, seconds=30.0)


async def frozen(world: World, release: Release, *, seconds: float) -> None:
    async with watching(world, world.boston, release) as watched:
        await registered(world, release, watched)
        begun = time.monotonic()
        world.boston.freeze()
        try:
            await until(lambda: watched.link is LinkState.LOST, deadline_s=HANG_S)
            assert set(watched.states.values()) == {"unknown"}
            while time.monotonic() - begun < seconds:
                await asyncio.sleep(0.1)
                assert set(watched.states.values()) == {"unknown"}
                assert watched.link is LinkState.LOST
        finally:
            world.boston.thaw()
        await until(lambda: watched.link is LinkState.SYNCED, deadline_s=HANG_S)
        await watched.shows(**ALL_REGISTERED)
        await watched.agrees_with_the_carrier()


async def test_an_asterisk_that_is_killed_and_started_again(world: World, release: Release) -> None:
    async with watching(world, world.boston, release) as watched:
        await registered(world, release, watched)
        await do(world.boston.kill_asterisk)
        await until(lambda: watched.link is LinkState.LOST, deadline_s=HANG_S)
        assert set(watched.states.values()) == {"unknown"}
        await do(world.boston.start_asterisk)
        await until(lambda: watched.link is LinkState.SYNCED, deadline_s=HANG_S)
        await watched.shows(**ALL_REGISTERED)
        await watched.agrees_with_the_carrier()


async def test_the_carrier_loses_its_power_and_gets_it_back(world: World, release: Release) -> None:
    # chan_sip and chan_iax2 begin to refresh within ten seconds; PJSIP calls it an outage after 32 s more.
    noticing = ("acme", "metro") if release == "16" else ("metro",)
    async with watching(world, world.boston, release) as watched:
        await do(write_registrations, world.boston, release, expiry_s=10)
        await watched.shows(**ALL_REGISTERED)
        await do(world.carrier.power_off)
        await watched.shows(**dict.fromkeys(noticing, "registering"))
        await watched.agrees()
        await do(world.carrier.power_on)
        await watched.shows(**ALL_REGISTERED)
        await watched.agrees_with_the_carrier()


@pytest.mark.soak
async def test_a_minute_without_the_carrier(world: World, release: Release) -> None:
    """Long enough for each driver to call it an outage; chan_iax2 tells neither its beginning nor its end."""
    # Refreshed every 8 s, metro would be "Timeout" for less than a poll: chan_iax2 gives up after 32 s and asks again
    # at its next turn. With 50 s between its turns that is 18 s, beginning 82 s after the power cut at the latest.
    await do(granting, world, 60)
    async with watching(world, world.boston, release) as watched:
        await registered(world, release, watched)
        await do(world.carrier.power_off)
        acme = "registering" if release == "16" else "rejected"
        await watched.shows(acme=acme, metro="unregistered", nova="rejected")
        await watched.agrees()
        iax = next(one for one in watched.follower.snapshot.registrations if one.trunk == "metro")
        assert iax.cause == "the carrier does not answer"
        await do(world.carrier.power_on)
        await watched.shows(**ALL_REGISTERED)
        await watched.agrees_with_the_carrier()
    await do(granting, world, IAX_EXPIRY_S)


async def test_a_refusal_for_ever_is_ended_by_a_kick(
    world: World, release: Release, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The carrier answers 403 to a second registration; when the first is gone, nobody but us tries again."""
    # What PJSIP might still be waiting for; the tests of reregister.py hold the real one.
    monkeypatch.setattr(ami_watcher.registrations.reregister, "TRANSACTION_S", 1.0)
    monkeypatch.setattr(ami_watcher.registrations.reregister, "LONGEST_PAUSE_S", 2.0)
    await do(world.dallas.start_asterisk)
    await do(write_registrations, world.dallas, release, trunks=["strict"], expiry_s=10)
    await do(world.carrier.await_holder, "strict", ["dallas"])
    await do(write_registrations, world.boston, release, trunks=["strict"], retry_s=0)
    async with watching(
        world, world.boston, release, trunks=["strict"], reregister=True, reregister_after_s=1.0
    ) as watched:
        await watched.shows(strict="rejected")
        strict = watched.follower.snapshot.registrations[0]
        if release == "16":
            assert "403" in (strict.cause or "")
        assert await asyncio.to_thread(world.carrier.holder, "strict") == ["dallas"]
        await do(world.dallas.stop_asterisk)
        await watched.shows(strict="registered")
        assert any(change.kind == "kick" and change.subject == "strict" for change in watched.told)
        assert await asyncio.to_thread(world.carrier.holder, "strict") == ["boston"]


async def test_the_least_privileges_are_enough_to_kick_and_no_more(world: World, release: Release) -> None:
    """read = system, write = system,reporting."""
    await do(write_registrations, world.boston, release)
    async with AmiRelay(world.boston) as relay:
        session = AmiSession(Ami(port=relay.port), AMI_SECRET)
        await session.open(deadline_s=HANG_S)
        module = "chan_sip" if release == "16" else "chan_iax2"
        await session.action("Reload", ("Module", module), deadline_s=HANG_S)
        await session.action("PJSIPRegister", ("Registration", "nova"), deadline_s=HANG_S)
        with pytest.raises(PrivilegeMissing, match="may not do Command"):
            await session.action("Command", ("Command", "core show version"), deadline_s=HANG_S)
        await session.close()


async def test_where_one_login_is_allowed_a_promotion_borrows_the_watchers(
    world: World, release: Release, tmp_path: Path
) -> None:
    places = Places(tmp_path, tmp_path, tmp_path)
    await do(write_registrations, world.boston, release)
    config = world.boston.path("/etc/asterisk/manager.conf").read_text()
    # A user that is loaded keeps what [general] said when it came; its own setting is read at each reload.
    for_user = "writetimeout = 5000\nallowmultiplelogin = {}\n".format
    config = config.replace("writetimeout = 5000\n", for_user("yes"), 1)
    one = config.replace(for_user("yes"), for_user("no"), 1)
    world.boston.write("/etc/asterisk/manager.conf", one, mode=0o640, group="asterisk")
    await do(world.boston.asterisk, "manager reload")
    try:
        async with watching(world, world.boston, release, give_way=lambda: login_requested(places)) as watched:
            await until(lambda: watched.link is LinkState.SYNCED, deadline_s=HANG_S)
            # Over the same login.
            await until(lambda: watched.follower.snapshot.contacts_at is not None, deadline_s=HANG_S)
            ami = Ami(port=watched.relay.port)
            with pytest.raises(LoginInUse, match="allowmultiplelogin = yes"):
                await read_registrations(ami, AMI_SECRET, deadline_s=HANG_S)
            lists = await read_registrations(ami, AMI_SECRET, deadline_s=HANG_S, places=places)
            assert lists.version.startswith(release)
            await until(lambda: watched.link is LinkState.SYNCED, deadline_s=HANG_S)
    finally:
        world.boston.write("/etc/asterisk/manager.conf", config, mode=0o640, group="asterisk")
        await do(world.boston.asterisk, "manager reload")


async def test_a_real_asterisk_is_reached_over_tls_and_by_its_name_alone(
    world: World, release: Release, tmp_path: Path
) -> None:
    made, key = self_signed(tmp_path, "pbx.example")
    world.boston.write("/etc/asterisk/ami.pem", made.read_text() + key.read_text(), mode=0o640, group="asterisk")
    config = world.boston.path("/etc/asterisk/manager.conf").read_text()
    tls = "tlsenable = yes\ntlsbindaddr = 127.0.0.1:5039\ntlscertfile = /etc/asterisk/ami.pem\n"
    text = config.replace("port = 5038\n", f"port = 5038\n{tls}", 1)
    world.boston.write("/etc/asterisk/manager.conf", text, mode=0o640, group="asterisk")
    await do(world.boston.asterisk, "manager reload")
    async with AmiRelay(world.boston, port=5039) as relay:
        ami = Ami(port=relay.port, tls=True, tls_host_name="pbx.example", tls_ca_file=str(made))
        lists = await read_registrations(ami, AMI_SECRET, deadline_s=HANG_S)
        assert lists.version.startswith(release)
        with pytest.raises(AmiUnreachable, match="Hostname mismatch"):
            await read_registrations(ami.model_copy(update={"tls_host_name": "other"}), AMI_SECRET, deadline_s=HANG_S)
