"""A promotion with one thing missing at a time, the peer alive, dead and half dead: docs/operate/what-is-missing.md.

With an outside eye: who the carrier has, where its calls land, and which processes are still the same. Either all that
can be served is served, or nothing was touched; and no outage begins that was not there before.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import pytest

from host.command import Finished
from lab import World
from lab.carrier import web_api
from lab.until import until
from tests.world.conftest import Worlds
from tests.world.failover.cutover import (
    DELEGATION,
    answered,
    comes_back_as_standby,
    dig,
    failover,
    name_servers,
    name_servers_rest,
    names_agree,
)
from tests.world.failover.pairing import become, introduce
from tests.world.failover.promotion.failing import Scene
from tests.world.failover.promotion.faults import (
    SECRETS,
    Fault,
    broken_pair,
    down,
    frozen,
    manager,
    no_carrier,
    no_named,
    no_room,
    no_third_server,
    secret,
)
from tests.world.failover.promotion.mortal import role_on_disk
from tests.world.failover.promotion.test_promote import VOIP, runs

pytestmark = pytest.mark.world

TRUNKS = ("acme", "nova")
WORD = ("--peer-is-down", "it is dead")


@pytest.fixture(scope="module")
def scene(worlds: Worlds) -> Scene:
    """boston serves, dallas is ready; in DNS and at a carrier with an API as well."""
    extra = DELEGATION + VOIP.replace("plain_http = true", "plain_http = true\ndeadline_s = 3.0")
    world = worlds("16", "22", sshd=True, named=True, expiry_s=20, trunks=TRUNKS, extra=extra)
    quick = "[asterisk]\nregister_deadline_s = 4.0\nreload_deadline_s = 3.0\n"
    for machine in (world.boston, world.dallas):
        text = machine.path("/etc/hotstandby/pair.toml").read_text()
        text = text.replace("[asterisk]\n", quick).replace("ttl_s", "agree_within_s = 2.0\nttl_s")
        machine.write("/etc/hotstandby/pair.toml", text)
        machine.write(f"{SECRETS}/voip", web_api.SECRET, mode=0o600)
    introduce(world)
    become(world.dallas, "standby")
    become(world.boston, "standby")
    made = Scene(world)
    made.carrier()
    boston_serves(made)
    return made


def boston_serves(scene: Scene) -> None:
    """As it is before each row: everything whole, nothing open."""
    world = scene.world
    if not world.boston.on:
        comes_back(world)
    if failover(world.boston, "is-primary").returncode or world.carrier.holder("acme") != ["boston"]:
        failover(world.dallas, "promote", "--abort")
        if failover(world.boston, "is-primary").returncode:
            done = answered(world.boston, "promote")
            assert done.returncode == 5, done.stdout + done.stderr
    for trunk in TRUNKS:
        world.carrier.await_holder(trunk, ["boston"])


def comes_back(world: World) -> None:
    if failover(world.dallas, "is-primary").returncode == 0 and world.dallas.asterisk_running:
        # The row before may have left the zone with boston: what was missing is there again, and the same command
        # completes it. A boston that nobody relieved of the zone would rightly go on as its primary.
        failover(world.dallas, "promote")
        comes_back_as_standby(world, world.boston)
        return
    world.boston.power_on(services=["sshd"])
    assert failover(world.boston, "boot-guard").returncode == 0
    world.boston.start_asterisk()
    world.boston.start_named()


# What is missing


@dataclass(frozen=True)
class Missing:
    """One thing, and what comes of it.

    Attributes:
        fault: what is missing meanwhile.
        alive: exit code where the peer serves; 3: nothing was touched.
        dead: exit code where it does not; 1: nothing was touched.
        words: that name it, or say what to do.
        same: dallas's Asterisk is the same process afterwards.
    """

    fault: Fault
    alive: int
    dead: int
    words: str
    same: bool = True


UNSEEN = "WHETHER ANYBODY ANSWERS IS NOT KNOWN"
MISSING = {
    "AMI secret gone": Missing(secret("ami"), 3, 4, "secrets/ami cannot be read"),
    "AMI secret another": Missing(secret("ami", "another"), 3, 4, "refused the login"),
    "AMI rights gone": Missing(manager("write = system,reporting", "write = none"), 3, 4, "manager.conf"),
    "trunk secret gone": Missing(secret("acme"), 5, 5, "rendered earlier, is used"),
    "carrier secret gone": Missing(secret("voip"), 5, 5, "secrets/voip cannot be read"),
    "DNS key gone": Missing(secret("tsig.key"), 5, 5, "secrets/tsig.key cannot be read"),
    "DNS key another": Missing(
        secret("tsig.key", 'key "hotstandby" { algorithm hmac-sha256; secret "AAAAAAAAAAAAAAAAAAAAAA=="; };\n'),
        5,
        5,
        "dns",
    ),
    "Asterisk frozen": Missing(frozen, 3, 1, "systemctl status asterisk"),
    "Asterisk down": Missing(down, 3, 1, "Asterisk is not running"),
    "named down": Missing(no_named, 5, 5, "rndc"),
    "third name server down": Missing(no_third_server, 5, 5, "ns3"),
    "carrier's API down": Missing(no_carrier, 5, 5, "voip"),
    "state disk full": Missing(no_room, 3, 1, "/var/lib/hotstandby"),
    "pair.toml broken": Missing(broken_pair, 5, 5, "pair.toml"),
}
QUICK = {
    ("AMI secret another", "alive"),
    ("AMI secret another", "dead"),
    ("carrier secret gone", "dead"),
    ("Asterisk frozen", "alive"),
    ("named down", "alive"),
    ("state disk full", "alive"),
}
"""The rows that run each time; the others are the soak's."""
ROWS = [
    pytest.param(what, peer, id=f"{what}, peer {peer}", marks=() if (what, peer) in QUICK else pytest.mark.soak)
    for what in MISSING
    for peer in ("alive", "dead", "half dead")
]


