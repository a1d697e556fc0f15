"""`render-localized --activate` on real Asterisks: proven at the carrier, both ways."""

from __future__ import annotations

import json

import pytest

from lab import Machine, Release, World
from lab.until import HANG_S, until
from tests.world.conftest import Worlds
from tests.world.localized.activating import AGAIN, SHARED, TRUNKS, everything_listed, primary, render, standby, words

pytestmark = pytest.mark.world


@pytest.fixture(scope="module")
def world(worlds: Worlds, release: Release) -> World:
    return worlds(boston=release, dallas=release, expiry_s=20, trunks=TRUNKS)


@pytest.fixture(autouse=True)
def both_standby(world: World) -> None:
    """Each test begins with two machines that hold nothing but their own account."""
    for machine in (world.boston, world.dallas):
        machine.start_asterisk()
        assert standby(machine).returncode == 0


def test_a_primary_registers_everything_and_the_carrier_sees_it(world: World) -> None:
    done = primary(world.boston)
    assert done.returncode == 0, words(done)
    for name in SHARED:
        assert world.carrier.holder(name) == ["boston"]
        assert world.carrier.call(name).machine == "boston"
    assert done.stdout.splitlines()[-1] == "next  nothing to do"
    assert render(world.boston, "--diff").stdout.splitlines() == [
        "boston as primary: nothing would change",
        "next  nothing to do",
    ]


def test_a_standby_lists_its_own_account_alone_and_leaves_nothing_of_pjsip_at_the_carrier(world: World) -> None:
    assert primary(world.boston).returncode == 0
    done = standby(world.boston)
    assert done.returncode == 0, words(done)
    shown = everything_listed(world.boston)
    assert "5555011" in shown or "own/sip" in shown
    for account in ("5551000", "5556000", "5552000", "acme/sip", "nova/sip"):
        assert account not in shown
    over_pjsip = ["nova"] if world.releases["boston"] == "16" else ["nova", "acme"]
    for name in over_pjsip:
        world.carrier.await_holder(name, [], deadline_s=2.0)


def test_both_machines_ten_times_back_and_forth(world: World) -> None:
    pair = [world.boston, world.dallas]
    assert primary(pair[0]).returncode in (0, 5)
    for _ in range(10):
        pair.reverse()
        assert standby(pair[1]).returncode == 0
        taken = primary(pair[0])
        # "strict" refuses a second registration while the other machine's binding lives.
        assert taken.returncode in (0, 5), words(taken)
        for name in SHARED:
            assert world.carrier.holder(name) == [pair[0].name], name
    assert world.carrier.call("acme").machine == pair[0].name


def test_a_call_by_address_is_refused_with_503_by_the_standby_and_answered_by_the_primary(world: World) -> None:
    assert primary(world.dallas).returncode in (0, 5)
    call = world.carrier.call("better", order=("boston", "dallas"))
    assert [(attempt.machine, attempt.status) for attempt in call.attempts] == [("boston", 503)]
    assert call.machine == "dallas"


def test_a_trunk_that_refuses_a_second_registration_is_held_once_the_same_command_is_typed_again(world: World) -> None:
    holds_strict(world, world.boston)
    world.boston.kill_asterisk()
    done = primary(world.dallas, "--json")
    assert done.returncode == 5, words(done)
    told = json.loads(done.stdout)
    assert {row["trunk"]: row["ok"] for row in told["trunks"]} == {
        "acme": True,
        "metro": True,
        "nova": True,
        "strict": False,
        "own": True,
    }
    assert "until boston's binding ends, in at most 20 s" in told["notes"][0]
    assert told["next"].startswith("render-localized --role primary --activate")
    again = json.loads(render(world.dallas, *AGAIN, "--json").stdout)
    # Nothing has changed on disk; what chan_sip has given up is asked for all the same, PJSIP goes on by itself, and
    # nothing else is disturbed.
    pjsip = world.releases["dallas"] != "16"
    assert (again["reloaded"], again["asked_again"]) == ([], [] if pjsip else ["strict"]), again
    holds_strict(world, world.dallas)
    assert json.loads(render(world.dallas, *AGAIN, "--json").stdout)["asked_again"] == []


def test_a_required_trunk_that_is_refused_is_kicked_until_the_other_binding_ends(world: World) -> None:
    """chan_sip gives up after a 403: left alone, it would never register again."""
    holds_strict(world, world.boston)
    world.boston.kill_asterisk()
    toml = world.dallas.path("/etc/hotstandby/pair.toml")
    before = toml.read_text()
    toml.write_text(before.replace("[trunks.strict]\n", "[trunks.strict]\nrequired = true\n"))
    try:
        done = primary(world.dallas)
    finally:
        toml.write_text(before)
    assert done.returncode == 0, words(done)
    assert world.carrier.holder("strict") == ["dallas"]


def holds_strict(world: World, machine: Machine) -> None:
    """The same command until it is primary in everything: what the other machine left at the carrier ends first."""
    ended = [primary(machine)]

    def whole() -> bool:
        if ended[-1].returncode == 5:
            ended.append(render(machine, *AGAIN))
        return ended[-1].returncode != 5

    until(whole, "an activation that is whole", deadline_s=2 * HANG_S)
    assert ended[-1].returncode == 0, words(ended[-1])
    world.carrier.await_holder("strict", [machine.name])
