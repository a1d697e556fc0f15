"""Both machines are promoted at the same moment: one serves, the other says why it does not."""

from __future__ import annotations

import threading

import pytest

from host.command import Finished
from lab import World
from lab.machine import Machine
from tests.world.conftest import Worlds
from tests.world.pairing import become, introduce

pytestmark = pytest.mark.world

SERVED = (0, 5)
"""Exit codes of a promotion that ends with this machine as primary; 5: a person has yet to call the carrier."""


@pytest.fixture(scope="module")
def world(worlds: Worlds) -> World:
    made = worlds("16", "22", sshd=True, named=True, trunks=["acme", "nova"])
    introduce(made)
    return made


def at_once(world: World, command: str, delay_s: float) -> dict[str, Finished]:
    done: dict[str, Finished] = {}
    late = threading.Event()

    def one(machine: Machine) -> None:
        if machine is world.dallas:
            late.wait(delay_s)
        done[machine.name] = machine.run(["failover", command], deadline_s=90)

    threads = [threading.Thread(target=one, args=(machine,)) for machine in (world.boston, world.dallas)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return done


@pytest.mark.parametrize("delay_s", [0.0, 0.7, 2.0])
def test_of_two_promotions_at_once_one_serves(world: World, delay_s: float) -> None:
    for machine in (world.boston, world.dallas):
        become(machine, "standby")
        machine.path("/run/hotstandby/right.json").unlink(missing_ok=True)
    before = len(world.carrier.registers())
    done = at_once(world, "promote", delay_s)
    told = {name: f"{one.returncode}: {one.stdout[-600:]}{one.stderr[-300:]}" for name, one in done.items()}
    primary = [one for one in (world.boston, world.dallas) if one.run(["failover", "is-primary"]).returncode == 0]
    assert len(primary) == 1, told
    winner = primary[0]
    loser = world.peer_of(winner)
    assert done[winner.name].returncode in SERVED, told
    assert done[loser.name].returncode not in SERVED or delay_s > 0, told
    for trunk in ("acme", "nova"):
        world.carrier.await_holder(trunk, [winner.name], deadline_s=5)
    # The one that gave way may have come first; once the winner registered, it never registered again.
    accepted = world.carrier.registers()[before:]
    for trunk in ("5551000", "5552000"):
        order = [one.from_address for one in accepted if one.account == trunk]
        assert winner.address in order, told
        assert loser.address not in order[order.index(winner.address) :], (trunk, order, told)
