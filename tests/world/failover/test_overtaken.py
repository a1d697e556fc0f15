"""A primary that was cut off while the other one was promoted: whatever it is asked says so, and what to type."""

from __future__ import annotations

import json
from typing import Any

import pytest

from host.command import Finished
from lab import World
from lab.computer.daemon import Daemon
from lab.until import HANG_S, until
from lab.world.machine import Machine
from tests.world.conftest import Worlds
from tests.world.failover.cutover import DELEGATION, SERVED, dig, failover, set_up, status

pytestmark = pytest.mark.world


@pytest.fixture(scope="module")
def world(worlds: Worlds) -> World:
    """boston was primary, and could be reached by nobody while dallas was promoted. Now it reaches the third name
    server and the carrier again, and dallas alone not."""
    made = worlds("16", "22", sshd=True, named=True, trunks=["acme", "metro"], expiry_s=20, extra=DELEGATION)
    set_up(made)
    made.boston.pull_cable()
    done = failover(made.dallas, "promote", "--peer-is-down", "its cable is out")
    assert done.returncode == SERVED, done.stdout + done.stderr
    cut = made.boston.run(["ip", "route", "add", "unreachable", f"{made.dallas.address}/32"])
    assert cut.returncode == 0, cut.stderr
    made.boston.plug_cable()
    return made


def activation(machine: Machine, *more: str) -> Finished:
    return machine.run(["render-localized", "--role", "primary", "--activate", *more])


def check_says(world: World, watcher: Daemon, words: str) -> str:
    """What the watcher's check says as soon as it holds these words."""

    def said() -> str:
        printed = world.boston.run(["ami-watcher", "check"]).stdout
        return printed if words in printed else ""

    return watcher.until(said, words)


def role_changes(world: World) -> list[str]:
    told = json.loads(world.boston.run(["ami-watcher", "history", "boston", "--kind", "role", "--json"]).stdout)
    return [one["after"] for one in told["entries"]]


def test_status_and_ready_say_so_first_with_the_one_command(world: World) -> None:

    def overtaken() -> dict[str, Any] | None:
        """Once ns3 has heard of dallas, and boston's Asterisk answers after the cable came back."""
        return seen if (seen := status(world.boston))["overtaken"] else None

    seen = until(overtaken, "a status that says so")
    assert seen["machines"]["dallas"]["status"] is None  # nothing but a name server could tell it
    assert seen["next"].endswith("On boston, type: failover demote")
    shown = failover(world.boston, "status").stdout
    assert shown.startswith("WARNING  boston was overtaken: name server ns3 says that dallas was promoted with 2")
    done = failover(world.boston, "ready", "--json")
    first = json.loads(done.stdout)["items"][0]
    assert (done.returncode, first["name"], first["mend"]) == (1, "OVERTAKEN", "failover demote")


def test_the_watcher_says_so_and_is_critical(world: World) -> None:
    watcher = world.boston.spawn(["ami-watcher", "run"])
    try:
        said = check_says(world, watcher, "boston was overtaken")
        assert said.startswith("AMI-WATCHER CRITICAL")
        assert "type: failover demote" in said
        until(lambda: "overtaken" in role_changes(world), "the change of role")
    finally:
        watcher.terminate(5)


def test_it_is_not_activated_again_without_a_persons_word(world: World) -> None:
    done = activation(world.boston)
    assert done.returncode == 3, done.stdout + done.stderr
    assert "REFUSED: boston was overtaken: name server ns3 says" in done.stderr + done.stdout
    assert "failover demote" in done.stderr + done.stdout


def test_once_demoted_it_is_no_authority_of_the_old_zone(world: World) -> None:
    """Its link to dallas is cut, so it cannot fetch the new zone; the third server has it."""
    assert dig(world.boston, world.boston, "pbx.acme.example", "A") == world.boston.address
    done = failover(world.boston, "demote", "a test")
    assert done.returncode == 0, done.stdout + done.stderr
    assert dig(world.boston, world.boston, "pbx.acme.example", "A") in ("", world.dallas.address)
    assert dig(world.boston, world.ns3, "pbx.acme.example", "A") == world.dallas.address
    assert status(world.boston)["overtaken"] == []
    healed = world.boston.run(["ip", "route", "del", "unreachable", f"{world.dallas.address}/32"])
    assert healed.returncode == 0, healed.stderr
    until(
        lambda: dig(world.boston, world.boston, "pbx.acme.example", "A") == world.dallas.address,
        "dallas's address from boston",
        deadline_s=2 * HANG_S,
    )