@pytest.mark.parametrize(("what", "peer"), ROWS)
def test_all_that_can_be_served_is_served_or_nothing_was_touched(scene: Scene, what: str, peer: str) -> None:
    boston_serves(scene)
    world, one = scene.world, MISSING[what]
    name_servers_rest(world)
    if peer == "dead":
        world.boston.power_off()
    elif peer == "half dead":
        world.boston.stop_sshd()
        world.boston.freeze()
    before = world.dallas.processes("asterisk")
    try:
        with one.fault(scene):
            running = world.dallas.processes("asterisk")
            done = asked_well(scene, peer)
            said = done.stdout + done.stderr
            code = one.alive if peer == "alive" else one.dead
            assert done.returncode == code, said
            assert one.words in said, said
            assert "Traceback" not in said
            assert "a defect in hotstandby" not in said
            assert world.dallas.processes("asterisk") == running, said  # nothing was killed that was not started
            if code in (1, 3):
                assert role_on_disk(world.dallas) == "standby", said
                assert failover(world.dallas, "is-primary").returncode == 1
            if code == 3:
                serve(scene, "boston", said)
            elif code in (4, 5):
                assert (UNSEEN in said) is (code == 4), said
                serve(scene, "dallas", said)
        if code in (1, 4):
            # Mended, the same command serves, and the process is still the one that it was.
            again = failover(world.dallas, "promote", *WORD)
            assert again.returncode == 5, again.stdout + again.stderr
            serve(scene, "dallas", again.stdout + again.stderr)
    finally:
        if peer == "half dead":
            world.boston.power_off()
    if what != "Asterisk down":
        assert world.dallas.processes("asterisk") == before


def asked_well(scene: Scene, peer: str) -> Finished:
    """The promotion; once more where a busy machine let the question to a living peer hang, which is no row here."""
    return answered(scene.dallas, "promote") if peer == "alive" else failover(scene.dallas, "promote", *WORD)


