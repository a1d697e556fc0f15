"""Promotion between two real machines: the peer dead, the peer willing, and back; three name servers, real carriers."""

from __future__ import annotations

import json
from typing import Any

import pytest

from lab import World
from lab.carrier import web_api
from lab.world.machine import Machine
from tests.world.conftest import Worlds
from tests.world.failover.cutover import DELEGATION, answered, failover
from tests.world.failover.pairing import become, introduce

pytestmark = pytest.mark.world

API_PORT = 8099
VOIP = f"""
[carriers.voip]
preset = "voipms"
dids = ["+1 555 123-4567", "5551234568"]
account = "{web_api.USER}"
secret_file = "voip"
base = "http://192.0.2.5:{API_PORT}"
plain_http = true
routes = {{ boston = "account:100001_boston", dallas = "account:100001_dallas" }}
"""
REPLACING = ("acme", "metro", "nova")


@pytest.fixture(scope="module")
def world(worlds: Worlds) -> World:
    made = worlds("16", "22", sshd=True, named=True, expiry_s=20, extra=DELEGATION + VOIP)
    made.carrier.spawn(["python3", str(web_api.__file__), str(API_PORT), "192.0.2.5"])
    for machine in (made.boston, made.dallas):
        machine.write("/etc/hotstandby/secrets/voip", web_api.SECRET, mode=0o600)
    introduce(made)
    become(made.dallas, "standby")
    become(made.boston, "primary")
    done = answered(made.boston, "promote")
    assert done.returncode == 5, done.stdout + done.stderr
    return made


def runs(machine: Machine) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(failover(machine, "history", "--json").stdout)
    return found


def address(machine: Machine, server: str) -> str:
    code = (
        "import dns.message, dns.query\n"
        f"answer = dns.query.udp(dns.message.make_query('pbx.acme.example', 'A'), '{server}', timeout=2)\n"
        "print(answer.answer[0][0])"
    )
    return machine.run(["python3", "-c", code]).stdout.strip()


def test_a_plan_changes_nothing_and_its_digest_holds(world: World) -> None:
    before = runs(world.dallas)
    first = json.loads(failover(world.dallas, "plan", "switchover", "--json").stdout)
    again = json.loads(failover(world.dallas, "plan", "switchover", "--json").stdout)
    assert first["digest"] == again["digest"]
    assert [step["name"] for step in first["steps"]][:5] == ["fence", "localize", "dns", "carrier-acme", "carrier-voip"]
    assert first["risks"] == []
    (carrier,) = [one for one in first["evidence"] if one["probe"] == "carrier"]
    assert carrier["words"] == "carrier voip answers: 0 of 2 routed to dallas"
    other = failover(world.dallas, "switchover", "--plan", "000000000000")
    assert other.returncode == 3
    assert first["digest"] in other.stderr
    assert runs(world.dallas) == before
    assert world.carrier.holder("acme") == ["boston"]


def test_who_is_primary_already_has_nothing_to_do(world: World) -> None:
    assert "waiting  carrier-acme: Call acme, and say:" in failover(world.boston, "status").stdout
    assert failover(world.boston, "confirm", "carrier-acme", "Mia").returncode == 0
    assert "carrier-acme" not in failover(world.boston, "status").stdout
    assert "No step 'dns' waits" in failover(world.boston, "confirm", "dns").stderr


def test_a_planned_switch_and_back(world: World) -> None:
    for to, other in ((world.dallas, world.boston), (world.boston, world.dallas)):
        done = failover(to, "switchover", "--json")
        assert done.returncode == 5, done.stdout + done.stderr  # the carrier that only listens to people
        told = [json.loads(line) for line in done.stdout.splitlines()]
        assert next(one for one in told if one["step"] == "dns" and one["event"] != "began")["event"] == "verified"
        assert told[-1]["event"] == "ended"
        moved = next(one for one in told if one["step"] == "carrier-voip" and one["event"] != "began")
        assert moved["event"] == "verified", moved
        assert moved["words"].count(f"account:100001_{to.name}") == 2
        for trunk in REPLACING:
            world.carrier.await_holder(trunk, [to.name])
        for server in ("192.0.2.11", "192.0.2.12", "192.0.2.13"):
            assert address(other, server) == to.address
        assert failover(other, "is-primary").returncode == 1
        assert failover(to, "is-primary").returncode == 0
        assert runs(to)[-1]["steps"]["fence"] == "verified"


def test_a_dead_peer_needs_somebodys_word_and_then_everything_moves(world: World) -> None:
    world.boston.power_off()
    refused = failover(world.dallas, "promote")
    assert refused.returncode == 3
    assert "REFUSED: boston does not answer ping" in refused.stderr
    assert '--peer-is-down "REASON"' in refused.stderr
    assert world.carrier.holder("acme") in (["boston"], [])
    done = failover(world.dallas, "promote", "--peer-is-down", "I pulled the plug")
    assert done.returncode == 5, done.stdout + done.stderr
    assert "2 of 3 servers agree: pbx 192.0.2.12" in done.stdout
    for trunk in REPLACING:
        world.carrier.await_holder(trunk, ["dallas"])
    assert address(world.ns3, "192.0.2.13") == "192.0.2.12"
    assert world.carrier.call("acme").machine == "dallas"
    shown = failover(world.dallas, "history", str(runs(world.dallas)[-1]["run"])).stdout
    assert "I pulled the plug" in shown


def test_demote_is_proven_and_nobody_is_left(world: World) -> None:
    if failover(world.dallas, "is-primary").returncode:
        assert answered(world.dallas, "switchover").returncode == 5
    done = failover(world.dallas, "demote", "the test is over")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "dallas is standby" in done.stdout
    assert "secondary of acme.example" in done.stdout
    assert failover(world.dallas, "is-primary").returncode == 1
    assert runs(world.dallas)[-1]["command"] == "demote"
