"""A drill between two real machines and back: calls land where they should throughout, and the report remembers."""

from __future__ import annotations

import json
from typing import Any

import pytest

from lab import World
from lab.world.machine import Machine
from tests.world.conftest import Worlds
from tests.world.failover.cutover import DELEGATION, answered, failover
from tests.world.failover.pairing import become, introduce

pytestmark = pytest.mark.world

REPLACING = ("acme", "metro", "nova")


@pytest.fixture(scope="module")
def world(worlds: Worlds) -> World:
    made = worlds("16", "22", sshd=True, named=True, expiry_s=20, extra=DELEGATION)
    introduce(made)
    become(made.dallas, "standby")
    become(made.boston, "primary")
    done = answered(made.boston, "promote")
    assert done.returncode == 5, done.stdout + done.stderr
    return made


def everything_live(world: World) -> dict[str, object]:
    """What a rehearsal must leave as it is."""
    return {
        "holders": {trunk: world.carrier.holder(trunk) for trunk in REPLACING},
        "roles": [
            str(machine.path(f"/etc/hotstandby/localized/{link}").readlink())
            for machine in (world.boston, world.dallas)
            for link in ("current", "current-dns")
        ],
        "runs": [json.loads(failover(machine, "history", "--json").stdout) for machine in (world.boston, world.dallas)],
        "serial": world.boston.run(["rndc", "zonestatus", "acme.example"]).stdout.split("serial: ")[1].split("\n")[0],
    }


def test_a_rehearsal_tries_everything_and_changes_nothing(world: World) -> None:
    before = everything_live(world)
    done = failover(world.dallas, "drill", "--rehearse", "--json")
    assert done.returncode == 5, done.stdout + done.stderr  # there is no Domino in this world
    told = {one["step"]: one for one in json.loads(done.stdout)["steps"]}
    assert list(told) == ["fence", "localize", "dns", "carrier-acme", "proof"]
    assert "boston answers ssh" in told["fence"]["proved"]
    assert "6 of 6 carriers answer" in told["localize"]["proved"]
    assert "would take a signed UPDATE of these names from us" in told["dns"]["proved"]
    assert "our own, knows the key" in told["dns"]["proved"]
    assert "Please route 5551000" in told["carrier-acme"]["proved"]
    assert [one["step"] for one in told.values() if one["good"] != "ok"] == ["proof"]
    assert everything_live(world) == before


def test_a_rehearsal_finds_a_key_that_the_primary_does_not_know(world: World) -> None:
    secret = world.dallas.path("/etc/hotstandby/secrets/tsig.key")
    good = secret.read_text()
    try:
        secret.write_text(good.replace('secret "', 'secret "AAAA'))
        done = failover(world.dallas, "drill", "--rehearse", "--json")
    finally:
        secret.write_text(good)
    told = {one["step"]: one for one in json.loads(done.stdout)["steps"]}
    assert told["dns"]["good"] == "open"
    assert "BADSIG" in told["dns"]["proved"]


def test_who_is_primary_is_told_to_rehearse_on_the_other(world: World) -> None:
    refused = failover(world.boston, "drill", "--rehearse")
    assert refused.returncode == 3
    assert "Rehearse on dallas" in refused.stderr


def test_there_and_back_with_a_stay_in_which_the_calls_land_there(world: World) -> None:
    running = world.dallas.spawn(["failover", "drill", "--stay", "12", "--json"], name="drill")
    running.until(
        lambda: world.carrier.holder("acme") == ["dallas"] and failover(world.dallas, "is-primary").returncode == 0,
        "dallas is primary",
    )
    assert world.carrier.call("acme").machine == "dallas"
    assert world.carrier.call("better").machine == "dallas"
    assert running.wait(100) == 5, running.output()
    assert world.carrier.call("acme").machine == "boston"
    assert world.carrier.call("metro").machine == "boston"
    assert failover(world.boston, "is-primary").returncode == 0
    assert failover(world.dallas, "is-primary").returncode == 1
    report = reports(world.dallas)[0]
    assert report["sentence"].startswith("boston to dallas and back")
    assert [leg["machine"] for leg in report["legs"]] == ["dallas", "boston"]
    for leg in report["legs"]:
        steps = [one["step"] for one in leg["steps"]]
        assert (steps[:2], steps[-1]) == (["fence", "localize"], "proof")
        assert sorted(steps[2:-1]) == ["carrier-acme", "dns"]  # side by side
        assert [one["progress"] for one in leg["steps"] if one["step"] in ("fence", "dns")] == ["verified"] * 2
        assert 0 < leg["moved_s"] <= leg["seconds"]
        assert all(one["usual_s"] is None for one in leg["steps"])
    assert any("in between boston is standby and holds nothing" in note for note in report["notes"])


def test_the_next_drill_is_compared_with_the_one_before(world: World) -> None:
    done = failover(world.boston, "drill")  # from the primary this time: the peer takes over first
    assert done.returncode == 5, done.stdout + done.stderr
    assert "report   /var/lib/hotstandby/drills/000001.md" in done.stdout
    second = failover(world.dallas, "drill", "--json")
    assert second.returncode == 5, second.stdout + second.stderr
    report = reports(world.dallas)[1]
    assert report["number"] == 2
    usual = {one["step"]: one["usual_s"] for one in report["legs"][0]["steps"]}
    first = {one["step"]: one["seconds"] for one in reports(world.dallas)[0]["legs"][0]["steps"]}
    assert usual == first
    text = world.dallas.path("/var/lib/hotstandby/drills/000002.md").read_text()
    assert "compared with the 1 before it" in text
    assert "## boston takes over" in text
    assert world.carrier.call("nova").machine == "boston"


def test_no_drill_while_the_other_machine_is_not_healthy(world: World) -> None:
    world.boston.freeze()
    try:
        refused = failover(world.dallas, "drill")
    finally:
        world.boston.thaw()
    assert refused.returncode == 3
    assert "nothing was changed" in refused.stderr
    assert "boston's Asterisk" in refused.stderr
    assert len(reports(world.dallas)) == 2


def reports(machine: Machine) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(failover(machine, "drill", "--list", "--json").stdout)
    return found
