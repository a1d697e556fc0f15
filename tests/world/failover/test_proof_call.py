"""The call that proves a promotion, on Asterisk 16 and 22: out over SIP and IAX2, back in, and the sound measured."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from typing import Any

import pytest

from ami_watcher.phones.contact import Contact, Reach
from ami_watcher.phones.inventory import ContactExport, KnownContact, encode_export
from lab import Release, World
from lab.until import until
from lab.world.machine import Machine
from tests.world.conftest import Worlds
from tests.world.failover.pairing import become

pytestmark = pytest.mark.world

PROOF = '[proof]\ntrunk = "{trunk}"\nthrough = "{through}"\nnumber = "{number}"\nlisten_s = 1\nring_s = 4\n{more}'
CARRIER_ROUTES = """\
[from-customer]
exten => 5550001,1,Busy(1)
exten => 5550002,1,Ringing()
 same => n,Wait(30)
exten => 5550003,1,Answer()
 same => n,Echo()
"""


@pytest.fixture(scope="module")
def world(worlds: Worlds, release: Release) -> World:
    """boston is primary; the carrier brings calls to our numbers back, and has some that end otherwise."""
    made = worlds(boston=release, dallas=release, trunks=["acme", "metro"])
    dialplan = made.carrier.path("/etc/asterisk/extensions.conf")
    dialplan.write_text(dialplan.read_text().replace("[from-customer]\n", CARRIER_ROUTES))
    made.carrier.asterisk("dialplan reload")
    for machine in (made.boston, made.dallas):
        wire(machine, release)
    become(made.boston, "primary")
    return made


def wire(machine: Machine, release: Release) -> None:
    """What docs/understand/proof.md has an admin do: ways out with credentials, and one line in the inbound context."""
    append(machine, "iax.conf", "[metro-out]\ntype=peer\nhost=192.0.2.5\nusername=5556000\nsecret=metro-Secret2\n")
    if release == "16":
        out = (
            "[acme-out]\ntype=peer\nhost=192.0.2.5\ndefaultuser=5551000\nfromuser=5551000\nremotesecret=acme-Secret1\n"
        )
        append(machine, "sip.conf", f"{out}insecure=port,invite\ncontext=from-carrier\n")
    inbound = machine.path("/etc/asterisk/extensions_inbound.conf").read_text()
    gate = "exten => _X.,1,Gosub(hotstandby-proof,s,1)\n same => n,"
    machine.write("/etc/asterisk/extensions_inbound.conf", inbound.replace("exten => _X.,1,", gate))
    for command in ("iax2 reload", "dialplan reload"):
        machine.asterisk(command)
    machine.asterisk("sip reload" if release == "16" else "module reload res_pjsip.so")


def append(machine: Machine, name: str, text: str) -> None:
    file = machine.path(f"/etc/asterisk/{name}")
    machine.write(f"/etc/asterisk/{name}", file.read_text() + "\n" + text)


@pytest.fixture(autouse=True)
def _no_channel_is_left(world: World) -> Iterator[None]:
    yield
    until(
        lambda: "0 active channels" in world.boston.asterisk("core show channels count"),
        "no channel is left",
        told=lambda: world.boston.asterisk("core show channels"),
    )
    left = world.boston.path("/var/spool/asterisk/hotstandby")
    assert not left.exists() or not list(left.iterdir())


def call(world: World, trunk: str, number: str, more: str = "") -> dict[str, Any]:
    through = {"acme": "acme-out" if world.releases["boston"] == "16" else "acme", "metro": "metro-out"}[trunk]
    proof = PROOF.format(trunk=trunk, through=through, number=number, more=more)
    world.boston.write("/etc/hotstandby/pair.toml", f"{world.pair_toml}\n{proof}")
    code = (
        "import json\nfrom failover.context import read_context\nfrom failover.steps.proof.call import place_call\n"
        "here = read_context()\n"
        "found = place_call(here.pair, here.machine, here.pair.proof)\n"
        "print(json.dumps({'problem': found.problem, 'words': found.words, 'seconds': found.seconds,"
        " 'out': found.there.dbfs if found.there else None, 'back': found.back.dbfs if found.back else None}))"
    )
    done = world.boston.run(["python3", "-c", code])
    assert done.returncode == 0, done.stdout + done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found


@pytest.mark.parametrize(("trunk", "number"), [("acme", "5551000"), ("metro", "5556000")])
def test_each_end_hears_the_other(world: World, trunk: str, number: str) -> None:
    found = call(world, trunk, number)
    assert found["problem"] == ""
    assert -20 < found["out"] < -6
    assert -20 < found["back"] < -6
    assert "heard both ways: out 1004 Hz" in found["words"]


def test_an_echo_test_of_the_carrier_proves_it_with_one_leg(world: World) -> None:
    found = call(world, "metro", "5550003", 'answer = "echo"\n')
    assert found["problem"] == ""
    assert "1004 Hz" in found["words"]


@pytest.mark.parametrize(
    ("number", "problem"),
    [
        ("5550001", "it is busy (cause 17)"),
        ("5550002", "nobody answered"),
        ("5550009", "somebody answered, and it was not this machine"),  # the carrier's own announcement
    ],
)
def test_a_call_that_goes_wrong_says_how_and_ends(world: World, number: str, problem: str) -> None:
    found = call(world, "metro", number)
    assert problem in found["problem"]


def test_a_line_that_carries_no_sound_is_found(world: World) -> None:
    drop = "add table ip mute; add chain ip mute out { type filter hook output priority 0; }; "
    drop += "add rule ip mute out udp sport 10000-10999 drop"
    assert world.boston.run(["nft", drop]).returncode == 0
    try:
        found = call(world, "acme", "5551000")
    finally:
        world.boston.run(["nft", "delete table ip mute"])
    assert "outward: " in found["problem"]
    assert "inward: " in found["problem"]


def test_phones_that_have_not_come_back_are_named_with_what_they_wait_for(world: World) -> None:
    now = time.time()
    known = [
        KnownContact(
            Contact("pjsip", name, "10.0.0.5:5060", Reach.REACHABLE, None, "Desk", expires),
            now - 900,
            now - 5,
            here=True,
        )
        for name, expires in (("101", now + 200), ("102", now + 100))
    ]
    export = encode_export(ContactExport("dallas", now - 5, tuple(known))).decode()
    assert world.boston.run(["failover", "clients"]).returncode == 1  # no list was left here yet
    world.boston.write("/var/lib/hotstandby/contacts/dallas.json", export)
    done = world.boston.run(["failover", "clients", "--json"])
    assert done.returncode == 5, done.stdout + done.stderr
    told = json.loads(done.stdout)
    assert [one["name"] for one in told["missing"]] == ["102", "101"]
    shown = world.boston.run(["failover", "clients"]).stdout
    assert "102" in shown
    assert "within" in shown
    assert "2 of the 2 that dallas listed" in shown


def test_callers_get_through_while_a_proof_runs(world: World) -> None:
    """With `caller` said, nobody else's call is taken for the proof's, not even in its seconds."""
    for key, value in {"UNTIL": int(time.time()) + 30, "CALLER": "5559999", "FILE": "/tmp/x", "TALK_S": 5}.items():
        world.boston.asterisk(f'dialplan set global HOTSTANDBY_PROOF_{key} "{value}"')
    before = len(world.boston.calls())
    assert world.carrier.call("acme", caller="6175550100").machine == "boston"
    assert len(world.boston.calls()) == before + 1
    world.boston.asterisk('dialplan set global HOTSTANDBY_PROOF_UNTIL ""')
