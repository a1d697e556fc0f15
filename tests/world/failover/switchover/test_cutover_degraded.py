"""boston is dead, one carrier refuses a second registration, another is down altogether: dallas serves the rest, and
the refused account comes by itself when the dead machine's binding ends."""

from __future__ import annotations

import json
import time

import pytest

from lab import Release, World
from lab.carrier.accounts import BETTER, CARRIER
from lab.world.machine import Machine
from tests.world.conftest import Worlds
from tests.world.failover.cutover import (
    DELEGATION,
    dig,
    failover,
    names_agree,
    nobody_registered_without_the_right,
    set_up,
    status,
)

# Minutes long: it waits for bindings to end.
pytestmark = [pytest.mark.world, pytest.mark.soak]

HANDLING_S = 150.0
"""From the end of the binding until the account is held: PJSIP's pause after a 403, or the watcher's, and a margin."""


def move_nova(machine: Machine) -> None:
    """nova's registrar has an address of its own at the carrier."""
    toml = machine.path("/etc/hotstandby/pair.toml")
    head, mark, rest = toml.read_text().partition("[trunks.nova]\n")
    toml.write_text(head + mark + rest.replace(f'host = "{CARRIER}"', f'host = "{BETTER}"', 1))


def carrier_down(world: World, *, down: bool) -> None:
    """Takes that address away, or gives it back."""
    line = world.carrier.run(["ip", "-o", "-4", "address", "show"]).stdout
    device = next(row.split()[1] for row in line.splitlines() if f"{CARRIER}/" in row)
    verb = "del" if down else "add"
    done = world.carrier.run(["ip", "address", verb, f"{BETTER}/24", "dev", device])
    assert done.returncode == 0, done.stderr


def one_refused_and_one_down(worlds: Worlds, release: Release, expiry_s: int) -> None:
    world = worlds(release, release, sshd=True, named=True, expiry_s=expiry_s, iax_expiry_s=60, extra=DELEGATION)
    for machine in (world.boston, world.dallas):
        move_nova(machine)
    set_up(world)
    assert world.carrier.holder("nova") == ["boston"]
    watcher = world.dallas.spawn(["ami-watcher", "run"], name="watcher")
    world.boston.power_off()
    bound_at = max(one.at for one in world.carrier.registers("strict"))
    carrier_down(world, down=True)

    done = failover(world.dallas, "promote", "--peer-is-down", "it burns", "--json")
    ended = time.clock_gettime(time.CLOCK_BOOTTIME)
    assert done.returncode == 5, done.stdout + done.stderr
    told = {one["step"]: one for one in map(json.loads, done.stdout.splitlines()) if one["event"] != "began"}
    assert told["dns"]["event"] == "verified"
    assert told["localize"]["event"] == "open"
    assert "strict" in told["localize"]["words"]
    assert "nova" in told["localize"]["words"]
    names_agree(world, world.dallas, [world.dallas, world.ns3])
    assert dig(world.dallas, world.ns3, "www.acme.example", "A") == "192.0.2.22"
    for trunk in ("acme", "metro"):
        world.carrier.await_holder(trunk, ["dallas"])
        assert world.carrier.call(trunk).machine == "dallas"
    answered = [one for one in world.carrier.answers() if one.account == "5554000" and one.machine == "dallas"]
    assert answered[0].status == 403
    assert "localize" in status(world.dallas)["waiting"]

    # Nobody types anything from here on.
    world.carrier.await_holder("strict", ["dallas"], deadline_s=expiry_s + HANDLING_S)
    took_at = min(one.at for one in world.carrier.registers("strict") if one.machine == "dallas")
    # PJSIP's registrar grants a second less than was asked for.
    assert took_at - bound_at >= expiry_s - 2
    print(
        f"strict: promoted {ended - bound_at:.1f} s after boston's last REGISTER, held {took_at - bound_at:.1f} s after"
    )
    assert world.carrier.call("strict").machine == "dallas"
    carrier_down(world, down=False)
    world.carrier.await_holder("nova", ["dallas"], deadline_s=HANDLING_S)
    assert world.carrier.call("nova").machine == "dallas"
    assert "localize" not in status(world.dallas)["waiting"]
    assert watcher.poll() is None
    nobody_registered_without_the_right(world)


def test_the_rest_is_served_and_the_refused_one_comes_by_itself(worlds: Worlds, release: Release) -> None:
    one_refused_and_one_down(worlds, release, 50)


@pytest.mark.soak
def test_the_same_with_a_binding_that_lives_ten_minutes(worlds: Worlds, release: Release) -> None:
    one_refused_and_one_down(worlds, release, 600)
