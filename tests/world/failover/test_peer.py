"""The two machines over real ssh: what the key may do, what silence looks like, and what is told of it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from lab import World
from lab.world.machine import Machine
from tests.world.conftest import Worlds
from tests.world.failover.pairing import FENCE, SSH, become, introduced, mended, python

pytestmark = pytest.mark.world


@pytest.fixture(scope="module")
def world(worlds: Worlds) -> World:
    return introduced(worlds)


@pytest.fixture(autouse=True)
def _mended(world: World) -> Iterator[None]:
    with mended(world):
        yield


LOOK = """
from failover.peer.remote import Peer
asked = Peer(here).probe_status()
print(json.dumps({
    "answer": asked.found.answer.value, "words": asked.found.words, "seconds": asked.found.seconds,
    "status": asked.status.model_dump(mode="json") if asked.status else None, "clock": asked.clock_s,
}))
"""


def raw(machine: Machine, *command: str) -> Any:
    """ssh to the peer with the peer key, as somebody would who stole it."""
    argv = ["ssh", "-F", "none", "-i", f"{SSH}/peer_key", "-o", "IdentitiesOnly=yes", "-o", "BatchMode=yes"]
    argv += ["-o", f"UserKnownHostsFile={SSH}/known_hosts", "-o", "HostKeyAlias=dallas", "-o", "LogLevel=ERROR"]
    return machine.run([*argv, *command])


def test_each_asks_the_other_and_is_told_what_is_true(world: World) -> None:
    seen = python(world.dallas, LOOK)
    assert seen["answer"] == "yes", seen
    assert seen["status"]["machine"] == "boston"
    assert seen["status"]["is_primary"] is True
    held = {one["trunk"] for one in seen["status"]["asterisk"]["registrations"] if one["registered"]}
    assert held >= {"acme", "metro", "nova"}
    assert abs(seen["clock"]) < 30  # it is one clock, read over a connection that takes a while
    assert python(world.boston, LOOK)["status"]["role"] == "standby"


@pytest.mark.parametrize(
    "command", ["touch /run/owned", "status; touch /run/owned", "demote 1 && touch /run/owned", "", "demote"]
)
def test_the_key_runs_nothing_else_and_what_was_tried_is_logged(world: World, command: str) -> None:
    before = world.dallas.path("/var/lib/hotstandby/peer.log")
    size = before.stat().st_size if before.exists() else 0
    done = raw(world.boston, "root@192.0.2.12", *([command] if command else []))
    assert done.returncode == 3
    assert json.loads(done.stdout)["kind"] == "refused"
    assert not world.dallas.path("/run/owned").exists()
    assert "refused 192.0.2.11" in before.read_text()[size:]


def test_the_key_opens_no_terminal_no_forwarding_and_no_files(world: World) -> None:
    forwarded = raw(world.boston, "-W", "127.0.0.1:5038", "root@192.0.2.12")
    assert "Asterisk Call Manager" not in forwarded.stdout
    assert forwarded.returncode != 0
    terminal = raw(world.boston, "-tt", "root@192.0.2.12", "status")
    assert "PTY allocation request failed" in terminal.stderr or json.loads(terminal.stdout.splitlines()[-1])
    files = raw(world.boston, "-s", "root@192.0.2.12", "sftp")
    assert json.loads(files.stdout)["kind"] == "refused"


def test_a_host_key_that_is_not_pinned_is_not_spoken_to(world: World) -> None:
    file = world.dallas.path(f"{SSH}/known_hosts")
    kept = file.read_text()
    try:
        own = world.dallas.path("/etc/ssh/lab_host_key.pub").read_text()
        file.write_text(f"boston {own}")
        seen = python(world.dallas, LOOK)
        assert seen["status"] is None
        assert seen["answer"] == "odd"
        assert "host key" in seen["words"]
    finally:
        file.write_text(kept)


def test_a_closed_port_a_hung_server_and_a_cut_wire_are_told_apart(world: World) -> None:
    world.boston.stop_sshd()
    seen = python(world.dallas, LOOK)
    assert (seen["answer"], seen["status"]) == ("refused", None), seen
    world.boston.start_sshd()

    world.cut("boston", "dallas")
    seen = python(world.dallas, LOOK)
    assert seen["answer"] == "silent", seen
    assert seen["seconds"] < 60  # TCP itself gives up after two minutes
    world.heal()
    assert python(world.dallas, LOOK)["answer"] == "yes"


def test_the_evidence_is_there_in_five_seconds_and_a_refusal_shows_it(world: World) -> None:
    world.cut("boston", "dallas")
    code = """
