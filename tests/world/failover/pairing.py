"""The pair of a world as its admin sets it up, for the tests of failover: ssh with one forced command, and roles."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from lab import World
from lab.computer.disk import HOME
from lab.world.machine import Machine

SSH = "/etc/hotstandby/localized/ssh"


def introduce(world: World) -> None:
    """Sets ssh up as docs/start/peer-ssh.md says: a key of its own on each, pinned host keys, one forced command."""
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
    # A trunk that does not come is waited for: register_deadline_s, 30 s.
    done = machine.run(argv, deadline_s=60)
    assert done.returncode in (0, 5), done.stdout + done.stderr


def python(machine: Machine, code: str) -> Any:
    """What `code` prints as JSON, run on a machine."""
    program = f"import json\nfrom failover.context import read_context\nhere = read_context()\n{code}"
    done = machine.run(["python3", "-c", program], deadline_s=60)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


FENCE = """
from failover.steps.fence.step import FenceStep
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
"""Run by `python`: the fence step from check to verify; prints whether it is proven, and the words."""


@contextmanager
def mended(world: World) -> Iterator[None]:
    """Whatever a test did to wires, power and ssh is whole again afterwards."""
    yield
    world.heal()
    for machine in (world.boston, world.dallas):
        machine.power_on()
        machine.start_sshd()
