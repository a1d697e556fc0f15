"""Both machines are promoted at the same moment: one serves, the other says why it does not.

What this adds to tests/failover/promotion/test_two_at_once.py is real processes, real ssh and the pace of real
Asterisks. The rules themselves are shown there: at every line of a run the other machine is promoted whole, and each
rule is taken out in turn, which turns it red. Here a row may pass because one machine was simply faster; none of them
alone proves a rule.
"""

from __future__ import annotations

import threading

import pytest

from host import clock
from host.command import Finished
from lab import World
from lab.until import HANG_S, until
from lab.world.machine import Machine
from tests.world.conftest import Worlds
from tests.world.failover.pairing import become, introduce
from tests.world.failover.promotion.mortal import RightsWatch

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
        done[machine.name] = machine.run(["failover", command])

    threads = [threading.Thread(target=one, args=(machine,)) for machine in (world.boston, world.dallas)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return done


def judged(world: World, begun: float, watch: RightsWatch, told: dict[str, str]) -> Machine:
    """Who serves now, having proven that never both did: by the rights on both machines, and by the carrier's log."""
    primary = [one for one in (world.boston, world.dallas) if one.run(["failover", "is-primary"]).returncode == 0]
    assert len(primary) == 1, told
    (winner,) = primary
    for trunk in ("acme", "nova"):
        world.carrier.await_holder(trunk, [winner.name], deadline_s=5)
    assert [sorted(held) for _, held in watch.seen if len(held) > 1] == [], told
    assert watch.violations(("acme", "nova"), begun) == [], told
    # The one that gave way may have come first; once the winner registered, it never registered again.
    loser = world.peer_of(winner)
    accepted = [one for one in world.carrier.registers() if one.at >= begun]
    for number in ("5551000", "5552000"):
        order = [one.from_address for one in accepted if one.account == number]
        assert winner.address in order, told
        assert loser.address not in order[order.index(winner.address) :], (number, order, told)
    return winner


def words(done: dict[str, Finished]) -> dict[str, str]:
    return {name: f"{one.returncode}: {one.stdout[-600:]}{one.stderr[-300:]}" for name, one in done.items()}


@pytest.mark.parametrize(
    ("command", "delay_s"), [("promote", 0.0), ("promote", 0.7), ("promote", 2.0), ("switchover", 0.2)]
)
def test_of_two_promotions_at_once_one_serves(world: World, command: str, delay_s: float) -> None:
    for machine in (world.boston, world.dallas):
        # What an earlier case left open would be taken back now, and nothing promoted.
        machine.run(["failover", "promote", "--abort"])
        become(machine, "standby")
        machine.path("/run/hotstandby/right.json").unlink(missing_ok=True)
    begun = clock.boottime()
    with RightsWatch(world) as watch:
        done = at_once(world, command, delay_s)
        winner = judged(world, begun, watch, words(done))
    loser = world.peer_of(winner)
    assert done[winner.name].returncode in SERVED, words(done)
    assert loser.run(["failover", "is-primary"]).returncode == 1, words(done)
    if done[loser.name].returncode in SERVED:
        # It had become primary before the other one asked it to demote itself, and gave way.
        held = [one for _, one in watch.seen]
        assert frozenset({loser.name}) in held, words(done)
        assert held.index(frozenset({loser.name})) < held.index(frozenset({winner.name})), words(done)
    else:
        assert winner.name in done[loser.name].stdout + done[loser.name].stderr, words(done)


@pytest.mark.parametrize("delay_s", [0.5, 1.5])
def test_a_primary_that_is_promoted_again_while_the_other_one_takes_over_is_not_a_second_one(
    world: World, delay_s: float
) -> None:
    """Typed on boston, which gives its role away at that moment, and a little later on dallas, which takes it."""

    def asked() -> bool:
        """Judged, unless a machine that is busy with everything else let a question hang: then nobody took over."""
        if world.boston.run(["failover", "is-primary"]).returncode:
            assert world.boston.run(["failover", "promote"]).returncode in SERVED
        begun = clock.boottime()
        with RightsWatch(world) as watch:
            done = at_once(world, "switchover", delay_s)
            if any("ssh hung" in said for said in words(done).values()):
                assert watch.violations(("acme", "nova"), begun) == [], words(done)
                return False
            judged(world, begun, watch, words(done))
        return True

    until(asked, "an answer of both machines", deadline_s=5 * HANG_S)
