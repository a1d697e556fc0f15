"""What the carrier sees, keeps and says, before anything is believed that is seen through it."""

from __future__ import annotations

import time

import pytest

from lab import Release, World
from tests.world.conftest import Worlds
from tests.world.lab.by_hand import AUTH, PJSIP, include, register_everything, register_nothing, reload

pytestmark = pytest.mark.world


def test_every_registration_reaches_the_carriers_log_from_the_right_machine(world: World) -> None:
    register_everything(world.boston)
    for account in ("acme", "metro", "nova"):
        world.carrier.await_holder(account, ["boston"])
        assert world.carrier.registers(account)[-1].machine == "boston"
    register_nothing(world.boston)
    register_everything(world.dallas)
    for account in ("acme", "metro", "nova"):
        world.carrier.await_holder(account, ["dallas"])
        seen = [found.machine for found in world.carrier.registers(account)]
        assert seen[0] == "boston"
        assert seen[-1] == "dallas"


def test_a_call_lands_on_whoever_registered_last(world: World) -> None:
    for machine in (world.boston, world.dallas):
        register_nothing(world.peer_of(machine))
        register_everything(machine)
        for account in ("acme", "metro", "nova"):
            world.carrier.await_holder(account, [machine.name])
            call = world.carrier.call(account)
            assert (call.machine, call.status) == (machine.name, 200)


def test_a_wrong_iax2_password_is_seen_as_a_refusal_of_that_account(world: World) -> None:
    include(world.dallas, "iax-registrations.conf", "register => 5556000:wrong@192.0.2.5\n")
    world.dallas.asterisk("iax2 reload")
    deadline = time.monotonic() + 10
    while not (refused := [found for found in world.carrier.answers() if found.status == 403]):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    register_nothing(world.dallas)
    assert {(found.account, found.machine) for found in refused} == {("5556000", "dallas")}


def test_nobody_registered_is_said_so(world: World) -> None:
    assert world.carrier.holder("strict") == []
    assert world.carrier.call("strict").status == 480


def test_a_503_by_address_goes_on_to_the_other_machine(world: World) -> None:
    inbound = world.boston.path("/etc/asterisk/extensions_inbound.conf").read_text()
    world.boston.write("/etc/asterisk/extensions_inbound.conf", "exten => _X.,1,Hangup(34)\n")
    world.boston.asterisk("dialplan reload")
    try:
        call = world.carrier.call("better")
    finally:
        world.boston.write("/etc/asterisk/extensions_inbound.conf", inbound)
        world.boston.asterisk("dialplan reload")
    assert call.machine == "dallas"
    assert [(attempt.machine, attempt.status) for attempt in call.attempts] == [("boston", 503)]
    assert world.carrier.call("better").machine == "boston"


def test_refreshes_are_seen(world: World) -> None:
    """Asterisk sends no event for a refresh; the wire shows it."""
    short = PJSIP.replace("expiration = 20", "expiration = 13")
    include(world.boston, "pjsip-auth.conf", AUTH.format(trunk="nova", user="5552000", secret="nova-Secret3"))
    include(world.boston, "pjsip-registrations.conf", short.format(trunk="nova", user="5552000"))
    before = len(world.carrier.registers("nova"))
    reload(world.boston)
    deadline = time.monotonic() + 10
    while len(world.carrier.registers("nova")) < before + 3:
        assert time.monotonic() < deadline, world.carrier.registers("nova")
        time.sleep(0.05)
    register_nothing(world.boston)
    world.carrier.await_holder("nova", [])
    # The wire is read by a thread of its own, which may come after the carrier's list.
    while (gone := [found for found in world.carrier.answers() if found.account == "5552000"][-1]).expires_s:
        assert time.monotonic() < deadline, gone
        time.sleep(0.05)
    assert (gone.machine, gone.status) == ("boston", 200)


def test_accounts_that_ring_both_and_that_refuse_a_second(worlds: Worlds, release: Release) -> None:
    """What the carrier does is the account's, so one Asterisk on the machines shows it."""
    world = worlds(boston=release, dallas=release)
    for trunk, user, secret in (("forked", "5553000", "forked-Secret4"), ("strict", "5554000", "strict-Secret5")):
        for machine in (world.boston, world.dallas):
            include(machine, "pjsip-auth.conf", AUTH.format(trunk=trunk, user=user, secret=secret))
            include(machine, "pjsip-registrations.conf", PJSIP.format(trunk=trunk, user=user))
            machine.asterisk("module reload res_pjsip.so")
            if machine is world.boston:
                world.carrier.await_holder(trunk, ["boston"])
        if trunk == "forked":
            world.carrier.await_holder(trunk, ["boston", "dallas"])
        else:
            deadline = time.monotonic() + 5
            while not any(found.status == 403 for found in world.carrier.answers()):
                assert time.monotonic() < deadline, world.carrier.answers()
                time.sleep(0.05)
            assert world.carrier.holder(trunk) == ["boston"]
