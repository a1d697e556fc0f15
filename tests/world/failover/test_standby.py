"""A machine becomes standby, whatever it takes, and one that starts is standby until others prove otherwise."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator

import pytest

from lab import World
from lab.until import until
from lab.world.machine import Machine
from tests.world.conftest import Worlds
from tests.world.failover.pairing import FENCE, become, fenced, introduced, mended, python

pytestmark = pytest.mark.world


@pytest.fixture(scope="module")
def world(worlds: Worlds) -> World:
    return introduced(worlds)


@pytest.fixture(autouse=True)
def _mended(world: World) -> Iterator[None]:
    with mended(world):
        yield


def test_the_fence_has_the_peer_demote_itself_and_sees_that_it_did(world: World) -> None:
    proven, words = fenced(world.dallas)
    assert proven, words
    assert "boston is standby" in words
    assert world.boston.run(["failover", "is-primary"]).returncode == 1
    registered = [line for line in world.boston.asterisk("sip show registry").splitlines() if "5551000" in line]
    assert registered == []
    assert not world.boston.path("/run/hotstandby/fenced").exists()
    # Whoever asks for an earlier promotion than the one that holds the right is told so, and obeyed by nobody.
    become(world.boston, "primary")
    python(
        world.boston,
        'from failover.state import right\nright.grant(here.places, "boston", 12, "a test")\nprint(1)',
    )
    proven, words = python(world.dallas, FENCE.format(word="it is surely down"))
    assert not proven
    assert "earlier epoch 9" in words
    assert world.boston.run(["failover", "is-primary"]).returncode == 0
    python(world.boston, "from failover.state import right\nright.revoke(here.places)\nprint(1)")


def test_a_frozen_asterisk_is_killed_and_nothing_of_it_registers(world: World) -> None:
    become(world.boston, "primary")
    world.boston.freeze()
    proven, words = fenced(world.dallas)
    assert proven, words
    assert world.boston.processes("asterisk") == []
    world.boston.stop_asterisk()
    world.boston.start_asterisk()
    assert "5551000" not in world.boston.asterisk("sip show registry")


def test_a_full_disk_does_not_keep_a_machine_primary(world: World) -> None:
    become(world.boston, "primary")
    mount = world.boston.run(
        [
            "sh",
            "-c",
            "mount -t tmpfs -o size=4k none /var/lib/hotstandby && cat /dev/zero > /var/lib/hotstandby/full; true",
        ]
    )
    assert mount.returncode == 0
    try:
        proven, words = fenced(world.dallas)
        assert proven, words
        assert "5551000" not in world.boston.asterisk("sip show registry")
    finally:
        world.boston.run(["umount", "/var/lib/hotstandby"])


def test_without_a_standby_generation_it_is_killed_and_stays_fenced(world: World) -> None:
    become(world.boston, "primary")
    for found in world.boston.path("/etc/hotstandby/localized/generations").glob("*-standby-*"):
        found.rename(found.with_name(f".{found.name}.away"))
    secret = world.boston.path("/etc/hotstandby/secrets/acme")
    kept = secret.read_text()
    secret.unlink()
    try:
        done = world.boston.run(["env", "SSH_ORIGINAL_COMMAND=demote 9", "failover", "peer"])
        said = json.loads(done.stdout)["body"]
        assert said["proven"], said
        assert said["killed"]
        assert "fence" in said["words"]
        assert world.boston.path("/run/hotstandby/fenced").exists()
        assert world.boston.processes("asterisk") == []
    finally:
        secret.write_text(kept)
        secret.chmod(0o600)
        world.boston.stop_asterisk()
        world.boston.path("/run/hotstandby/fenced").unlink(missing_ok=True)
    assert (
        world.boston.run(["render-localized", "--role", "standby", "--activate", "--without-asterisk"]).returncode == 0
    )
    world.boston.start_asterisk()


def guard(machine: Machine) -> str:
    done = machine.run(["failover", "boot-guard"])
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


ZONE_HERE = """
from pathlib import Path
from failover.steps.dns.bind_role import take_role
from failover.bind.named import LocalNamed
from localized.generations.store import GenerationStore
from localized.role import Role
dns = here.pair.dns
named = LocalNamed(Path(dns.named_conf), dns.rndc)
print(json.dumps(take_role(named, GenerationStore(here.places), Role.DNS_PRIMARY, dns.zone)))
"""


def test_a_machine_that_returns_starts_as_standby_in_pbx_and_dns(world: World) -> None:
    become(world.boston, "primary")
    world.boston.power_off()
    become(world.dallas, "primary")
    world.boston.power_on(services=["sshd"])
    begun = time.time()
    assert "starts as standby: dallas is primary" in guard(world.boston)
    world.boston.start_asterisk()
    assert world.boston.run(["failover", "is-primary"]).returncode == 1
    assert "5551000" not in world.boston.asterisk("sip show registry")
    assert not world.boston.path("/run/hotstandby/fenced").exists()
    shared = {"5551000", "5556000", "5552000", "5553000", "5554000"}
    mine = [one for one in world.carrier.registers() if one.from_address == "192.0.2.11" and one.account in shared]
    assert [one for one in mine if one.at > begun] == []


def test_alone_it_starts_as_standby_and_with_proof_as_primary(world: World) -> None:
    become(world.boston, "standby")
    become(world.dallas, "primary")
    update = (
        "server 192.0.2.11\nzone acme.example\nupdate delete _failover.acme.example TXT\nupdate add "
        '_failover.acme.example 30 TXT "hotstandby=1 machine=dallas epoch=4"\nsend\n'
    )
    world.boston.start_named()
    python(world.boston, ZONE_HERE)
    done = world.boston.run(["nsupdate", "-k", "/etc/hotstandby/secrets/tsig.key"], input=update.encode())
    assert done.returncode == 0, done.stderr
    ask = ["dig", "+short", "@192.0.2.13", "_failover.acme.example", "TXT"]
    until(lambda: "epoch=4" in world.dallas.run(ask).stdout, "the promotion, told by ns3")
    world.dallas.power_off()
    world.dallas.power_on(services=["sshd"])
    world.cut("boston", "dallas")
    assert "its peer does not answer" in guard(world.dallas)
    assert world.dallas.run(["failover", "is-primary"]).returncode == 1
    world.heal()
    world.dallas.power_off()
    world.dallas.power_on(services=["sshd"])
    assert "starts as primary" in guard(world.dallas)
    assert world.dallas.run(["failover", "is-primary"]).returncode == 0
    world.dallas.start_asterisk()
    world.carrier.await_holder("nova", ["dallas"], deadline_s=20)


def test_cut_off_it_gives_up_the_zone_as_well(world: World) -> None:
    world.boston.start_named()
    python(world.boston, ZONE_HERE)
    assert world.boston.run(["rndc", "sync", "-clean", "acme.example"]).returncode == 0
    world.boston.power_off()
    world.boston.power_on(services=["sshd"])
    world.cut("boston", "dallas")
    before = world.boston.path("/etc/hotstandby/localized/current-dns").readlink()
    assert "dns-primary" in before.name
    assert "starts as standby" in guard(world.boston)
    world.boston.start_named()
    assert "dns-secondary" in world.boston.path("/etc/hotstandby/localized/current-dns").readlink().name
    # Its zone tells what ns3 tells: that is not old, whoever was its primary.
    zone = world.boston.run(["rndc", "zonestatus", "acme.example"])
    assert "type: secondary" in zone.stdout, zone.stdout + zone.stderr


def test_cut_off_it_does_not_answer_with_a_zone_of_an_earlier_promotion(world: World) -> None:
    """ns3 tells dallas's promotion, and dallas cannot be asked for the zone: better no answer than the old one."""
    world.boston.power_off()
    file = world.boston.path("/var/lib/bind/acme.example.zone")
    told = file.read_bytes()
    assert b"machine=dallas epoch=4" in told
    file.write_bytes(told.replace(b"epoch=4", b"epoch=3"))
    file.with_name(f"{file.name}.jnl").unlink(missing_ok=True)
    world.boston.power_on(services=["sshd"])
    world.cut("boston", "dallas")
    guarded = guard(world.boston)
    assert "its peer does not answer" in guarded
    world.boston.start_named()
    ask = ["dig", "+norecurse", "+time=3", "+tries=1", f"@{world.boston.address}", "pbx.acme.example", "A"]
    said = world.boston.run(ask)
    assert "status: SERVFAIL" in said.stdout, guarded + said.stdout + said.stderr
