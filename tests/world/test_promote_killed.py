"""kill -9 at a journal line of a promotion whose peer is dead; the same command completes it."""

from __future__ import annotations

import pytest

from lab import World
from tests.world.conftest import Worlds
from tests.world.test_peer import become, introduce
from tests.world.test_promote import DELEGATION, address, failover, runs

pytestmark = pytest.mark.world


@pytest.fixture(scope="module")
def world(worlds: Worlds) -> World:
    made = worlds("22", "16", sshd=True, named=True, expiry_s=20, extra=DELEGATION)
    introduce(made)
    become(made.dallas, "standby")
    become(made.boston, "primary")
    made.boston.power_off()
    return made


KILLED = """
import os, signal, sys
from failover import journal
from failover.command import main
left = {line}
real = journal.Journal.append
def mortal(self, *given, **more):
    global left
    left -= 1
    if left == 0 and {before}:
        os.kill(os.getpid(), signal.SIGKILL)
    found = real(self, *given, **more)
    if left == 0:
        os.kill(os.getpid(), signal.SIGKILL)
    return found
journal.Journal.append = mortal
sys.argv = ["failover", "promote", "--peer-is-down", "still dead"]
main()
"""


@pytest.mark.parametrize(("line", "before"), [(1, True), (4, False), (5, True), (6, False), (7, True), (8, False)])
def test_killed_at_a_line_the_same_command_completes_it(world: World, line: int, before: bool) -> None:
    assert failover(world.dallas, "demote").returncode == 0
    killed = world.dallas.run(["python3", "-c", KILLED.format(line=line, before=before)], deadline_s=60)
    assert killed.returncode in (-9, 137), killed.stdout + killed.stderr
    done = failover(world.dallas, "promote", "--peer-is-down", "still dead")
    assert done.returncode == 5, done.stdout + done.stderr
    assert address(world.dallas, "192.0.2.12") == "192.0.2.12"
    world.carrier.await_holder("acme", ["dallas"])
    last = runs(world.dallas)[-1]
    assert last["open"] is False
    assert last["steps"] == {
        "fence": "verified",
        "localize": last["steps"]["localize"],
        "dns": "verified",
        "carrier-acme": "open",
    }
