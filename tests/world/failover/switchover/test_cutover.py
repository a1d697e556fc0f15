"""Whole cutovers between two real machines, three real name servers and a real carrier: peer dead, peer willing, there
and back. After each the calls land where they should, and nobody registered without the right to."""

from __future__ import annotations

import pytest

from lab import Release, World
from tests.world.conftest import Worlds
from tests.world.failover.cutover import (
    DELEGATION,
    calls_land,
    comes_back_as_standby,
    epochs,
    failover,
    forked_lands,
    name_servers,
    names_agree,
    nobody_registered_without_the_right,
    served,
    set_up,
    whole,
)

pytestmark = pytest.mark.world

EXPIRY_S = 15


@pytest.fixture(scope="module")
def world(worlds: Worlds, release: Release) -> World:
    made = worlds(release, release, sshd=True, named=True, expiry_s=EXPIRY_S, iax_expiry_s=EXPIRY_S, extra=DELEGATION)
    set_up(made)
    return made


def settled(world: World, to: str, *, forked: bool = True) -> None:
    """Everything that must be so after a cutover to a machine, whoever else is alive.

    Args:
        forked: old bindings at the carrier that rings both are waited out as well.
    """
    machine = world.boston if to == "boston" else world.dallas
    alive = [one for one in name_servers(world) if one.on]
    names_agree(world, machine, alive)
    calls_land(world, machine)
    if forked:
        forked_lands(world, machine, expiry_s=EXPIRY_S)
    nobody_registered_without_the_right(world)


def test_a_dead_peer_comes_back_as_standby(world: World) -> None:
    world.boston.power_off()
    served(world.dallas, "promote", "--peer-is-down", "I pulled the plug")
    settled(world, "dallas")
    whole(world, world.dallas, expiry_s=EXPIRY_S)
    comes_back_as_standby(world, world.boston)
    settled(world, "dallas")


def test_a_living_peer_is_asked_to_demote_itself(world: World) -> None:
    served(world.boston, "promote")
    settled(world, "boston")
    here, there = (failover(machine, "status").stdout.splitlines() for machine in (world.boston, world.dallas))
    assert any(line.startswith("waiting  carrier-acme: ") for line in here), here
    # An account whose carrier refuses a second registration may have to wait for the end of dallas' binding.
    assert here[-1].startswith(
        (
            "next     see to what waits: carrier-acme",
            "next     strict not registered on boston",
            "next     nobody looked whether dallas could take over",
        )
    ), here
    # What its own last promotion left open is over: nobody must tell the carrier to route there.
    assert [line for line in there if line.startswith("waiting")] == [], there
    comes_back_as_standby(world, world.dallas)
    settled(world, "boston")


@pytest.mark.parametrize(
    "times", [pytest.param(2, id="twice"), pytest.param(10, id="ten-times", marks=pytest.mark.soak)]
)
def test_switchover_and_back(world: World, times: int) -> None:
    for _ in range(times):
        for to, other in ((world.dallas, world.boston), (world.boston, world.dallas)):
            served(to, "switchover")
            settled(world, to.name, forked=times > 2)
            if times > 2:
                comes_back_as_standby(world, other)
    settled(world, "boston")
    whole(world, world.boston, expiry_s=EXPIRY_S)
    comes_back_as_standby(world, world.dallas)
    nobody_registered_without_the_right(world)
    found = epochs(world)
    assert found == sorted(set(found)), found
