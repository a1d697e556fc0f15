"""`check`, `ready` and `compare` on two real machines: silent when all is well, and right about what is broken."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from lab import World
from lab.computer.daemon import Daemon
from lab.domino.phone_book import start_domino
from lab.until import until
from lab.world.machine import Machine
from tests.world.conftest import Worlds
from tests.world.failover.cutover import DELEGATION, SERVED, answered, name_servers, names_agree
from tests.world.failover.pairing import become, introduce, mended

pytestmark = pytest.mark.world
DOMINO: dict[str, Daemon] = {}
"""The Domino of each machine."""


@pytest.fixture(scope="module")
def world(worlds: Worlds) -> World:
    made = worlds("16", "22", sshd=True, named=True, trunks=["acme", "metro"], extra=DELEGATION)
    introduce(made)
    become(made.dallas, "standby")
    become(made.boston, "standby")
    for machine in (made.boston, made.dallas):
        DOMINO[machine.name] = start_domino(machine)
    done = answered(made.boston, "promote")
    assert done.returncode == SERVED, done.stdout + done.stderr
    names_agree(made, made.boston, name_servers(made))
    return made


@pytest.fixture(autouse=True)
def _mended(world: World) -> Iterator[None]:
    with mended(world):
        yield


def told(machine: Machine, command: str) -> tuple[int, dict[str, Any]]:
    done = machine.run(["failover", command, "--json"])
    assert done.stdout, done.stderr
    return done.returncode, json.loads(done.stdout)


def bad(items: dict[str, Any]) -> set[str]:
    return {one["name"] for one in items["items"] if one["good"] == "missing"}


def errors(findings: dict[str, Any]) -> set[str]:
    return {one["rule"] for one in findings["findings"] if one["level"] == "error"}


def test_a_whole_pair_is_ready_and_has_nothing_to_mend(world: World) -> None:
    for machine in (world.boston, world.dallas):
        code, found = told(machine, "ready")
        assert code == 0, [one for one in found["items"] if one["good"] != "ready"]
        assert {"acme", "metro", "dns ns3", "asterisk", "clock"} <= {one["name"] for one in found["items"]}
        code, found = told(machine, "check")
        assert errors(found) == set(), found
        assert code in (0, 5)


def test_status_tells_what_the_standbys_own_ready_found(world: World) -> None:
    # On a machine that has no processor to give, the other one may not answer in time: the next time it does.
    until(lambda: told(world.dallas, "ready")[0] == 0, "dallas is ready")
    status = told(world.boston, "status")[1]
    assert status["machines"]["dallas"]["role"].startswith("standby, ready (")
    secret = world.dallas.path("/etc/hotstandby/secrets/acme")
    kept = secret.read_text()
    try:
        secret.write_text("another password")
        code, found = told(world.dallas, "ready")
        assert (code, bad(found)) == (1, {"secrets"})
        status = told(world.boston, "status")[1]
        assert status["machines"]["dallas"]["role"].startswith("standby, NOT ready: secrets (")
        assert status["next"] == "dallas is NOT ready: secrets; there, type: failover ready"
    finally:
        secret.write_text(kept)
    until(lambda: told(world.dallas, "ready")[0] == 0, "dallas is ready again")


def test_a_dead_domino_and_a_peer_that_cannot_be_asked_are_not_fine(world: World) -> None:
    DOMINO["dallas"].terminate(5)
    try:
        code, found = told(world.dallas, "ready")
        assert code == 5
        assert [one["name"] for one in found["items"] if one["good"] != "ready"] == ["domino"]
    finally:
        DOMINO["dallas"] = start_domino(world.dallas)
    world.boston.stop_sshd()
    code, found = told(world.dallas, "ready")
    said = {one["name"]: one["good"] for one in found["items"] if one["good"] != "ready"}
    assert (code, said["clock"], said["secrets"]) == (5, "unknown", "unknown")
    assert not [one for one in found["items"] if "failover status" in one["mend"]]


def test_what_differs_between_16_and_22_is_told(world: World) -> None:
    code, found = told(world.dallas, "compare")
    assert code == 5
    names = {one["name"] for one in found["differences"]}
    assert "asterisk version" in names
    assert "modules on one machine alone" in names  # chan_sip ended with 20
    assert "pair.toml" not in names
    assert "time zone" not in names


def test_a_frozen_asterisk_and_a_silent_carrier_are_named(world: World) -> None:
    world.dallas.freeze()
    world.carrier.pull_cable()
    try:
        code, found = told(world.dallas, "ready")
        assert code == 1
        assert bad(found) == {"asterisk", "acme"}  # metro is not required: it would be degraded
    finally:
        world.dallas.thaw()
        world.carrier.plug_cable()
    until(lambda: told(world.dallas, "ready")[0] == 0, "dallas is ready again")


def test_a_named_that_does_not_run_and_one_that_reads_other_files_are_named(world: World) -> None:
    world.dallas.stop_named()
    assert "named" in errors(told(world.dallas, "check")[1])
    code, found = told(world.dallas, "ready")
    assert (code, bad(found)) == (1, {"dns dallas"})
    world.dallas.start_named()
    current = world.dallas.path("/etc/hotstandby/localized/current-dns")
    kept = current.readlink()
    other = next(current.parent.glob("generations/*-dns-primary-*"))
    try:
        current.unlink()
        current.symlink_to(f"generations/{other.name}")
        code, found = told(world.dallas, "check")
        assert code == 1
        assert "named" in errors(found), found
    finally:
        current.unlink()
        current.symlink_to(kept)
    assert "named" not in errors(told(world.dallas, "check")[1])


def test_a_secret_open_to_all_a_slow_manager_and_another_pair_toml_are_named(world: World) -> None:
    secret = world.dallas.path("/etc/hotstandby/secrets/acme")
    manager = world.dallas.path("/etc/asterisk/manager.conf")
    pair = world.dallas.path("/etc/hotstandby/pair.toml")
    kept = manager.read_text(), pair.read_text()
    secret.chmod(0o644)
    manager.write_text(kept[0].replace("writetimeout = 5000", "writetimeout = 100"))
    pair.write_text(kept[1].replace("ttl_s = 30", "ttl_s = 600"))
    try:
        code, found = told(world.dallas, "check")
        assert code == 1
        assert {"secret", "pair.toml"} <= errors(found)
        assert {"ami", "ttl"} <= {one["rule"] for one in found["findings"] if one["level"] == "warning"}
    finally:
        secret.chmod(0o600)
        manager.write_text(kept[0])
        pair.write_text(kept[1])


PROOF = '\n[proof]\ntrunk = "acme"\nnumber = "5551000"\n'


def of_proof(machine: Machine) -> list[str]:
    return [one["text"] for one in told(machine, "check")[1]["findings"] if one["rule"] == "proof"]


def test_a_proof_that_cannot_work_is_named_before_a_promotion(world: World) -> None:
    pairs = [machine.path("/etc/hotstandby/pair.toml") for machine in (world.boston, world.dallas)]
    inbound = world.dallas.path("/etc/asterisk/extensions_inbound.conf")
    kept, calls = pairs[0].read_text(), inbound.read_text()
    try:
        for pair in pairs:
            pair.write_text(kept + PROOF)
        (text,) = of_proof(world.dallas)
        assert "no context of the dialplan leads to hotstandby-proof" in text
        inbound.write_text(calls.replace("_X.,1,", "_X.,1,Gosub(hotstandby-proof,s,1)\n same => n,", 1))
        world.dallas.asterisk("dialplan reload")
        assert of_proof(world.dallas) == []
        world.dallas.asterisk("module unload app_record.so")
        (text,) = of_proof(world.dallas)
        assert "has not loaded app_record" in text
    finally:
        world.dallas.asterisk("module load app_record.so")
        inbound.write_text(calls)
        world.dallas.asterisk("dialplan reload")
        for pair in pairs:
            pair.write_text(kept)
