"""What the carrier sees, keeps and says, before anything is believed that is seen through it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from lab import Answer, Release, World
from lab.until import until
from lab.world.registrations import write_registrations
from tests.world.conftest import Worlds

pytestmark = pytest.mark.world


@pytest.fixture(autouse=True)
def _nothing_is_registered(world: World, release: Release) -> Iterator[None]:
    """Whatever a test leaves, the next one begins without a registration."""
    yield
    for machine in (world.boston, world.dallas):
        write_registrations(machine, release, trunks=())


def test_every_registration_reaches_the_carriers_log_from_the_right_machine(world: World, release: Release) -> None:
    write_registrations(world.boston, release)
    for account in ("acme", "metro", "nova"):
        world.carrier.await_holder(account, ["boston"])
        assert world.carrier.registers(account)[-1].machine == "boston"
    write_registrations(world.boston, release, trunks=())
    write_registrations(world.dallas, release)
    for account in ("acme", "metro", "nova"):
        world.carrier.await_holder(account, ["dallas"])
        seen = [found.machine for found in world.carrier.registers(account)]
        assert seen[0] == "boston"
        assert seen[-1] == "dallas"


def test_a_call_lands_on_whoever_registered_last(world: World, release: Release) -> None:
    for machine in (world.boston, world.dallas):
        write_registrations(world.peer_of(machine), release, trunks=())
        write_registrations(machine, release)
        for account in ("acme", "metro", "nova"):
            world.carrier.await_holder(account, [machine.name])
            call = world.carrier.call(account)
            assert (call.machine, call.status) == (machine.name, 200)


def refusals(world: World) -> list[Answer]:
    return [found for found in world.carrier.answers() if found.status == 403]


def test_a_wrong_iax2_password_is_seen_as_a_refusal_of_that_account(world: World, release: Release) -> None:
    write_registrations(world.dallas, release, trunks=["metro"], wrong=True)
    refused = until(lambda: refusals(world), "a refusal")
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


def test_refreshes_are_seen(world: World, release: Release) -> None:
    """Asterisk sends no event for a refresh; the wire shows it."""
    before = len(world.carrier.registers("nova"))
    write_registrations(world.boston, release, trunks=["nova"], expiry_s=13)
    until(lambda: len(world.carrier.registers("nova")) >= before + 3, "two refreshes")
    write_registrations(world.boston, release, trunks=())
    world.carrier.await_holder("nova", [])

    # The wire is read by a thread of its own, which may come after the carrier's list.
    def last() -> Answer:
        return [found for found in world.carrier.answers() if found.account == "5552000"][-1]

    gone = until(lambda: None if (seen := last()).expires_s else seen, "its removal")
    assert (gone.machine, gone.status) == ("boston", 200)


def test_accounts_that_ring_both_and_that_refuse_a_second(worlds: Worlds, release: Release) -> None:
    """What the carrier does is the account's, so one Asterisk on the machines shows it."""
    world = worlds(boston=release, dallas=release)
    for trunk in ("forked", "strict"):
        for machine in (world.boston, world.dallas):
            write_registrations(machine, release, trunks=[trunk])
            if machine is world.boston:
                world.carrier.await_holder(trunk, ["boston"])
        if trunk == "forked":
            world.carrier.await_holder(trunk, ["boston", "dallas"])
        else:
            until(lambda: refusals(world), "a refusal")
            assert world.carrier.holder(trunk) == ["boston"]
