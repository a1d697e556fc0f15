"""The pair of a world as its admin sets it up, for the tests of failover: ssh with one forced command, and roles."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from lab import World
from lab.until import HANG_S, until
from lab.world.machine import Machine
from lab.world.ssh import KEYS as SSH
from lab.world.ssh import let_failover_ask
from tests.world.conftest import Worlds

__all__ = ["FENCE", "SSH", "become", "introduce", "introduced", "mended", "python"]


def introduce(world: World) -> None:
    """Sets ssh up as docs/start/peer-ssh.md says: a key of its own on each, pinned host keys, one forced command."""
    for machine in (world.boston, world.dallas):
        let_failover_ask(machine, world.peer_of(machine))


def introduced(worlds: Worlds) -> World:
    """A world of two machines that know each other, boston the primary."""
    made = worlds("16", "22", sshd=True, named=True)
    introduce(made)
    for machine, role in ((made.boston, "primary"), (made.dallas, "standby")):
        become(machine, role)
    return made


def become(machine: Machine, role: str) -> None:
    argv = ["render-localized", "--role", role, "--activate"]
    if role == "primary":
        argv += ["--peer-is-down", "a test says so"]
    # A trunk that does not come is waited for: register_deadline_s, 30 s.
    done = machine.run(argv)
    assert done.returncode in (0, 5), done.stdout + done.stderr


def python(machine: Machine, code: str) -> Any:
    """What `code` prints as JSON, run on a machine."""
    program = f"import json\nfrom failover.context import read_context\nhere = read_context()\n{code}"
    done = machine.run(["python3", "-c", program])
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


def fenced(machine: Machine) -> tuple[bool, str]:
    """Whether the peer is proven to serve nothing, without anybody's word, and why.

    Asked again where a machine that is busy with everything else let the question hang.
    """

    def said() -> tuple[bool, str] | None:
        proven, words = python(machine, FENCE.format(word=""))
        return None if "ssh hung" in words else (proven, words)

    return until(said, "an answer of the peer", deadline_s=5 * HANG_S)


@contextmanager
def mended(world: World) -> Iterator[None]:
    """Whatever a test did to wires, power and ssh is whole again afterwards."""
    yield
    world.heal()
    for machine in (world.boston, world.dallas):
        machine.power_on()
        machine.start_sshd()