from failover.probes.evidence import gather_evidence
import time
begun = time.monotonic()
found = gather_evidence(here)
print(json.dumps({"seconds": time.monotonic() - begun, "live": found.peer_may_live,
    "answers": {f"{one.probe} {one.subject}": one.answer.value for one in found.found},
    "words": [one.words for one in found.found]}))
"""
    seen = python(world.dallas, code)
    assert seen["seconds"] < 60  # TCP itself gives up after two minutes
    assert seen["live"] is False, seen
    assert seen["answers"]["ping boston"] == "silent"
    assert seen["answers"]["dns ns3"] == "yes"
    assert seen["answers"]["asterisk dallas"] == "yes"
    refused, words = python(world.dallas, FENCE.format(word=""))
    assert refused is False
    assert words.startswith("REFUSED: ")
    assert "It may hold acme" in words
    world.heal()
    seen = python(world.dallas, code)
    assert seen["live"] is True
    assert seen["answers"]["ping boston"] == "yes", seen
    assert seen["answers"]["sip boston"] == "yes"
    assert seen["answers"]["ssh boston"] == "yes"
    assert seen["answers"]["clock boston"] == "yes"


def test_status_tells_both_machines_and_what_to_do(world: World) -> None:
    become(world.boston, "standby")
    become(world.dallas, "primary")
    done = world.dallas.run(["failover", "status", "--json"])
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert told["primary"] == ["dallas"]
    shown = world.dallas.run(["failover", "status"]).stdout
    assert "dallas  PRIMARY" in shown, shown
    assert max(map(len, shown.splitlines()[:-1])) <= 100
    assert shown.splitlines()[-1].startswith("next ")


SECRETS = """
from dataclasses import asdict
from failover.peer.remote import Peer
print(json.dumps(asdict(Peer(here).secrets())))
"""


def test_a_password_that_was_changed_on_one_machine_alone_is_named_over_ssh(world: World) -> None:
    found = python(world.dallas, SECRETS)
    assert (found["differ"], found["unread"], found["unknown"]) == ([], [], "")
    assert "trunks.acme.secret_file" in found["same"]
    secret = world.dallas.path("/etc/hotstandby/secrets/acme")
    kept = secret.read_text()
    try:
        secret.write_text("another one")
        assert python(world.dallas, SECRETS)["differ"] == ["trunks.acme.secret_file"]
        assert python(world.boston, SECRETS)["differ"] == ["trunks.acme.secret_file"]
    finally:
        secret.write_text(kept)
    log = world.boston.path("/var/lib/hotstandby/peer.log").read_text()
    assert "192.0.2.12 compares secrets" in log
    assert "another one" not in log


def test_the_key_cannot_move_the_count_of_promotions_to_where_it_ends(world: World) -> None:
    """One such request, believed, stood in the journals of both machines for good."""
    before = python(world.boston, LOOK)["status"]
    for epoch in (999_999_999_999, 999_999_999, before["epoch"] + 1_001):
        done = raw(world.boston, "root@192.0.2.12", f"demote {epoch}")
        assert done.returncode == 3, done.stdout
        assert f"for promotion {epoch}" in json.loads(done.stdout)["body"]["reason"]
    assert python(world.boston, LOOK)["status"]["epoch"] == before["epoch"]