def serve(scene: Scene, machine: str, said: str) -> None:
    for trunk in TRUNKS:
        scene.world.carrier.await_holder(trunk, [machine])
        call = scene.world.carrier.call(trunk)
        assert call.machine == machine, (trunk, call, said)


def test_a_degraded_primary_is_completed_by_the_same_command_and_nobody_is_asked_twice(scene: Scene) -> None:
    boston_serves(scene)
    world = scene.world
    name_servers_rest(world)
    world.boston.power_off()
    with secret("voip")(scene):
        done = failover(world.dallas, "promote", *WORD)
        assert done.returncode == 5, done.stdout + done.stderr
        assert "Call acme" in done.stdout
    assert failover(world.dallas, "confirm", "carrier-acme", "Ann called").returncode == 0
    before = runs(world.dallas)[-1]
    running = world.dallas.processes("asterisk")
    again = failover(world.dallas, "promote")  # without a word: it is primary, and its peer is as dead as before
    said = again.stdout + again.stderr
    assert again.returncode in (0, 5), said
    assert "Call acme" not in said
    last = runs(world.dallas)[-1]
    assert (last["epoch"], last["run"]) == (before["epoch"], before["run"] + 1)
    whole = {name: told for name, told in last["steps"].items() if name != "proof"}
    assert set(whole) == {"fence", "localize", "dns", "carrier-acme", "carrier-voip"}
    assert set(whole.values()) == {"verified"}, said
    assert world.dallas.processes("asterisk") == running
    serve(scene, "dallas", said)


def test_after_a_power_cut_of_both_the_zone_has_one_primary_and_the_promotion_takes_it_over(scene: Scene) -> None:
    """Both guards at once; nobody serves until a person decides, here for the one that is not primary of the zone."""
    boston_serves(scene)
    world = scene.world
    pair = (world.boston, world.dallas)
    name_servers_rest(world)
    for machine in pair:
        machine.power_off()
    for machine in pair:
        machine.power_on(services=["sshd"])
    with ThreadPoolExecutor(2) as pool:
        guarded = list(pool.map(lambda machine: failover(machine, "boot-guard"), pair))
    assert [one.returncode for one in guarded] == [0, 0], guarded
    for machine in pair:
        machine.start_asterisk()
        machine.start_named()
    assert zone_primaries(world) == ["boston"]
    done = answered(world.dallas, "promote")
    said = done.stdout + done.stderr
    assert done.returncode == 5, said
    assert zone_primaries(world) == ["dallas"], said
    names_agree(world, world.dallas, name_servers(world))
    serve(scene, "dallas", said)


def test_demoted_by_hand_and_without_power_during_a_promotion_it_answers_with_no_old_name(scene: Scene) -> None:
    """Its BIND was secondary already when the power went: its copy is not old by its age, but by what it tells."""
    boston_serves(scene)
    world = scene.world
    demoted = failover(world.boston, "demote", "a test")
    assert demoted.returncode in (0, 5), demoted.stdout + demoted.stderr
    assert "type: secondary" in world.boston.run(["rndc", "zonestatus", "acme.example"]).stdout
    name_servers_rest(world)
    world.boston.power_off()
    done = failover(world.dallas, "promote", "--peer-is-down", "its power is cut")
    said = done.stdout + done.stderr
    assert done.returncode == 5, said
    world.boston.power_on(services=["sshd"])
    guarded = failover(world.boston, "boot-guard")
    assert "starts as standby: dallas is primary" in guarded.stdout, guarded.stdout + guarded.stderr
    world.boston.start_asterisk()
    world.boston.start_named()

    def first_answer() -> str:
        said = dig(world.dallas, world.boston, "pbx.acme.example", "A")
        return "" if said.startswith(";") else said

    assert until(first_answer, "an answer of its BIND") == world.dallas.address
    names_agree(world, world.dallas, name_servers(world))
    serve(scene, "dallas", said)


def zone_primaries(world: World) -> list[str]:
    shown = {one.name: one.run(["rndc", "zonestatus", "acme.example"]).stdout for one in (world.boston, world.dallas)}
    return [name for name, said in shown.items() if "type: primary" in said]
