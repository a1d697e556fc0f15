"""The two machines over real ssh: what the key may do, what silence looks like, demotion, and a return."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from typing import Any

import pytest

from lab import World
from lab.disk import HOME
from lab.machine import Machine
from tests.world.conftest import Worlds

pytestmark = pytest.mark.world

SSH = "/etc/hotstandby/localized/ssh"


@pytest.fixture(scope="module")
def world(worlds: Worlds) -> World:
    made = worlds("16", "22", sshd=True, named=True)
    introduce(made)
    for machine, role in ((made.boston, "primary"), (made.dallas, "standby")):
        become(machine, role)
    return made


def introduce(world: World) -> None:
    """Sets ssh up as docs/peer-ssh.md says: a key of its own on each, pinned host keys, one forced command."""
    for machine in (world.boston, world.dallas):
        machine.path(SSH).mkdir(mode=0o700)
        made = machine.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", f"{SSH}/peer_key"])
        assert made.returncode == 0, made.stderr
    for machine in (world.boston, world.dallas):
        peer = world.peer_of(machine)
        host_key = peer.path("/etc/ssh/lab_host_key.pub").read_text()
        machine.write(f"{SSH}/known_hosts", f"{peer.name} {host_key}", mode=0o600)
        allowed = peer.path(f"{HOME}/.ssh/authorized_keys")
        public = machine.path(f"{SSH}/peer_key.pub").read_text()
        allowed.write_text(allowed.read_text() + f'restrict,command="failover peer" {public}')


def become(machine: Machine, role: str) -> None:
    argv = ["render-localized", "--role", role, "--activate"]
    if role == "primary":
        argv += ["--peer-is-down", "a test says so"]
    done = machine.run(argv)
    assert done.returncode in (0, 5), done.stdout + done.stderr


@pytest.fixture(autouse=True)
def _as_it_was(world: World) -> Iterator[None]:
    yield
    world.heal()
    for machine in (world.boston, world.dallas):
        machine.power_on()
        machine.start_sshd()


def python(machine: Machine, code: str) -> Any:
    """What `code` prints as JSON, run on a machine."""
    program = f"import json\nfrom failover.here import look\nhere = look()\n{code}"
    done = machine.run(["python3", "-c", program], deadline_s=60)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


LOOK = """
from failover.peer import Peer
asked = Peer(here).look()
print(json.dumps({
    "answer": asked.found.answer.value, "words": asked.found.words, "seconds": asked.found.seconds,
    "status": asked.status.model_dump(mode="json") if asked.status else None, "clock": asked.clock_s,
}))
"""

FENCE = """
from failover.fence import FenceStep
from failover.errors import Refused
step = FenceStep(here, 9, word={word!r})
try:
    if not step.check():
        step.apply()
    said = [True, step.verify()]
except Refused as error:
    said = [False, str(error)]
print(json.dumps(said))
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
    assert abs(seen["clock"]) < 2
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
    assert seen["seconds"] < 5
    world.heal()
    assert python(world.dallas, LOOK)["answer"] == "yes"


def test_the_evidence_is_there_in_five_seconds_and_a_refusal_shows_it(world: World) -> None:
    world.cut("boston", "dallas")
    code = """
from failover.evidence import gather
import time
begun = time.monotonic()
found = gather(here)
print(json.dumps({"seconds": time.monotonic() - begun, "live": found.peer_may_live,
    "answers": {f"{one.probe} {one.subject}": one.answer.value for one in found.found},
    "words": [one.words for one in found.found]}))
"""
    seen = python(world.dallas, code)
    assert seen["seconds"] < 6
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


def test_the_fence_has_the_peer_demote_itself_and_sees_that_it_did(world: World) -> None:
    proven, words = python(world.dallas, FENCE.format(word=""))
    assert proven, words
    assert "boston is standby" in words
    assert world.boston.run(["failover", "is-primary"]).returncode == 1
    registered = [line for line in world.boston.asterisk("sip show registry").splitlines() if "5551000" in line]
    assert registered == []
    assert not world.boston.path("/run/hotstandby/fenced").exists()
    # Whoever asks for an earlier promotion than the one that holds the right is told so, and obeyed by nobody.
    become(world.boston, "primary")
    python(world.boston, 'from failover import right\nright.grant(here.places, "boston", 12, "a test")\nprint(1)')
    proven, words = python(world.dallas, FENCE.format(word="it is surely down"))
    assert not proven
    assert "earlier epoch 9" in words
    assert world.boston.run(["failover", "is-primary"]).returncode == 0
    python(world.boston, "from failover import right\nright.revoke(here.places)\nprint(1)")


def test_a_frozen_asterisk_is_killed_and_nothing_of_it_registers(world: World) -> None:
    become(world.boston, "primary")
    world.boston.freeze()
    begun = time.time()
    proven, words = python(world.dallas, FENCE.format(word=""))
    assert proven, words
    assert world.boston.processes("asterisk") == []
    assert time.time() - begun < 20
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
        proven, words = python(world.dallas, FENCE.format(word=""))
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
    done = machine.run(["failover", "boot-guard"], deadline_s=60)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


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
    become(world.dallas, "primary")
    update = (
        "server 192.0.2.11\nzone acme.example\nupdate delete _failover.acme.example TXT\nupdate add "
        '_failover.acme.example 30 TXT "hotstandby=1 machine=dallas epoch=4"\nsend\n'
    )
    world.boston.start_named()
    done = world.boston.run(["nsupdate", "-k", "/etc/hotstandby/secrets/tsig.key"], input=update.encode())
    assert done.returncode == 0, done.stderr
    until = time.monotonic() + 15
    ask = ["dig", "+short", "@192.0.2.13", "_failover.acme.example", "TXT"]
    while "epoch=4" not in world.dallas.run(ask).stdout:
        assert time.monotonic() < until
        time.sleep(0.1)
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


def test_status_tells_both_machines_and_what_to_do(world: World) -> None:
    done = world.dallas.run(["failover", "status", "--json"])
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert told["primary"] == ["dallas"]
    shown = world.dallas.run(["failover", "status"]).stdout
    assert "dallas  PRIMARY" in shown, shown
    assert max(map(len, shown.splitlines()[:-1])) <= 100
    assert shown.splitlines()[-1].startswith("next ")
